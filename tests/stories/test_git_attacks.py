"""Whoever may upload into a repository has git run nothing, and read nothing, on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.interop.commands import address, ssh_options
from tests.interop.git import SlowPush, attempt, commit, git, new_bare, new_work, text, url
from tests.interop.service import Servers, Service, Target
from tests.programs import require_program
from tests.stories.git_attacks import ATTACKS, IN_FLIGHT, MARK, PROGRAMS, THEFTS, Attack, Plant, Theft

Client = Callable[[str, Path], subprocess.CompletedProcess[bytes]]


def attacked(attack: Attack, program: str, repository: Path, seen: str, local: Path) -> Callable[..., str]:
    """A repository with a commit, and what was planted; what runs the operation, and tells what was said."""
    new_bare(repository)
    work = new_work(local / "work")
    git("push", "-q", repository, "main", cwd=work)

    def arm(path: Path) -> None:
        path.write_bytes(PROGRAMS[program](seen))
        path.chmod(0o755)

    attack.plant(repository, seen, arm)
    commit(work, seed=1)

    def run(url: str, target: Target | None = None) -> str:
        words = attack.operation.split()
        arguments = {
            "push": ("push", url, "main:refs/heads/other"),
            "push to main": ("push", url, "main"),
            "archive": ("archive", f"--remote={url}", *words[1:], "main"),
        }[attack.operation.split(" --")[0]]
        done = subprocess.run  # noqa: F841
        return text(attempt(*arguments, target=target, cwd=work))

    return run


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_git_alone_runs_it(attack: Attack, program: str, tmp_path: Path) -> None:
    repository = tmp_path / "repo.git"
    run = attacked(attack, program, repository, str(repository), tmp_path)
    run(str(repository))
    assert (repository / MARK).exists()


@pytest.fixture
def service(servers: Servers) -> Service:
    return servers.start(commands=("*",))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_nothing_of_the_users_is_run(attack: Attack, program: str, service: Service, local: Path) -> None:
    repository = service.home / "repo.git"
    run = attacked(attack, program, repository, "/repo.git", local)
    said = run(url(service, "/repo.git"), service)
    assert not list(service.home.rglob(MARK))
    assert attack.answer in said
    assert "cannot run" not in said
    assert str(service.home) not in said


def changed_in_flight(plant: Plant, command: Sequence[str | Path], repository: Path, seen: str, local: Path) -> str:
    """What a client hears whose push is under way when that is changed."""
    new_bare(repository)
    work = new_work(local / "work")
    push = SlowPush(command)

    def arm(path: Path) -> None:
        path.write_bytes(PROGRAMS["elf"](seen))
        path.chmod(0o755)

    plant(repository, seen, arm)
    push.send(work, "refs/heads/main")
    return push.end()


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_git_alone_runs_what_comes_in_flight(name: str, tmp_path: Path) -> None:
    repository = tmp_path / "repo.git"
    changed_in_flight(IN_FLIGHT[name], ["git", "receive-pack", repository], repository, str(repository), tmp_path)
    assert (repository / MARK).exists()


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_what_comes_in_flight_is_not_run(name: str, service: Service, local: Path) -> None:
    repository = service.home / "repo.git"
    command = [require_program("ssh"), *ssh_options(service), address(service)[:-1], "git-receive-pack /repo.git"]
    said = changed_in_flight(IN_FLIGHT[name], command, repository, "/repo.git", local)
    assert "cannot exec '/repo.git/evil': Permission denied" in said
    assert not list(service.home.rglob(MARK))


def stolen(theft: Theft, home: Path, beside: Path, fetch: Callable[..., object]) -> bool:
    """Whether a client who knows the name of a commit in a repository that is none of his has got it."""
    secret = new_bare(beside / "secret.git")
    work = new_work(beside / "work")
    git("push", "-q", secret, "main", cwd=work)
    wanted = git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    repository = new_bare(home / "repo.git")
    theft.plant(repository, secret)
    thief = new_bare(beside / "thief.git")
    fetch(thief, wanted)
    return attempt("cat-file", "-e", wanted, cwd=thief).returncode == 0


@pytest.mark.parametrize("theft", THEFTS, ids=lambda theft: theft.name)
def test_git_alone_gives_away_what_is_elsewhere(theft: Theft, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = f"{home}{theft.path}"
    assert stolen(theft, home, tmp_path, lambda thief, name: attempt("fetch", "-q", path, name, cwd=thief))


@pytest.mark.parametrize("theft", THEFTS, ids=lambda theft: theft.name)
def test_what_is_elsewhere_is_not_seen(theft: Theft, service: Service, local: Path) -> None:
    said = []

    def fetch(thief: Path, name: str) -> None:
        said.append(text(attempt("fetch", "-q", url(service, theft.path), name, cwd=thief, target=service)))

    assert not stolen(theft, service.home, service.home.parent, fetch)
    assert said[0]
    assert str(service.home) not in said[0]
