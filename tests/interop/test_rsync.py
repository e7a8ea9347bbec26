"""rsync as a client, over ssh."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.interop.commands import address, ssh_options
from tests.interop.service import PATIENCE, Servers, Service
from tests.interop.trees import TEXT_NAMES, make_tree, snapshot
from tests.programs import require_program


@pytest.fixture
def service(servers: Servers) -> Service:
    return servers.start(commands=("*",))


def attempt(service: Service, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    shell = shlex.join([require_program("ssh"), *ssh_options(service)])
    return subprocess.run(
        [require_program("rsync"), "-e", shell, *arguments], capture_output=True, timeout=PATIENCE, check=False
    )


def rsync(service: Service, *arguments: str | Path, status: int = 0) -> str:
    done = attempt(service, *arguments)
    said = (done.stdout + done.stderr).decode(errors="backslashreplace")
    assert done.returncode == status, said[-4000:]
    return said


def same(one: Path, other: Path) -> None:
    assert snapshot(os.fsencode(one)) == snapshot(os.fsencode(other))


@pytest.mark.parametrize(
    "options",
    [
        *(["-a", f"--protocol={version}"] for version in (27, 28, 29, 30, 31, 32)),
        ["-az", "--secluded-args"],
        ["-aHXSvzP", "--numeric-ids", "--bwlimit=100000", "--info=progress2", "--out-format=%i %n"],
        ["-rt", "--inplace", "--no-whole-file"],
        ["-a", "--partial-dir=.rsync-partial", "--delay-updates", "-c"],
    ],
    ids=" ".join,
)
def test_there_and_back(service: Service, local: Path, options: list[str]) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES)
    rsync(service, *options, f"{tree}/", address(service, "/deep/"))
    same(service.home / "deep", tree)
    rsync(service, *options, address(service, "/deep"), local / "back")
    same(local / "back" / "deep", tree)
    assert "deep/" not in rsync(service, "-a", "--out-format=%i %n", f"{tree}/", address(service, "deep"))


def plant(root: Path, *paths: str) -> Path:
    """Files with their own paths in them."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return root


def found(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_a_file_to_a_name_and_into_a_directory(service: Service, local: Path) -> None:
    plant(local, "f")
    (service.home / "d").mkdir()
    rsync(service, local / "f", address(service, "g"))
    rsync(service, local / "f", address(service, "d"))
    rsync(service, local / "f", address(service, "new/"))
    rsync(service, local / "f", address(service))
    assert found(service.home) == {"g", "d/f", "new/f", "f"}
    rsync(service, address(service, "d/f"), local / "back")
    assert (local / "back").read_text() == "f"


def test_wildcards_and_several_sources(service: Service, local: Path) -> None:
    plant(service.home, "a/g1.txt", "a/g2.txt", "a/x", "b/c/f", "my files/x y", "g[1]", "g1")
    rsync(service, address(service, "a/g*.txt"), address(service, "b/c"), local / "one", "-r")
    assert found(local / "one") == {"g1.txt", "g2.txt", "c/f"}
    rsync(service, "-r", address(service, "my files/"), address(service, r"g\[1\]"), local / "two")
    assert found(local / "two") == {"x y", "g[1]"}
    rsync(service, "-rs", address(service, "g[1]"), address(service, "my files"), local / "three")
    assert found(local / "three") == {"g[1]", "my files/x y"}


def test_relative_paths(service: Service, local: Path) -> None:
    plant(service.home, "a/b/c", "a/d")
    rsync(service, "-aR", address(service, "/a/b"), local / "one")
    assert found(local / "one") == {"a/b/c"}
    rsync(service, "-aR", address(service, "/a/./b"), local / "two")
    assert found(local / "two") == {"b/c"}
    rsync(service, "-aR", address(service, "a/./b/c"), address(service, "a/./d"), local / "three")
    assert found(local / "three") == {"b/c", "d"}
    rsync(service, "-aR", "--no-implied-dirs", f"{local}/./one/a", address(service, "new/"))
    assert found(service.home / "new") == {"one/a/b/c"}


@pytest.mark.parametrize("source", ["/", "/a", "/a/b/"])
def test_lists_of_files(service: Service, local: Path, source: str) -> None:
    plant(service.home, "a/b/c/f", "a/b/g", "a/b/h")
    depth = {"/": "a/b/", "/a": "b/", "/a/b/": ""}[source]
    (local / "list").write_text(f"{depth}c/f\n{depth}g\n")
    rsync(service, "-a", f"--files-from={local}/list", address(service, source), local / "one")
    assert found(local / "one") == {f"{depth}c/f", f"{depth}g"}
    rsync(service, "-a", f"--files-from={local}/list", local / "one", address(service, "/back"))
    assert found(service.home / "back") == {f"{depth}c/f", f"{depth}g"}


def test_deletions_and_backups(service: Service, local: Path) -> None:
    plant(service.home, "d/gone", "d/kept", "d/sub/gone")
    plant(local, "tree/kept", "tree/new")
    rsync(service, "-a", "--delete", "-b", "--backup-dir=../old", f"{local}/tree/", address(service, "/d"))
    assert found(service.home) == {"d/kept", "d/new", "old/gone", "old/kept", "old/sub/gone"}
    removed = {event["path"] for event in service.audit("remove", 3)}
    assert removed == {"/d/gone", "/d/sub/gone", "/d/sub"}


def test_links_to_a_directory_beside(service: Service, local: Path) -> None:
    plant(local, "tree/a", "tree/b")
    rsync(service, "-a", f"{local}/tree/", address(service, "/backups/mon/"), status=12)
    (service.home / "backups").mkdir()
    rsync(service, "-a", f"{local}/tree/", address(service, "/backups/mon/"))
    (local / "tree" / "b").write_text("changed")
    rsync(service, "-a", "--link-dest=../mon", f"{local}/tree/", address(service, "/backups/tue/"))
    days = service.home / "backups"
    assert (days / "mon" / "a").samefile(days / "tue" / "a")
    assert (days / "mon" / "b").read_text() == "tree/b"
    assert (days / "tue" / "b").read_text() == "changed"
    rsync(service, "-a", "--compare-dest=/backups/tue", f"{local}/tree/", address(service, "/backups/wed/"))
    assert found(days / "wed") == set()


def test_hard_links_and_holes(service: Service, local: Path) -> None:
    plant(local, "tree/a")
    os.link(local / "tree" / "a", local / "tree" / "b")
    with (local / "tree" / "sparse").open("wb") as file:
        file.truncate(10_000_000)
    rsync(service, "-aHS", f"{local}/tree/", address(service, "/d"))
    assert (service.home / "d" / "a").samefile(service.home / "d" / "b")
    assert (service.home / "d" / "sparse").stat().st_blocks < 1000


def test_what_is_interrupted_goes_on(service: Service, local: Path) -> None:
    data = os.urandom(3_000_000)
    (local / "f").write_bytes(data)
    (service.home / "f").write_bytes(data[:2_000_000])
    said = rsync(service, "--append-verify", "--stats", "--no-h", local / "f", address(service, "f"))
    assert (service.home / "f").read_bytes() == data
    assert "Literal data: 1000000 bytes" in said
    (local / "f").write_bytes(b"x" + data)
    said = rsync(service, "--stats", "--no-h", local / "f", address(service, "f"))
    assert (service.home / "f").read_bytes() == b"x" + data
    assert "Literal data: 3000001 bytes" not in said


def test_each_file_is_told(service: Service, local: Path) -> None:
    plant(local, "tree/f", "tree/sub/g")
    rsync(service, "-a", f"{local}/tree/", address(service, "/d"))
    rsync(service, "-a", address(service, "/d/sub"), local / "back")
    told = {(event["path"], event.get("bytes_written"), event.get("bytes_read")) for event in service.audit("close", 3)}
    assert told == {("/d/f", 6, None), ("/d/sub/g", 10, None), ("/d/sub/g", None, 10)}


def test_a_dry_run_tells_and_changes_nothing(service: Service, local: Path) -> None:
    plant(local, "tree/f")
    (service.home / "d").mkdir()
    assert "f" in rsync(service, "-anv", f"{local}/tree/", address(service, "/d"))
    assert found(service.home) == set()
    assert rsync(service, "-r", address(service, "/")).splitlines()[-1].endswith(" d")


@pytest.mark.full
def test_many_files_and_a_change_in_a_large_one(service: Service, local: Path) -> None:
    tree = local / "tree"
    for number in range(50_000):
        if number % 500 == 0:
            (tree / str(number // 500)).mkdir(parents=True)
        (tree / str(number // 500) / str(number)).write_bytes(b"%d" % number)
    data = os.urandom(100 * 2**20)
    (tree / "large").write_bytes(data)
    rsync(service, "-a", f"{tree}/", address(service, "/d"))
    same(service.home / "d", tree)
    (tree / "large").write_bytes(data[: 2**20] + b"changed" + data[2**20 :])
    said = rsync(service, "-a", "--stats", "--no-h", f"{tree}/", address(service, "/d"))
    literal = int(said.partition("Literal data: ")[2].split()[0])
    assert literal < 100_000
    same(service.home / "d", tree)
    rsync(service, "-a", address(service, "/d/"), local / "back")
    same(local / "back", tree)
