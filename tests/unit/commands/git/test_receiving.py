from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conchgo.commands.git.receiving import Receiving, index_size
from conchgo.errors import InvalidArgument, QuotaExceeded
from tests.programs import require_program

OLD, NEW, ZERO = b"1" * 40, b"2" * 40, b"0" * 40


@dataclass
class Room:
    """A lease."""

    left: int | None
    files_left: int | None = None
    held: tuple[int, int] = (0, 0)

    def hold(self, size: int, files: int) -> None:
        self.held = size, files

    def share(self, lower: object) -> None:
        raise AssertionError

    def settle(self) -> None:
        raise AssertionError

    def spent(self, size: int, files: int) -> None:
        raise AssertionError("what is left bounds the largest file: it must not become less by what is in it")


def packet(line: bytes) -> bytes:
    return b"%04x" % (len(line) + 4) + line


def push(refs: int = 1, objects: int = 3, size: int = 100) -> bytes:
    lines = [b"%s %s refs/heads/%d\0 report-status\n" % (ZERO, NEW, number) for number in range(refs)]
    pack = b"PACK" + (2).to_bytes(4, "big") + objects.to_bytes(4, "big")
    return b"".join(map(packet, lines)) + b"0000" + pack.ljust(size, b"x")


def send(wire: Receiving, data: bytes, cut: int) -> None:
    for start in range(0, len(data), cut):
        wire.from_client(data[start : start + cut])


def room_for(push_size: int, objects: int, refs: int = 1) -> int:
    return push_size + index_size(objects) + 512 * refs


def test_all_of_it_goes_on_as_it_is() -> None:
    wire = Receiving(None)
    assert wire.from_client(b"0000") == ((b"0000",), ())
    assert wire.from_program(b"x") == ((), (b"x",))
    assert wire.client_ended() == ((), ())
    assert wire.error(b"y") == b"y"


@given(st.lists(st.integers(1, 40)), st.integers(0, 3))
def test_a_push_that_fits_to_the_last_byte_passes_however_it_is_cut(cuts: list[int], refs: int) -> None:
    data = push(refs, 3, 100)
    room = Room(room_for(100, 3, refs), 3 + 2 * refs)
    wire = Receiving(room)
    for size in cuts:
        wire.from_client(memoryview(data[:size]))
        data = data[size:]
    wire.from_client(data)
    assert wire.size == 100
    assert room.held == (room.left, 3 + 2 * refs if refs else 0)


@pytest.mark.parametrize("cut", [1, 7, 200])
def test_one_byte_more_than_there_is_room_is_refused(cut: int) -> None:
    data = push(1, 3, 1000)
    wire = Receiving(Room(room_for(1000, 3) - 1))
    with pytest.raises(QuotaExceeded, match="larger"):
        send(wire, data, cut)


def test_an_index_larger_than_the_pack_is_refused_with_the_header() -> None:
    data = push(1, 2**31, 2000)
    wire = Receiving(Room(2**30))
    with pytest.raises(QuotaExceeded, match="larger"):
        wire.from_client(data)


def test_files_are_those_of_refs_and_of_the_pack() -> None:
    wire = Receiving(Room(None, 8))
    with pytest.raises(QuotaExceeded, match="files"):
        wire.from_client(push(refs=3))


@pytest.mark.parametrize("digits", [40, 64])
def test_to_remove_refs_takes_no_room(digits: int) -> None:
    line = b"%s %s refs/heads/main\0 delete-refs\n" % (b"aB" * (digits // 2), b"0" * digits)
    Receiving(Room(0, 0)).from_client(packet(line) * 3 + b"0000")


@pytest.mark.parametrize("data", [b"PACK", b"0001", b"0003", b"+001", b" 1 1"])
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument):
        Receiving(None).from_client(data)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_an_index_is_not_larger_than_foreseen(tmp_path: Path, object_format: str) -> None:
    git = require_program("git")
    subprocess.run([git, "init", "-q", "--bare", f"--object-format={object_format}", tmp_path], check=True)
    for number in range(50):
        subprocess.run(
            [git, "-C", tmp_path, "hash-object", "-w", "--stdin"],
            input=b"%d" % number,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    names = [f"{part.parent.name}{part.name}" for part in tmp_path.glob("objects/??/*")]
    command = [git, "-C", tmp_path, "-c", "pack.writeReverseIndex=true", "pack-objects", "-q", "objects/pack/pack"]
    subprocess.run(command, input="\n".join(names).encode(), check=True, stdout=subprocess.DEVNULL)
    sizes = [path.stat().st_size for path in tmp_path.glob("objects/pack/*") if path.suffix != ".pack"]
    assert len(sizes) == 2
    assert sum(sizes) <= index_size(50) < 2 * sum(sizes)
