"""The filesystem of one session: links followed, permissions asked, in the words that protocols use."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from conchgo.errors import (
    AlreadyExists,
    Busy,
    ConchgoError,
    NotFound,
    PermissionDenied,
)
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, Create, Listing, Space
from conchgo.vfs.authorised import Authorised
from conchgo.vfs.interface import File, FileStat, Identity, OpenOptions
from conchgo.vfs.links import MAX_HOPS, Links, climbs_out, turns

#: How often an open starts again because the file came or went in between.
_OPEN_TRIES: Final = 10


class SessionFilesystem:
    """A `Filesystem` over an authorised storage. `hides` tells which paths the session shall not hear of."""

    __slots__ = ("_hides", "_links", "_storage", "identity", "start")

    def __init__(
        self,
        storage: Authorised,
        links: Links,
        identity: Identity,
        start: VirtualPath,
        hides: Callable[[VirtualPath], bool],
    ) -> None:
        self._storage = storage
        self._links = links
        self._hides = hides
        self.identity = identity
        self.start = start

    def unfollowing(self) -> SessionFilesystem:
        """The same, where no link is followed."""
        return SessionFilesystem(self._storage, self._links.unfollowing(), self.identity, self.start, self._hides)

    def stat(self, path: VirtualPath) -> FileStat:
        return self._links.stat(path)[1]

    def lstat(self, path: VirtualPath) -> FileStat:
        return self._links.follow(path, self._storage.lstat, last=False)

    def peek(self, path: VirtualPath) -> FileStat | None:
        try:
            return self.stat(path)
        except ConchgoError:
            return None

    def realpath(self, path: VirtualPath) -> VirtualPath:
        return self._links.realpath(path)

    def require(self, verb: str, path: VirtualPath) -> VirtualPath:
        resolved = self._links.resolve(path)
        self._storage.require(verb, resolved)
        return resolved

    def open(self, path: VirtualPath, options: OpenOptions) -> File:
        # O_EXCL: a link in the last place is something that is there.
        follow_last = not (options.create and options.exclusive)
        return self._links.follow(path, lambda resolved: self._open(resolved, options), last=follow_last)

    def _open(self, path: VirtualPath, options: OpenOptions) -> File:
        """Whether the file is there decides between upload and overwrite, so each try says what it expects."""
        if not options.create:
            return self._open_expecting(path, options, Create.NEVER)
        for _ in range(_OPEN_TRIES):
            refusal: PermissionDenied | None = None
            try:
                return self._open_expecting(path, options, Create.NEW)
            except AlreadyExists:
                if options.exclusive:
                    raise
            except PermissionDenied as error:
                if options.exclusive:
                    raise
                refusal = error
            try:
                return self._open_expecting(path, options, Create.NEVER)
            except NotFound:
                if refusal is not None:
                    raise refusal from None
        raise Busy("the file came and went while it was opened, try again")

    def _open_expecting(self, path: VirtualPath, options: OpenOptions, create: Create) -> File:
        return self._storage.open(
            path,
            read=options.read,
            write=options.write,
            create=create,
            truncate=options.truncate and options.write and create is Create.NEVER,
            mode=0o666 if options.mode is None else options.mode,
        )

    def scan(self, path: VirtualPath) -> Listing:
        return self._links.follow(path, self._storage.scan)

    def mkdir(self, path: VirtualPath, mode: int | None = None) -> None:
        wanted = 0o777 if mode is None else mode
        self._links.follow(path, lambda resolved: self._storage.mkdir(resolved, wanted), last=False)

    def rmdir(self, path: VirtualPath) -> None:
        self._links.follow(path, self._storage.rmdir, last=False)

    def remove(self, path: VirtualPath) -> None:
        self._links.follow(path, self._storage.remove, last=False)

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        self._links.follow_both(old, new, lambda one, other: self._storage.rename(one, other, replace=replace))

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        self._links.follow(
            path, lambda resolved: self._storage.set_attributes(resolved, changes, link=link), last=not link
        )

    def readlink(self, path: VirtualPath) -> bytes:
        """What is written in a link, unless that would tell of what the session can't see.

        A target that stays below the root is told as it is. An absolute one, or one that climbs out, may be a real
        path that an administrator wrote there, and another may name what is hidden: such a one is told (in virtual
        words) only where it leads to something that the session may list.
        """
        link, target = self._links.follow(path, lambda p: (p, self._storage.readlink(p)), last=False)
        if self._may_tell(target, link.parent):
            return target
        meant = VirtualPath.parse(target, link.parent)
        try:
            self._links.follow(meant, self._storage.lstat, last=False)
        except ConchgoError:
            raise PermissionDenied("permission denied: the link's target is not visible") from None
        return bytes(meant)

    def _may_tell(self, target: bytes, directory: VirtualPath) -> bool:
        if target.startswith(b"/") or climbs_out(target, directory):
            return False
        places = list(islice(turns(target, directory), MAX_HOPS + 1))
        # With more turns it is not followed either, and each is work.
        return len(places) <= MAX_HOPS and not any(map(self._hides, places))

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        self._links.follow(path, lambda resolved: self._storage.symlink(target, resolved), last=False)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self._links.follow_both(existing, new, self._storage.link)

    def space(self, path: VirtualPath) -> Space:
        return self._links.follow(path, self._storage.space)
