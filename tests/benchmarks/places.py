"""Where the files lie that are transferred: a directory on tmpfs, and one on a disk's file system."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.plan import MIB, Plan

TMPFS: Final = "tmpfs"
DISK: Final = "disk"
#: How many files of equal size a whole one is split into, for as many streams at once.
STREAMS: Final = (1, 2, 4)
#: Of a whole file, with its parts: the client's own, the served one, what is uploaded, and the small ones.
_COPIES: Final = 6


@dataclass(frozen=True)
class Place:
    """`home` is what servers serve: files in `data`, and in `uploads` what clients send.

    `local` is the client's side; it is on tmpfs whatever the place, so the client costs the same everywhere.
    """

    name: str
    file_system: str
    home: Path
    local: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def uploads(self) -> Path:
        return self.home / "uploads"


def part(streams: int) -> str:
    """The name of the file that each of so many streams transfers."""
    return f"part-of-{streams}"


@contextmanager
def prepared(plan: Plan, tmpfs: Path, disk: Path) -> Iterator[tuple[Place, ...]]:
    """Both places with their files; afterwards nothing is left.

    Raises:
        RuntimeError: there is no room for them.
    """
    for where in (tmpfs, disk):
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        needed, free = _COPIES * plan.size // MIB, shutil.disk_usage(where).free // MIB
        if free < needed:
            raise RuntimeError(
                f"{where} has {free} MiB free and needs {needed}: make room, or measure a smaller --size"
            )
    made = [Path(tempfile.mkdtemp(prefix="conchgo-bench-", dir=where)) for where in (tmpfs, disk)]
    try:
        local = made[0] / "local"
        _fill(local, plan)
        places = []
        for name, directory in zip((TMPFS, DISK), made, strict=True):
            home = directory / "home"
            shutil.copytree(local, home / "data")
            (home / "uploads").mkdir()
            places.append(Place(name, _file_system(directory), home, local))
        os.sync()
        yield tuple(places)
    finally:
        for directory in made:
            shutil.rmtree(directory, ignore_errors=True)


def _fill(directory: Path, plan: Plan) -> None:
    many = directory / "many"
    many.mkdir(parents=True)
    for number in range(plan.small_files):
        (many / f"{number:05}").write_bytes(os.urandom(plan.small_file_size))
    block = os.urandom(MIB)
    for streams in STREAMS:
        with (directory / part(streams)).open("wb") as file:
            for _ in range(plan.size // streams // MIB):
                file.write(block)
            file.write(block[: plan.size // streams % MIB])
    with (directory / "round-trip").open("wb") as file:
        for _ in range(plan.round_trip_size // MIB):
            file.write(block)


def _file_system(directory: Path) -> str:
    found = subprocess.run(["df", "--output=fstype", directory], capture_output=True, text=True, check=True)
    return found.stdout.split()[-1]
