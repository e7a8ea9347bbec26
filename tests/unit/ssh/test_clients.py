"""Real clients over loopback TCP, against the trivial server: what they can negotiate, log in with and carry."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import asyncssh
import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.settings import SSHSettings
from tests.programs import require_program
from tests.ssh_server import HOST_KEY, Gate, make_factory

HOST_RSA = Key(rsa.generate_private_key(65537, 2048))
USER_KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ecdsa": ec.generate_private_key(ec.SECP384R1()),
}
SETTINGS = SSHSettings(failure_delay=0.1)
#: Not a whole number of packets or windows.
DATA = os.urandom(1000) * 5_000 + b"end"


class Server(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.gate = Gate(*(Key(key) for key in USER_KEYS.values()))
        self.factory = make_factory(reactor, self.gate, host_keys=(HOST_KEY, HOST_RSA), settings=SETTINGS)
        port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self._end)
        self.port = port.getHost().port
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def _end(self) -> Any:
        done = self.factory.drain()
        self.factory.disconnect_all()
        return done

    def file(self, name: str, content: bytes) -> str:
        path = os.path.join(self.directory, name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
        return path


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
class OpenSSH(Server):
    def ssh(self, *command: str, key: str = "ed25519", data: bytes = b"", **options: str) -> Any:
        """Run ssh; the Deferred gives output, error output and exit status."""
        text = USER_KEYS[key].private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": os.devnull,
            "IdentityFile": self.file(f"id_{key}", text),
            "IdentityAgent": "none",
            "IdentitiesOnly": "yes",
        } | options
        arguments = ["-F", "none", "-p", str(self.port)]
        for name, value in options.items():
            arguments += ["-o", f"{name}={value}"]
        program = require_program("ssh")
        return getProcessOutputAndValue(program, [*arguments, *command], env=os.environ, stdinBytes=data)

    @inlineCallbacks
    def test_every_user_key_logs_in(self) -> Any:
        for key in USER_KEYS:
            output, _, status = yield self.ssh("alice@127.0.0.1", "echo", key=key, data=b"hello")
            assert (output, status) == (b"hello", 0), key

    @inlineCallbacks
    def test_what_is_echoed_comes_back_whole_while_keys_change(self) -> Any:
        options = {"RekeyLimit": "1M"}
        output, _, status = yield self.ssh("alice@127.0.0.1", "echo", data=DATA, **options)
        assert (output == DATA, status) == (True, 0)

    @inlineCallbacks
    def test_key_exchanges(self) -> Any:
        known, _, _ = yield getProcessOutputAndValue(require_program("ssh"), ["-Q", "kex"], env=os.environ)
        names = [name for name in ALGORITHM_SETS["compatible"].key_exchanges if name in known.split()]
        assert b"curve25519-sha256" in names
        for name in names:
            output, error, _ = yield self.ssh(
                "-v", "alice@127.0.0.1", "echo", data=b"hello", KexAlgorithms=name.decode()
            )
            assert output == b"hello", error
            assert b"kex: algorithm: " + name in error

    @inlineCallbacks
    def test_ciphers_macs_and_host_keys(self) -> Any:
        rows = zip(
            ("aes128-ctr", "aes192-ctr", "aes256-ctr"),
            ("hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256"),
            ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"),
            strict=True,
        )
        for cipher, mac, host_key in rows:
            options = {"Ciphers": cipher, "MACs": mac, "HostKeyAlgorithms": host_key}
            output, error, _ = yield self.ssh("-v", "alice@127.0.0.1", "echo", data=b"hello", **options)
            assert output == b"hello", error
            assert f"cipher: {cipher} MAC: {mac}".encode() in error
            assert f"kex: host key algorithm: {host_key}".encode() in error

    @inlineCallbacks
    def test_a_shell_and_a_subsystem_end_with_their_status(self) -> Any:
        output, error, status = yield self.ssh("-tt", "alice@127.0.0.1")
        assert b"this is a file server" in output + error
        assert status == 3
        output, _, status = yield self.ssh("-s", "alice@127.0.0.1", "echo", data=b"hello")
        assert (output, status) == (b"hello", 0)

    @inlineCallbacks
    def test_a_refused_user(self) -> Any:
        output, error, status = yield self.ssh("bob@127.0.0.1", "echo", data=b"hello")
        assert (output, status) == (b"", 255)
        assert b"Permission denied (publickey,password)." in error

    @inlineCallbacks
    def test_keepalives_are_answered(self) -> Any:
        options = {"ServerAliveInterval": "1", "ServerAliveCountMax": "1", "SendEnv": "LANG"}
        output, _, status = yield self.ssh("alice@127.0.0.1", "echo", data=b"hello", **options)
        assert (output, status) == (b"hello", 0)


@pytest.mark.filterwarnings("ignore:Unknown ssh-ed25519 host key")
class Libraries(Server):
    def in_thread(self, work: Callable[[], Any]) -> Any:
        return deferToThread(work)

    def asyncssh(self, work: Callable[[asyncssh.SSHClientConnection], Any], **options: Any) -> Any:
        async def run() -> Any:
            login = {
                "username": "alice",
                "password": "secret",
                "known_hosts": None,
                "client_keys": None,
                "config": None,
            }
            async with asyncssh.connect("127.0.0.1", self.port, **(login | options)) as connection:
                return await work(connection)

        return self.in_thread(lambda: asyncio.run(run()))

    @inlineCallbacks
    def test_asyncssh_with_a_password_and_several_channels(self) -> Any:
        async def echo_thrice(connection: asyncssh.SSHClientConnection) -> list[bytes]:
            runs = [connection.run("echo", input=DATA + bytes([i]), encoding=None) for i in range(3)]
            return [result.stdout for result in await asyncio.gather(*runs)]

        results = yield self.asyncssh(echo_thrice)
        assert [result == DATA + bytes([i]) for i, result in enumerate(results)] == [True] * 3

    @inlineCallbacks
    def test_asyncssh_with_the_post_quantum_key_exchange(self) -> Any:
        async def kex(connection: asyncssh.SSHClientConnection) -> Any:
            return (await connection.run("echo", input="hello")).stdout

        try:
            output = yield self.asyncssh(kex, kex_algs=["mlkem768x25519-sha256"])
        except ValueError:
            pytest.skip("this asyncssh has no mlkem768x25519-sha256")
        assert output == "hello"

    @inlineCallbacks
    def test_asyncssh_rekeys_often(self) -> Any:
        async def echo(connection: asyncssh.SSHClientConnection) -> bytes:
            return (await connection.run("echo", input=DATA, encoding=None)).stdout

        output = yield self.asyncssh(echo, rekey_bytes=300_000)
        assert output == DATA

    @inlineCallbacks
    def test_paramiko_with_a_password_and_with_keys(self) -> Any:
        def echo(**login: Any) -> bytes:
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(paramiko.WarningPolicy())
            with client:
                client.connect("127.0.0.1", self.port, "alice", allow_agent=False, look_for_keys=False, **login)
                stdin, stdout, _ = client.exec_command("echo")
                stdin.write(b"hello")
                stdin.channel.shutdown_write()
                return stdout.read()

        def with_key(name: str) -> bytes:
            text = USER_KEYS[name].private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            return echo(key_filename=self.file(f"id_{name}", text))

        output = yield self.in_thread(lambda: echo(password="secret"))
        assert output == b"hello"
        for name in USER_KEYS:
            output = yield self.in_thread(lambda name=name: with_key(name))
            assert output == b"hello", name
