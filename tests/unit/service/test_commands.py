"""Which commands users may run."""

from __future__ import annotations

import pytest

from conchgo.commands.settings import DEFAULTS, CommandSettings, GitSettings
from conchgo.commands.table import commands
from conchgo.service.commands import command_settings, enabled_commands
from conchgo.service.errors import StartError
from conchgo.service.settings import CommandsSection, GitSection, Settings


def test_some_are_on_where_nothing_is_configured() -> None:
    assert set(enabled_commands(None)) == {"cd", "help", "md5sum", "pwd", "scp", "sha1sum", "sha256sum"}


def test_names_choose_and_help_stays() -> None:
    assert set(enabled_commands(["sha512sum"])) == {"help", "sha512sum"}
    assert set(enabled_commands(["pwd", "*"])) == set(commands())


def test_an_unknown_name_stops_the_start() -> None:
    with pytest.raises(StartError, match=r"^commands.enabled: 'rm' is not known; known are b2sum, cd, .*, and \*$"):
        enabled_commands(["pwd", "rm"])


def test_commands_are_told_what_is_configured() -> None:
    assert command_settings(Settings()) == DEFAULTS
    settings = Settings(
        commands=CommandsSection(strict_permissions=True),
        git=GitSection(create_on_push=True, default_branch="release/1.x"),
    )
    assert command_settings(settings) == CommandSettings(True, GitSettings(True, "release/1.x"))
