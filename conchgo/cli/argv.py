"""Keeps a secret of the command line out of the list of processes."""

from __future__ import annotations

import os


def hide(secret: str) -> None:
    """Overwrite `secret` in this process's own arguments, as `ps` shows them (proc(5), /proc/pid/cmdline).

    It was visible until now, so a secret is better given in a file. Where the kernel does not allow it, nothing
    happens.
    """
    raw = os.fsencode(secret)
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            arguments = memory.read(end - start).split(b"\0")
            for argument in arguments:
                if raw and argument.endswith(raw):
                    memory.seek(start + len(argument) - len(raw))
                    memory.write(b"x" * len(raw))
                start += len(argument) + 1
    except (OSError, IndexError, ValueError):
        return
