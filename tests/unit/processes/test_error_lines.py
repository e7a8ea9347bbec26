from __future__ import annotations

import pytest

from conchgo.processes.error_lines import ErrorLines

SAID = b"fatal: one\nbwrap: /srv/secret\nprogress\rbwrap: no line\nbw\nconchgo-box: it failed\nlast bwrap: here"
PASSED = b"fatal: one\nprogress\rbwrap: no line\nbw\nlast bwrap: here"


@pytest.mark.parametrize("size", range(1, len(SAID)))
def test_lines_of_the_box_are_kept_however_they_come(size: int) -> None:
    lines = ErrorLines()
    passed = b"".join(lines.add(SAID[start : start + size]) for start in range(0, len(SAID), size))
    assert passed + lines.add(b"") == PASSED
    assert lines.of_the_box() == ["bwrap: /srv/secret", "conchgo-box: it failed"]
    assert lines.of_the_box() == []


def test_what_is_clear_is_passed_on_at_once() -> None:
    lines = ErrorLines()
    assert lines.add(b"10%\r") == b"10%\r"
    assert lines.add(b"bw") == b"bw"
    assert lines.add(b"\nbw") == b"\n"
    assert lines.add(b"s") == b"bws"
    assert lines.add(b"\nbw") == b"\n"
    assert lines.add(b"") == b"bw"


def test_an_endless_line_takes_no_memory() -> None:
    lines = ErrorLines()
    for _ in range(100):
        assert lines.add(b"bwrap: " + bytes(100_000)) == b""
    lines.add(b"")
    (line,) = lines.of_the_box()
    assert len(line) < 10_000
