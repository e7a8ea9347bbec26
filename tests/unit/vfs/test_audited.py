"""What a session does and is refused becomes events, and no event tells of a real path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conchgo.errors import Failure, NoSpace, PermissionDenied
from conchgo.events.audit import as_line
from conchgo.events.records import ACTIONS, Event
from conchgo.storage.interface import Attributes
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.storage.memory_file import MemoryFile
from conchgo.vfs.interface import Filesystem, OpenOptions
from tests.permission_table import DIRECTORY, OPERATIONS, Link, prepare
from tests.unit.vfs.helpers import CREATE, ORIGIN, READ, WRITE, View, outcome, p, put

TREE = {b"/d": DIRECTORY, b"/d/f": b"four", b"/d/l": Link(b"f"), b"/d/e": DIRECTORY}

#: What is asked, and the event: action, path, target.
CHANGES: list[tuple[Callable[[Filesystem], Any], tuple[str, bytes, bytes | None]]] = [
    (lambda fs: fs.mkdir(p(b"/d/new")), ("mkdir", b"/d/new", None)),
    (lambda fs: fs.rmdir(p(b"/d/e")), ("rmdir", b"/d/e", None)),
    (lambda fs: fs.remove(p(b"/d/f")), ("remove", b"/d/f", None)),
    (lambda fs: fs.rename(p(b"/d/f"), p(b"/d/g"), replace=False), ("rename", b"/d/f", b"/d/g")),
    (lambda fs: fs.symlink(b"f", p(b"/d/m")), ("symlink", b"/d/m", b"/d/f")),
    (lambda fs: fs.link(p(b"/d/f"), p(b"/d/g")), ("hardlink", b"/d/f", b"/d/g")),
    (lambda fs: fs.set_attributes(p(b"/d/f"), Attributes(mode=0o600)), ("setstat", b"/d/f", None)),
    (lambda fs: fs.scan(p(b"/d")).close(), ("list", b"/d", None)),
]

LOOKS: list[tuple[Callable[[Filesystem], Any], str, bytes]] = [
    (lambda fs: fs.stat(p(b"/d/f")), "stat", b"/d/f"),
    (lambda fs: fs.lstat(p(b"/d/l")), "stat", b"/d/l"),
    (lambda fs: fs.readlink(p(b"/d/l")), "readlink", b"/d/l"),
    (lambda fs: fs.space(p(b"/d/f")), "stat", b"/d/f"),
]


def told(event: Event) -> tuple[str, str, bytes | None, bytes | None]:
    return event.action, event.status, event.path and bytes(event.path), event.target and bytes(event.target)


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_change_is_told_and_so_is_its_refusal(storage: Any, change: Any, expected: tuple[str, bytes, bytes]) -> None:
    prepare(storage, TREE)
    action, path, target = expected
    refused = View(storage, {"/": ["copy"]})
    with pytest.raises(PermissionDenied):
        change(refused.fs)
    assert [told(event) for event in refused.events] == [(action, "refused", path, target)]
    assert refused.events[0].reason == "permission denied"
    done = View(storage)
    change(done.fs)
    assert [told(event) for event in done.events] == [(action, "ok", path, target)]
    assert done.events[0].origin == ORIGIN


@pytest.mark.parametrize(("look", "action", "path"), LOOKS)
def test_a_look_is_told_when_it_is_refused(storage: Any, look: Any, action: str, path: bytes) -> None:
    prepare(storage, TREE)
    done = View(storage)
    look(done.fs)
    assert done.events == []
    refused = View(storage, {"/": ["copy"]})
    with pytest.raises(PermissionDenied):
        look(refused.fs)
    assert [told(event) for event in refused.events] == [(action, "refused", path, None)]


def test_the_room_around_an_open_file_is_told_to_who_may_list(storage: Any) -> None:
    prepare(storage, TREE)
    done = View(storage)
    file = done.fs.open(p(b"/d/f"), READ)
    assert file.space().name_max == 255
    file.close()
    assert [told(event)[:2] for event in done.events] == [("open", "ok"), ("close", "ok")]
    refused = View(storage, {"/": ["download"]})
    file = refused.fs.open(p(b"/d/f"), READ)
    with pytest.raises(PermissionDenied):
        file.space()
    file.close()
    assert [told(event)[:2] for event in refused.events] == [("open", "ok"), ("stat", "refused"), ("close", "ok")]


def test_what_no_client_asked_is_refused_to_nobody(storage: Any) -> None:
    prepare(storage, TREE)
    refused = View(storage, {"/": ["copy"]})
    assert refused.fs.peek(p(b"/d/f")) is None
    assert refused.events == []
    seen = View(storage)
    assert seen.fs.peek(p(b"/d/f")) == seen.fs.stat(p(b"/d/f"))


def test_what_fails_is_told_and_what_is_not_there_is_not(storage: Any) -> None:
    prepare(storage, TREE)
    view = View(storage)
    outcome(lambda: view.fs.rmdir(p(b"/d")))
    outcome(lambda: view.fs.mkdir(p(b"/d")))
    outcome(lambda: view.fs.remove(p(b"/missing")))
    outcome(lambda: view.fs.open(p(b"/missing"), READ))
    assert [(*told(event), event.reason) for event in view.events] == [
        ("rmdir", "failed", b"/d", None, "directory not empty"),
        ("mkdir", "failed", b"/d", None, "file exists"),
    ]


def test_a_close_tells_the_bytes(storage: Any) -> None:
    view = View(storage)
    file = view.fs.open(p(b"/f"), OpenOptions(read=True, write=True, create=True))
    file.pwritev([memoryview(b"0123"), memoryview(b"456789")], 0)
    file.append(memoryview(b"ab"))
    assert file.pread(4, 0) == b"0123"
    into = [bytearray(4), bytearray(100)]
    assert file.preadv([memoryview(buffer) for buffer in into], 4) == 8
    file.close()
    opened, closed = view.events
    assert told(opened) == ("open", "ok", b"/f", None)
    assert told(closed) == ("close", "ok", b"/f", None)
    assert (closed.bytes_read, closed.bytes_written) == (12, 12)
    assert closed.elapsed is not None
    assert closed.elapsed >= 0


def test_bytes_are_counted_whatever_the_views_hold() -> None:
    view = View(MemoryStorage())
    file = view.fs.open(p(b"/f"), CREATE)
    file.pwritev([memoryview(bytes(16)).cast("Q")], 0)
    file.append(memoryview(bytes(8)).cast("Q"))
    file.close()
    assert view.events[-1].bytes_written == 24


def test_bytes_of_many_threads_are_counted(storage: Any) -> None:
    view = View(storage)
    file = view.fs.open(p(b"/f"), OpenOptions(read=True, write=True, create=True))
    file.pwritev([memoryview(bytes(10))], 0)
    together = threading.Barrier(8)

    def work() -> None:
        together.wait()
        for _ in range(200):
            file.pread(10, 0)
            file.pwritev([memoryview(b"xyz")], 0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    assert (view.events[-1].bytes_read, view.events[-1].bytes_written) == (16000, 4810)


def test_a_close_is_told_once(storage: Any) -> None:
    view = View(storage)
    file = view.fs.open(p(b"/f"), CREATE)
    file.close()
    file.close()
    assert [event.action for event in view.events] == ["open", "close"]


def test_an_abandoned_file_is_no_whole_one(storage: Any) -> None:
    view = View(storage)
    file = view.fs.open(p(b"/new"), CREATE)
    file.pwritev([memoryview(b"half")], 0)
    file.abandon()
    file.close()
    closes = [event for event in view.events if event.action == "close"]
    assert [(event.status, event.bytes_written) for event in closes] == [("failed", 4)]
    assert closes[0].reason == "the client left before it closed the file"


def test_the_storage_learns_that_a_file_was_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    monkeypatch.setattr(MemoryFile, "abandon", lambda file: ends.append(file.close()))
    file = View(MemoryStorage()).fs.open(p(b"/new"), CREATE)
    file.abandon()
    file.abandon()
    assert len(ends) == 1


def test_a_write_that_failed_is_told_at_the_close() -> None:
    view = View(MemoryStorage(capacity=4096))
    file = view.fs.open(p(b"/f"), CREATE)
    file.pwritev([memoryview(bytes(100))], 0)
    with pytest.raises(NoSpace):
        file.pwritev([memoryview(bytes(5000))], 0)
    file.close()
    closed = view.events[-1]
    assert (closed.status, closed.reason, closed.bytes_written) == ("failed", "no space left on the storage", 100)


class _Breaking:
    """A file of a storage that breaks."""

    def __init__(self, file: Any, **broken: Exception) -> None:
        self._file = file
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        if name not in self._broken:
            return getattr(self._file, name)

        def fail(*_: object) -> None:
            raise self._broken[name]

        return fail


@pytest.mark.parametrize("call", ["pread", "sync", "close"])
@pytest.mark.parametrize(
    ("error", "reason"), [(Failure("I/O error"), "I/O error"), (OSError(5, "x", "/srv/real/path"), "internal error")]
)
def test_a_file_that_breaks_is_told_at_the_close(call: str, error: Exception, reason: str) -> None:
    storage: Any = MemoryStorage()
    put(View(storage).fs, b"/f", b"data")
    storage_open = storage.open
    storage.open = lambda *args, **kwargs: _Breaking(storage_open(*args, **kwargs), **{call: error})
    view = View(storage)
    file = view.fs.open(p(b"/f"), READ)
    for request in (lambda: file.pread(1, 0), file.sync, file.close):
        try:
            request()
        except (Failure, OSError) as raised:
            assert raised is error  # noqa: PT017
    closed = view.events[-1]
    assert (closed.action, closed.status, closed.reason) == ("close", "failed", reason)


def test_changes_through_a_handle_are_told(storage: Any) -> None:
    prepare(storage, {b"/f": b"four"})
    view = View(storage, {"/": ["overwrite"]})
    file = view.fs.open(p(b"/f"), WRITE)
    file.set_attributes(Attributes(size=1))
    with pytest.raises(PermissionDenied):
        file.set_attributes(Attributes(mode=0o600))
    file.close()
    assert [told(event)[:2] for event in view.events] == [
        ("open", "ok"),
        ("setstat", "ok"),
        ("setstat", "refused"),
        ("close", "ok"),
    ]


def test_a_refused_read_is_told_once_and_is_no_failed_upload(storage: Any) -> None:
    prepare(storage, {b"/f": b"four"})
    view = View(storage, {"/": ["overwrite"]})
    file = view.fs.open(p(b"/f"), OpenOptions(read=True, write=True))
    for _ in range(3):
        with pytest.raises(PermissionDenied):
            file.pread(1, 0)
    file.close()
    assert [told(event)[:2] for event in view.events] == [("open", "ok"), ("open", "refused"), ("close", "ok")]
    assert view.events[1].reason == "permission denied: the handle is not open for reading"


def test_no_event_and_no_error_tells_a_real_path(tmp_path: Path) -> None:
    root = tmp_path / "real"
    root.mkdir()
    storage = LocalStorage(bytes(root))
    prepare(storage, {b"/out": Link(bytes(tmp_path)), b"/d": DIRECTORY, b"/d/f": b""})
    said = []
    for verbs in (["*"], ["list"], ["copy"]):
        view = View(storage, {"/": verbs})
        requests = [operation.run for operation in OPERATIONS]
        requests += [change for change, _ in CHANGES]
        requests += [
            lambda fs: fs.readlink(p(b"/out")),
            lambda fs: fs.scan(p(b"/out")),
            lambda fs: fs.rename(p(b"/d/f"), p(b"/out/f"), replace=True),
            lambda fs: fs.open(p(b"/d/f/below"), CREATE),
            lambda fs: fs.mkdir(p(b"/" + b"x" * 256)),
        ]
        for request in requests:
            try:
                said.append(repr(request(view.fs)))
            except Exception as error:
                said.append(str(error))
        said += [as_line(event).decode() for event in view.events]
        assert {event.action for event in view.events} <= ACTIONS
    storage.close()
    assert not [line for line in said if str(tmp_path) in line]
