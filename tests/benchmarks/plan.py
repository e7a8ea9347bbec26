"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KIB: Final = 1024
MIB: Final = 1024 * _KIB


@dataclass(frozen=True)
class Plan:
    """Sizes in bytes, times in seconds; everything else is a count."""

    rounds: int = 3
    size: int = 512 * MIB
    small_files: int = 2000
    small_file_size: int = 4 * _KIB
    stats: int = 3000
    pipelined_stats: int = 10_000
    #: Transfers of a whole file that a stat is measured beside.
    transfers_beside_stats: int = 2
    logins: int = 24
    sessions: int = 1000
    #: Of servers that start processes for each session.
    sessions_of_forking_servers: int = 50
    round_trip: float = 0.150
    round_trip_size: int = 24 * MIB
    flood_time: float = 4


FULL: Final = Plan()

#: Everything once and little of it: shows that the bench works, not how fast anything is.
QUICK: Final = Plan(
    rounds=1,
    size=2 * MIB,
    small_files=10,
    stats=50,
    pipelined_stats=200,
    transfers_beside_stats=1,
    logins=4,
    sessions=10,
    sessions_of_forking_servers=4,
    round_trip=0.010,
    round_trip_size=MIB,
    flood_time=0.4,
)
