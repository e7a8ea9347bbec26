"""The commands that the configuration chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conchgo.commands.command import Command
from conchgo.commands.table import ALL, commands, enabled
from conchgo.service.errors import StartError


def enabled_commands(names: Sequence[str] | None, key: str = "commands.enabled") -> Mapping[str, Command]:
    """What users may run: the commands of these names; None are those that are on by default, `*` is every one.

    Raises:
        StartError: there is no such command.
    """
    for name in names or ():
        if name != ALL and name not in commands():
            raise StartError(f"{key}: {name!r} is not known; known are {', '.join(sorted(commands()))}, and {ALL}")
    return enabled(names)
