"""What lies around the package: the Makefile, the scripts, the units for systemd."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.checkout import checkout_environment, free_port
from tests.programs import require_program
from tests.stories.processes import running, sftp

CHECKOUT = Path(__file__).parents[2]
UNITS = sorted((CHECKOUT / "etc" / "systemd").iterdir())


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed, which is usual in a container")
    for unit in UNITS:
        (tmp_path / unit.name).write_text(re.sub(r"/opt/conchgo/bin/\w+", "/bin/true", unit.read_text()))
    done = subprocess.run(
        [analyze, "verify", *(str(tmp_path / unit.name) for unit in UNITS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Unknown" not in done.stderr


@pytest.mark.parametrize("script", [".ci/run", "tests/install_programs.sh"])
def test_the_scripts_are_shell(script: str) -> None:
    path = CHECKOUT / script
    subprocess.run(["sh", "-n", str(path)], check=True)
    assert path.stat().st_mode & 0o111


def test_missing_programs_are_named_where_they_cannot_be_installed(tmp_path: Path) -> None:
    for name in ("cat", "sh", "id"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    done = subprocess.run(
        ["/bin/sh", str(CHECKOUT / "tests" / "install_programs.sh")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "missing (by the names of Debian's packages): make git" in done.stderr
    assert "rclone" in done.stderr


@pytest.mark.full
def test_make_serve_on_a_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    made = shutil.ignore_patterns(
        ".git", ".venv", "var", "build", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis"
    )
    shutil.copytree(CHECKOUT, clone, ignore=made)
    port = free_port()
    environment = {**checkout_environment(CONCHGO_SSH__LISTEN=f"127.0.0.1:{port}"), "PYTHONPATH": ""}
    make = [require_program("make"), "serve"]
    shown = []
    for run in ("first", "second"):
        with running(make, tmp_path / run, cwd=clone, env=environment) as process:
            process.wait_for(process.errors, "listening on", patience=300)
            shown.append(process.output.read_text())
            assert "sftp -P 2022 demo@127.0.0.1" in shown[-1]
            password = re.search(r"demo has the password (\S+)", shown[0])
            assert password is not None
            with sftp(port, "demo", password=password[1]) as client:
                assert client.listdir() == []
            process.signal_group(signal.SIGTERM)
            process.wait()
    assert "demo has the password" not in shown[1]
    assert (clone / "var" / "host_keys" / "ssh_host_rsa_key").exists()
