"""What commands that start a program have in common."""

from __future__ import annotations

from conchgo.commands.command import FAILED, Call
from conchgo.errors import Unsupported
from conchgo.paths import VirtualPath
from conchgo.processes.interface import Access, Ending, Place
from conchgo.processes.system import Processes


def required(call: Call) -> Processes:
    """Raises Unsupported: this server cannot keep programs under control, and so it starts none."""
    if call.processes is None:
        raise Unsupported("operation unsupported: this server starts no programs (its log says why)")
    return call.processes


async def placed(call: Call, path: VirtualPath, access: Access) -> Place:
    """The place of a program that works on `path`. To be given back by `Processes.finish`.

    Raises:
        PermissionDenied, NotFound, Unsupported: see `Processes.place`.
    """
    if call.settings.strict_permissions:
        await require_all(call, path, Access.WRITE)
    return await required(call).place(path, access)


async def require_all(call: Call, path: VirtualPath, access: Access) -> None:
    """Raises PermissionDenied: a verb is missing."""
    for verb in sorted(access.value):
        await call.files.hop(call.files.filesystem.require, verb, path)


def exit_status(call: Call, ending: Ending) -> int:
    """For `Command.run`. Why a program was stopped stands on standard error."""
    if ending.reason is not None:
        call.console.error(f"{call.name}: {ending.reason}")
        return ending.status or FAILED
    return -(ending.signal or 0) if ending.status is None else ending.status
