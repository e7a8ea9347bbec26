"""The filter, run by hand on what a program might ask for."""

from __future__ import annotations

import errno
import os
import platform
import re
import struct

import pytest

from conchgo.processes.seccomp import _REFUSED, _SYMLINKS, filter_program, machine_known

KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
EPERM = ERRNO | errno.EPERM
X86_64, AARCH64 = 0xC000003E, 0xC00000B7


def judged(program: bytes, machine: int, number: int, *arguments: int) -> int:
    """What the kernel would do: a small machine for the instructions that there are."""
    data = struct.pack("=IIQ6Q", number, machine, 0, *(*arguments, *[0] * (6 - len(arguments))))
    accumulator, at = 0, 0
    tests = {0x15: lambda value: accumulator == value, 0x25: lambda value: accumulator > value}
    tests[0x45] = lambda value: bool(accumulator & value)
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            at += if_true if tests[code](value) else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_is_judged_by_its_row(machine: str) -> None:
    architecture = {"x86_64": X86_64, "aarch64": AARCH64}[machine]
    program = filter_program(symlinks=False, machine=machine)
    for name, row in (_REFUSED | _SYMLINKS).items():
        number = getattr(row, machine)
        if number is None:
            continue
        hit = [0] * 6
        for argument, mask in row.bits:
            hit[argument] = mask
        assert judged(program, architecture, number, *hit) == ERRNO | row.error, name
        for argument, _ in row.bits:
            spared = [value if index != argument else 0 for index, value in enumerate(hit)]
            assert judged(program, architecture, number, *spared) == ALLOW, name


def test_what_programs_need_is_allowed() -> None:
    program = filter_program(symlinks=False, machine="x86_64")
    read, write, rename, mkdir, execve, fork, socketpair, kill = 0, 1, 82, 83, 59, 57, 53, 62
    for number in (read, write, rename, mkdir, execve, fork, socketpair, kill):
        assert judged(program, X86_64, number) == ALLOW
    assert judged(program, X86_64, 2, 0, os.O_WRONLY | os.O_CREAT, 0o644) == ALLOW
    assert judged(program, X86_64, 90, 0, 0o1777) == ALLOW
    # Threads.
    assert judged(program, X86_64, 56, 0x3D0F00) == ALLOW


@pytest.mark.parametrize(("symlinks", "expected"), [(False, EPERM), (True, ALLOW)])
def test_symbolic_links(symlinks: bool, expected: int) -> None:
    program = filter_program(symlinks=symlinks, machine="x86_64")
    assert judged(program, X86_64, 88) == expected
    assert judged(program, X86_64, 266) == expected
    assert judged(program, X86_64, 425) == EPERM


def test_numbers_of_other_tables() -> None:
    program = filter_program(symlinks=True, machine="x86_64")
    assert judged(program, 0x40000003, 83) == KILL
    assert judged(program, X86_64, 0x40000000 | 88) == ERRNO | errno.ENOSYS
    assert judged(program, X86_64, 100_000) == ERRNO | errno.ENOSYS


def test_only_known_machines() -> None:
    assert machine_known(platform.machine()) == (platform.machine() in {"x86_64", "aarch64"})
    assert not machine_known("m68k")
    with pytest.raises(KeyError):
        filter_program(symlinks=True, machine="m68k")


HEADERS = {
    "x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "aarch64": "/usr/include/asm-generic/unistd.h",
}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_those_of_the_system(machine: str) -> None:
    if not os.path.exists(HEADERS[machine]):
        pytest.skip("the system's headers are not installed")
    with open(HEADERS[machine]) as header:
        pairs = re.findall(r"^#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", header.read(), re.MULTILINE)
    known = {name: int(number) for name, number in pairs}
    for name, row in (_REFUSED | _SYMLINKS).items():
        # A call that is younger than the header is not in it.
        if row.x86_64 is None or row.x86_64 < 450:
            assert known.get(name) == getattr(row, machine), name
