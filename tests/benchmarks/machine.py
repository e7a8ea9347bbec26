"""On what was measured: machine, system, and the versions of all parts."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from tests.benchmarks.runner import Run

_LIBRARIES: Final = ("conchgo", "Twisted", "cryptography", "asyncssh")


#: Of servers that do not tell their version to clients.
_VERSIONS: Final = {"rclone": ("rclone", "version"), "proftpd": ("/usr/sbin/proftpd", "-v")}


def describe(run: Run, load: float, seconds: float) -> Mapping[str, str]:
    """Lines of what and its value, in order. `load` is what the machine had to do before, `seconds` the run took."""
    places = ", ".join(f"{place.name} is {place.file_system}" for place in run.places)
    plan = run.plan
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores, load before the run {load:.1f}",
        "system": f"{platform.system()} {platform.release()}, {_distribution()}",
        "file systems": places,
        "conchgo": f"{version('conchgo')}{_commit()}, Python {platform.python_version()}",
        "libraries": ", ".join(filter(None, map(_library, _LIBRARIES[1:]))),
        "client": _output("ssh", "-V"),
        "servers": ", ".join(f"{name} ({_software(run, name)})" for name in run.software),
        "not measured": ", ".join(f"{name} ({reason})" for name, reason in run.missing.items()) or "-",
        "amounts": f"{plan.rounds} rounds, {plan.size / 2**20:g} MiB, {plan.small_files:,} small files, "
        f"{plan.sessions:,} sessions, round trip {plan.round_trip * 1000:g} ms, {seconds / 60:.0f} minutes in all",
    }


def _software(run: Run, name: str) -> str:
    version_line = _output(*_VERSIONS[name]).partition("\n")[0] if name in _VERSIONS else ""
    return version_line or run.software[name].removeprefix("SSH-2.0-")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _distribution() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "")


def _library(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    """Of the checkout, where it is one."""
    commit = _output("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*")
    return f" ({commit})" if commit else ""


def _output(*command: str) -> str:
    """What a program says of itself, wherever it says it; nothing if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return "" if done.returncode else (done.stdout + done.stderr).strip()
