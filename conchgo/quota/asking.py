"""Somebody asks for room in one or more books at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from conchgo.quota.books import Book, Shelf
from conchgo.quota.interface import Charge, Identity, Usage
from conchgo.quota.records import Payer
from conchgo.quota.waiting import PATIENCE, fits, refuse

#: Seconds until one asks again for what others were asked to give back.
RECALL: Final = 0.2


class Asked(NamedTuple):
    """What somebody asks for, and by which he is known while he waits."""

    charge: Charge
    path: bytes
    identity: Identity | None
    before: int
    need: Usage
    links: int
    moves: bool
    #: It is for what nobody announces: for room, or for a program.
    quiet: bool = False


class Account:
    """The books of a charge, and the shelf in each that has its limits. What changes counts in the book `counted`."""

    __slots__ = ("counted", "pairs", "payer")

    def __init__(self, payer: Payer, pairs: Sequence[tuple[Book, Shelf]]) -> None:
        self.payer = payer
        self.pairs = pairs
        self.counted = next(book for book, _ in pairs if book.domain == payer.storage)

    def has_room(self, asked: Asked, now: float) -> bool:
        for book, shelf in self.pairs:  # noqa: SIM110  (a generator would cost a microsecond with each change)
            if not book.has_room(shelf, asked.need, asked, now):
                return False
        return True

    def short(self, asked: Asked, now: float) -> list[tuple[Book, Shelf]]:
        """The books that have no room."""
        return [(book, shelf) for book, shelf in self.pairs if not book.has_room(shelf, asked.need, asked, now)]

    def wait(self, asked: Asked, now: float, *, recalled: bool) -> None:
        """Take or keep a place in the queues; `recalled`: the others were asked to give back what they do not need.

        Raises:
            QuotaExceeded: there is no hope, or it took too long.
        """
        for book, shelf in self.short(asked, now):
            waiter = book.queue.enter(asked, asked.need, now)
            waiter.recalled |= recalled
            hopeless = recalled and not book.pending and not fits(book.against(shelf), shelf.limits, asked.need)
            if hopeless or waiter.since + PATIENCE <= now:
                for other, _ in self.pairs:
                    other.queue.leave(asked)
                refuse(book.against(shelf), shelf.limits, asked.need)
            if recalled:
                book.ask_at = now + RECALL
