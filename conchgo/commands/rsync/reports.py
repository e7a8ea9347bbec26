"""What rsync did to each file, told to whoever listens and counted against the lease."""

from __future__ import annotations

from conchgo.commands.rsync.events import Line, LogReader
from conchgo.paths import VirtualPath
from conchgo.processes.system import Lease, Processes

_ACTIONS = {b"d": "mkdir", b"L": "symlink"}
#: What is no change in what is itemized.
_UNCHANGED = frozenset(b". ")


class Reports:
    """Of one run. `top` is the place's outermost directory, `beginning` how paths in it begin for rsync."""

    def __init__(
        self, mark: bytes, top: VirtualPath, beginning: bytes, processes: Processes, lease: Lease | None
    ) -> None:
        self._reader = LogReader(mark)
        self._top = top
        self._beginning = beginning
        self._processes = processes
        self._lease = lease

    def heard(self, data: bytes) -> None:
        for line in self._reader.read(data):
            self._count(line)
            path = self._path(line)
            if path is not None:
                self._tell(line, path)

    def _count(self, line: Line) -> None:
        """At most so much more: how large a file was before, nobody tells."""
        made = line.item[:1] in (b">", b"c") and line.is_file
        if self._lease is not None and line.operation == b"recv" and made:
            grown = line.is_new or line.item[3:4] != b"."
            self._lease.spent(line.size if grown else 0, 1 if line.is_new else 0)

    def _path(self, line: Line) -> VirtualPath | None:
        if line.path is None:
            return None
        below = (b"/" + line.path).removeprefix(self._beginning)
        return VirtualPath.parse(below.lstrip(b"/"), self._top)

    def _tell(self, line: Line, path: VirtualPath) -> None:
        kind, tell = line.item[:1], self._processes.tell
        if line.operation == b"send":
            if kind == b"<" and line.is_file:
                tell("close", path, bytes_read=line.size)
        elif line.operation == b"del.":
            tell("remove", path)
        elif kind == b">" and line.is_file:
            tell("close", path, bytes_written=line.size)
        elif kind == b"h":
            tell("hardlink", path)
        elif kind == b"c" and line.is_new:
            tell(_ACTIONS.get(line.item[1:2], "copy"), path)
        elif kind in (b".", b"c") and not _UNCHANGED.issuperset(line.item[2:]):
            tell("setstat", path)
