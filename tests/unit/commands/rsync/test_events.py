import pytest

from conchgo.commands.rsync.events import Line, LogReader

MARK = b"c0ffee"
HEAD = b"2026/11/22 22:34:53 [23223] "


def read(*pieces: bytes) -> list[Line]:
    reader = LogReader(MARK)
    return [line for piece in (*pieces, b"") for line in reader.read(piece)]


LOG = (
    HEAD + b"receiving file list\n",
    HEAD + MARK + b" recv >f+++++++++ 3 home/f\n",
    HEAD + MARK + b" del. *deleting   0 home/a b\n",
    HEAD + MARK + b" send <f.st...... 17 home/sub/g\n",
)
LINES = [
    Line(b"recv", b">f+++++++++", 3, b"home/f"),
    Line(b"del.", b"*deleting  ", 0, b"home/a b"),
    Line(b"send", b"<f.st......", 17, b"home/sub/g"),
]


def test_what_is_itemized_is_read_and_all_else_is_not():
    assert read(*LOG) == LINES


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_pieces_may_have_any_size(size):
    log = b"".join(LOG)
    assert read(*(log[start : start + size] for start in range(0, len(log), size))) == LINES


def test_control_characters_are_escaped_in_the_log():
    assert read(HEAD + MARK + rb" recv >f+++++++++ 3 a\#012b\#134#012" + b"\n")[0].path == b"a\nb\\#012"


def test_a_client_forges_nothing_without_the_mark():
    assert read(HEAD + b"NONCE recv >f+++++++++ 3 home/f\n", HEAD + b"recv >f+++++++++ 3 home/f\n") == []


def test_a_name_that_was_cut_off_swallows_no_other_line():
    message = MARK + b" recv >f+++++++++ 3 " + b"x" * 3000
    lines = read(HEAD + message[:2047] + LOG[1])
    assert lines == [Line(b"recv", b">f+++++++++", 3, None), LINES[0]]


def test_nothing_grows_without_bound():
    reader = LogReader(MARK)
    for _ in range(100):
        assert list(reader.read(b"x" * 10_000)) == []
    list(reader.read(MARK + b" "))
    for _ in range(100):
        list(reader.read(rb"\#001" * 1000))
    assert len(reader._data) < 30_000


def test_an_end_in_the_middle_is_no_line():
    assert read(HEAD + MARK + b" recv >f++") == []
