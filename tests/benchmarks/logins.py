"""Logins: OpenSSH's ssh connects, logs in with a key, has SFTP answer once, and ends; each is a new process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.plan import Plan
from tests.benchmarks.raw_sftp import RawSftp
from tests.benchmarks.servers import Server


def measure(server: Server, plan: Plan) -> Iterator[Sample]:
    _log_in(server)
    yield Sample("logins, one by one", Unit.LOGINS, _rate(server, plan.logins, at_once=1))
    yield Sample("logins, 4 at once", Unit.LOGINS, _rate(server, plan.logins * 2, at_once=4))


def _rate(server: Server, count: int, at_once: int) -> float:
    with ThreadPoolExecutor(at_once) as pool:
        start = time.perf_counter()
        for _ in pool.map(_log_in, [server] * count):
            pass
        return count / (time.perf_counter() - start)


def _log_in(server: Server) -> None:
    with RawSftp(server):
        pass
