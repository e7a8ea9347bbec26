"""Real clients over loopback TCP, against the trivial server: what they can negotiate, log in with and carry."""

import asyncio
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from typing import Any

import asyncssh
import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.conch.ssh.keys import Key
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import TestCase

from conchgo.edge.stream import Stream
from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.ciphers import needs_mac
from conchgo.ssh.compression import DELAYED_ZLIB, NONE
from conchgo.ssh.factory import ServerFactory
from conchgo.ssh.settings import SSHSettings
from conchgo.ssh.transport import ServerTransport
from tests.programs import require_program
from tests.ssh_server import HOST_KEY, Gate, Recorder, make_factory

HOST_RSA = Key(rsa.generate_private_key(65537, 2048))
USER_KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ecdsa": ec.generate_private_key(ec.SECP384R1()),
}
SETTINGS = SSHSettings(failure_delay=0.1)
#: New keys every few packets.
REKEYING = replace(SETTINGS, rekey_bytes=100_000)
#: Not a whole number of packets or windows.
DATA = os.urandom(1000) * 5_000 + b"end"
LESS = DATA[-1_200_003:]
#: Compresses well, but not to nothing.
TEXT = b"".join(hashlib.sha256(b"%d" % line).hexdigest().encode() + b"\n" for line in range(20_000))

ALGORITHMS = ALGORITHM_SETS["compatible"]
KEX = [name.decode() for name in ALGORITHMS.key_exchanges]
MACS = [name.decode() for name in ALGORITHMS.macs]
#: Every cipher with every MAC, where it needs one.
CIPHERS_AND_MACS = [(name.decode(), mac) for name in ALGORITHMS.ciphers for mac in (MACS if needs_mac(name) else [""])]
HOST_KEY_ALGORITHMS = ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")

#: Key exchange, cipher, MAC (empty where none is needed) and the host key's algorithm.
Row = tuple[str, str, str, str]


def some_rows(key_exchanges: list[str]) -> list[Row]:
    """Every cipher with each of its MACs; key exchanges and host keys by turns."""
    turns = zip(CIPHERS_AND_MACS, itertools.cycle(key_exchanges), itertools.cycle(HOST_KEY_ALGORITHMS), strict=False)
    return [(kex, cipher, mac, host_key) for (cipher, mac), kex, host_key in turns]


def all_rows(key_exchanges: list[str]) -> list[Row]:
    """The same with each key exchange."""
    return [row for kex in key_exchanges for row in some_rows([kex])]


class Taker(Recorder):
    """Says at the end what it got, by its hash."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.stream.consumed(len(data))

    def input_ended(self) -> None:
        self.stream.write(hashlib.sha256(self.input).hexdigest().encode())
        self.stream.exit(0)


class Giver(Recorder):
    """Gives LESS as fast as it is taken."""

    def started(self, stream: Stream) -> None:
        super().started(stream)
        self._left = memoryview(LESS)
        self.drained()

    def drained(self) -> None:
        while self._left and not self.stream.congested:
            self.stream.write(self._left[:50_000])
            self._left = self._left[50_000:]
        if not self._left:
            self.stream.exit(0)


class Server(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.gate = Gate(*(Key(key) for key in USER_KEYS.values()))
        self.factory = make_factory(reactor, self.gate, host_keys=(HOST_KEY, HOST_RSA), settings=SETTINGS)
        #: How many key exchanges each connection had that ended.
        self.exchanges: list[int] = []
        port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(self._end)
        self.port = port.getHost().port
        self.patch(self.factory, "connection_ended", self._connection_ended)
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def _connection_ended(self, transport: ServerTransport) -> None:
        self.exchanges.append(transport._key_exchanges)
        ServerFactory.connection_ended(self.factory, transport)

    def _end(self) -> Any:
        done = self.factory.drain()
        self.factory.disconnect_all()
        return done

    def seen(self, result: Any) -> Any:
        """The result, once the server has seen the connections end: it may lag behind the client."""
        return deferLater(reactor, 0, self.seen, result) if self.factory.transports else result

    def allow_compression(self) -> None:
        """And new keys every few packets, with which its streams begin anew."""
        self.factory.settings = REKEYING
        self.factory.algorithms = replace(self.factory.algorithms, compressions=(NONE, DELAYED_ZLIB))

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
        done = getProcessOutputAndValue(program, [*arguments, *command], env=os.environ, stdinBytes=data)
        return done.addCallback(self.seen)

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
    def negotiates(self, rows: list[Row]) -> Any:
        """Each row moves data both ways while both sides change keys."""
        self.factory.settings = REKEYING
        for kex, cipher, mac, host_key in rows:
            options = {"KexAlgorithms": kex, "Ciphers": cipher, "HostKeyAlgorithms": host_key, "RekeyLimit": "150K"}
            # Where the cipher needs no MAC, none is in common.
            options["MACs"] = mac or "umac-64@openssh.com"
            output, error, status = yield self.ssh("-v", "alice@127.0.0.1", "echo", data=LESS, **options)
            row = f"{kex} {cipher} {mac}: {error.decode()}"
            assert (output == LESS, status) == (True, 0), row
            assert f"kex: algorithm: {kex}" in row
            assert f"kex: host key algorithm: {host_key}" in row
            for way in ("server->client", "client->server"):
                assert f"{way} cipher: {cipher} MAC: {mac or '<implicit>'}" in row
            assert self.exchanges[-1] > 3, row

    @inlineCallbacks
    def available(self) -> Any:
        """The key exchanges that this ssh has too."""
        known, _, _ = yield getProcessOutputAndValue(require_program("ssh"), ["-Q", "kex"], env=os.environ)
        return [name for name in KEX if name in known.decode().split()]

    @inlineCallbacks
    def test_every_cipher_mac_key_exchange_and_host_key(self) -> Any:
        kex = yield self.available()
        yield self.negotiates(some_rows(kex))

    @pytest.mark.full
    @inlineCallbacks
    def test_all_combinations(self) -> Any:
        kex = yield self.available()
        yield self.negotiates(all_rows(kex))

    test_all_combinations.timeout = 600

    @inlineCallbacks
    def test_uploads_and_downloads_while_the_server_changes_keys(self) -> Any:
        self.factory.settings = REKEYING
        for cipher, mac in CIPHERS_AND_MACS:
            options = {"Ciphers": cipher, "MACs": mac or "umac-64@openssh.com"}
            self.gate.avatar.make = Taker
            output, _, status = yield self.ssh("alice@127.0.0.1", "upload", data=LESS, **options)
            assert (output, status) == (hashlib.sha256(LESS).hexdigest().encode(), 0), cipher
            self.gate.avatar.make = Giver
            output, _, status = yield self.ssh("alice@127.0.0.1", "download", **options)
            assert (output == LESS, status) == (True, 0), cipher
            # How much is on its way when new keys are asked for is the system's matter.
            assert min(self.exchanges[-2:]) > 1, cipher

    @inlineCallbacks
    def test_compressed_both_ways_while_both_sides_change_keys(self) -> Any:
        self.allow_compression()
        for data in (LESS, TEXT):
            options = {"Compression": "yes", "RekeyLimit": "150K"}
            output, error, status = yield self.ssh("-v", "alice@127.0.0.1", "echo", data=data, **options)
            assert (output == data, status) == (True, 0), error.decode()
            assert b"compression: none" not in error
            assert error.count(b"compression: zlib@openssh.com") >= 2 * self.exchanges[-1]
            assert self.exchanges[-1] > 2

    @inlineCallbacks
    def test_no_compression_where_the_client_does_not_want_it_or_the_server_does_not(self) -> Any:
        for compression in ("yes", "no"):
            _, error, status = yield self.ssh("-v", "alice@127.0.0.1", "echo", data=TEXT, Compression=compression)
            assert (status, b"compression: none" in error) == (0, True)
            assert b"compression: zlib" not in error
            self.allow_compression()

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
@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")
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
    def negotiates(self, rows: list[Row]) -> Any:
        """Each row moves data both ways while both sides change keys."""

        async def echo(connection: asyncssh.SSHClientConnection) -> tuple[bytes, list[str]]:
            names = [connection.get_extra_info(name) for name in ("send_cipher", "recv_cipher", "send_mac", "recv_mac")]
            return (await connection.run("echo", input=LESS, encoding=None)).stdout, names

        self.factory.settings = REKEYING
        for kex, cipher, mac, host_key in rows:
            output, names = yield self.asyncssh(
                echo,
                kex_algs=[kex],
                encryption_algs=[cipher],
                # Where the cipher needs no MAC, none is in common.
                mac_algs=[mac or "umac-64@openssh.com"],
                server_host_key_algs=[host_key],
                rekey_bytes=150_000,
            )
            assert output == LESS, (kex, cipher, mac)
            assert names == [cipher, cipher, mac or cipher, mac or cipher]
            yield self.seen(None)
            assert self.exchanges[-1] > 3, (kex, cipher, mac)

    @inlineCallbacks
    def test_asyncssh_with_every_cipher_mac_key_exchange_and_host_key(self) -> Any:
        yield self.negotiates(some_rows(KEX))

    @pytest.mark.full
    @inlineCallbacks
    def test_asyncssh_with_all_combinations(self) -> Any:
        yield self.negotiates(all_rows(KEX))

    test_asyncssh_with_all_combinations.timeout = 600

    @inlineCallbacks
    def test_asyncssh_rekeys_often(self) -> Any:
        async def echo(connection: asyncssh.SSHClientConnection) -> bytes:
            return (await connection.run("echo", input=DATA, encoding=None)).stdout

        output = yield self.asyncssh(echo, rekey_bytes=300_000)
        assert output == DATA

    @inlineCallbacks
    def test_asyncssh_compresses_both_ways_while_both_sides_change_keys(self) -> Any:
        async def echo(connection: asyncssh.SSHClientConnection) -> tuple[bytes, bytes, set[str]]:
            names = {connection.get_extra_info(name) for name in ("send_compression", "recv_compression")}
            outputs = [(await connection.run("echo", input=data, encoding=None)).stdout for data in (LESS, TEXT)]
            return *outputs, names

        self.allow_compression()
        options = {"compression_algs": ["zlib@openssh.com"], "rekey_bytes": 150_000}
        less, text, names = yield self.asyncssh(echo, **options)
        assert (less == LESS, text == TEXT, names) == (True, True, {"zlib@openssh.com"})
        yield self.seen(None)
        assert self.exchanges[-1] > 5

    @inlineCallbacks
    def test_paramiko_compresses_both_ways_while_the_server_changes_keys(self) -> Any:
        def send(stdin: paramiko.ChannelStdinFile, data: bytes) -> None:
            stdin.write(data)
            stdin.channel.shutdown_write()

        def echo() -> tuple[list[bytes], str]:
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(paramiko.WarningPolicy())
            login = {"password": "secret", "allow_agent": False, "look_for_keys": False}
            outputs = []
            with client:
                client.connect("127.0.0.1", self.port, "alice", compress=True, **login)
                for data in (LESS, TEXT):
                    stdin, stdout, _ = client.exec_command("echo")
                    Thread(target=send, args=(stdin, data), daemon=True).start()
                    outputs.append(stdout.read())
                return outputs, client.get_transport().remote_compression

        self.allow_compression()
        outputs, compression = yield self.in_thread(echo)
        assert [output == data for output, data in zip(outputs, (LESS, TEXT), strict=True)] == [True, True]
        assert compression == "zlib@openssh.com"
        yield self.seen(None)
        assert self.exchanges[-1] > 3

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
