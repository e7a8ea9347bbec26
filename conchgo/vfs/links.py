"""Symbolic links, resolved in virtual paths and authorised where they lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from conchgo.errors import ConchgoError, InvalidArgument, PermissionDenied, TooManyLinks
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import FileStat, Kind, Storage, SymbolicLinks
from conchgo.storage.links import LinkEncountered

T = TypeVar("T")

#: As Linux (path_resolution(7)).
MAX_HOPS: Final = 40


class _Hops:
    """How many links one operation may still follow on a path, those inside of links' targets included."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self) -> None:
        if not self.left:
            raise TooManyLinks
        self.left -= 1


class Links:
    """Follows the links that a storage meets.

    An operation is first tried on the path as it stands. Where the storage meets a link, it says so and does nothing;
    the path is rewritten by one hop and tried again, permissions included. So only a path without links is ever
    authorised and used, and a link swapped in between is just one more hop.

    `storage` asks permissions, `beneath` is the same without them: it tells where a link leads when the path as it
    stands is refused, for only the resolved path's permissions decide. `may_lead` says whether a link at the one path
    may lead to the other.
    """

    __slots__ = ("_beneath", "_max_hops", "_may_lead", "_readable", "_storage")

    def __init__(
        self,
        storage: Storage,
        beneath: Storage,
        may_lead: Callable[[VirtualPath, VirtualPath], bool],
        max_hops: int = MAX_HOPS,
    ) -> None:
        self._max_hops = max_hops
        self._storage = storage
        self._beneath = beneath
        self._may_lead = may_lead
        self._readable = beneath if isinstance(beneath, SymbolicLinks) else None

    def unfollowing(self) -> Links:
        """The same for whoever wants none followed: TooManyLinks where one is on the way, as with O_NOFOLLOW."""
        return Links(self._storage, self._beneath, self._may_lead, 0)

    def follow(self, path: VirtualPath, action: Callable[[VirtualPath], T], *, last: bool = True) -> T:
        """Do `action` on the path, without the links on its way (and without `last`, its last component's).

        Raises:
            TooManyLinks: after 40 hops.
            PermissionDenied: also where a link may not lead there.
        """
        hops = None
        while True:
            try:
                return action(path)
            except LinkEncountered as met:
                hops = hops or _Hops(self._max_hops)
                path = self._onward(met, hops)
            except PermissionDenied:
                hops = hops or _Hops(self._max_hops)
                try:
                    hop = self._next_hop(path, hops, last=last)
                except ConchgoError:
                    # A link that leads round in circles is told of only where it may be seen.
                    hop = None
                if hop is None:
                    raise
                path = hop

    def stat(self, path: VirtualPath) -> tuple[VirtualPath, FileStat]:
        """Where the path leads, and what is there."""
        return self.follow(path, self._stat_without_link)

    def follow_both(self, old: VirtualPath, new: VirtualPath, action: Callable[[VirtualPath, VirtualPath], T]) -> T:
        """Do `action` on two names, without the links on the way to them."""
        old_hops, new_hops = _Hops(self._max_hops), _Hops(self._max_hops)
        old, new = self._resolved_quietly(old, old_hops), self._resolved_quietly(new, new_hops)
        while True:
            try:
                return action(old, new)
            except LinkEncountered:
                # One was swapped in after the look, or leads round in circles; who may not see it was refused.
                old_hops.spend()
                new_hops.spend()
                old, new = self._resolved(old, old_hops, last=False), self._resolved(new, new_hops, last=False)

    def resolve(self, path: VirtualPath) -> VirtualPath:
        """The path without its links, the last name's too, wherever it leads. Not for clients to see."""
        return self._resolved(path, _Hops(self._max_hops), last=True)

    def realpath(self, path: VirtualPath) -> VirtualPath:
        """The path without its links, up to the first that leads to what is not there or may not be listed."""
        hops = _Hops(self._max_hops)
        try:
            while True:
                try:
                    return self._stat_without_link(path)[0]
                except LinkEncountered as met:
                    path = VirtualPath((*self._seen_end(met.link, hops).parts, *met.rest))
        except ConchgoError:
            return path

    def _seen_end(self, link: VirtualPath, hops: _Hops) -> VirtualPath:
        """Where a link leads, if every step of the way may be listed."""
        path = link
        while True:
            try:
                return self._stat_without_link(path)[0]
            except LinkEncountered as met:
                path = self._onward(met, hops)

    def _stat_without_link(self, path: VirtualPath) -> tuple[VirtualPath, FileStat]:
        stat = self._storage.lstat(path)
        if stat.kind is Kind.LINK and self._readable is not None:
            raise _met(path, self._readable)
        return path, stat

    def _resolved(self, path: VirtualPath, hops: _Hops, *, last: bool) -> VirtualPath:
        while (hop := self._next_hop(path, hops, last=last)) is not None:
            path = hop
        return path

    def _resolved_quietly(self, path: VirtualPath, hops: _Hops) -> VirtualPath:
        """The path without the links on the way to its last name, as far as they can be followed."""
        try:
            while (hop := self._next_hop(path, hops, last=False)) is not None:
                path = hop
        except ConchgoError:
            pass
        return path

    def _next_hop(self, path: VirtualPath, hops: _Hops, *, last: bool) -> VirtualPath | None:
        """The path after the first link on it, or None where it has none (or nobody can tell)."""
        try:
            kind = self._beneath.lstat(path).kind
            if not last or kind is not Kind.LINK or self._readable is None:
                return None
            met = _met(path, self._readable)
        except LinkEncountered as on_the_way:
            met = on_the_way
        except ConchgoError:
            return None
        return self._onward(met, hops)

    def _onward(self, met: LinkEncountered, hops: _Hops) -> VirtualPath:
        """The path with the link's target in its place: an absolute one from the root, `..` stopping there.

        A `..` behind a name leaves the directory where that name leads, as everywhere in POSIX. It costs as much as a
        link, or a target could ask for a thousand looks.
        """
        hops.spend()
        here = ROOT if met.target.startswith(b"/") else met.link.parent
        looked = True
        for part in met.target.split(b"/"):
            if part == b"..":
                if not looked:
                    hops.spend()
                    here = self._resolved(here, hops, last=True)
                here, looked = here.parent, True
            elif part not in (b"", b"."):
                here, looked = here / part, False
        if not self._may_lead(met.link, here):
            raise PermissionDenied("permission denied: a link leads out of its folder")
        return VirtualPath.parse(b"/".join((bytes(here), *met.rest)))


def _met(path: VirtualPath, readable: SymbolicLinks) -> LinkEncountered:
    """The link that was just seen at the path. If it is none any more, it leads to its own name: look again."""
    try:
        return LinkEncountered(path, readable.readlink(path))
    except InvalidArgument:
        return LinkEncountered(path, path.name)


def climbs_out(target: bytes, directory: VirtualPath) -> bool:
    """Whether the relative target of a link in `directory` has more `..` than there are directories above it."""
    depth = len(directory.parts)
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
        elif part not in (b"", b"."):
            depth += 1
        if depth < 0:
            return True
    return False


def turns(target: bytes, directory: VirtualPath) -> Iterator[VirtualPath]:
    """Where the relative target of a link in `directory` leads, and before that each place that a `..` leaves again."""
    here, entered = directory, False
    for part in target.split(b"/"):
        if part == b"..":
            if entered:
                yield here
            here, entered = here.parent, False
        elif part not in (b"", b"."):
            here, entered = here / part, True
    yield here
