"""How to run the code under test as a program of its own."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path


def conchgo(*arguments: str) -> list[str]:
    """The command line of `conchgo`, of the code under test."""
    return [sys.executable, "-c", "from conchgo.cli.main import main; main()", *arguments]


def twistd(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *arguments]


def checkout_environment(**more: str) -> Mapping[str, str]:
    """What the commands above need when they run in another directory."""
    checkout = str(Path(__file__).parents[1])
    ours = {name: value for name, value in os.environ.items() if not name.startswith("CONCHGO_")}
    return {**ours, "PYTHONPATH": checkout, **more}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
