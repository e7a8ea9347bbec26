"""cd and pwd: where a session is. No command changes that for the next one, so cd only says that all is well."""

from __future__ import annotations

from typing import Final

from conchgo.commands.command import OK, Call, Command, UsageError


async def _cd(call: Call) -> int:
    """Some clients begin with it. The path is not looked at, as everywhere where this command exists."""
    return OK


async def _pwd(call: Call) -> int:
    if call.arguments:
        raise UsageError("no words are wanted")
    await call.console.write(bytes(call.files.start) + b"\n")
    return OK


COMMANDS: Final = (
    Command("cd", "[DIRECTORY]", "does nothing, and says that it went well", (), False, True, _cd),
    Command("pwd", "", "print where relative paths begin", (), False, True, _pwd),
)
