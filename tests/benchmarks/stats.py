"""STAT of one file: one after the other, many on their way at once, and beside a bulk transfer."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Final

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.openssh import Sftp
from tests.benchmarks.places import part
from tests.benchmarks.plan import Plan
from tests.benchmarks.raw_sftp import RawSftp
from tests.benchmarks.servers import Server

PATH: Final = f"data/{part(1)}"
_MICROSECONDS: Final = 1_000_000
#: Seconds between STATs beside something else: so they hardly slow it down.
_PAUSE: Final = 0.001


def measure(server: Server, plan: Plan) -> Iterator[Sample]:
    with RawSftp(server) as client:
        client.stats(PATH, plan.stats // 10)
        elapsed = sum(client.stat(PATH) for _ in range(plan.stats))
        yield Sample("stat, one by one", Unit.REQUESTS, plan.stats / elapsed)
        elapsed = client.stats(PATH, plan.pipelined_stats)
        yield Sample("stat, 100 ahead", Unit.REQUESTS, plan.pipelined_stats / elapsed)


def measure_beside_bulk(server: Server, plan: Plan) -> Iterator[Sample]:
    """An upload replaces its own file again and again, which also costs the time to free the old one."""
    upload = server.place.uploads / "beside"
    commands = {"download": f"get {PATH} /dev/null", "upload": f"put {part(1)} uploads/beside"}
    try:
        with RawSftp(server) as client, Sftp(server) as bulk:
            for what, command in commands.items():
                bulk.begin(*[command] * plan.transfers_beside_stats)
                yield from latencies(f"stat beside a bulk {what}", stats_until(client, bulk.finished))
    finally:
        upload.unlink(missing_ok=True)


def stats_until(client: RawSftp, over: Callable[[], bool]) -> list[float]:
    """What each STAT took, until it is `over`; at least one."""
    times = [client.stat(PATH)]
    while not over():
        time.sleep(_PAUSE)
        times.append(client.stat(PATH))
    return times


def latencies(name: str, times: list[float]) -> Iterator[Sample]:
    ordered = sorted(times)
    found = {"p50": statistics.median(ordered), "p99": ordered[len(ordered) * 99 // 100], "worst": ordered[-1]}
    for which, seconds in found.items():
        yield Sample(f"{name}, {which}", Unit.LATENCY, seconds * _MICROSECONDS)
