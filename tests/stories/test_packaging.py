"""conchgo as it is installed: from a wheel and from a checkout, run from `/` by a user who may write nothing there."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkout import free_port
from tests.stories.processes import running, sftp

CHECKOUT = Path(__file__).parents[2]
SHIPPED = ("conchgo", "twisted", "setup.py", "pyproject.toml", "README.md", "LICENSE")
PASSWORD = "open sesame"

#: Nothing of the tests' own environment.
CLEAN = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}


def unprivileged() -> dict[str, Any]:
    """As whom to run the service: not as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def can_run(python: str) -> bool:
    """Whether that unprivileged user can: a Python in root's home, for instance, is of no use to anybody else."""
    try:
        command = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        return subprocess.run(command, env=CLEAN, cwd="/", check=False, **unprivileged()).returncode == 0
    except OSError:
        return False


def pip(*arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def python() -> str:
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        if can_run(candidate):
            return candidate
    reason = "no Python from 3.11 on that an unprivileged user can run"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that everybody may enter."""
    directory = Path(tempfile.mkdtemp(prefix="conchgo-"))
    directory.chmod(0o755)
    yield directory
    subprocess.run(["chmod", "-R", "u+w", str(directory)], check=True)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def source(place: Path) -> Path:
    """A fresh clone, as it were."""
    for name in SHIPPED:
        if (CHECKOUT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__", "dropin.cache")
            shutil.copytree(CHECKOUT / name, place / "source" / name, ignore=ignore)
        else:
            shutil.copy(CHECKOUT / name, place / "source" / name)
    return place / "source"


@pytest.fixture(scope="module")
def wheel(source: Path, place: Path) -> Path:
    pip("wheel", "-q", "--no-deps", "-w", place / "wheels", source)
    (made,) = (place / "wheels").iterdir()
    return made


@pytest.fixture(scope="module")
def environment(python: str, wheel: Path, place: Path) -> Path:
    """The wheel in a virtual environment of its own, which nobody may write to."""
    directory = place / "environment"
    subprocess.run([python, "-m", "venv", "--without-pip", str(directory)], check=True)
    pip("--python", directory / "bin" / "python", "install", "-q", "--no-compile", wheel)
    subprocess.run(["chmod", "-R", "a-w", str(directory)], check=True)
    return directory


@pytest.fixture
def state(place: Path) -> Iterator[Path]:
    """Where the service may write; with a configuration."""
    directory = place / "state"
    directory.mkdir()
    port = free_port()
    (directory / "port").write_text(str(port))
    (directory / "password").write_text(PASSWORD)
    (directory / "conchgo.toml").write_text(f'[ssh]\nlisten = ["127.0.0.1:{port}"]\n[service]\nstate_directory = "."\n')
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody", str(directory)], check=True)
    yield directory
    shutil.rmtree(directory)


def serves(environment: Path, state: Path, tmp_path: Path) -> None:
    """`twistd conchgo` of this environment, from `/`, as nobody: a user is added, logs in and is served."""
    options = {"env": CLEAN, "cwd": "/", **unprivileged()}
    python, twistd, conchgo = (str(environment / "bin" / name) for name in ("python", "twistd", "conchgo"))
    plain: Any = {"check": True, "capture_output": True, "text": True, **options}
    shown = subprocess.run([python, twistd, "--help"], **plain)
    assert "conchgo" in shown.stdout
    assert shown.stderr == ""
    config = ["--config", str(state / "conchgo.toml")]
    subprocess.run(
        [python, conchgo, "user", "add", "mary", "--password-file", str(state / "password"), *config], **plain
    )
    with running([python, twistd, "-n", "conchgo", *config], tmp_path / "run", **options) as process:
        process.wait_for(process.errors, "listening on")
        with sftp(int((state / "port").read_text()), "mary", password=PASSWORD) as client:
            client.mkdir("/made")
        assert (state / "users" / "mary" / "made").is_dir()
        assert process.output.read_text() == ""
        levels = {json.loads(line)["level"] for line in process.errors.read_text().splitlines()}
        assert levels <= {"info"}
    assert not Path("/twistd.pid").exists()


def test_what_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (top_level,) = (name for name in names if name.endswith("top_level.txt"))
        assert archive.read(top_level) == b"conchgo\n"
    assert {name for name in names if name.startswith("twisted/")} == {"twisted/plugins/conchgo_plugin.py"}
    assert "conchgo/py.typed" in names
    assert not any(name.startswith(("tests/", "docs/", "etc/")) for name in names)
    for path in (CHECKOUT / "conchgo").rglob("*.py"):
        assert str(path.relative_to(CHECKOUT)) in names


def test_the_service_runs_from_a_wheel(environment: Path, state: Path, tmp_path: Path) -> None:
    serves(environment, state, tmp_path)


def test_the_service_runs_from_a_checkout(
    environment: Path, source: Path, state: Path, place: Path, tmp_path: Path
) -> None:
    """Installed editable, as by the Makefile: the plugin must be seen though it lies in the checkout."""
    editable = place / "editable"
    shutil.copytree(environment, editable, symlinks=True)
    subprocess.run(["chmod", "-R", "u+w", str(editable)], check=True)
    pip("--python", editable / "bin" / "python", "install", "-q", "--no-deps", "-e", source)
    assert not list(editable.glob("lib/*/site-packages/twisted/plugins/conchgo_plugin.py"))
    subprocess.run(["chmod", "-R", "a-w", str(editable), str(source)], check=True)
    serves(editable, state, tmp_path)
