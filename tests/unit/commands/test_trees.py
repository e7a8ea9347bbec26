"""conchgo-copy and conchgo-remove."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.local import LocalStorage
from conchgo.vfs.compose import Mount
from tests.unit.commands.running import EVERYTHING, filesystem, run


def content(directory: Path) -> dict[str, bytes | str | None]:
    """Every name below, with a file's bytes, a link's target, None for a directory."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "deep" / "deeper").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "file").write_bytes(b"x" * 3_000_000)
    (source / "nothing").write_bytes(b"")
    (source / "deep" / "deeper" / "other").write_bytes(b"y")
    (source / "deep" / "new\nline").write_bytes(b"z")
    (source / "file").chmod(0o640)
    return tmp_path


def served(home: Path, permissions=EVERYTHING):
    return filesystem(LocalStorage(bytes(home)), permissions)


# Copy


@pytest.mark.parametrize("name", ["conchgo-copy", "sftpgo-copy"])
def test_a_tree_is_copied(home, name) -> None:
    channel = run(served(home), name, "source", "target")
    assert (channel.status, bytes(channel.output), channel.errors) == (0, b"OK\n", b"")
    assert content(home / "target") == content(home / "source")
    assert (home / "target" / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("source", "target", "where"),
    [
        ("source/file", "there", "there/file"),
        ("source/file", "there/", "there/file"),
        ("source/file", "missing/", "missing/file"),
        ("source/file", "missing/.", "missing/file"),
        ("source/deep/.", "there", "there/deeper/other"),
        ("source/file", "missing/deep/name", "missing/deep/name"),
        ("source/deep", "there", "there/deep/deeper/other"),
        ("source/deep/", "there", "there/deeper/other"),
        ("source/deep/", "there/", "there/deep/deeper/other"),
        ("/source/deep", "/missing", "missing/deeper/other"),
    ],
)
def test_a_directory_is_copied_into_as_people_expect(home, source, target, where) -> None:
    (home / "there").mkdir()
    assert run(served(home), "conchgo-copy", source, target).status == 0
    assert (home / where).is_file()


def test_directories_are_merged_at_every_depth(home) -> None:
    (home / "target" / "deep" / "deeper").mkdir(parents=True)
    (home / "target" / "deep" / "deeper" / "own").write_bytes(b"own")
    (home / "target" / "deep" / "deeper" / "other").write_bytes(b"overwritten")
    assert run(served(home), "conchgo-copy", "source/", "target").status == 0
    assert content(home / "target") == content(home / "source") | {"deep/deeper/own": b"own"}


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("source", "source/deep/inside", "one of the two is within the other"),
        ("source", "source/new/deep/inside", "one of the two is within the other"),
        ("source/", "link/new/inside", "one of the two is within the other"),
        ("missing", "new/deep/target", "no such file or directory"),
        ("source", "source", "one of the two is within the other"),
        ("source/deep/", ".", "one of the two is within the other"),
        ("source/", "link/inside", "one of the two is within the other"),
        ("missing", "target", "no such file or directory"),
        ("source/deep/", "source/file", "not a directory"),
        ("source/link", "target", "only files and directories are copied"),
        ("source/file", "hard", "both are the same file"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_changed(home, source, target, reason) -> None:
    (home / "link").symlink_to("source")
    (home / "source" / "link").symlink_to("file")
    (home / "hard").hardlink_to(home / "source" / "file")
    before = content(home)
    channel = run(served(home), "conchgo-copy", source, target)
    assert channel.status == 1
    assert reason in channel.complaints[0]
    assert content(home) == before


def test_where_a_quota_is_full_it_is_told_what_was_copied_and_what_was_not(home) -> None:
    ledger = MemoryLedger()
    ledger.count("user:alice", Usage(0, 0))
    mount = Mount(LocalStorage(bytes(home)), Charge("user:alice", (("user:alice", Limits(files=2)),)))
    channel = run(filesystem(mount, ledger=ledger), "conchgo-copy", "source/", "copy")
    assert channel.status == 1
    failed, summary = channel.complaints
    assert failed.endswith(": quota exceeded: 2 of 2 files are there; the copy ends here")
    assert summary.startswith("conchgo-copy: 2 files with ")
    assert summary.endswith("; 1 could not be")
    copies = [path for path in (home / "copy").rglob("*") if path.is_file()]
    assert ledger.usage("user:alice") == Usage(sum(path.stat().st_size for path in copies), 2)
    assert len(copies) == 2


def test_links_and_fifos_are_passed_over(home) -> None:
    (home / "source" / "link").symlink_to("/etc/passwd")
    os.mkfifo(home / "source" / "fifo")
    channel = run(served(home), "conchgo-copy", "source", "target")
    assert channel.status == 0
    assert set(content(home / "target")) == set(content(home / "source")) - {"link", "fifo"}


def test_what_fails_is_told_and_the_others_are_copied(home) -> None:
    (home / "target" / "nothing").mkdir(parents=True)
    channel = run(served(home), "conchgo-copy", "source/", "target")
    assert channel.status == 1
    assert channel.complaints == [
        "conchgo-copy: /source/nothing: the target is a directory",
        "conchgo-copy: 3 files with 3000002 bytes copied; 1 could not be",
    ]
    assert (home / "target" / "deep" / "deeper" / "other").read_bytes() == b"y"


@pytest.mark.parametrize("where", ["/source", "/target"])
def test_both_ends_need_the_right_to_copy(home, where) -> None:
    rights = ("list", "download", "upload", "overwrite", "create_dirs")
    channel = run(served(home, {"/": ("*",), where: rights}), "conchgo-copy", "source", "target")
    assert channel.status == 1
    assert not any(value for value in content(home / "target").values())
    assert "permission denied" in channel.complaints[0]


# Remove


@pytest.mark.parametrize("name", ["conchgo-remove", "sftpgo-remove"])
@pytest.mark.parametrize("path", ["source", "source/", "/source/../source", "source/file", "source/empty"])
def test_what_is_named_is_removed_with_all_that_is_in_it(home, name, path) -> None:
    channel = run(served(home), name, path)
    assert (channel.status, bytes(channel.output), channel.errors) == (0, b"OK\n", b"")
    assert not (home / path.rstrip("/").lstrip("/")).exists()
    assert home.is_dir()


def test_a_link_is_removed_and_not_what_it_points_to(home) -> None:
    (home / "link").symlink_to("source")
    (home / "source" / "deep" / "up").symlink_to("..")
    assert run(served(home), "conchgo-remove", "link").status == 0
    assert (home / "source" / "file").exists()
    assert run(served(home), "conchgo-remove", "source/deep").status == 0
    assert (home / "source" / "file").exists()


def test_more_names_than_are_read_at_once(home) -> None:
    for number in range(2500):
        (home / "source" / f"{number}").touch()
    assert run(served(home), "conchgo-remove", "source").status == 0
    assert not (home / "source").exists()


def test_what_may_not_go_stays_and_the_rest_goes(home) -> None:
    rules = {"/": ("*",), "/source/deep/deeper": ("list",)}
    channel = run(served(home, rules), "conchgo-remove", "source")
    assert channel.status == 1
    assert content(home) == {"source": None, "source/deep": None, "source/deep/deeper": None} | {
        "source/deep/deeper/other": b"y"
    }
    assert channel.complaints == [
        "conchgo-remove: /source/deep/deeper/other: permission denied",
        "conchgo-remove: 4 removed; 1 could not be",
    ]


def test_a_directory_that_may_not_go_is_not_emptied(home) -> None:
    rules = {"/": ("list", "delete_files"), "/source": ("*",)}
    before = content(home)
    channel = run(served(home, rules), "conchgo-remove", "source")
    assert channel.status == 1
    assert content(home) == before


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/", "permission denied"), ("missing", "no such file or directory"), (".", "permission denied")],
)
def test_the_root_stays_and_what_is_not_there_is_told(home, path, reason) -> None:
    before = content(home)
    channel = run(served(home), "conchgo-remove", path)
    assert channel.complaints == [f"conchgo-remove: {path}: {reason}"]
    assert channel.status == 1
    assert content(home) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conchgo-copy", ()),
        ("conchgo-copy", ("a",)),
        ("conchgo-copy", ("a", "b", "c")),
        ("conchgo-copy", ("a", "")),
        ("conchgo-remove", ()),
        ("conchgo-remove", ("a", "b")),
        ("conchgo-remove", ("-rf", "a")),
    ],
)
def test_too_few_or_too_many_words(home, name, words) -> None:
    before = content(home)
    channel = run(served(home), name, *words)
    assert channel.status == 2
    assert len(channel.complaints) == 1
    assert content(home) == before


def test_progress_is_shown_on_a_terminal_only(home, monkeypatch) -> None:
    monkeypatch.setattr("conchgo.commands.trees._PROGRESS", 0)
    monkeypatch.setattr("conchgo.commands.files._TURN", 0)
    for terminal in (False, True):
        monkeypatch.setattr("tests.unit.commands.running.Channel.terminal", terminal, raising=False)
        channel = run(served(home), "conchgo-copy", "source/", f"target-{terminal}")
        assert channel.status == 0
        assert bool(channel.errors) == terminal
    assert b"\r1 files with " in channel.errors
    assert channel.errors.endswith(b"\r\x1b[K")
