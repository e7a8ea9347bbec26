"""A `Server` whose every piece of work ends when the test says so, and that notes each breach of the law of order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from conchgo.sftp import codec
from conchgo.sftp.rows import Name, Row
from conchgo.vfs.interface import Attributes


class Work:
    """One call on its way."""

    def __init__(self, name: str, *args: Any) -> None:
        self.name = name
        self.args = args
        self.deferred: Deferred[Any] = Deferred()

    def __repr__(self) -> str:
        return f"<{self.name} {self.args}>"


class ControlledServer:
    """Works on nothing by itself: see `working`."""

    def __init__(self) -> None:
        self.working: list[Work] = []
        self.started: list[Work] = []
        self.files: list[ControlledFile] = []
        self.breaches: list[str] = []
        self.cancelled = 0
        self.results: dict[str, Any] = {}

    def begin(self, name: str, *args: Any) -> Deferred[Any]:
        work = Work(name, *args)
        self.working.append(work)
        self.started.append(work)
        if name not in ("read", "write") and sum(w.name not in ("read", "write", "close") for w in self.working) > 1:
            self.breaches.append(f"{work} beside {self.working}")
        return work.deferred

    def finish(self, index: int = 0, error: Exception | None = None) -> Work:
        work = self.working.pop(index)
        if error is not None:
            work.deferred.errback(error)
        else:
            work.deferred.callback(self._result(work))
        return work

    def finish_all(self) -> None:
        while self.working:
            self.finish()

    def _result(self, work: Work) -> Any:
        if work.name in ("open", "opendir"):
            opened = ControlledFile(self, appending=bool(work.args[1] & 4) if work.name == "open" else False)
            self.files.append(opened)
            return opened
        if work.name == "read":
            return bytes(work.args[2])
        return self.results.get(work.name)

    # What the engine calls.

    def extensions(self) -> Mapping[bytes, Row]:
        return {}

    def cancel(self) -> None:
        self.cancelled += 1

    def open(self, path: bytes, flags: int, attributes: Attributes) -> Deferred[Any]:
        return self.begin("open", path, flags)

    def opendir(self, path: bytes) -> Deferred[Any]:
        return self.begin("opendir", path)

    def stat(self, path: bytes) -> Deferred[bytes]:
        self.results["stat"] = codec.stat_attributes(None)
        return self.begin("stat", path)

    def mkdir(self, path: bytes, attributes: Attributes) -> Deferred[None]:
        return self.begin("mkdir", path)

    def __getattr__(self, name: str) -> Any:
        if name not in ("lstat", "setstat", "remove", "rmdir", "realpath", "rename", "readlink", "symlink"):
            raise AttributeError(name)
        return lambda *args: self.begin(name, *args)


class ControlledFile:
    """An open file or directory."""

    def __init__(self, server: ControlledServer, *, appending: bool) -> None:
        self.server = server
        self.appending = appending
        self.closed = 0
        self.abandoned = False

    def read(self, offset: int, length: int) -> Deferred[bytes]:
        return self._begin("read", offset, length)

    def read_now(self, offset: int, views: Sequence[memoryview]) -> None:
        """Never: what is done at once is nothing to control."""

    def write(self, offset: int, data: bytes, *, more: bool) -> Deferred[None]:
        return self._begin("write", offset, len(data))

    def stat(self) -> Deferred[bytes]:
        self.server.results["fstat"] = codec.stat_attributes(None)
        return self._begin("fstat")

    def names(self) -> Deferred[Sequence[Name]]:
        self.server.results["names"] = [Name(b"n", b"n", codec.stat_attributes(None))]
        return self._begin("names")

    def close(self) -> Deferred[None]:
        self.closed += 1
        if self.closed > 1:
            self.server.breaches.append("closed twice")
        return self._begin("close")

    def abandon(self) -> Deferred[None]:
        self.abandoned = True
        return self.close()

    def _begin(self, name: str, *args: Any) -> Deferred[Any]:
        if name != "close" and self.closed:
            self.server.breaches.append(f"{name} on a closed file")
        beside = [work for work in self.server.working if work.args and work.args[0] is self]
        if beside and (self.appending or name not in ("read", "write")):
            self.server.breaches.append(f"{name} beside {beside}")
        for other in beside:
            if other.name not in ("read", "write") or self._clash(name, args, other):
                self.server.breaches.append(f"{name} {args} beside {other}")
        return self.server.begin(name, self, *args)

    @staticmethod
    def _clash(name: str, args: tuple[Any, ...], other: Work) -> bool:
        if name == other.name == "read" or name not in ("read", "write"):
            return False
        (start, length), (_, other_start, other_length) = args, other.args
        return bool(start < other_start + other_length and other_start < start + length)
