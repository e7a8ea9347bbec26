"""git as a client: everything that one does with a repository far away."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.interop.commands import address, ssh_options
from tests.interop.git import commit, git, is_whole, new_bare, new_work, text, tree_of, url
from tests.interop.service import Servers, Service
from tests.programs import require_program

FORMATS = ["sha1", "sha256"]


@pytest.fixture
def service(servers: Servers) -> Service:
    return servers.start(commands=("*",))


@pytest.fixture(params=FORMATS)
def object_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_is_pushed_is_what_is_cloned(service: Service, local: Path, object_format: str) -> None:
    bare = new_bare(service.home / "team" / "repo.git", f"--object-format={object_format}")
    work = new_work(local / "work", f"--object-format={object_format}", files=200)
    git("push", url(service, "/team/repo.git"), "main", target=service, cwd=work)
    git("clone", "-q", url(service, "/team/repo"), local / "clone", target=service)
    assert tree_of(local / "clone") == tree_of(work) == tree_of(bare)
    is_whole(bare)
    assert [path.suffix for path in sorted((bare / "objects" / "pack").iterdir())][:2] == [".idx", ".pack"]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version_of_the_protocol(service: Service, local: Path, version: int) -> None:
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work")
    protocol = ("-c", f"protocol.version={version}")
    env = {"GIT_TRACE_PACKET": str(local / "trace")}
    git(*protocol, "push", "-q", url(service, "/repo.git"), "main", target=service, cwd=work)
    git(*protocol, "clone", "-q", url(service, "/repo.git"), local / "clone", target=service, env=env)
    assert tree_of(local / "clone") == tree_of(bare)
    said = (local / "trace").read_text()
    assert ("< version 2" in said, "< version 1" in said) == (version == 2, version == 1)


def test_updates_force_tags_and_removal(service: Service, local: Path) -> None:
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work")
    far = url(service, "/repo.git")

    def push(*words: str, status: int = 0) -> str:
        return text(git("push", far, *words, target=service, cwd=work, status=status))

    push("main")
    first = tree_of(bare, "main")
    commit(work, seed=1)
    push("main", "main:refs/heads/other")
    git("tag", "v1", cwd=work)
    git("tag", "-a", "v2", "-m", "signed", cwd=work)
    push("--tags")
    git("reset", "-q", "--hard", "HEAD~1", cwd=work)
    commit(work, seed=2)
    assert "non-fast-forward" in push("main", status=1)
    push("--force", "main")
    assert tree_of(bare, "main") not in (first, tree_of(bare, "other"))
    push("--delete", "other", "v1")
    listed = git("ls-remote", far, target=service).stdout.decode().split()[1::2]
    assert listed == ["HEAD", "refs/heads/main", "refs/tags/v2", "refs/tags/v2^{}"]
    commit(work, seed=3)
    push("--atomic", "main", "main:refs/heads/a", "main:refs/heads/b")
    is_whole(bare)


def test_the_config_of_a_repository_says_what_may_be_pushed(service: Service, local: Path) -> None:
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work")
    far = url(service, "/repo.git")
    git("push", "-q", far, "main", "main:refs/heads/other", target=service, cwd=work)
    git("config", "receive.denyNonFastForwards", "true", cwd=bare)
    git("config", "receive.denyDeletes", "true", cwd=bare)
    git("config", "transfer.hideRefs", "refs/heads/other", cwd=bare)
    git("commit", "-q", "--amend", "-m", "other", cwd=work)
    assert "non-fast-forward" in text(git("push", "-f", far, "main", target=service, cwd=work, status=1))
    assert "refs/heads/other" not in text(git("ls-remote", far, target=service))
    git("config", "--unset", "transfer.hideRefs", cwd=bare)
    assert "deletion prohibited" in text(git("push", far, ":other", target=service, cwd=work, status=1))


def test_shallow_and_partial_clones_grow(service: Service, local: Path) -> None:
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=20)
    for seed in range(1, 6):
        commit(work, seed=seed)
    far = url(service, "/repo.git")
    git("push", "-q", far, "main", target=service, cwd=work)

    git("clone", "-q", "--depth=2", far, local / "shallow", target=service)
    count = ("rev-list", "--count", "HEAD")
    assert git(*count, cwd=local / "shallow").stdout == b"2\n"
    git("fetch", "-q", "--deepen=1", target=service, cwd=local / "shallow")
    assert git(*count, cwd=local / "shallow").stdout == b"3\n"
    git("fetch", "-q", "--unshallow", target=service, cwd=local / "shallow")
    assert git(*count, cwd=local / "shallow").stdout == b"6\n"

    git("clone", "-q", "--filter=blob:none", "--no-checkout", far, local / "partial", target=service)
    missing = git("rev-list", "--objects", "--missing=print", "--all", cwd=local / "partial").stdout
    assert missing.count(b"\n?") >= 20
    git("checkout", "-q", "main", target=service, cwd=local / "partial")
    assert tree_of(local / "partial") == tree_of(bare)

    pushed = new_bare(service.home / "other.git")
    git("clone", "-q", "--depth=1", far, local / "again", target=service)
    head = commit(local / "again", seed=9)
    git("push", "-q", far, "HEAD:refs/heads/new", target=service, cwd=local / "again")
    assert git("rev-parse", "new", cwd=bare).stdout.decode().strip() == head
    assert text(git("push", url(service, "/other.git"), "HEAD:x", target=service, cwd=local / "again", status=1))
    assert not list((pushed / "objects" / "pack").iterdir())


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_archives(service: Service, local: Path, kind: str) -> None:
    new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=5)
    far = url(service, "/repo.git")
    git("push", "-q", far, "main", target=service, cwd=work)
    words = ("archive", f"--remote={far}", f"--format={kind}", "--prefix=x/", "main")
    data = git(*words, target=service).stdout
    if kind == "zip":
        assert data.startswith(b"PK")
    else:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            assert sum(member.isfile() for member in archive) == 5


def test_submodules(service: Service, local: Path) -> None:
    for name in ("inner", "outer"):
        new_bare(service.home / f"{name}.git")
        work = new_work(local / name)
        git("push", "-q", url(service, f"/{name}.git"), "main", target=service, cwd=work)
    allowed = ("-c", "protocol.ssh.allow=always")
    git(*allowed, "submodule", "add", "-q", url(service, "/inner.git"), "sub", target=service, cwd=local / "outer")
    commit(local / "outer", seed=1)
    git("push", "-q", url(service, "/outer.git"), "main", target=service, cwd=local / "outer")
    git("clone", "-q", "--recurse-submodules", url(service, "/outer.git"), local / "clone", target=service)
    assert tree_of(local / "clone" / "sub") == tree_of(local / "inner")


def test_a_repository_with_a_working_tree(service: Service, local: Path) -> None:
    there = new_work(service.home / "project")
    far = url(service, "/project")
    git("clone", "-q", far, local / "clone", target=service)
    commit(local / "clone", seed=1)
    said = text(git("push", far, "main", target=service, cwd=local / "clone", status=1))
    assert "refusing to update checked out branch" in said
    git("push", "-q", far, "main:refs/heads/other", target=service, cwd=local / "clone")
    assert tree_of(there, "other") == tree_of(local / "clone")
    assert git("status", "--short", cwd=there).stdout == b""


@pytest.mark.parametrize("path", ["/repo.git", "/repo", "repo.git", "./repo", "/repo.git/", "/x/../repo.git"])
def test_paths_that_mean_a_repository(service: Service, path: str) -> None:
    new_bare(service.home / "repo.git")
    git("ls-remote", f"{address(service)}{path}", target=service)
    git("ls-remote", "--upload-pack=git upload-pack", f"{address(service)}{path}", target=service)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nope.git", "/nope.git: no such file or directory"),
        ("/", "/: no git repository is there"),
        ("/file", "/file: no git repository is there"),
        ("/../../etc", "/etc: no such file or directory"),
        ("~/repo.git", "~/repo.git: ~ means nothing here"),
    ],
)
def test_what_is_no_repository(service: Service, path: str, said: str) -> None:
    (service.home / "file").write_text("x")
    words = text(git("ls-remote", f"{address(service)}{path}", target=service, status=128))
    assert f"git-upload-pack: {said}" in words
    assert str(service.home) not in words


def test_other_words_are_refused_before_anything_starts(service: Service) -> None:
    new_bare(service.home / "repo.git")
    for line in (
        "git-upload-pack --upload-pack=evil /repo.git",
        "git-upload-pack /repo.git; id",
        "git-receive-pack '-repo'",
        "git-upload-pack '/repo.git\nid'",
        "git -c x=y upload-pack /repo.git",
        "git gc /repo.git",
    ):
        command = [require_program("ssh"), *ssh_options(service), address(service).rstrip(":"), line]
        done = subprocess.run(command, capture_output=True)
        assert done.returncode == 2
        assert done.stdout == b""
        assert done.stderr.count(b"\n") == 1


def test_a_push_makes_a_repository_where_that_is_configured(servers: Servers, local: Path) -> None:
    service = servers.start(commands=("*",), git={"create_on_push": True, "default_branch": "main"})
    work = new_work(local / "work")
    git("push", "-q", url(service, "/new.git"), "main", target=service, cwd=work)
    git("clone", "-q", url(service, "/new.git"), local / "clone", target=service)
    assert tree_of(local / "clone") == tree_of(work)
    git("ls-remote", url(service, "/other.git"), target=service, status=128)
    assert os.listdir(service.home) == ["new.git"]


def test_two_push_at_once(service: Service, local: Path) -> None:
    bare = new_bare(service.home / "repo.git")
    running = []
    for number in range(4):
        work = new_work(local / f"work{number}", files=100, size=10_000)
        ssh = {"GIT_SSH_COMMAND": shlex.join(["ssh", *ssh_options(service)])}
        words = ["git", "push", "-q", url(service, "/repo.git"), f"main:refs/heads/b{number}"]
        running.append(subprocess.Popen(words, cwd=work, env={**os.environ, **ssh}, stderr=subprocess.PIPE))
    for process in running:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    assert len(git("branch", "--list", cwd=bare).stdout.splitlines()) == 4
    is_whole(bare)


@pytest.mark.full
def test_a_repository_of_100_mb(service: Service, local: Path) -> None:
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=10, size=10 * 2**20)
    git("push", "-q", url(service, "/repo.git"), "main", target=service, cwd=work)
    git("clone", "-q", url(service, "/repo.git"), local / "clone", target=service)
    assert tree_of(local / "clone") == tree_of(bare)


@pytest.mark.full
def test_a_repository_of_20000_files(service: Service, local: Path) -> None:
    bare = new_bare(service.home / "repo.git")
    work = new_work(local / "work", files=20_000)
    git("push", "-q", url(service, "/repo.git"), "main", target=service, cwd=work)
    git("clone", "-q", url(service, "/repo.git"), local / "clone", target=service)
    assert tree_of(local / "clone") == tree_of(bare)
