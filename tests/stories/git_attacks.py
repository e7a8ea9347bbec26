"""What somebody who may upload files into a repository can have git do there, where nothing holds it back."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.git import git

#: What a program of the attacker's leaves, in the repository.
MARK = "MARK"

#: What is planted, by the path that git sees the repository at; `arm` makes a file a program that leaves MARK.
Plant = Callable[[Path, str, Callable[[Path], None]], Any]


@dataclass(frozen=True)
class Attack:
    """`operation` is the client's, that has the program run; `answer` is what the client hears of it here."""

    name: str
    operation: str
    plant: Plant
    answer: str = "main -> other"


def script(seen: str) -> bytes:
    return f"#!/bin/sh\n: > {seen}/{MARK}\n".encode()


def elf(seen: str) -> bytes:
    """A static program of this machine that makes the file MARK: open(2) and exit(2), by hand."""
    if platform.machine() != "x86_64":
        pytest.skip("no program for this machine was written")
    code = bytes.fromhex("b802000000 488d3d15000000 be41000000 baa4010000 0f05 b83c000000 31ff 0f05")
    code += f"{seen}/{MARK}".encode() + b"\0"
    size = 120 + len(code)
    base = 0x400000
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    for value, width in ((2, 2), (62, 2), (1, 4), (base + 120, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2), (1, 2)):
        head += value.to_bytes(width, "little")
    head = head.ljust(64, b"\0")
    for value, width in ((1, 4), (5, 4), (0, 8), (base, 8), (base, 8), (size, 8), (size, 8), (0x1000, 8)):
        head += value.to_bytes(width, "little")
    return head + code


PROGRAMS = {"script": script, "elf": elf}


def _config(repository: Path, *pairs: tuple[str, str]) -> None:
    for key, value in pairs:
        git("config", "--file", repository / "config", key, value)


def _hook(name: str) -> Attack:
    def plant(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
        (repository / "hooks").mkdir(exist_ok=True)
        arm(repository / "hooks" / name)

    return Attack(f"hooks/{name}", "push", plant)


def _hooks_path(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    (repository / "evil").mkdir()
    arm(repository / "evil" / "pre-receive")
    _config(repository, ("core.hooksPath", f"{seen}/evil"))


def _included(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    _hooks_path(repository, seen, arm)
    (repository / "config").replace(repository / "other")
    (repository / "config").write_text(f"[core]\n\tbare = true\n[include]\n\tpath = {seen}/other\n")


def _commondir(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    """All that git works with is elsewhere, the config too."""
    _hooks_path(repository, seen, arm)
    common = repository / "common"
    common.mkdir()
    for name in ("config", "objects", "refs"):
        (repository / name).rename(common / name)
    for name in ("objects", "refs"):
        (repository / name).mkdir()
    (repository / "config").write_text("[core]\n\tbare = true\n")
    (repository / "commondir").write_text("common\n")


def _inner(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    """git looks for `.git` first."""
    git("init", "-q", "--bare", repository / ".git")
    (repository / ".git" / "evil").mkdir()
    arm(repository / ".git" / "evil" / "pre-receive")
    _config(repository / ".git", ("core.hooksPath", f"{seen}/.git/evil"))


def _fsmonitor(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    arm(repository / "evil")
    (repository / "tree").mkdir()
    _config(
        repository,
        ("core.bare", "false"),
        ("core.worktree", f"{seen}/tree"),
        ("core.fsmonitor", f"{seen}/evil"),
        ("receive.denyCurrentBranch", "updateInstead"),
    )


def _alternate_refs(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    arm(repository / "evil")
    git("init", "-q", "--bare", repository / "other")
    (repository / "objects" / "info" / "alternates").write_text(f"{seen}/other/objects\n")
    _config(repository, ("core.alternateRefsCommand", f"{seen}/evil"))


def _archive_format(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    arm(repository / "evil")
    _config(repository, ("tar.evil.command", f"{seen}/evil"), ("tar.evil.remote", "true"))


def _filter(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    arm(repository / "evil")
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info" / "attributes").write_text("* filter=evil\n")
    _config(repository, ("filter.evil.smudge", f"{seen}/evil"), ("filter.evil.process", f"{seen}/evil"))


_HOOKS = ("pre-receive", "update", "post-receive", "post-update", "reference-transaction")

ATTACKS = (
    *map(_hook, _HOOKS),
    Attack("core.hooksPath", "push", _hooks_path),
    Attack("include.path", "push", _included),
    Attack("commondir", "push", _commondir, "is a linked worktree"),
    Attack("a repository in the repository", "push", _inner),
    Attack("core.fsmonitor", "push to main", _fsmonitor, "branch is currently checked out"),
    Attack("core.alternateRefsCommand", "push", _alternate_refs),
    Attack("tar.evil.command", "archive --format=evil", _archive_format, "Unknown archive format 'evil'"),
    Attack("filter.evil.smudge", "archive", _filter, "d0/f0-0"),
)


#: What is changed in the repository while a push is under way, and has git run a program then.
IN_FLIGHT: Mapping[str, Plant] = {
    "config": lambda repository, seen, arm: _config_anew(repository / "config", seen, repository, arm),
    "commondir": lambda repository, seen, arm: _commondir_anew(repository, seen, arm),
}


def _config_anew(config: Path, seen: str, repository: Path, arm: Callable[[Path], None]) -> None:
    """In the place of the one that is there, as an upload puts it."""
    arm(repository / "evil")
    new = config.with_name("new")
    new.write_text(f"[core]\n\tbare = true\n\talternateRefsCommand = {seen}/evil\n")
    new.replace(config)


def _commondir_anew(repository: Path, seen: str, arm: Callable[[Path], None]) -> None:
    common = repository / "common"
    common.mkdir()
    _config_anew(common / "config", seen, repository, arm)
    for name in ("objects", "refs"):
        (common / name).symlink_to(f"../{name}")
    (repository / "commondir").write_text("common\n")


@dataclass(frozen=True)
class Theft:
    """A way to what lies in another repository, of which the attacker knows where it is. `path` is what is fetched."""

    name: str
    plant: Callable[[Path, Path], Any]
    path: str = "/repo.git"


def _alternates(repository: Path, secret: Path) -> None:
    (repository / "objects" / "info" / "alternates").write_text(f"{secret}/objects\n")
    _config(repository, ("uploadpack.allowAnySHA1InWant", "true"))


def _relative_alternates(repository: Path, secret: Path) -> None:
    way = os.path.relpath(secret / "objects", repository / "objects")
    (repository / "objects" / "info" / "alternates").write_text(f"{way}\n")
    _config(repository, ("uploadpack.allowAnySHA1InWant", "true"))


def _linked(name: str) -> Callable[[Path, Path], None]:
    def plant(repository: Path, secret: Path) -> None:
        shutil.rmtree(repository / name)
        (repository / name).symlink_to(secret / name)
        _config(repository, ("uploadpack.allowAnySHA1InWant", "true"))

    return plant


def _common(repository: Path, secret: Path) -> None:
    (repository / "commondir").write_text(f"{secret}\n")


def _git_file(repository: Path, secret: Path) -> None:
    work = repository.with_name("work")
    work.mkdir()
    (work / ".git").write_text(f"gitdir: {secret}\n")


def _git_link(repository: Path, secret: Path) -> None:
    work = repository.with_name("work")
    work.mkdir()
    (work / ".git").symlink_to(secret)


THEFTS = (
    Theft("alternates", _alternates),
    Theft("relative alternates", _relative_alternates),
    Theft("objects is a link", _linked("objects")),
    Theft("commondir", _common),
    Theft("a .git that is a file", _git_file, "/work"),
    Theft("a .git that is a link", _git_link, "/work"),
    Theft("a link", lambda repository, secret: repository.with_name("link").symlink_to(secret), "/link"),
    Theft("dots", lambda repository, secret: None, "/../secret.git"),
)
