"""What a worker is given arrives as it was."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from conchgo.service.handover import Handover, SharedSocket, private_texts, receive
from conchgo.service.settings import Settings
from conchgo.ssh.hostkeys import generate_host_keys

KEYS = generate_host_keys()
SETTINGS = Settings(
    ssh={"listen": ["127.0.0.1:22", "[::1]:22"], "ciphers": ["aes256-ctr"]},
    database={"url": "postgresql://me:se%40cret@host/name"},
    service={"workers": 3},
).anchored("/srv/Ä b")


def test_it_arrives_as_it_was() -> None:
    sockets = tuple(SharedSocket(f"ssh.listen: {n}\n", n, socket.AF_INET) for n in range(5, 2000))
    handover = Handover(2, SETTINGS, private_texts(KEYS), sockets)
    reading, writing = os.pipe()
    # More than a pipe holds.
    assert len(handover.to_line()) > 2**16
    writer = threading.Thread(target=lambda: os.write(writing, handover.to_line()))
    writer.start()
    received = receive(reading)
    writer.join()
    os.close(reading)
    os.close(writing)
    assert received == handover
    assert [key.blob() for key in received.private_keys()] == [key.blob() for key in KEYS]
    assert not any(key.isPublic() for key in received.private_keys())


def test_a_main_process_that_is_gone() -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"number": 1')
    os.close(writing)
    with pytest.raises(EOFError):
        receive(reading)
    os.close(reading)
