"""One big file each way, over one or several connections at once: rate, and what it costs the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.figures import Sample, Unit
from tests.benchmarks.openssh import MAC, Sftp
from tests.benchmarks.places import part
from tests.benchmarks.plan import MIB, Plan
from tests.benchmarks.servers import Server

_GIB: Final = 1024 * MIB

#: Names on the wire by how we call them.
CIPHERS: Final = {
    "aes128-gcm": "aes128-gcm@openssh.com",
    "aes256-gcm": "aes256-gcm@openssh.com",
    "chacha20-poly1305": "chacha20-poly1305@openssh.com",
    "aes128-ctr+hmac-sha2-256-etm": "aes128-ctr",
}


@dataclass(frozen=True)
class Bulk:
    """Transfers with one cipher; several streams share the bytes that one alone would move."""

    cipher: str
    streams: int = 1

    def available(self, server: Server) -> bool:
        name = CIPHERS[self.cipher]
        return name in server.offer.ciphers and ("gcm" in name or "poly1305" in name or MAC in server.offer.macs)

    def measure(self, server: Server, plan: Plan) -> Iterator[Sample]:
        if not self.available(server):
            return
        file = part(self.streams)
        uploads = [server.place.uploads / f"bulk-{number}" for number in range(self.streams)]
        with ExitStack() as stack:
            clients = [stack.enter_context(Sftp(server, CIPHERS[self.cipher])) for _ in uploads]
            yield from self._timed("download", server, plan, clients, lambda _: f"get data/{file} /dev/null")
            try:
                yield from self._timed(
                    "upload", server, plan, clients, lambda number: f"put {file} uploads/bulk-{number}"
                )
                sizes = {upload.stat().st_size for upload in uploads}
                if sizes != {(server.place.data / file).stat().st_size}:
                    raise RuntimeError(f"{server.name} stored files of other sizes than were sent: {sizes}")
            finally:
                for upload in uploads:
                    upload.unlink(missing_ok=True)

    def _timed(
        self, what: str, server: Server, plan: Plan, clients: list[Sftp], command: Callable[[int], str]
    ) -> Iterator[Sample]:
        name = f"{what}, {self.cipher}" if self.streams == 1 else f"{what}, {self.streams} streams"
        cpu, start = server.cpu_seconds(), time.perf_counter()
        for number, client in enumerate(clients):
            client.begin(command(number))
        for client in clients:
            client.finish()
        elapsed, cpu = time.perf_counter() - start, server.cpu_seconds() - cpu
        yield Sample(name, Unit.RATE, plan.size / MIB / elapsed)
        yield Sample(name, Unit.CPU_PER_BYTE, cpu * _GIB / plan.size)
