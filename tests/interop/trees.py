"""Trees of files to carry to and fro: names and sizes that break things, and a comparison byte for byte."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Mapping
from pathlib import Path

KIB = 1024

#: Around what one READ of a client asks (32 KiB), and what one packet of ours holds (255 KiB); and one of many packets.
SIZES = (0, 1, *(edge + step for edge in (32 * KIB, 255 * KIB) for step in (-1, 0, 1)), 5 * KIB * KIB)

TEXT_NAMES = (
    b"plain",
    b"with space",
    b" leading and trailing ",
    b"-rf",
    b"#comment",
    b"~tilde",
    b"'quote\"",
    b"glob*?[a]",
    b"semi;colon&",
    "naïve 漢字 ß".encode(),
    "naïve decomposed".encode(),
    b"x" * 255,
)

#: Names that are no text, or that a client may take for something else.
BYTE_NAMES = (b"latin-\xe9", b"\xff\xfe", b"back\\slash", b"new\nline", b"tab\there", b"bell\x07")


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(size * 1000 + seed).randbytes(size)


def make_tree(directory: Path, names: tuple[bytes, ...] = TEXT_NAMES) -> Path:
    """Files of every size, files and directories of every name, empty directories, four levels."""
    directory.mkdir()
    root = os.fsencode(directory)
    for size in SIZES:
        _write(root + b"/size-%d" % size, content(size))
    deep = root
    for level in range(3):
        deep += b"/level %d" % level
        os.mkdir(deep)
        os.mkdir(deep + b"/empty")
    for number, name in enumerate(names):
        _write(root + b"/" + name, content(100, number))
        os.mkdir(deep + b"/" + name)
        _write(deep + b"/" + name + b"/" + name, content(10, number))
    return directory


def snapshot(root: bytes) -> Mapping[bytes, str]:
    """Every name below `root`, with its type and what is in it."""
    found: dict[bytes, str] = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = directory + b"/" + name
            found[path[len(root) + 1 :]] = _described(path)
    return found


def _described(path: bytes) -> str:
    if os.path.islink(path):
        return f"link to {os.readlink(path)!r}"
    if os.path.isdir(path):
        return "directory"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def assert_same(one: Path | bytes, other: Path | bytes) -> None:
    """The two trees hold the same names with the same content."""
    before, after = snapshot(os.fsencode(one)), snapshot(os.fsencode(other))
    assert before.keys() == after.keys()
    assert before == after


def make_many(directory: Path, count: int = 10_000) -> Path:
    """A directory with many names, so long that a listing's packets hold only few of them; all of one empty file."""
    directory.mkdir()
    first = directory / "first"
    first.touch()
    for number in range(1, count):
        os.link(first, directory / f"{number:05}-{'n' * (number % 100)}")
    return directory
