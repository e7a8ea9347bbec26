from typing import Any

import pytest

from conchgo.commands.rsync.reports import Reports
from conchgo.paths import VirtualPath


class Told:
    """What a `Processes` hears, and a `Lease`."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.size = self.files = 0

    def tell(self, action: str, path: VirtualPath, **more: Any) -> None:
        self.events.append((action, str(path), more))

    def spent(self, size: int, files: int) -> None:
        self.size += size
        self.files += files


def hear(line: bytes) -> Told:
    told: Any = Told()
    Reports(b"mark", VirtualPath((b"a",)), b"/files/a", told, told).heard(b"2026 [1] mark " + line + b"\n")
    return told


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"recv >f+++++++++ 7 files/a/x", ("close", "/a/x", {"bytes_written": 7})),
        (b"send <f+++++++++ 7 files/a/b/x", ("close", "/a/b/x", {"bytes_read": 7})),
        (b"del. *deleting   0 files/a/x", ("remove", "/a/x", {})),
        (b"recv cd+++++++++ 4096 files/a/d", ("mkdir", "/a/d", {})),
        (b"recv cL+++++++++ 3 files/a/l", ("symlink", "/a/l", {})),
        (b"recv hf+++++++++ 3 files/a/h", ("hardlink", "/a/h", {})),
        (b"recv .f..t...... 3 files/a/x", ("setstat", "/a/x", {})),
    ],
)
def test_what_rsync_did_is_an_event(line, event):
    assert hear(line).events == [event]


@pytest.mark.parametrize(
    "line", [b"send <d+++++++++ 7 files/a/b", b"recv .f          3 files/a/x", b"send cd+++++++++ 7 files/a"]
)
def test_what_it_did_not_is_none(line):
    assert hear(line).events == []


@pytest.mark.parametrize(
    ("line", "size", "files"),
    [
        (b"recv >f+++++++++ 7 files/a/x", 7, 1),
        (b"recv cf+++++++++ 7 files/a/x", 7, 1),
        (b"recv >f.st...... 7 files/a/x", 7, 0),
        (b"recv >f..t...... 7 files/a/x", 0, 0),
        (b"recv hf+++++++++ 7 files/a/x", 0, 0),
        (b"recv cd+++++++++ 7 files/a/x", 0, 0),
        (b"send <f+++++++++ 7 files/a/x", 0, 0),
    ],
)
def test_what_is_made_is_counted(line, size, files):
    told = hear(line)
    assert (told.size, told.files) == (size, files)


def test_a_name_that_was_too_long_is_counted_and_not_told():
    told: Any = Told()
    Reports(b"mark", VirtualPath(), b"/files", told, told).heard(b"mark recv >f+++++++++ 7 " + b"x" * 3000 + b"\n")
    assert (told.events, told.size) == ([], 7)
