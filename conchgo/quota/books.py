"""What one process knows of a domain: what it may use without asking, and what it has used and not told yet."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from conchgo.quota.interface import Identity, Limits, Usage
from conchgo.quota.waiting import Queue, Waiter

NOTHING: Final = Usage(0, 0)

#: Room where there is no limit.
ENDLESS: Final = 2**62

#: What is leased at once where there is plenty: a statement in a thousand small files, or in 64 MiB of a large one.
CHUNK: Final = Usage(2**26, 2**10)

#: More than that is given back at the next flush: somebody held it for one large change.
_PLENTY: Final = Usage(2 * CHUNK.size, 2 * CHUNK.files)

#: Seconds for which one need not ask whether somebody else has come.
_LATELY: Final = 2.0

#: Seconds for which a lease is good, where others may use what is beside the domain without any. Who works there hears
#: of them more often.
_FRESH: Final = 1.0

#: Seconds without a change after which a lease is given back.
IDLE: Final = 40.0


class Seen(NamedTuple):
    """An inode after a change: so many bytes, counted as so many files, which was so much `more`. The change began and
    ended then (seconds since the epoch).

    Without an identity, and with -1 files: a directory has moved.
    """

    storage: str
    identity: Identity | None
    size: int
    files: int
    more: Usage
    began: float
    at: float


@dataclass(slots=True)
class Entry:
    """What a flush tells and asks of one domain. `delta` is what was changed, `lease` what remains leased after it, in
    all; `limits` are those of who needs more."""

    domain: str
    limits: Limits
    delta: Usage
    changed: bool
    seen: list[Seen]
    lease: Usage
    #: Room that somebody needs now and the lease does not give; and more, if there is plenty.
    need: Usage = NOTHING
    more: Usage = NOTHING
    #: Who of ours waits longest, and for how many seconds already.
    wanted: Waiter | None = None
    waited: float = 0.0

    #: Ask the others to give back what they do not need.
    recall: bool = False
    #: What the others asked for (a `State` of the lease) is done.
    answers: int = 0
    closes: bool = False
    #: The number of changes that the domain had when we told last, and whether no change is open that began before
    #: others were last seen there.
    serial: int = -1
    alone: bool = True


class Answer(NamedTuple):
    """What the database says of a domain after a flush. `beside` is what is used of the domains beside it, and `excess`
    what is leased beyond the limits, because others have used more of these; `pending`: others were asked to give back,
    and have not yet; `foreign`: others are there, or were since the last flush."""

    usage: Usage
    beside: Usage
    excess: Usage
    counted: bool
    lease: Usage
    pending: bool
    serial: int
    foreign: bool


class Need(Hashable, Protocol):
    """Somebody who asks for room, and is known by this while he waits."""

    @property
    def need(self) -> Usage: ...


@dataclass(slots=True, eq=False)
class Shelf:
    """Room that was leased under the same limits: not all who use a folder have the same. It is neither used yet nor
    held by open changes."""

    limits: Limits
    size_room: int
    files_room: int
    size_held: int = 0
    files_held: int = 0
    #: What was used beside it when that was heard last.
    beside: Usage = NOTHING

    @property
    def lease(self) -> Usage:
        return _bounded(self.limits, self.size_room + self.size_held, self.files_room + self.files_held)

    def has(self, need: Usage, older: Usage) -> bool:
        """Whether there is room for that, beside what those need who came earlier."""
        return (not need.size or need.size + older.size <= self.size_room) and (
            not need.files or need.files + older.files <= self.files_room
        )

    def answered(self, granted: Usage, beside: Usage, excess: Usage) -> None:
        self.size_room += granted.size - min(excess.size, max(0, self.size_room))
        self.files_room += granted.files - min(excess.files, max(0, self.files_room))
        self.beside = beside

    def lose(self, size: int, files: int) -> None:
        """So much was used beside the domain by who has other limits: what shrank is free when it was told."""
        self.size_room -= min(max(0, size), max(0, self.size_room))
        self.files_room -= min(max(0, files), max(0, self.files_room))

    def withhold(self, keep: Usage) -> None:
        """Nothing above it may be used from now on, before the database knows that it was given back."""
        if self.limits.size is not None:
            self.size_room = min(self.size_room, keep.size)
        if self.limits.files is not None:
            self.files_room = min(self.files_room, keep.files)

    def short_of(self, need: Usage) -> Usage:
        return _bounded(
            self.limits,
            need.size and need.size - self.size_room,
            need.files and need.files - self.files_room,
        )

    def more_than(self, need: Usage) -> Usage:
        """What makes it a chunk, where less than half of one is left: before somebody must wait for it."""
        return _bounded(
            self.limits,
            CHUNK.size - self.size_room if need.size or 2 * self.size_room < CHUNK.size else 0,
            CHUNK.files - self.files_room if need.files or 2 * self.files_room < CHUNK.files else 0,
        )


@dataclass(slots=True, eq=False)
class Book:
    """One domain. See `Ledger` for sizes."""

    domain: str
    shelves: dict[Limits, Shelf] = field(default_factory=dict)
    #: There is no row for it yet, or it is being given back.
    closed: bool = True
    usage: Usage = NOTHING
    counted: bool = False
    pending: bool = False
    answered_at: float = 0.0
    serial: int = -1
    foreign: bool = True
    #: How often others were found there.
    foreigners: int = 0
    #: Until the change of that number others may have been there too.
    foreign_until: int = 0
    #: Used since the last flush.
    size: int = 0
    files: int = 0
    changed: bool = False
    #: Told with a flush that has not been answered.
    told: Usage = NOTHING
    seen: list[Seen] = field(default_factory=list)
    #: Numbers of open changes, oldest first.
    open: dict[int, None] = field(default_factory=dict)
    used_at: float = 0.0
    #: The shelf that was used last.
    used: Shelf | None = None
    #: What others ask for (a `State` of the lease), if that can be done now.
    asked: int = 0
    #: How often somebody asked for room.
    heard: int = 0
    #: A scan waits for changes of numbers up to this.
    barrier: int | None = None
    queue: Queue = field(default_factory=Queue)
    #: Someone of ours waits, says our row; the next time that it makes sense to ask for him.
    wanted: bool = False
    ask_at: float = 0.0

    def shelf(self, limits: Limits) -> Shelf:
        """The one for these limits."""
        shelf = self.shelves.get(limits)
        if shelf is None:
            size, files = (ENDLESS if limit is None else 0 for limit in (limits.size, limits.files))
            shelf = self.shelves[limits] = Shelf(limits, size, files)
        return shelf

    def has_room(self, shelf: Shelf, need: Usage, key: Hashable, now: float) -> bool:
        """Whether that may be used without asking, by whom `key` names: those who wait longer come first."""
        if self.closed:
            return False
        if need is NOTHING:
            return True
        fresh = not shelf.limits.beside or now - self.answered_at < _FRESH
        return fresh and shelf.has(need, self.queue.before(key, now))

    def take(self, number: int, shelf: Shelf, need: Usage, key: Hashable, now: float) -> None:
        """A change began."""
        shelf.size_room -= need.size
        shelf.files_room -= need.files
        shelf.size_held += need.size
        shelf.files_held += need.files
        self.open[number] = None
        self.used, self.used_at = shelf, now
        self.queue.leave(key)

    def end(self, number: int, shelf: Shelf, need: Usage) -> None:
        """A change ended that changed nothing."""
        del self.open[number]
        self.yield_room(shelf, need)

    def yield_room(self, shelf: Shelf, room: Usage) -> None:
        """An open change does not need that much."""
        shelf.size_held -= room.size
        shelf.files_held -= room.files
        shelf.size_room += room.size
        shelf.files_room += room.files

    def use(self, shelf: Shelf, size: int, files: int) -> None:
        """What a change that has just ended took of the room. What shrank is free for use when it was told.

        That is to be told together with what was changed, also where that counts in another domain.
        """
        if size > 0:
            shelf.size_room -= size
        if files > 0:
            shelf.files_room -= files
        self.changed = True

    def count(self, size: int, files: int, seen: Seen | None) -> None:
        """A change of what counts here."""
        self.size += size
        self.files += files
        if seen is not None:
            self.seen.append(seen)

    def current(self) -> Usage:
        """What is used, with what was not told yet."""
        return self.beyond(self.usage)

    def against(self, shelf: Shelf) -> Usage:
        """What counts against the shelf's limits."""
        own = self.current()
        return Usage(own.size + shelf.beside.size, own.files + shelf.beside.files)

    def beyond(self, told: Usage) -> Usage:
        """What is used, where the database says `told`."""
        return Usage(told.size + self.told.size + self.size, told.files + self.told.files + self.files)

    def knows_all(self, now: float) -> bool:
        """Whether it was counted and nobody else changes anything, as far as was heard lately."""
        return self.counted and not self.closed and not self.foreign and now - self.answered_at < _LATELY

    def is_due(self, now: float) -> bool:
        """Whether there is something to tell or to give back."""
        return bool(
            self.changed
            or self.asked
            or (self.wanted and self.queue.oldest(now) is None)
            or (not self.open and now - self.used_at >= IDLE)
        )

    def hear(self, state: int, patient: bool, latest: int) -> None:
        """Others ask for something; if they are `patient`, for when all changes up to the `latest` have ended."""
        self.heard += not patient
        if patient and self.barrier is None:
            self.barrier = latest
        if not patient or next(iter(self.open), ENDLESS) > (self.barrier or 0):
            self.asked = state

    def entry(self, now: float, shelf: Shelf | None = None, asked: Need | None = None) -> Entry:
        """What is to be told, which counts as told from now on; and what `asked` needs on a shelf."""
        shelf = shelf or self.used or self.shelf(Limits())
        wanted = self.queue.oldest(now)
        need, recall, keep = NOTHING, False, _PLENTY
        if asked is not None:
            waiter, older = self.queue.get(asked), self.queue.before(asked, now)
            need = Usage(
                asked.need.size and asked.need.size + older.size, asked.need.files and asked.need.files + older.files
            )
            recall = waiter is None or not waiter.recalled
            keep = _PLENTY if waiter is None else NOTHING
        closes = asked is None and wanted is None and not self.open and now - self.used_at >= IDLE
        self.closed |= closes
        for one in self.shelves.values():
            one.withhold(NOTHING if self.asked or closes else _PLENTY if one is shelf else keep)
        told = Entry(
            self.domain,
            shelf.limits,
            Usage(self.size, self.files),
            self.changed,
            self.seen,
            total(one.lease for one in self.shelves.values()),
            shelf.short_of(need),
            NOTHING if self.asked or closes or wanted is not None else shelf.more_than(need),
            wanted,
            0.0 if wanted is None else now - wanted.since,
            recall,
            self.asked,
            closes,
            self.serial,
            next(iter(self.open), ENDLESS) > self.foreign_until,
        )
        self.told = told.delta
        self.size = self.files = 0
        self.changed = False
        self.seen = []
        return told

    def answered(self, entry: Entry, answer: Answer, latest: int, now: float) -> None:
        """The flush was made; `latest` is the number of the latest change."""
        self.told = NOTHING
        self.usage, self.counted, self.pending = answer.usage, answer.counted, answer.pending
        self.serial, self.foreign, self.answered_at = answer.serial, answer.foreign, now
        if answer.foreign:
            self.foreign_until = latest
            self.foreigners += 1
        if entry.closes:
            return
        self.closed = False
        self.wanted = entry.wanted is not None
        if entry.answers:
            self.asked, self.barrier = 0, None
        granted = Usage(answer.lease.size - entry.lease.size, answer.lease.files - entry.lease.files)
        self.shelves[entry.limits].answered(granted, answer.beside, answer.excess)


def total(usages: Iterable[Usage]) -> Usage:
    """The sum."""
    size = files = 0
    for one in usages:
        size += one.size
        files += one.files
    return Usage(size, files)


def _bounded(limits: Limits, size: int, files: int) -> Usage:
    """Where there is no limit nothing is leased."""
    return Usage(0 if limits.size is None else max(0, size), 0 if limits.files is None else max(0, files))
