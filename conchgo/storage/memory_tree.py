"""The nodes of a storage in memory, and the budget that they live on."""

from __future__ import annotations

import stat
import threading
from dataclasses import dataclass, field
from typing import Final

from conchgo.errors import IsADirectory, NoSpace, NotARegularFile
from conchgo.storage.arguments import MAX_NAME, changed_mode
from conchgo.storage.interface import Attributes, FileStat, Space

#: What a node costs of the capacity besides its data, in bytes.
NODE_COST: Final = 512


@dataclass(slots=True, eq=False)
class Node:
    """A file, directory, link or something else: by the type bits of `mode`."""

    number: int
    mode: int
    uid: int
    gid: int
    atime: int
    mtime: int
    links: int = 1
    handles: int = 0
    data: bytearray = field(default_factory=bytearray)
    children: dict[bytes, Node] = field(default_factory=dict)
    target: bytes = b""
    #: Who counts the file holds it.
    mutex: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    def refuse_irregular(self) -> None:
        if self.is_directory:
            raise IsADirectory
        if not stat.S_ISREG(self.mode):
            raise NotARegularFile

    def stat(self) -> FileStat:
        return FileStat(
            mode=self.mode,
            size=len(self.target) if self.is_link else len(self.data),
            uid=self.uid,
            gid=self.gid,
            atime=self.atime,
            mtime=self.mtime,
            nlink=self.links,
            identity=(0, self.number),
        )

    def apply(self, changes: Attributes) -> None:
        """Make the changes but for the size."""
        if changes.uid is not None:
            self.uid = changes.uid
        if changes.gid is not None:
            self.gid = changes.gid
        if changes.mode is not None:
            self.mode = stat.S_IFMT(self.mode) | changed_mode(self.mode, changes.mode)
        if changes.atime is not None:
            self.atime = changes.atime
        if changes.mtime is not None:
            self.mtime = changes.mtime


@dataclass(slots=True)
class Budget:
    """How much memory may be used, and is, in bytes."""

    capacity: int
    used: int = 0

    def take(self, count: int) -> None:
        """Raises NoSpace; a negative count gives back."""
        if count > self.capacity - self.used:
            raise NoSpace
        self.used += count

    def space(self) -> Space:
        total, free = self.capacity // NODE_COST, (self.capacity - self.used) // NODE_COST
        return Space(
            block_size=NODE_COST,
            fragment_size=NODE_COST,
            blocks=total,
            blocks_free=free,
            blocks_available=free,
            files=total,
            files_free=free,
            files_available=free,
            filesystem_id=0,
            read_only=False,
            name_max=MAX_NAME,
        )

    def resize(self, node: Node, size: int, now: int) -> None:
        """Cut a file to `size` bytes, or fill it up with zeros. Raises NoSpace."""
        growth = size - len(node.data)
        self.take(growth)
        if growth > 0:
            node.data.extend(bytes(growth))
        else:
            del node.data[size:]
        node.mtime = now

    def release(self, node: Node) -> None:
        """Give back what a node took, once it has neither name nor handle."""
        if not node.links and not node.handles:
            self.take(-NODE_COST - len(node.data) - len(node.target))
