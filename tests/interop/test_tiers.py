"""git and rsync, whatever the system allows to keep them in with."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conchgo.processes.landlock import OLDEST
from conchgo.processes.launcher import landlock_version
from tests.interop.commands import address, ssh_options
from tests.interop.git import attempt, git, new_work, text, tree_of, url
from tests.interop.service import PATIENCE, Servers, Service
from tests.interop.trees import TEXT_NAMES, make_tree, snapshot
from tests.programs import require_program
from tests.unit.processes.boxing import require_namespaces

#: Whom a root server runs programs as: without namespaces, it must be somebody.
IDS = {"uid": 54321, "gid": 54321} if os.geteuid() == 0 else {}


@pytest.fixture(params=["bubblewrap", "landlock"])
def tier(request: pytest.FixtureRequest) -> str:
    if request.param == "bubblewrap":
        require_program("bwrap")
        require_namespaces()
    elif landlock_version() < OLDEST:
        pytest.skip("this kernel has no Landlock")
    return str(request.param)


@pytest.fixture
def service(servers: Servers, tier: str) -> Iterator[Service]:
    """Its home is not below pytest's own directory, where nobody but its user may look."""
    with tempfile.TemporaryDirectory(prefix="conchgo-test-") as above:
        home = Path(above) / "home"
        home.mkdir()
        os.chmod(above, 0o711)
        if IDS:
            os.chown(home, *IDS.values())
        user = servers.user(home_dir=str(home), **IDS)
        yield servers.start(user, commands=("*",), tier=tier, git={"create_on_push": True})


def rsync(service: Service, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    shell = shlex.join([require_program("ssh"), *ssh_options(service)])
    command = [require_program("rsync"), "-e", shell, *arguments]
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)


def test_rsync_there_and_back(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES)
    for words in ([f"{tree}/", address(service, "/deep/")], [address(service, "/deep/"), f"{local}/back/"]):
        done = rsync(service, "-a", *words)
        assert (done.returncode, done.stderr) == (0, b"")

    assert snapshot(os.fsencode(local / "back")) == snapshot(os.fsencode(tree))
    made = os.stat(service.home / "deep")
    assert (made.st_uid, made.st_gid) == (tuple(IDS.values()) or (os.geteuid(), os.getegid()))


def test_git_there_and_back(service: Service, local: Path) -> None:
    work = new_work(local / "work", files=200)
    git("push", url(service, "/repo.git"), "main", target=service, cwd=work)
    git("clone", "-q", url(service, "/repo.git"), local / "clone", target=service)

    assert tree_of(local / "clone") == tree_of(work)


def test_no_message_tells_where_it_really_is(service: Service, local: Path) -> None:
    done = attempt("clone", url(service, "/missing.git"), local / "clone", target=service)
    assert done.returncode != 0
    said = text(done)
    for words in (
        ["-a", address(service, "/missing"), local / "x"],
        ["-a", "/etc/hostname", address(service, "/no/x")],
    ):
        done = rsync(service, *words)
        assert done.returncode != 0
        said += text(done)

    assert str(service.home) not in said
    assert str(service.state) not in said
