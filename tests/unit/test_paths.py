"""The one path type: whatever bytes a client sends, the path is clean, below the root, and printable."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conchgo.errors import InvalidPath
from conchgo.paths import MAX_PATH, ROOT, VirtualPath, escaped, is_plain_name

raw_paths = st.lists(
    st.sampled_from([b"/", b"//", b"a", b"b", b".", b"..", b"...", b"\xff", b"\\", b"\n", b" ", "é".encode()]),
    max_size=20,
).map(b"".join)
names = st.binary(min_size=1, max_size=8).filter(is_plain_name)
paths = st.lists(names, max_size=5).map(lambda parts: VirtualPath(tuple(parts)))


@given(raw_paths)
def test_a_parsed_path_is_clean_and_below_the_root(raw: bytes) -> None:
    path = VirtualPath.parse(raw)

    assert all(is_plain_name(part) for part in path.parts)
    assert bytes(path).startswith(b"/")


@given(raw_paths)
def test_parsing_a_clean_path_changes_nothing(raw: bytes) -> None:
    path = VirtualPath.parse(raw)

    assert VirtualPath.parse(bytes(path)) == path


@given(raw_paths, paths)
def test_a_relative_path_starts_at_the_base_and_an_absolute_one_does_not(raw: bytes, base: VirtualPath) -> None:
    relative = raw.lstrip(b"/")

    assert VirtualPath.parse(relative, base) == VirtualPath.parse(bytes(base) + b"/" + relative)
    assert VirtualPath.parse(b"/" + raw, base) == VirtualPath.parse(b"/" + raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", b"/"),
        (b"/", b"/"),
        (b"../..", b"/"),
        (b"/a/../../b", b"/b"),
        (b"/a/./b//c/", b"/a/b/c"),
        (b"a/..", b"/"),
        (b"/...", b"/..."),
        (b"..\\..\\x", b"/..\\..\\x"),
        (b"C:\\x", b"/C:\\x"),
        (b"/\xff\xfe/\n", b"/\xff\xfe/\n"),
        (b"~/x", b"/~/x"),
    ],
)
def test_what_clients_send(raw: bytes, expected: bytes) -> None:
    assert bytes(VirtualPath.parse(raw)) == expected


@pytest.mark.parametrize("raw", [b"\0", b"/a\0b", b"a" * (MAX_PATH + 1), b"/" * (MAX_PATH + 1)])
def test_no_path(raw: bytes) -> None:
    with pytest.raises(InvalidPath):
        VirtualPath.parse(raw)


def test_the_longest_path() -> None:
    assert VirtualPath.parse(b"/" * MAX_PATH) == ROOT


@given(paths, names)
def test_a_joined_name_is_the_last_one(path: VirtualPath, name: bytes) -> None:
    joined = path / name

    assert joined.name == name
    assert joined.parent == path
    assert joined.relative_to(path) == (name,)


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/", b"../x", b"a\0"])
def test_only_a_plain_name_is_joined(name: bytes) -> None:
    with pytest.raises(InvalidPath):
        ROOT / name


@given(paths, paths)
def test_containment_is_by_components(path: VirtualPath, other: VirtualPath) -> None:
    below = VirtualPath(path.parts + other.parts)

    assert below.is_within(path)
    assert below.relative_to(path) == other.parts
    assert path.is_within(below) == (not other.parts)


def test_a_common_prefix_of_bytes_is_no_containment() -> None:
    assert not VirtualPath.parse(b"/home2").is_within(VirtualPath.parse(b"/home"))
    with pytest.raises(ValueError, match="/home2 is not within /home"):
        VirtualPath.parse(b"/home2").relative_to(VirtualPath.parse(b"/home"))


@given(paths)
def test_ancestors_lead_to_the_root(path: VirtualPath) -> None:
    line = list(path.ancestors())

    assert line[0] == path
    assert line[-1] == ROOT
    assert [ancestor.parent for ancestor in line[:-1]] == line[1:]
    assert all(path.is_within(ancestor) for ancestor in line)


def test_the_root() -> None:
    assert ROOT.is_root
    assert ROOT.parent == ROOT
    assert ROOT.name == b""
    assert bytes(ROOT) == b"/"


@given(paths, paths)
def test_paths_are_values(path: VirtualPath, other: VirtualPath) -> None:
    twin = VirtualPath.parse(bytes(path))

    assert twin == path
    assert hash(twin) == hash(path)
    assert (path == other) == (bytes(path) == bytes(other))
    assert (path < other) == (path.parts < other.parts)
    assert path != bytes(path)


@given(paths)
def test_paths_are_copied_and_pickled(path: VirtualPath) -> None:
    assert copy.deepcopy(path) == path
    assert pickle.loads(pickle.dumps(path)) == path


def test_a_path_does_not_change() -> None:
    with pytest.raises(AttributeError):
        ROOT.parts = (b"a",)  # type: ignore[misc]


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_an_escaped_name_is_printable(raw: bytes) -> None:
    assert escaped(raw).isprintable()


@given(st.binary(max_size=6), st.binary(max_size=6))
@example(b"\x80", "\x80".encode())
@example(b"\n", b"\\n")
@example("\U000e0001".encode(), b"\\U000e0001")
def test_two_names_never_look_the_same(one: bytes, other: bytes) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"report.txt", "report.txt"),
        ("é€".encode(), "é€"),
        (b"a\nb", "a\\nb"),
        (b"a\\b", "a\\\\b"),
        (b"\xff", "\\xff"),
        (b"\x1b[31m", "\\x1b[31m"),
        ("\u202egpj.exe".encode(), "\\u202egpj.exe"),
    ],
)
def test_names_as_they_are_shown(raw: bytes, shown: str) -> None:
    assert escaped(raw) == shown
    assert str(VirtualPath((raw,))) == "/" + shown
