"""System calls that a program in a box is refused, as a seccomp filter in classic BPF (seccomp(2), bpf(4)).

All else is allowed: what a program may touch is a matter of its view. Refused is what makes things that may not be in a
user's tree (links, devices, setuid bits), what was never meant for git or rsync and had security holes again and
again, and what is newer than this list.
"""

from __future__ import annotations

import errno
import platform
import stat
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

# Fields of struct seccomp_data.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_GREATER: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_KILL: Final = 0x80000000  # SECCOMP_RET_KILL_PROCESS
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

#: fchmodat2, the last system call of which this list knows. Libraries do without younger ones.
_LAST: Final = 452

_SETID: Final = stat.S_ISUID | stat.S_ISGID
#: O_CREAT, and what O_TMPFILE adds to O_DIRECTORY: only then open(2) has a mode. Equal on all machines below.
_MAKES: Final = 0o100 | 0o20000000
#: CLONE_NEW*: mounts, cgroup, uts, ipc, user, pid, network.
_NAMESPACES: Final = 0x20000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000


class _Call(NamedTuple):
    """A system call by its number on x86_64 and on aarch64 (None: not there); refused where all `bits` hit.

    `bits` are pairs of an argument's index and a mask; no pairs: the call is refused whatever its arguments are.
    """

    x86_64: int | None
    aarch64: int | None
    bits: tuple[tuple[int, int], ...] = ()
    error: int = errno.EPERM


_SYMLINKS: Final = {
    "symlink": _Call(88, None),
    "symlinkat": _Call(266, 36),
}

_REFUSED: Final = {
    # Nothing but files and directories is made, and none that runs as its owner.
    "mknod": _Call(133, None),
    "mknodat": _Call(259, 33),
    "chmod": _Call(90, None, ((1, _SETID),)),
    "fchmod": _Call(91, 52, ((1, _SETID),)),
    "fchmodat": _Call(268, 53, ((2, _SETID),)),
    "fchmodat2": _Call(452, 452, ((2, _SETID),)),
    "creat": _Call(85, None, ((1, _SETID),)),
    "open": _Call(2, None, ((1, _MAKES), (2, _SETID))),
    "openat": _Call(257, 56, ((2, _MAKES), (3, _SETID))),
    # Its arguments are in memory, where a filter can't look. So is all that io_uring is told.
    "openat2": _Call(437, 437, error=errno.ENOSYS),
    "clone3": _Call(435, 435, error=errno.ENOSYS),
    "io_uring_setup": _Call(425, 425),
    "io_uring_enter": _Call(426, 426),
    "io_uring_register": _Call(427, 427),
    # No other view, no other namespace.
    "clone": _Call(56, 220, ((0, _NAMESPACES),)),
    "unshare": _Call(272, 97),
    "setns": _Call(308, 268),
    "chroot": _Call(161, 51),
    "pivot_root": _Call(155, 41),
    "mount": _Call(165, 40),
    "umount2": _Call(166, 39),
    "open_tree": _Call(428, 428),
    "move_mount": _Call(429, 429),
    "fsopen": _Call(430, 430),
    "fsconfig": _Call(431, 431),
    "fsmount": _Call(432, 432),
    "fspick": _Call(433, 433),
    "mount_setattr": _Call(442, 442),
    "name_to_handle_at": _Call(303, 264),
    "open_by_handle_at": _Call(304, 265),
    "fanotify_init": _Call(300, 262),
    "lookup_dcookie": _Call(212, 18),
    # No other process, and nothing that is shared with one.
    "ptrace": _Call(101, 117),
    "process_vm_readv": _Call(310, 270),
    "process_vm_writev": _Call(311, 271),
    "process_madvise": _Call(440, 440),
    "pidfd_getfd": _Call(438, 438),
    "kcmp": _Call(312, 272),
    "socket": _Call(41, 198),
    "shmget": _Call(29, 194),
    "semget": _Call(64, 190),
    "msgget": _Call(68, 186),
    "mq_open": _Call(240, 180),
    "add_key": _Call(248, 217),
    "request_key": _Call(249, 218),
    "keyctl": _Call(250, 219),
    # No program that is not a file of the box.
    "memfd_create": _Call(319, 279),
    "memfd_secret": _Call(447, 447),
    "execveat": _Call(322, 281),
    "uselib": _Call(134, None),
    # The kernel itself.
    "bpf": _Call(321, 280),
    "userfaultfd": _Call(323, 282),
    "perf_event_open": _Call(298, 241),
    "personality": _Call(135, 92),
    "modify_ldt": _Call(154, None),
    "ioperm": _Call(173, None),
    "iopl": _Call(172, None),
    "init_module": _Call(175, 105),
    "finit_module": _Call(313, 273),
    "delete_module": _Call(176, 106),
    "kexec_load": _Call(246, 104),
    "kexec_file_load": _Call(320, 294),
    "reboot": _Call(169, 142),
    "swapon": _Call(167, 224),
    "swapoff": _Call(168, 225),
    "acct": _Call(163, 89),
    "quotactl": _Call(179, 60),
    "quotactl_fd": _Call(443, 443),
    "syslog": _Call(103, 116),
    "vhangup": _Call(153, 58),
    "settimeofday": _Call(164, 170),
    "clock_settime": _Call(227, 112),
    "clock_adjtime": _Call(305, 266),
    "adjtimex": _Call(159, 171),
    "sethostname": _Call(170, 161),
    "setdomainname": _Call(171, 162),
}

#: AUDIT_ARCH_* of linux/audit.h, by the names of uname(2).
_MACHINES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def machine_known(machine: str | None = None) -> bool:
    """Whether there is a filter for such a machine (None: for this one)."""
    return (machine or platform.machine()) in _MACHINES


def filter_program(*, symlinks: bool, machine: str | None = None) -> bytes:
    """The filter, as an array of struct sock_filter; `symlinks` says whether symbolic links may be made.

    Raises KeyError for a machine that is not known.
    """
    name = machine or platform.machine()
    calls = _REFUSED if symlinks else _SYMLINKS | _REFUSED
    return b"".join(_instructions(name, list(calls.values())))


def _instructions(machine: str, calls: list[_Call]) -> Iterator[bytes]:
    yield _instruction(_LOAD, _ARCHITECTURE)
    # A call by the numbers of another machine (32 bits) would mean something else.
    yield _instruction(_EQUAL, _MACHINES[machine], 1, 0)
    yield _instruction(_RETURN, _KILL)
    yield _instruction(_LOAD, _NUMBER)
    # The calls of x32 are beyond it too.
    yield _instruction(_GREATER, _LAST, 0, 1)
    yield _instruction(_RETURN, _ERRNO | errno.ENOSYS)
    for call in calls:
        number: int | None = getattr(call, machine)
        if number is not None:
            yield from _refusal(number, call)
    yield _instruction(_RETURN, _ALLOW)


def _refusal(number: int, call: _Call) -> Iterator[bytes]:
    body = []
    for index, (argument, mask) in enumerate(call.bits):
        checks_left = len(call.bits) - index - 1
        body.append(_instruction(_LOAD, _ARGUMENTS + 8 * argument))
        body.append(_instruction(_ANY_BIT, mask, 0, 2 * checks_left + 1))
    body.append(_instruction(_RETURN, _ERRNO | call.error))
    if call.bits:
        body.append(_instruction(_RETURN, _ALLOW))
    yield _instruction(_EQUAL, number, 0, len(body))
    yield from body


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
