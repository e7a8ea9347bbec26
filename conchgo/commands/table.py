"""All commands there are, and which of them are on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Final

from twisted.logger import Logger
from twisted.plugin import getPlugins

from conchgo.commands import checksums, help, trees, where  # noqa: A004 - the name that users type
from conchgo.commands.command import Command, ICommand
from conchgo.commands.git import command as git
from conchgo.commands.git import housekeeping
from conchgo.commands.rsync import command as rsync
from conchgo.commands.scp import command as scp

_log = Logger()

BUILT_IN: Final[tuple[Command, ...]] = (
    help.COMMAND,
    *where.COMMANDS,
    *checksums.COMMANDS,
    *trees.COMMANDS,
    scp.COMMAND,
    *git.COMMANDS,
    housekeeping.COMMAND,
    rsync.COMMAND,
)

#: Stands for every command.
ALL: Final = "*"


@cache
def commands() -> Mapping[str, Command]:
    """Every command by its name, plugins included. A plugin does not take the name of one that is built in."""
    built_in = {command.name: command for command in BUILT_IN}
    plugins = {row.name: row for row in getPlugins(ICommand) if isinstance(row, Command)}
    for name in plugins.keys() & built_in.keys():
        _log.warn("the plugin for the command {name} is not used: the name is taken", name=name)
    return plugins | built_in


def refusal(names: Iterable[str]) -> str | None:
    """Why these can't be chosen, or None where they can."""
    for name in names:
        if name != ALL and name not in commands():
            return f"{name!r} is not known; known are {', '.join(sorted(commands()))}, and {ALL}"
    return None


def enabled(names: Collection[str] | None) -> Mapping[str, Command]:
    """The commands of these names; None means those that are on by default, ALL every one. `help` is always there.

    What is not there is left out.
    """
    if names is None:
        chosen = {name: command for name, command in commands().items() if command.default}
    elif ALL in names:
        chosen = dict(commands())
    else:
        chosen = {name: command for name, command in commands().items() if name in names}
    return {help.COMMAND.name: help.COMMAND, **chosen}
