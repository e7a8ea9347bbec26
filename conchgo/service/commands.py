"""The commands that the configuration chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conchgo.commands.command import Command
from conchgo.commands.table import enabled, refusal
from conchgo.service.errors import StartError


def enabled_commands(names: Sequence[str] | None, key: str = "commands.enabled") -> Mapping[str, Command]:
    """What users may run: the commands of these names; None are those that are on by default, `*` is every one.

    Raises:
        StartError: there is no such command.
    """
    reason = refusal(names or ())
    if reason:
        raise StartError(f"{key}: {reason}")
    return enabled(names)
