"""A client that sends requests and reads nothing: what it costs the server, and another client."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.helpers import helper
from tests.benchmarks.plan import MIB, Plan
from tests.benchmarks.raw_sftp import RawSftp
from tests.benchmarks.servers import Server
from tests.benchmarks.stats import PATH, latencies, stats_until


def measure(server: Server, plan: Plan) -> Iterator[Sample]:
    """A neighbour's STATs before, and from the flood's beginning on; then, without them, what the server still does."""
    half = plan.flood_time / 2
    with RawSftp(server) as neighbour:
        quiet = stats_until(neighbour, _after(half))
        before = server.memory()
        with helper("light_client", "flood", server.port, server.username, server.key, PATH) as client:
            beside = stats_until(neighbour, client.has_spoken) + stats_until(neighbour, _after(half))
            middle, cpu, start = server.memory(), server.cpu_seconds(), time.monotonic()
            time.sleep(half)
            cores = (server.cpu_seconds() - cpu) / (time.monotonic() - start)
            after = server.memory()
    slower = statistics.median(beside) / statistics.median(quiet)
    yield Sample("flood: a neighbour's stat against quiet", Unit.TIMES, slower)
    yield from latencies("stat beside a flood", beside)
    yield Sample("flood: memory", Unit.MIB, (after - before) / MIB)
    yield Sample("flood: memory, 2nd half", Unit.MIB, (after - middle) / MIB)
    yield Sample("flood: CPU, 2nd half", Unit.CORES, cores)


def _after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end
