"""What users may not do, they may not do with git either: quotas, limits, permissions, patterns, folders."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from conchgo.accounts.model import FilePattern, Filters, Folder, VirtualFolder
from tests.interop.commands import address, ssh_options
from tests.interop.git import SlowPush, attempt, commit, git, is_whole, new_bare, new_work, text, tree_of, url
from tests.interop.service import Servers, Service, eventually
from tests.programs import require_program
from tests.stories.test_quotas import on_disk

COMMANDS = ("*",)
READ = ("list", "download")
WRITE = (*READ, "upload", "overwrite", "create_dirs", "delete")


def used(service: Service, domain: str = "user:alice") -> tuple[int, int]:
    usage: tuple[int, int] = service.ask("usages")[domain]
    return usage


def programs(service: Service) -> list[str]:
    """Processes that the server has started and that are there still."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    names = []
    for child in children:
        with suppress(FileNotFoundError, ProcessLookupError):
            names.append(Path(f"/proc/{child}/comm").read_text())
    return names


def push(service: Service, work: Path, *words: str, path: str = "/repo.git", status: int | None = 0) -> str:
    return text(git("push", url(service, path), *words, target=service, cwd=work, status=status))


def ssh_command(service: Service, line: str) -> list[str]:
    return [require_program("ssh"), *ssh_options(service), address(service)[:-1], line]


def test_what_is_pushed_is_counted(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10 * 2**20, quota_files=1000), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=50, size=10_000)
    push(service, work, "main")
    assert used(service) == on_disk(service.home)
    commit(work, seed=1)
    push(service, work, "main", "main:refs/heads/other")
    push(service, work, "--delete", "other")
    assert used(service) == on_disk(service.home)
    is_whole(bare)


def test_a_push_that_is_larger_than_what_is_left_leaves_nothing(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**6), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=3, size=10**6)
    before = on_disk(service.home)
    assert "quota exceeded" in push(service, work, "main", status=1)
    assert used(service) == on_disk(service.home) == before
    assert list((bare / "objects").glob("tmp*")) == []
    assert programs(service) == []


def test_a_push_fits_to_the_last_bytes(servers: Servers, local: Path) -> None:
    """With what the pack, its index and a ref may take, and not with one byte less than the pack."""
    work = new_work(local / "work", files=20, size=50_000)
    trial = new_bare(local / "trial.git")
    git("config", "receive.unpackLimit", "1", cwd=trial)
    git("push", "-q", trial, "main", cwd=work)
    (pack,) = (trial / "objects" / "pack").glob("*.pack")
    size = pack.stat().st_size
    for number, (spare, fits) in enumerate(((-1, False), (4096, True))):
        name = f"user{number}"
        home = servers.user(name)
        new_bare(Path(home.home_dir) / "repo.git")
        there = on_disk(Path(home.home_dir))[0]
        service = servers.start(servers.user(name, quota_size=there + size + spare), commands=COMMANDS)
        push(service, work, "main", status=0 if fits else None)
        assert used(service, f"user:{name}") == on_disk(service.home)


def test_a_delta_bomb_stays_as_small_as_it_comes(servers: Servers, local: Path) -> None:
    """Twenty versions of a file that hardly differ are one and some changes, and never twenty files."""
    service = servers.start(servers.user(quota_size=3 * 2**20), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=1, size=2**20)
    path = next(work.glob("d*/f*"))
    for number in range(20):
        with path.open("r+b") as file:
            file.write(b"%d" % number)
        git("commit", "-q", "-a", "-m", f"{number}", cwd=work)
    push(service, work, "main")
    assert on_disk(bare)[0] < 2 * 2**20
    assert used(service) == on_disk(service.home)


def test_an_index_larger_than_its_pack_is_no_way_round(servers: Servers, local: Path) -> None:
    """The header of a pack says how many objects come: so many that no room is left for their index."""
    service = servers.start(servers.user(quota_size=2**20), commands=COMMANDS)
    new_bare(service.home / "repo.git")
    before = on_disk(service.home)
    client = SlowPush(ssh_command(service, "git-receive-pack /repo.git"))
    line = b"%s %s refs/heads/main\0 report-status" % (b"0" * 40, b"1" * 40)
    client.write(b"%04x%s0000" % (len(line) + 4, line) + b"PACK" + (2).to_bytes(4, "big") + (10**6).to_bytes(4, "big"))
    assert "quota exceeded: this push is larger than what is left" in client.end()
    assert used(service) == on_disk(service.home) == before


def test_files_are_limited_too(servers: Servers, local: Path) -> None:
    user = servers.user()
    new_bare(Path(user.home_dir) / "repo.git")
    there = on_disk(Path(user.home_dir))[1]
    service = servers.start(servers.user(quota_files=there + 8), commands=COMMANDS)
    work = new_work(local / "work")
    assert "more files than are left" in push(service, work, *(f"main:refs/heads/b{n}" for n in range(3)), status=None)
    push(service, work, "main")
    assert used(service) == on_disk(service.home)


def test_the_largest_file_holds_for_packs(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(filters=Filters(max_upload_file_size=100_000)), commands=COMMANDS)
    new_bare(service.home / "repo.git")
    push(service, new_work(local / "small", files=1, size=50_000), "main")
    said = push(service, new_work(local / "large", files=2, size=100_000), "main:refs/heads/large", status=1)
    assert "pack exceeds maximum allowed size" in said


def with_folder(servers: Servers, *, included: bool, **fields: object) -> Service:
    shared = servers.user("team").home_dir
    new_bare(Path(shared) / "repo.git")
    folder = VirtualFolder("team", "/team", included=included)
    user = servers.user(virtual_folders=(folder,), **fields)
    return servers.start(user, commands=COMMANDS, folders=(Folder("team", shared),))


def test_what_is_in_an_included_folder_is_held_to_the_users_quota(servers: Servers, local: Path) -> None:
    service = with_folder(servers, included=True, quota_size=10**5)
    push(service, new_work(local / "work"), "main", path="/team/repo.git")
    assert used(service, "folder:team") == on_disk(service.home.parent / "home-team")
    push(service, new_work(local / "large", size=50_000), "main:refs/heads/x", path="/team/repo.git", status=None)
    assert used(service, "folder:team") == on_disk(service.home.parent / "home-team")


def test_a_folder_with_room_of_its_own_needs_none_of_the_users(servers: Servers, local: Path) -> None:
    service = with_folder(servers, included=False, quota_size=10)
    (service.home / "full").write_bytes(bytes(10))
    push(service, new_work(local / "work"), "main", path="/team/repo.git")


@pytest.mark.parametrize("verb", WRITE)
def test_each_verb_is_needed(servers: Servers, local: Path, verb: str) -> None:
    service = servers.start(servers.user(permissions={"/": tuple(v for v in WRITE if v != verb)}), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work")
    push(service, work, "main", status=128)
    assert git("branch", "--list", cwd=bare).stdout == b""
    readable = 128 if verb in READ else 0
    git("ls-remote", url(service, "/repo.git"), target=service, status=readable)


def test_a_directory_that_may_not_be_read_is_not_there_for_git(servers: Servers, local: Path) -> None:
    rules = {"/": ("*",), "/repo.git/objects/pack": ("upload",)}
    service = servers.start(servers.user(permissions=rules), commands=COMMANDS)
    new_bare(service.home / "repo.git")
    push(service, new_work(local / "work"), "main", status=None)
    assert list((service.home / "repo.git" / "objects" / "pack").iterdir()) == []


def test_a_branch_can_be_protected(servers: Servers, local: Path) -> None:
    rules = {"/": ("*",), "/repo.git/refs/heads/release": READ}
    service = servers.start(servers.user(permissions=rules), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work")
    assert "can't be held" in push(service, work, "main", status=128)
    (bare / "refs" / "heads" / "release").mkdir()
    said = push(service, work, "main:refs/heads/release/1", "main", status=1)
    assert "main -> release/1" in said
    assert git("for-each-ref", "--format=%(refname)", cwd=bare).stdout == b"refs/heads/main\n"


def test_patterns_that_deny_what_git_has_refuse_the_repository(servers: Servers, local: Path) -> None:
    patterns = (FilePattern("/", denied_patterns=("*.idx",)),)
    service = servers.start(servers.user(filters=Filters(file_patterns=patterns)), commands=COMMANDS)
    new_bare(service.home / "repo.git")
    assert "file patterns do not allow" in push(service, new_work(local / "work"), "main", status=128)


def test_others_see_nothing_of_a_push_that_is_cut_off(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**8), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=10, size=10**6)
    before = on_disk(service.home)
    name = git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    pack = git("pack-objects", "--stdout", "--revs", "-q", cwd=work, stdin=name.encode()).stdout
    for how in (signal.SIGKILL, signal.SIGTERM):
        client = SlowPush(ssh_command(service, "git-receive-pack /repo.git"))
        line = f"{'0' * 40} {name} refs/heads/main\0 report-status".encode()
        client.write(b"%04x%s0000" % (len(line) + 4, line) + pack[: len(pack) // 2])
        client.process.send_signal(how)
        client.end()
        eventually(lambda: programs(service) == [], "no program is left", 20)
        eventually(lambda: used(service) == on_disk(service.home) == before, "all is as it was")
    push(service, work, "main")
    assert tree_of(bare, "main") == tree_of(work)


def test_a_git_that_is_killed_leaves_the_count_right(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**8), commands=COMMANDS)
    new_bare(service.home / "repo.git")
    client = SlowPush(ssh_command(service, "git-receive-pack /repo.git"))
    work = new_work(local / "work")
    (child,) = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    client.process.communicate(timeout=20)
    assert client.process.returncode not in (0, None)
    eventually(lambda: programs(service) == [], "no program is left")
    eventually(lambda: used(service) == on_disk(service.home), "all is counted")
    push(service, work, "main")


def test_a_client_that_stops_reading_holds_up_nobody(servers: Servers, local: Path) -> None:
    service = servers.start(commands=COMMANDS)
    new_bare(service.home / "repo.git")
    push(service, new_work(local / "work", files=20, size=10**6), "main")
    line = ssh_command(service, "git-upload-archive /repo.git")
    idle = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert idle.stdin is not None
    idle.stdin.write(b"0012argument HEAD\n0000")
    idle.stdin.flush()
    git("ls-remote", url(service, "/repo.git"), target=service)
    idle.kill()
    idle.communicate()
    eventually(lambda: programs(service) == [], "no program is left", 20)


def test_the_audit_log_tells_who_fetched_and_pushed(servers: Servers, local: Path) -> None:
    service = servers.start(commands=COMMANDS)
    new_bare(service.home / "repo.git")
    push(service, new_work(local / "work"), "main")
    git("ls-remote", url(service, "/repo.git"), target=service)
    attempt("ls-remote", url(service, "/nope.git"), target=service)
    (pushed,) = service.audit("push", 1)
    (fetched,) = service.audit("fetch", 1)
    assert pushed["path"] == fetched["path"] == "/repo.git"
    assert [event["status"] for event in service.audit("exec", 3)] == ["ok", "ok", "failed"]


def ssh_gc(service: Service, path: str = "/repo.git", status: int = 0) -> str:
    done = subprocess.run(ssh_command(service, f"git-gc {path}"), capture_output=True)
    assert done.returncode == status, text(done)
    return text(done)


def packs(repository: Path) -> int:
    return len(list((repository / "objects" / "pack").glob("*.pack")))


def test_housekeeping_makes_one_pack_and_counts_it(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**7), commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=20)
    for seed in range(1, 5):
        push(service, work, "main")
        commit(work, seed=seed)
    push(service, work, "main:refs/heads/gone")
    push(service, work, "--delete", "gone")
    assert packs(bare) == 5
    before = tree_of(bare, "main")
    assert ssh_gc(service) == ""
    # What nobody refers to any more is kept for a while, not loose.
    assert packs(bare) == 2
    assert not list((bare / "objects").glob("[0-9a-f][0-9a-f]"))
    assert used(service) == on_disk(service.home)
    assert tree_of(bare, "main") == before
    is_whole(bare)
    service.audit("gc", 1)


def test_housekeeping_needs_room(servers: Servers, local: Path) -> None:
    service = servers.start(servers.user(quota_size=10**6), commands=COMMANDS)
    new_bare(service.home / "repo.git")
    push(service, new_work(local / "work", size=200_000), "main")
    assert "bytes of room are needed" in ssh_gc(service, status=1)
    assert used(service) == on_disk(service.home)


def test_of_two_that_keep_house_one_gives_way(servers: Servers) -> None:
    service = servers.start(commands=COMMANDS)
    bare = new_bare(service.home / "repo.git")
    (bare / "gc.pid").write_text(f"2 {os.uname().nodename}\n")
    assert "gc is already running" in ssh_gc(service, status=128)
    assert "no git repository" in ssh_gc(service, "/", status=1)
