"""Counting what is there, beside those who change it.

A scan looks at every file once, and hears of all that was changed meanwhile; the later of the two is right. Before it
ends it waits for those changes that were going on when it looked last: what it saw of them may be half.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final, Protocol

from conchgo.quota.interface import Usage
from conchgo.quota.tally import Correction

#: Heard of a directory that was moved.
MOVED: Final = Correction("", 0, -1)


class Scan(Protocol):
    """One that goes on."""

    @property
    def name(self) -> str:
        """Unique, and the same where it goes on after its process died."""
        ...

    def settle(self) -> None:
        """Return when all changes have ended that were going on when this was first called.

        Raises:
            NotBefore: some have not; ask again then.
            Failure: the database did not answer.
        """
        ...

    def finish(self, tally: Tallied) -> Usage:
        """Say what is there: what the tally has, corrected by what was heard. After `settle`.

        Raises:
            Busy: a directory was moved meanwhile, and the tally may have missed something: look at all again.
            Failure: the database did not answer; nothing was said.
        """
        ...

    def abandon(self) -> None:
        """Give up; what was known before stays."""
        ...


class Tallied(Protocol):
    """As `conchgo.quota.tally.Tally`."""

    def correct(self, corrections: Sequence[Correction]) -> None: ...
    def total(self) -> Usage: ...


class Scans(Protocol):
    """Where domains are counted."""

    def needs(self, domain: str) -> bool:
        """Whether it was never counted, or is doubted, or a crash left it in the midst of a scan. Raises Failure."""
        ...

    def begin(self, domain: str, beside: Sequence[str] = ()) -> Scan:
        """Begin, or go on with one whose process died. What is uncertain of the domains `beside` it, whose use counts
        against the same limits, stays so.

        Raises:
            Busy: another one goes on.
            Failure: the database did not answer.
        """
        ...

    def due(self, interval: float) -> Sequence[str]:
        """Domains that are doubted, those that a crash left in the midst of a scan, and those counted so many seconds
        ago (0: no matter when). Raises Failure."""
        ...

    def doubt(self, domains: Set[str]) -> None:
        """What is known of them may be wrong: those that were counted are to be counted again. Raises Failure."""
        ...

    def forget(self, domain: str) -> None:
        """What is there will change without being counted: whoever needs to know must scan again. Raises Failure."""
        ...
