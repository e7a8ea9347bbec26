"""Many small files each way, by OpenSSH's sftp, which waits for the server several times for each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.openssh import Sftp
from tests.benchmarks.plan import Plan
from tests.benchmarks.servers import Server


def measure(server: Server, plan: Plan) -> Iterator[Sample]:
    fetched, uploaded = server.place.local / "fetched", server.place.uploads / "many"
    with Sftp(server) as client:
        # ProFTPD can't tell OpenSSH's client the real path of a directory that is not there yet.
        uploaded.mkdir()
        try:
            yield from _timed("small files down", client, "get -r data/many fetched", fetched, plan)
            yield from _timed("small files up", client, "put -r many uploads", uploaded, plan)
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
            shutil.rmtree(uploaded)


def _timed(name: str, client: Sftp, command: str, arrived: Path, plan: Plan) -> Iterator[Sample]:
    start = time.perf_counter()
    client.do(command)
    elapsed = time.perf_counter() - start
    found = sum(1 for _ in arrived.iterdir())
    if found != plan.small_files:
        raise RuntimeError(f"{found} of {plan.small_files} small files arrived")
    yield Sample(name, Unit.FILES, plan.small_files / elapsed)
