"""Parts of the bench whose errors would look like figures."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.benchmarks import processes
from tests.benchmarks.helpers import helper
from tests.benchmarks.places import DISK, TMPFS, part, prepared
from tests.benchmarks.plan import QUICK

_BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"


def test_cpu_time_of_children_counts_while_they_live_and_afterwards() -> None:
    before = processes.cpu_seconds(os.getpid())
    with subprocess.Popen([sys.executable, "-c", _BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert processes.cpu_seconds(child.pid) >= 0.25
        assert processes.cpu_seconds(os.getpid()) - before >= 0.25
    assert processes.cpu_seconds(os.getpid()) - before >= 0.25


def test_memory_is_that_of_a_process_and_its_children() -> None:
    hold = "held = b'x' * 50_000_000; print(len(held), flush=True); input()"
    before = processes.memory(os.getpid())
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert processes.memory(child.pid) > 50_000_000
        assert processes.memory(os.getpid()) - before > 40_000_000


@pytest.mark.parametrize("delay", [0, 0.02])
def test_the_relay_keeps_bytes_and_their_order_and_passes_the_end_on(delay: float) -> None:
    data = os.urandom(3_000_000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(listener,), daemon=True).start()
        with (
            helper("relay", listener.getsockname()[1], delay) as relay,
            socket.create_connection(("127.0.0.1", int(relay.line())), 30) as client,
        ):
            threading.Thread(target=client.sendall, args=(data,), daemon=True).start()
            with client.makefile("rb") as stream:
                assert stream.read() == data


def _echo(listener: socket.socket) -> None:
    """Give back three million bytes, and end."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        connection.sendall(stream.read(3_000_000))


def test_places_hold_what_is_transferred_and_are_gone_afterwards(tmp_path: Path) -> None:
    with prepared(QUICK, tmp_path / "memory", tmp_path / "disk") as places:
        assert [place.name for place in places] == [TMPFS, DISK]
        for place in places:
            assert (place.data / part(2)).stat().st_size == QUICK.size // 2
            assert len(os.listdir(place.data / "many")) == QUICK.small_files
            assert place.uploads.is_dir()
            assert place.file_system
    assert [list(directory.iterdir()) for directory in tmp_path.iterdir()] == [[], []]
