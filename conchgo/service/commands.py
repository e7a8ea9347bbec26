"""The commands that the configuration chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from conchgo.commands.command import Command
from conchgo.commands.settings import CommandSettings, GitSettings, RsyncSettings
from conchgo.commands.table import enabled, refusal
from conchgo.service.errors import StartError
from conchgo.service.settings import Settings


def enabled_commands(names: Sequence[str] | None, key: str = "commands.enabled") -> Mapping[str, Command]:
    """What users may run: the commands of these names; None are those that are on by default, `*` is every one.

    Raises:
        StartError: there is no such command.
    """
    reason = refusal(names or ())
    if reason:
        raise StartError(f"{key}: {reason}")
    return enabled(names)


def command_settings(settings: Settings) -> CommandSettings:
    """What else the configuration says to commands."""
    return CommandSettings(
        strict_permissions=settings.commands.strict_permissions,
        git=GitSettings(create_on_push=settings.git.create_on_push, default_branch=settings.git.default_branch),
        rsync=RsyncSettings(links=settings.rsync.links),
    )
