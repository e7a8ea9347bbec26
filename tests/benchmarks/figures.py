"""What was measured: samples, collected over rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Unit(Enum):
    """A unit as it is printed."""

    RATE = "MiB/s"
    CPU_PER_BYTE = "CPU s/GiB"
    FILES = "files/s"
    REQUESTS = "requests/s"
    LOGINS = "logins/s"
    LATENCY = "µs"
    KIB = "KiB"
    MIB = "MiB"
    CORES = "cores"
    TIMES = "times"

    @property
    def more_is_better(self) -> bool:
        return self in _MORE_IS_BETTER


_MORE_IS_BETTER: Final = frozenset({Unit.RATE, Unit.FILES, Unit.REQUESTS, Unit.LOGINS})


@dataclass(frozen=True)
class Sample:
    """One figure, measured once."""

    name: str
    unit: Unit
    value: float


@dataclass(frozen=True)
class Line:
    """What is compared between servers: a figure on a place (a file system)."""

    name: str
    unit: Unit
    place: str


class Results:
    """All samples: by line in the order of arrival, then by server."""

    def __init__(self) -> None:
        self._samples: dict[Line, dict[str, list[float]]] = {}

    def add(self, sample: Sample, place: str, server: str) -> None:
        of_servers = self._samples.setdefault(Line(sample.name, sample.unit, place), {})
        of_servers.setdefault(server, []).append(sample.value)

    def __iter__(self) -> Iterator[Line]:
        return iter(self._samples)

    def samples(self, line: Line) -> Mapping[str, list[float]]:
        """By server, in order of rounds."""
        return self._samples[line]

    def median(self, line: Line, server: str) -> float | None:
        """None where the server was not measured."""
        values = self._samples.get(line, {}).get(server)
        return statistics.median(values) if values else None
