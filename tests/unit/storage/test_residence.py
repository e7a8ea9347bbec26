"""Where a file system keeps its files."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from conchgo.storage.residence import Residence, residence

MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /a\\040b rw - tmpfs none rw
23 21 0:40 / /net rw,relatime master:1 - nfs4 server:/export rw
24 21 0:41 / /fuse rw - fuse.sshfs x rw
25 21 0:42 / /pool rw - btrfs /dev/sdb rw
"""


def proc(patch: pytest.MonkeyPatch, fdinfo: str, mountinfo: str) -> None:
    """What is found in /proc."""
    reading: Callable[..., Any] = builtins.open

    def opened(name: Any, *args: Any, **kwargs: Any) -> Any:
        found = {"/proc/self/fdinfo/0": fdinfo, "/proc/self/mountinfo": mountinfo}
        return StringIO(found[name]) if name in found else reading(name, *args, **kwargs)

    patch.setattr(builtins, "open", opened)


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ("21", Residence.DISK),
        ("22", Residence.MEMORY),
        ("23", Residence.ELSEWHERE),
        ("24", Residence.ELSEWHERE),
        ("25", Residence.DISK),
        ("2", Residence.ELSEWHERE),
    ],
)
def test_the_type_of_the_mount_decides(monkeypatch: pytest.MonkeyPatch, mount: str, expected: Residence) -> None:
    proc(monkeypatch, f"pos:\t0\nflags:\t012000000\nmnt_id:\t{mount}\nino:\t7\n", MOUNTS)

    assert residence(0) is expected


@pytest.mark.parametrize(("fdinfo", "mountinfo"), [("pos:\t0\n", MOUNTS), ("mnt_id:\t21\n", "21 1 8:1 / / rw\n")])
def test_what_is_not_told_is_not_guessed(monkeypatch: pytest.MonkeyPatch, fdinfo: str, mountinfo: str) -> None:
    proc(monkeypatch, fdinfo, mountinfo)

    assert residence(0) is Residence.ELSEWHERE


def test_proc_itself_is_no_disk() -> None:
    descriptor = os.open("/proc", os.O_PATH)
    try:
        assert residence(descriptor) is Residence.ELSEWHERE
    finally:
        os.close(descriptor)
    assert residence(descriptor) is Residence.ELSEWHERE
