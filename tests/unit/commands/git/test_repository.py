from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conchgo.accounts.model import FilePattern
from conchgo.accounts.patterns import FilePatterns
from conchgo.commands.git.repository import located, looked_at, steps_to_make
from conchgo.errors import AlreadyExists, ConchgoError, InvalidArgument, NotFound, PermissionDenied, Unsupported
from conchgo.paths import VirtualPath
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Filesystem
from tests.programs import require_program
from tests.unit.commands.running import filesystem, get, put

p = VirtualPath.parse
ANYTHING = FilePatterns({})


def made(files: Filesystem, path: bytes, object_format: str = "sha1") -> None:
    for step in steps_to_make(p(path), "main", object_format):
        step(files)


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        (["repo.git"], "repo.git", "repo.git"),
        (["repo.git"], "repo", "repo.git"),
        (["repo/.git"], "repo", "repo/.git"),
        (["repo/.git"], "repo/.git", "repo/.git"),
        (["repo", "repo/.git"], "repo", "repo/.git"),
        (["repo", "repo.git"], "repo", "repo"),
        (["repo.git/.git", "repo.git"], "repo", "repo.git/.git"),
        ([".git"], "", ".git"),
        ([], "repo", None),
        (["repo.git"], "re", None),
        (["repo.git"], "repo.git/objects", None),
        (["repo.git"], "repo.git/HEAD", None),
    ],
)
def test_it_is_where_git_would_find_it(there: list[str], asked: str, found: str | None) -> None:
    files = filesystem()
    for path in there:
        for ancestor in reversed(list(p(path.encode()).parent.ancestors())):
            if files.peek(ancestor) is None:
                files.mkdir(ancestor)
        try:
            made(files, b"/" + path.encode())
        except AlreadyExists:
            # One is in the place of another's working tree.
            for step in list(steps_to_make(p(path.encode()), "main"))[1:]:
                step(files)
    assert located(files, p(asked.encode())) == (None if found is None else p(found.encode()))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_git_that_leads_elsewhere_is_refused(kind: str) -> None:
    files = filesystem()
    made(files, b"/other.git")
    files.mkdir(p(b"/repo"))
    if kind == "link":
        files.symlink(b"/other.git", p(b"/repo/.git"))
    else:
        put(files, b"/repo/.git", b"gitdir: /other.git\n")
    with pytest.raises(Unsupported, match=r"/repo/\.git leads elsewhere"):
        located(files, p(b"/repo"))


def test_without_list_nothing_is_found() -> None:
    storage = MemoryStorage()
    made(filesystem(storage), b"/repo.git")
    assert located(filesystem(storage, {"/": ("download", "upload")}), p(b"/repo.git")) is None


def test_git_is_told_what_its_config_says_that_is_safe() -> None:
    files = filesystem()
    made(files, b"/repo.git")
    put(files, b"/repo.git/config", b"[core]\nbare = true\nfsmonitor = evil\n")
    found = looked_at(files, p(b"/repo.git"), ANYTHING)
    assert (found.config, found.has_hooks) == (b'[core]\n\tbare = "true"\n', False)
    files.mkdir(p(b"/repo.git/hooks"))
    assert looked_at(files, p(b"/repo.git"), ANYTHING).has_hooks


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda files: files.remove(p(b"/repo.git/config")), NotFound),
        (lambda files: (files.remove(p(b"/repo.git/config")), files.mkdir(p(b"/repo.git/config"))), NotFound),
        (
            lambda files: (files.remove(p(b"/repo.git/config")), files.symlink(b"HEAD", p(b"/repo.git/config"))),
            NotFound,
        ),
        (lambda files: put(files, b"/repo.git/config", b"[core"), InvalidArgument),
        (lambda files: put(files, b"/repo.git/config", b"[extensions]\nfuture\n"), Unsupported),
        (lambda files: put(files, b"/repo.git/commondir", b"/other.git"), Unsupported),
    ],
    ids=["no config", "a directory", "a link", "malformed", "unknown extension", "commondir"],
)
def test_what_git_cannot_be_shown_is_refused(change: object, error: type[ConchgoError]) -> None:
    files = filesystem()
    made(files, b"/repo.git")
    change(files)  # type: ignore[operator]
    with pytest.raises(error):
        looked_at(files, p(b"/repo.git"), ANYTHING)


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (FilePattern("/", denied_patterns=("*.exe",)), True),
        (FilePattern("/", denied_patterns=("*.pack",)), False),
        (FilePattern("/", denied_patterns=("*.lock",), deny_policy=1), False),
        (FilePattern("/", allowed_patterns=("*.jpg",)), False),
        (FilePattern("/", allowed_patterns=("*.git",), denied_patterns=("*",)), True),
        (FilePattern("/repo.git/objects/pack", denied_patterns=("pack-*.idx",)), False),
        (FilePattern("/repo.git/hooks", denied_patterns=("*",)), True),
        (FilePattern("/other", denied_patterns=("*",)), True),
    ],
)
def test_patterns_allow_all_that_git_has_or_the_repository_is_refused(pattern: FilePattern, *, allowed: bool) -> None:
    files = filesystem()
    made(files, b"/repo.git")
    patterns = FilePatterns.parse([pattern])
    if allowed:
        looked_at(files, p(b"/repo.git"), patterns)
    else:
        with pytest.raises(PermissionDenied, match="file patterns"):
            looked_at(files, p(b"/repo.git"), patterns)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_what_is_made_is_a_repository_to_git(tmp_path: Path, object_format: str) -> None:
    files = filesystem(LocalStorage(str(tmp_path)))
    made(files, b"/repo.git", object_format)
    command = [require_program("git"), "-C", tmp_path / "repo.git", "rev-parse"]
    told = subprocess.run(
        [*command, "--is-bare-repository", "--show-object-format"], capture_output=True, check=True
    ).stdout
    assert told.decode().split() == ["true", object_format]
    assert get(files, b"/repo.git/HEAD") == b"ref: refs/heads/main\n"
    assert located(files, p(b"/repo")) == p(b"/repo.git")


def test_it_is_a_repository_to_others_with_the_last_step_only() -> None:
    files = filesystem()
    *steps, last = steps_to_make(p(b"/repo.git"), "main")
    for step in steps:
        step(files)
        assert located(files, p(b"/repo.git")) is None
    last(files)
    assert located(files, p(b"/repo.git")) == p(b"/repo.git")
