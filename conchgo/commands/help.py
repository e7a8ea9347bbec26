"""help: what can be done here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from conchgo.commands.command import OK, Call, Command, UsageError


async def _help(call: Call) -> int:
    if call.arguments:
        raise UsageError("no words are wanted")
    await call.console.write(overview(call.commands.values()).encode())
    return OK


def overview(commands: Iterable[Command]) -> str:
    """A line for each command, with what follows its name, and one about it."""
    lines = ["This server transfers files (sftp, scp). Besides, it knows these commands:", ""]
    lines += [f"  {_usage(command)}\n      {command.help}" for command in sorted(commands, key=lambda row: row.name)]
    return "\n".join(lines) + "\n"


def _usage(command: Command) -> str:
    return f"{command.name} {command.synopsis}".rstrip()


COMMAND: Final = Command("help", "", "print this", (), False, True, _help)
