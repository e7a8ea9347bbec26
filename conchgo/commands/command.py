"""What a command is: a row that says everything about it, and a coroutine that does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from zope.interface import Interface, implementer

from conchgo.commands.files import Files
from conchgo.commands.settings import DEFAULTS, CommandSettings
from conchgo.edge.console import Console
from conchgo.processes.system import Processes

OK = 0
FAILED = 1
#: The command line makes no sense.
MISUSED = 2
#: As a shell says it of a command that is not there.
NOT_FOUND = 127


class UsageError(Exception):
    """The command line makes no sense; the text says why, for whoever typed it."""


class ICommand(Interface):
    """A row of the table. Others add rows as Twisted plugins (twisted.plugin) that provide this."""


@dataclass(frozen=True, slots=True)
class Call:
    """One command line at work. `commands` are those that this user may run; `owner` is the user's name.

    `patterns` are the arguments once more, with a backslash before each backslash and each wildcard that was quoted.

    `processes` starts programs, where this server can do so under control; `environment` is what the client has set, of
    what it may set (`ssh/session.py`).
    """

    name: str
    owner: str
    arguments: Sequence[str]
    patterns: Sequence[str]
    console: Console
    files: Files
    commands: Mapping[str, Command]
    processes: Processes | None = None
    settings: CommandSettings = DEFAULTS
    environment: Mapping[bytes, bytes] = field(default_factory=dict)


@implementer(ICommand)
@dataclass(frozen=True, slots=True)
class Command:
    """A row of the table.

    `synopsis` is what follows the name, `help` one line about it, `needs` the permissions without which it does
    nothing, `default` whether it is on where nothing is configured. `run` gives the exit status (-N where a program
    was ended by signal N); what it raises of `conchgo.errors` is told on standard error and makes the status 1, a
    UsageError makes it 2.
    """

    name: str
    synopsis: str
    help: str
    needs: tuple[str, ...]
    writes: bool
    default: bool
    run: Callable[[Call], Awaitable[int]]
