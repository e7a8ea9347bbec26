"""rsync is held to what a session may do, and to no more."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from conchgo.accounts.model import FilePattern, Filters, Folder, VirtualFolder
from tests.interop.commands import address, run, ssh_options
from tests.interop.keys import make_keys
from tests.interop.service import Servers, Service
from tests.interop.test_rsync import attempt, found, plant, rsync
from tests.programs import require_program

Start = Callable[..., Service]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def start(tmp_path: Path, keys: Path) -> Iterator[Start]:
    """Starts a server whose user has these fields of its record."""
    servers = Servers(tmp_path, keys)
    yield lambda setup=None, **fields: servers.start(servers.user(**fields), commands=("*",), **(setup or {}))
    servers.stop()


@pytest.fixture
def local(tmp_path: Path) -> Path:
    directory = tmp_path / "local"
    directory.mkdir()
    return directory


def patterns(*given: FilePattern) -> dict[str, Any]:
    return {"filters": Filters(file_patterns=given)}


EVERYTHING = ("*",)
NO_LINKS = ("list", "download", "upload", "overwrite", "create_dirs", "delete", "chmod", "chtimes")


@pytest.mark.parametrize(
    "line",
    [
        "rsync --server --daemon .",
        "rsync --server -re. --config=/etc/passwd . /a",
        "rsync --server -re. --log-file=/tmp/conchgo-log . /a",
        "rsync --server --sender -re. --files-from=/etc/passwd . /",
        "rsync --server --sender -re. -e sh . /",
        "rsync --server -re. . /a; id",
        "rsync --server -re. . /a ../../etc",
        "rsync --server --sender -re. . -x",
        "rsync --server --sender -re. . '/a\nb'",
        "rsync --server --upload-pack=evil -re. . /",
        "rsync -a / /tmp/conchgo-copy",
    ],
)
def test_what_is_not_understood_is_not_started(start: Start, line: str) -> None:
    service = start()
    done = run([require_program("ssh"), *ssh_options(service), address(service).rstrip(":"), line], status=None)
    assert done.stdout == b""
    assert len(done.stderr.splitlines()) == 1
    assert not Path("/tmp/conchgo-log").exists()
    assert not Path("/tmp/conchgo-copy").exists()


def test_what_a_pattern_denies_is_refused_and_the_rest_arrives(start: Start, local: Path) -> None:
    service = start(**patterns(FilePattern("/", denied_patterns=("*.exe",))))
    plant(local, "tree/V.EXE", "tree/sub/w.eXe", "tree/sub/good")
    plant(service.home, "mine.exe")
    said = rsync(service, "-a", "--delete", f"{local}/tree/", address(service), status=23)
    assert 'refused to receive file "V.EXE"' in said
    assert found(service.home) == {"mine.exe", "sub/good"}
    plant(service.home, "sub/other.exe")
    rsync(service, "-a", address(service), local / "back")
    assert found(local / "back") == {"sub/good"}
    rsync(service, address(service, "mine.exe"), local / "stolen", status=12)
    rsync(service, local / "tree" / "V.EXE", address(service, "renamed"))
    rsync(service, service.home / "renamed", address(service, "again.exe"), status=12)


def test_what_is_hidden_is_not_there(start: Start, local: Path) -> None:
    service = start(**patterns(FilePattern("/", denied_patterns=("secret*",), deny_policy=1)))
    plant(service.home, "secret/f", "secret.txt", "open/secret", "open/f")
    rsync(service, "-a", address(service, "/"), local / "one")
    assert found(local / "one") == {"open/f"}
    assert "no such file" in rsync(service, "-a", address(service, "/secret/f"), local / "three", status=12)
    assert "no such file" in rsync(service, "-a", address(service, "/secret/"), local / "three", status=12)


def test_names_that_no_rule_is_asked_about_are_not_made(start: Start, local: Path) -> None:
    service = start(**patterns(FilePattern("/", denied_patterns=("*.exe",)), FilePattern("/safe", ("*.txt",))))
    plant(local, "f", "tree/new.exe/f")
    plant(service.home, "f")
    (service.home / "safe").mkdir()
    for options in (
        ["-b", "--suffix=.exe"],
        ["--link-dest=/safe"],
        ["--backup-dir=/safe", "-b"],
        ["--partial-dir=/safe"],
    ):
        assert "not possible" in rsync(service, "-a", *options, local / "f", address(service), status=12) or options
    rsync(service, "-aR", "--no-implied-dirs", f"{local}/tree/./new.exe/f", address(service), status=12)
    assert found(service.home) == {"f"}


def test_patterns_that_rsync_cannot_be_held_to(start: Start, local: Path) -> None:
    service = start(**patterns(FilePattern("/", denied_patterns=("?.exe",))))
    assert "use sftp" in rsync(service, "-a", address(service), local / "back", status=12)


def test_names_of_the_servers_own_are_never_seen_nor_deleted(start: Start, local: Path) -> None:
    service = start()
    plant(service.home, ".conchgo-upload-1", "sub/.Conchgo-x/f", "gone")
    plant(local, "tree/.conchgo-evil", "tree/good")
    rsync(service, "-a", address(service, "/"), local / "back")
    assert found(local / "back") == {"gone"}
    rsync(service, "-a", "--delete", f"{local}/tree/", address(service), status=23)
    assert found(service.home) == {".conchgo-upload-1", "sub/.Conchgo-x/f", "good"}
    rsync(service, "-a", "-b", "--backup-dir=.conchgo-b", f"{local}/tree/", address(service), status=12)


def test_links_that_lead_out_are_left_out(start: Start, local: Path) -> None:
    service = start()
    tree = plant(local / "tree", "f", "sub/g")
    (tree / "out").symlink_to("/etc/passwd")
    (tree / "up").symlink_to("../../etc/passwd")
    (tree / "sub" / "in").symlink_to("../f")
    rsync(service, "-a", f"{tree}/", address(service, "/d"))
    assert found(service.home / "d") == {"f", "sub/g", "sub/in"}
    assert os.readlink(service.home / "d" / "sub" / "in") == "../f"


def test_who_may_make_no_links_gets_them_back_but_cannot_use_them(start: Start, local: Path) -> None:
    service = start(permissions={"/": NO_LINKS})
    tree = plant(local / "tree", "f")
    (tree / "out").symlink_to("/etc/passwd")
    rsync(service, "-a", f"{tree}/", address(service, "/d"))
    assert os.readlink(service.home / "d" / "out") == "/rsyncd-munged//etc/passwd"
    rsync(service, "-a", address(service, "/d/"), local / "back")
    assert os.readlink(local / "back" / "out") == "/etc/passwd"
    rsync(service, "-aH", f"{tree}/", address(service, "/d"), status=12)


def test_links_that_the_server_refuses_are_not_made(start: Start, local: Path) -> None:
    service = start({"rsync": {"links": "refuse"}})
    (plant(local / "tree", "f") / "link").symlink_to("f")
    rsync(service, "-a", f"{local}/tree/", address(service, "/d"), status=23)
    assert found(service.home / "d") == {"f"}


def test_links_at_this_end_are_not_followed(start: Start, local: Path) -> None:
    service = start()
    plant(service.home, "d/f")
    (service.home / "d" / "out").symlink_to("/etc")
    (service.home / "etc").symlink_to("/etc")
    assert "-L" in rsync(service, "-rL", address(service, "/d"), local / "back", status=12)
    assert "--copy-unsafe-links" in rsync(
        service, "-a", "--copy-unsafe-links", address(service, "/d"), local / "back", status=12
    )
    rsync(service, "-a", address(service, "/etc/passwd"), local / "stolen", status=12)
    rsync(service, "-a", address(service, "/etc/"), local / "stolen", status=12)
    assert found(local) == set()
    plant(local, "tree/out/passwd")
    rsync(service, "-rK", f"{local}/tree/", address(service, "/d"), status=12)


def test_a_directory_without_rights_is_neither_read_nor_written(start: Start, local: Path) -> None:
    service = start(
        permissions={"/": EVERYTHING, "/closed": ("upload",), "/fixed": ("list", "download"), "/later": ("list",)}
    )
    plant(service.home, "closed/secret", "fixed/kept", "open/f")
    rsync(service, "-a", address(service, "/"), local / "back")
    assert found(local / "back") == {"fixed/kept", "open/f"}
    plant(local, "tree/closed/evil", "tree/fixed/evil", "tree/later/evil", "tree/open/g")
    rsync(service, "-r", "--delete", f"{local}/tree/", address(service, "/"), status=23)
    assert found(service.home) == {"closed/secret", "fixed/kept", "open/g"}
    assert not (service.home / "later").exists()
    assert "permission denied" in rsync(service, "-r", f"{local}/tree/", address(service, "/fixed"), status=12)


def test_no_verb_no_times_and_no_modes(start: Start, local: Path) -> None:
    service = start(permissions={"/": tuple(verb for verb in NO_LINKS if verb not in ("chmod", "chtimes"))})
    plant(local, "tree/f", "tree/sub/g")
    (local / "tree" / "f").chmod(0o777)
    os.utime(local / "tree" / "f", (1, 1))
    rsync(service, "-a", f"{local}/tree/", address(service, "/d"))
    assert found(service.home / "d") == {"f", "sub/g"}
    assert (service.home / "d" / "f").stat().st_mtime > 1
    assert "chmod" in rsync(service, "-aA", f"{local}/tree/", address(service, "/d"), status=12)


def test_neither_pipes_nor_sockets_are_made(start: Start, local: Path) -> None:
    service = start()
    tree = plant(local / "tree", "f")
    os.mkfifo(tree / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tree / "socket"))
    rsync(service, "-a", f"{tree}/", address(service, "/d"), status=23)
    assert found(service.home / "d") == {"f"}


def test_files_that_are_too_large_are_left_out(start: Start, local: Path) -> None:
    service = start(filters=Filters(max_upload_file_size=100_000))
    plant(local, "tree/a", "tree/z")
    (local / "tree" / "big").write_bytes(bytes(200_000))
    rsync(service, "-a", f"{local}/tree/", address(service, "/d"))
    assert found(service.home / "d") == {"a", "z"}
    rsync(service, "-a", "--max-size=1g", f"{local}/tree/", address(service, "/d"))
    rsync(service, "-a", "--max-size=3b", f"{local}/tree/", address(service, "/e"))
    assert found(service.home / "d") == {"a", "z"}
    assert found(service.home / "e") == set()


def test_a_quota_ends_it_with_one_file_more_at_most(start: Start, local: Path) -> None:
    service = start(quota_size=10_000_000)
    for number in range(8):
        plant(local, f"tree/{number}").joinpath(f"tree/{number}").write_bytes(os.urandom(3_000_000))
    assert attempt(service, "-a", f"{local}/tree/", address(service, "/d")).returncode in (11, 12)
    there = sum(path.stat().st_size for path in service.home.rglob("*") if path.is_file())
    assert 3_000_000 <= there <= 12_000_000


def test_no_message_shows_a_real_path(start: Start, local: Path) -> None:
    service = start()
    plant(service.home, "d/f")
    (service.home / "d" / "f").chmod(0)
    (service.home / "d" / "x").mkdir(mode=0)
    plant(local, "tree/d/x")
    for arguments in (
        [address(service, "/none"), str(local / "back")],
        ["-a", f"{local}/tree/", address(service, "/")],
        ["-a", f"{local}/tree/", address(service, "/none/none")],
        ["-avv", "--delete", f"{local}/tree/d", address(service, "/d/f")],
    ):
        done = attempt(service, *arguments)
        said = (done.stdout + done.stderr).decode()
        assert str(service.home) not in said


def test_nothing_is_left_of_a_client_that_goes(start: Start, local: Path) -> None:
    service = start()
    (local / "big").write_bytes(os.urandom(20_000_000))
    shell = " ".join([require_program("ssh"), *ssh_options(service)])
    command = [require_program("rsync"), "--bwlimit=2000", "-e", shell, str(local / "big"), address(service)]
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not any(service.home.iterdir()):
            assert client.poll() is None
    finally:
        client.kill()
        client.wait()
    service.audit("logout", 1)
    assert found(service.home) == set()


def test_folders_are_shown_in_place_and_stay(start: Start, local: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    plant(shared, "old", "kept")
    mounted = (VirtualFolder("shared", "/d/shared"),)
    service = start({"folders": (Folder("shared", str(shared)),)}, virtual_folders=mounted)
    plant(local, "tree/shared/new", "tree/shared/kept", "tree/f")
    rsync(service, "-a", f"{local}/tree/", address(service, "/d"))
    assert found(shared) == {"old", "kept", "new"}
    assert found(service.home) == {"d/f"}
    rsync(service, "-a", address(service, "/d/"), local / "back")
    assert found(local / "back") == {"f", "shared/old", "shared/kept", "shared/new"}
    plant(local, "empty/f")
    said = rsync(service, "-a", "--delete", f"{local}/empty/", address(service, "/d"), status=23)
    assert "shared" in said
    assert found(shared) == set()
    assert shared.is_dir()


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory that every user of this machine finds by its path."""
    with TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


def test_without_namespaces_what_cannot_be_masked_is_refused(start: Start, local: Path, reachable: Path) -> None:
    """And nothing else."""
    nobody = {"uid": 65534, "gid": 65534} if os.geteuid() == 0 else {}
    permissions = {"/": EVERYTHING, "/closed": ("upload",)}
    service = start({"tier": "landlock"}, home_dir=str(reachable), permissions=permissions, **nobody)
    plant(service.home, "closed/secret", "open/f")
    if nobody:
        os.chown(service.home / "open", 65534, 65534)
    assert "namespaces" in rsync(service, "-a", address(service, "/"), local / "back", status=12)
    rsync(service, "-a", address(service, "/open/"), local / "back")
    plant(local, "tree/g")
    rsync(service, "-a", f"{local}/tree/", address(service, "/open"))
    assert found(service.home) == {"closed/secret", "open/f", "open/g"}
    assert found(local / "back") == {"f"}


def test_nothing_is_reached_through_a_link_to_where_other_patterns_hold(start: Start, local: Path) -> None:
    service = start(**patterns(FilePattern("/secret", denied_patterns=("*",), deny_policy=1)))
    plant(service.home, "secret/f", "pub/g")
    (service.home / "pub" / "l").symlink_to("../secret")
    (local / "list").write_text("pub/l/f\npub/l/\npub/g\n")
    for options in (["--no-relative"], ["-R"], ["-r", "--no-implied-dirs"]):
        attempt(service, *options, f"--files-from={local}/list", address(service, "/"), f"{local}/back/")
        attempt(service, *options, "-R", address(service, "/pub/./l/f"), f"{local}/back/")
        attempt(service, *options, "-R", address(service, "/./pub/l/"), f"{local}/back/")
        attempt(service, *options, address(service, "/pub/g"), address(service, "/pub/l/f"), f"{local}/back/")
    attempt(service, "-r", address(service, "/pub/"), address(service, "/pub/l/"), f"{local}/back/")
    rsync(service, "-r", address(service, "/pub/g"), f"{local}/back/")
    assert found(local / "back") == {"g"}


def test_files_that_are_fetched_may_be_removed_here(start: Start, local: Path) -> None:
    service = start(permissions={"/": EVERYTHING, "/fixed": ("list", "download")})
    plant(service.home, "d/f", "fixed/g")
    rsync(service, "-r", "--remove-source-files", address(service, "/d"), local / "back")
    assert found(service.home) == {"fixed/g"}
    rsync(service, "-r", "--remove-source-files", address(service, "/fixed"), local / "back", status=12)
    assert found(service.home) == {"fixed/g"}
    assert found(local / "back") == {"d/f"}
