"""What a ledger is: who pays for which bytes, and what must be told before and after anything changes.

Sizes are apparent sizes in bytes, files are regular files; an inode counts once, links and directories nothing.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from conchgo.paths import VirtualPath

#: Device and inode, for instance; as `conchgo.storage.interface.FileStat.identity`.
Identity = tuple[int, int]


class Usage(NamedTuple):
    """Bytes and files."""

    size: int
    files: int


class Limits(NamedTuple):
    """The most that a domain may use, together with the domains `beside` it; None is no limit."""

    size: int | None = None
    files: int | None = None
    beside: tuple[str, ...] = ()

    @property
    def hold(self) -> bool:
        """Whether there is any."""
        return self.size is not None or self.files is not None


@dataclass(frozen=True, slots=True)
class Charge:
    """Where counts what lies in one storage, and which limits hold for it.

    A domain is `user:NAME`, a user's home, or `folder:NAME`. What lies in a storage counts in the domain of the same
    name, and nowhere else: so it matters to nobody who changes it for whom. `domains` are those whose limits hold, the
    storage's own among them; there are none where nothing is counted. A folder within a user's quota is held to the
    limits of the user's domain, which has the folder's `beside` it.
    """

    storage: str
    domains: tuple[tuple[str, Limits], ...]


class Change(Protocol):
    """One change that was announced: exactly one of `done` and `cancel` ends it."""

    def done(self, identity: Identity | None, *, size: int, files: int) -> None:
        """It was made: so many bytes and files more (less, where negative) than before, and of which inode.

        `identity` is None where several changed, or none. Never raises: what happened is counted, come what may.
        """
        ...

    def cancel(self) -> None:
        """Nothing was changed."""
        ...


class Room(Protocol):
    """Room that somebody holds without having announced what for."""

    @property
    def size(self) -> int: ...
    @property
    def files(self) -> int: ...

    def is_wanted(self) -> bool:
        """Whether somebody waits for some of it, in any worker, or has asked for it since the last call."""
        ...

    def keep(self, size: int, files: int) -> None:
        """Give back what is more than that."""
        ...

    def release(self) -> None:
        """Give back all. Idempotent."""
        ...


class Beside(NamedTuple):
    """What was announced at a place since it is watched: how often something began or ended, how many go on, and how
    much more is there through those that ended."""

    steps: int
    open: int
    more: Usage


class Watch(Protocol):
    """On what lies at a path of a storage, where programs work."""

    def beside(self) -> Beside:
        """What others have done there, in this process."""
        ...

    def is_alone(self) -> bool:
        """Whether that is surely all since this was last asked. Blocks.

        It is not where something was moved there, or another worker or a program further up or down was at work.

        Raises:
            Failure: the database did not answer.
        """
        ...

    def end(self) -> None: ...


class Ledger(Protocol):
    """Counts what is used, and lets nobody past a limit. Calls may come from several threads at once."""

    def change(
        self,
        charge: Charge,
        path: VirtualPath,
        *,
        identity: Identity | None,
        before: int,
        grow: int = 0,
        files: int = 0,
        links: int = 0,
        moves: bool = False,
        at_once: bool = False,
    ) -> Change:
        """Announce a change at `path` of the charge's storage, before it is made, and reserve room for it.

        `identity` and `before` are the inode's that will change and its size (None and 0 where there is none yet);
        `grow` and `files` are the most that the change may add. Changes of one inode must not overlap: the caller holds
        its lock (`StorageFile.exclusively`) from the look at its size until `done`.

        `links` is how many names the inode has, where this change takes `path` from it (remove, rename onto it); else
        it is 0. `moves` says that names move: renames are announced too, those that change no size with nothing else
        but the identity of the file that moves. After a kill in the middle of a change recovery looks at its path
        again, and must know what may have happened.

        Raises:
            QuotaExceeded: it does not fit, and waiting would not help.
            NotBefore: others hold room that they may not need; ask again then. Nothing was announced.
            WouldBlock: with `at_once`, where the answer can't be had without waiting.
            Failure: the database did not answer.
        """
        ...

    def usage(self, domain: str, *, at_once: bool = False) -> Usage | None:
        """What is used in that domain alone, reservations not counted; None where nobody has counted yet (`change`
        counts from 0 then).

        What other workers have just changed is in it half a second later.

        Raises:
            WouldBlock: with `at_once`, where the answer can't be had without waiting.
            Failure: the database did not answer.
        """
        ...

    def reserve(self, charge: Charge, size: int, files: int) -> Room:
        """Hold room in all domains of the charge. Raises as `change`."""
        ...

    def work(self, charge: Charge, path: VirtualPath) -> Change:
        """Announce that a program begins to work on what lies at `path` of the charge's storage, and below.

        Should its process die, all of the domain is counted anew. Raises as `change`.
        """
        ...

    def watch(self, charge: Charge, path: VirtualPath) -> Watch:
        """Watch what lies there, where somebody has announced `work`."""
        ...

    def doubt(self, domains: Set[str]) -> None:
        """What is known of them is uncertain: they are to be counted anew. Never raises."""
        ...
