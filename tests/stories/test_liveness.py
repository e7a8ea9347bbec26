"""Clients that do nothing, or hang: the server notices, with OpenSSH's own client."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.commands import address, ssh_options
from tests.interop.service import Servers, Service, eventually
from tests.programs import require_program


@contextmanager
def doing_nothing(service: Service, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """ssh without a channel, once it is logged in, and what it says."""
    said = directory / "said"
    arguments = [require_program("ssh"), "-v", "-oLogLevel=DEBUG1", *ssh_options(service), "-N", address(service)[:-1]]
    with said.open("wb") as output, subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stderr=output) as client:
        try:
            service.audit("login", 1)
            yield client, said
        finally:
            client.kill()


def log(service: Service) -> str:
    return (service.state / "log").read_text()


def test_openssh_answers_keepalives_and_stays(servers: Servers, tmp_path: Path) -> None:
    service = servers.start(ssh={"client_alive_interval": 1, "client_alive_count_max": 1})
    with doing_nothing(service, tmp_path) as (client, said):
        asked = "rtype keepalive@openssh.com want_reply 1"
        eventually(lambda: said.read_text().count(asked) > 2, "three keepalives")
        assert client.poll() is None
    assert "does not answer" not in log(service)


def test_a_client_that_hangs_is_dropped(servers: Servers, tmp_path: Path) -> None:
    service = servers.start(ssh={"client_alive_interval": 1, "client_alive_count_max": 1})
    with doing_nothing(service, tmp_path) as (client, _):
        client.send_signal(signal.SIGSTOP)
        service.audit("logout", 1)
    assert "the client does not answer: nothing came for 2 s" in log(service)


def test_a_connection_on_which_nothing_happens_ends(servers: Servers, tmp_path: Path) -> None:
    service = servers.start(ssh={"idle_timeout": 1, "client_alive_interval": 1})
    with doing_nothing(service, tmp_path) as (client, said):
        assert client.wait(10) == 255
        service.audit("logout", 1)
        assert "idle for 1 s" in said.read_text()
    assert "idle for 1 s" in log(service)
