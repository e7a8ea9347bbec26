"""`conchgo git init`: an administrator makes a repository for a user."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.checkout import checkout_environment, conchgo
from tests.interop.git import git, text
from tests.stories.installation import Installation
from tests.stories.test_quotas import on_disk, quota


def init(installation: Installation, *words: str) -> subprocess.CompletedProcess[str]:
    command = conchgo("git", "init", "--config", installation.config, *words)
    return subprocess.run(command, env=checkout_environment(), capture_output=True, text=True)


def head(repository: Path) -> str:
    return text(git("symbolic-ref", "HEAD", cwd=repository)).strip()


def test_it_is_what_git_makes(installation: Installation) -> None:
    installation.add_user("ada", quota_size=10**6)
    home = installation.state / "users" / "ada"
    done = init(installation, "ada", "/site.git")
    assert (done.returncode, done.stdout) == (0, "/site.git: an empty repository of ada\n")
    assert head(home / "site.git") == "refs/heads/main"
    assert quota(installation, "show", "ada") == {"user:ada": on_disk(home)}
    done = init(installation, "ada", "/two.git", "--object-format", "sha256", "--initial-branch", "trunk")
    assert done.returncode == 0
    assert head(home / "two.git") == "refs/heads/trunk"
    assert git("rev-parse", "--show-object-format", cwd=home / "two.git").stdout == b"sha256\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("nobody", "/site.git"), 1, "conchgo: there is no user nobody\n"),
        (("mary", "/there.git"), 1, "conchgo: /there.git: a repository is there already\n"),
        (("mary", "/missing/site.git"), 1, "no such file or directory"),
        (("mary", "/site.git", "--initial-branch", "-x"), 2, "is no plain name of a branch"),
        (("eve", "/site.git"), 1, "permission denied"),
        (("full", "/site.git"), 1, "quota exceeded"),
    ],
)
def test_what_does_not_work_is_told_and_leaves_nothing(
    installation: Installation, words: tuple[str, ...], status: int, said: str
) -> None:
    installation.add_user("eve", permissions={"/": ("list", "download")})
    installation.add_user("full", quota_files=1)
    assert init(installation, "mary", "/there.git").returncode == 0
    done = init(installation, *words)
    assert done.returncode == status
    assert said in done.stderr
    assert list(installation.state.glob("users/*/site.git")) == []
