"""Room for what a program writes, and what came of it: programs announce nothing to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from conchgo.errors import QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.processes.baselines import Area, Baselines
from conchgo.processes.interface import Place
from conchgo.quota.interface import Change, Charge, Ledger, Limits, Room, Usage
from conchgo.vfs.compose import View

#: Of what is left, the part that others are given who wait for some; and the least.
_SHARE: Final = 16
_LEAST: Final = 2**20

#: Where no limit holds.
_ENDLESS: Final = 2**62


def areas(place: Place, view: View) -> list[Area]:
    """Of a place, those that somebody pays for."""
    found: list[Area] = []
    for bind in place.binds:
        point = view.table.point(bind.at)
        mount = view.mounts[point]
        if not bind.writable or mount.charge is None or not mount.charge.domains:
            continue
        top = VirtualPath(bind.at.relative_to(point))
        if not any(area.storage is mount.storage and top.is_within(area.top) for area in found):
            found.append(Area(mount.storage, top, mount.charge))
    return found


class ProgramLease:
    """A `Lease`. `begin` and `settle` block; all else is for the reactor thread."""

    def __init__(self, ledger: Ledger, baselines: Baselines, areas: list[Area], want: int | None) -> None:
        self._ledger = ledger
        self._baselines = baselines
        self._areas = areas
        self._want = want
        self._begun: list[tuple[Area, Change]] = []
        self._room: Room | None = None
        self._asked: Usage | None = None
        self._limits = _limits(areas)
        self._size = self._files = 0
        self._held = Usage(0, 0)

    @property
    def left(self) -> int | None:
        limited = any(limits.size is not None for limits in self._limits.values())
        return self._room.size - self._size if self._room is not None and limited else None

    @property
    def files_left(self) -> int | None:
        limited = any(limits.files is not None for limits in self._limits.values())
        return self._room.files - self._files if self._room is not None and limited else None

    def spent(self, size: int, files: int) -> None:
        self._size += size
        self._files += files

    def hold(self, size: int, files: int) -> None:
        self._held = Usage(size, files)

    def share(self, lower: Callable[[], None]) -> None:
        """Give back some of it where others wait; `lower` holds the program to what is left before they have it."""
        room = self._room
        if room is None or not room.is_wanted():
            return
        kept = Usage(
            room.size - _part(self.left, self._held.size), room.files - _part(self.files_left, self._held.files, 1)
        )
        given = Usage(room.size - kept.size, room.files - kept.files)
        self.spent(*given)
        lower()
        room.keep(*kept)
        self.spent(-given.size, -given.files)

    def begin(self) -> None:
        """Announce, look at what is there, reserve. What raises NotBefore is to be called again.

        Raises:
            QuotaExceeded: there is no room.
            NotBefore, Failure: as `Ledger.change`.
            PermissionDenied, Failure: what is there can't be counted.
        """
        for area in self._areas[len(self._begun) :]:
            work = self._ledger.work(area.charge, area.top)
            try:
                self._baselines.join(self._ledger, area)
            except BaseException:
                work.cancel()
                raise
            self._begun.append((area, work))
        if self._limits and self._room is None:
            self._room = self._reserved()

    def settle(self) -> None:
        """Count what is there now, and give back the room. Never raises."""
        begun, self._begun = self._begun, []
        for area, work in begun:
            more, certain = self._baselines.leave(area)
            if more is None:
                more = Usage(self._size, self._files)
            if not certain:
                # Others may have told of some of it already: too much rather than too little, until all is counted.
                more = Usage(max(0, more.size), max(0, more.files))
            work.done(None, size=more.size, files=more.files)
            if not certain:
                self._ledger.doubt({area.charge.storage})
        room, self._room = self._room, None
        if room is not None:
            room.release()

    def _reserved(self) -> Room:
        asked = self._asked or self._free()
        charge = Charge(self._areas[0].charge.storage, tuple(_all_domains(self._areas).items()))
        while True:
            self._asked = asked
            try:
                return self._ledger.reserve(charge, asked.size, asked.files)
            except QuotaExceeded:
                # Somebody holds some of it, and needs it.
                asked = self._half(asked)

    def _half(self, asked: Usage) -> Usage:
        """Raises QuotaExceeded: that would be nothing."""
        half = Usage(asked.size // 2, asked.files // 2)
        if (asked.size and not half.size) or (asked.files and not half.files):
            raise QuotaExceeded
        return half

    def _free(self) -> Usage:
        """What nobody uses, in the domain that has least; 0 where nothing is limited."""
        size = _ENDLESS if self._want is None else self._want
        files = _ENDLESS
        for domain, limits in self._limits.items():
            used = [self._ledger.usage(name) or Usage(0, 0) for name in (domain, *limits.beside)]
            if limits.size is not None:
                size = min(size, limits.size - sum(usage.size for usage in used))
            if limits.files is not None:
                files = min(files, limits.files - sum(usage.files for usage in used))
        if size <= 0 or files <= 0:
            raise QuotaExceeded
        return Usage(0 if size == _ENDLESS else size, 0 if files == _ENDLESS else files)


def _all_domains(areas: list[Area]) -> Mapping[str, Limits]:
    return {domain: limits for area in areas for domain, limits in area.charge.domains}


def _limits(areas: list[Area]) -> Mapping[str, Limits]:
    return {domain: limits for domain, limits in _all_domains(areas).items() if limits.hold}


def _part(left: int | None, held: int, least: int = _LEAST) -> int:
    """What of it is given to others, who get nothing of what is held."""
    free = 0 if left is None else left - held
    return 0 if free <= 0 else min(max(free // _SHARE, least), (free + 1) // 2)
