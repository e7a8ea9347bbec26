"""The scp protocol itself: OpenSSH's `scp -O` and PuTTY's `pscp -scp`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.commands import address, putty_options, run, scp
from tests.interop.service import Service
from tests.interop.trees import BYTE_NAMES, KIB, TEXT_NAMES, assert_same, content, make_tree
from tests.programs import require_program

#: What every scp carries as it is; a newline goes over the wire as \^J, and other control characters not at all.
NAMES = TEXT_NAMES + tuple(name for name in BYTE_NAMES if not any(byte < 32 for byte in name))


def pscp(service: Service, *arguments: str | Path, home: Path, status: int = 0) -> bytes:
    program = [require_program("pscp"), "-scp", "-q", *putty_options(service)]
    done = run([*program, *arguments], env={"HOME": str(home)}, status=status)
    return done.stdout + done.stderr


def test_trees_go_both_ways_byte_for_byte(fast_service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", NAMES)
    scp(fast_service, "-O", "-r", tree, address(fast_service, "/up"))
    assert_same(tree, fast_service.home / "up")
    scp(fast_service, "-O", "-r", address(fast_service, "/up"), local / "down")
    assert_same(tree, local / "down")


def test_a_tree_again_onto_itself(fast_service: Service, local: Path) -> None:
    tree = make_tree(local / "tree")
    for _ in range(2):
        scp(fast_service, "-O", "-r", tree, address(fast_service, "."))
    assert_same(tree, fast_service.home / "tree")


def test_modes_and_times_are_kept_where_asked(fast_service: Service, local: Path) -> None:
    (local / "file").write_bytes(b"content")
    (local / "file").chmod(0o604)
    os.utime(local / "file", (1_000_000_000, 1_234_567_890))
    scp(fast_service, "-O", "-p", local / "file", address(fast_service, "/file"))
    scp(fast_service, "-O", "-p", address(fast_service, "/file"), local / "back")
    for path in (fast_service.home / "file", local / "back"):
        assert (path.stat().st_mode & 0o777, path.stat().st_mtime) == (0o604, 1_234_567_890)


def test_wildcards_and_several_sources(fast_service: Service, local: Path) -> None:
    for name in ("one.txt", "two.txt", "three.jpg"):
        (local / name).write_text(name)
    (fast_service.home / "dir").mkdir()
    sources = [local / name for name in ("one.txt", "two.txt", "three.jpg")]
    scp(fast_service, "-O", *sources, address(fast_service, "dir"))
    (local / "down").mkdir()
    scp(fast_service, "-O", address(fast_service, "dir/*.txt"), local / "down")
    assert sorted(os.listdir(local / "down")) == ["one.txt", "two.txt"]


def test_from_one_remote_name_to_another(fast_service: Service) -> None:
    (fast_service.home / "one").write_bytes(content(3000 * KIB))
    scp(fast_service, "-O", "-3", address(fast_service, "/one"), address(fast_service, "/two"))
    assert (fast_service.home / "two").read_bytes() == content(3000 * KIB)


@pytest.mark.parametrize(
    ("source", "text"),
    [("/missing", b"no such file"), ("/directory", b"not a regular file"), ("*.none", b"no such file")],
)
def test_what_is_wrong_is_said(fast_service: Service, local: Path, source: str, text: bytes) -> None:
    (fast_service.home / "directory").mkdir()
    assert text in scp(fast_service, "-O", address(fast_service, source), local / "x", status=1)
    assert not (local / "x").exists()


def test_what_can_not_be_written_is_said_and_the_rest_arrives(fast_service: Service, local: Path) -> None:
    (local / "tree").mkdir()
    for name in ("a", "b", "c"):
        (local / "tree" / name).write_text(name)
    (fast_service.home / "tree" / "b").mkdir(parents=True)
    assert b"/tree/b: is a directory" in scp(fast_service, "-O", "-r", local / "tree", address(fast_service), status=1)
    assert (fast_service.home / "tree" / "c").read_text() == "c"


def test_putty_carries_trees_both_ways(fast_service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", (b"plain", b"with space"))
    (fast_service.home / "up").mkdir()
    pscp(fast_service, "-r", tree, address(fast_service, "up"), home=local)
    assert_same(tree, fast_service.home / "up" / "tree")
    (local / "down").mkdir()
    pscp(fast_service, "-r", address(fast_service, "up/tree"), local / "down", home=local)
    assert_same(tree, local / "down" / "tree")


def test_putty_keeps_times_and_says_what_is_wrong(fast_service: Service, local: Path) -> None:
    (local / "file").write_bytes(b"x")
    os.utime(local / "file", (1_000_000_000, 1_234_567_890))
    pscp(fast_service, "-p", local / "file", address(fast_service, "file"), home=local)
    assert (fast_service.home / "file").stat().st_mtime == 1_234_567_890
    assert b"no such file" in pscp(fast_service, address(fast_service, "missing"), local / "x", home=local, status=1)
