"""Real servers on free ports of the loopback interface."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks import processes
from tests.benchmarks.configurations import CONFIGURATIONS, Site
from tests.benchmarks.offers import Offer, offer
from tests.benchmarks.places import Place
from tests.checkout import free_port

#: Seconds for an orderly end.
_GRACE: Final = 3


@dataclass(frozen=True)
class Server:
    """A server that runs, and how to log in to it."""

    name: str
    place: Place
    pid: int
    port: int
    username: str
    key: Path
    offer: Offer

    def behind(self, port: int) -> Server:
        """The same, for clients that reach it through a relay."""
        return dataclasses.replace(self, port=port)

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.pid)

    def memory(self) -> int:
        """Bytes."""
        return processes.memory(self.pid)


class Workshop:
    """Starts servers; their configuration, state and logs lie in directories of their own below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0
        self._host_key, self._user_key = directory / "host_key", directory / "user_key"
        for key in (self._host_key, self._user_key):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)

    @contextmanager
    def running(self, name: str, place: Place) -> Iterator[Server]:
        """A server that listens; it ends with the context.

        Raises:
            Missing: it is not installed.
            RuntimeError: it does not start.
        """
        self._count += 1
        state = self._directory / f"{name}-{self._count}"
        state.mkdir()
        site = Site(free_port(), place.home, state, self._host_key, self._user_key)
        launch = CONFIGURATIONS[name](site)
        log = state / "output"
        with log.open("wb") as output:
            process = subprocess.Popen(
                launch.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=place.home,
                env=launch.environment,
            )
        try:
            yield Server(
                name, place, process.pid, site.port, launch.username, self._user_key, self._offer(process, site, log)
            )
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            process.kill()
            process.wait()

    @staticmethod
    def _offer(process: subprocess.Popen[bytes], site: Site, log: Path) -> Offer:
        try:
            return offer(site.port, lambda: process.poll() is None)
        except OSError as error:
            raise RuntimeError(f"{process.args!r} does not answer ({error}): {log.read_text()[-2000:]}") from error
