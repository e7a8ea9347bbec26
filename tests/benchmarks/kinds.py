"""Everything that is measured, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.benchmarks import flood, logins, memory, round_trip, small_files, stats
from tests.benchmarks.bulk import CIPHERS, Bulk
from tests.benchmarks.configurations import CONFIGURATIONS, MANY_WORKERS
from tests.benchmarks.figures import Sample
from tests.benchmarks.places import DISK, STREAMS, TMPFS
from tests.benchmarks.plan import Plan
from tests.benchmarks.servers import Server

_ALL: Final = tuple(name for name in CONFIGURATIONS if name != MANY_WORKERS)
_PYTHON_AND_SSHD: Final = ("conchgo", "sshd", "asyncssh")
#: Where several clients work at once, which is where workers add something.
_AND_WORKERS: Final = (*_PYTHON_AND_SSHD, MANY_WORKERS)
_AGAINST_SSHD: Final = ("conchgo", "sshd")
_BOTH: Final = (TMPFS, DISK)
#: Where no file is read or written, or where it makes no difference.
_TMPFS_ONLY: Final = (TMPFS,)


@dataclass(frozen=True)
class Kind:
    """A measurement, and of which servers it is taken on which places.

    With `fresh` each turn has a server of its own, which has done nothing before; with `once` there is one round.
    """

    group: str
    measure: Callable[[Server, Plan], Iterator[Sample]]
    servers: tuple[str, ...] = _ALL
    places: tuple[str, ...] = _BOTH
    fresh: bool = False
    once: bool = False


_FIRST, *_OTHER_CIPHERS = CIPHERS

KINDS: Final = (
    Kind("bulk", Bulk(_FIRST).measure),
    *(Kind("bulk", Bulk(cipher).measure, places=_TMPFS_ONLY) for cipher in _OTHER_CIPHERS),
    *(Kind("streams", Bulk(_FIRST, streams).measure, _AND_WORKERS) for streams in STREAMS if streams > 1),
    Kind("small-files", small_files.measure),
    Kind("stat", stats.measure),
    Kind("stat-beside-bulk", stats.measure_beside_bulk, _AND_WORKERS),
    Kind("logins", logins.measure, (*_ALL, MANY_WORKERS), _TMPFS_ONLY),
    Kind("round-trip", round_trip.measure, _AGAINST_SSHD, _TMPFS_ONLY),
    Kind("memory", memory.measure, _PYTHON_AND_SSHD, _TMPFS_ONLY, fresh=True, once=True),
    Kind("flood", flood.measure, _PYTHON_AND_SSHD, _TMPFS_ONLY, fresh=True),
)

GROUPS: Final = tuple(dict.fromkeys(kind.group for kind in KINDS))
