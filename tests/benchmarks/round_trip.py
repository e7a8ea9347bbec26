"""Transfers over a long way: through a relay that delays, and through the same relay without a delay."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.helpers import helper
from tests.benchmarks.openssh import Sftp
from tests.benchmarks.places import part
from tests.benchmarks.plan import MIB, Plan
from tests.benchmarks.servers import Server


def measure(server: Server, plan: Plan) -> Iterator[Sample]:
    """The second figures show that the relay is not what bounds the first."""
    far = "long round trip", plan.round_trip_size, "round-trip", plan.round_trip
    near = "relay without delay", plan.size // 4, part(4), 0.0
    for where, size, file, delay in (far, near):
        with helper("relay", server.port, delay) as relay, Sftp(server.behind(int(relay.line()))) as client:
            try:
                for what, command in (
                    ("download", f"get data/{file} /dev/null"),
                    ("upload", f"put {file} uploads/far"),
                ):
                    start = time.perf_counter()
                    client.do(command)
                    yield Sample(f"{what}, {where}", Unit.RATE, size / MIB / (time.perf_counter() - start))
            finally:
                (server.place.uploads / "far").unlink(missing_ok=True)
