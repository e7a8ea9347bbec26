"""Many small files each way, by OpenSSH's sftp, which waits for the server several times for each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.openssh import Sftp
from tests.benchmarks.plan import Plan
from tests.benchmarks.servers import Server


def measure(server: Server, plan: Plan) -> Iterator[Sample]:
    fetched, uploaded = server.place.local / "fetched", server.place.uploads / "many"
    # ProFTPD can't tell OpenSSH's client the real path of a directory that is not there yet.
    uploaded.mkdir()
    with Sftp(server) as client:
        try:
            yield Sample("small files down", Unit.FILES, plan.small_files / _timed(client, "get -r data/many fetched"))
            yield Sample("small files up", Unit.FILES, plan.small_files / _timed(client, "put -r many uploads"))
            for directory in (fetched, uploaded):
                found = sum(1 for _ in directory.iterdir())
                if found != plan.small_files:
                    raise RuntimeError(f"{found} of {plan.small_files} small files arrived")
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
            shutil.rmtree(uploaded, ignore_errors=True)


def _timed(client: Sftp, command: str) -> float:
    start = time.perf_counter()
    client.do(command)
    return time.perf_counter() - start
