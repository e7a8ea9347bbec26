"""The `conchgo` command. Subcommands are imported when they are used, so that its help comes at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from conchgo import __version__
from conchgo.cli.context import Context, Refusal, config_option
from conchgo.errors import ConchgoError

#: Name: module, attribute, what the help says, whether it takes --config.
COMMANDS: Final[dict[str, tuple[str, str, str, bool]]] = {
    "serve": ("conchgo.cli.service", "serve", "Run the service in the foreground.", True),
    "check-config": ("conchgo.cli.service", "check_config", "Say what is wrong with the configuration.", True),
    "user": ("conchgo.cli.user", "user", "Add, show, change and delete users.", True),
    "folder": ("conchgo.cli.folder", "folder", "Add, show, change and delete folders that users share.", True),
    "quota": ("conchgo.cli.quota", "quota", "Show what is used of quotas, and count anew.", True),
    "status": ("conchgo.cli.status", "status", "Tell what runs, and how system commands are kept in.", True),
    "git": ("conchgo.cli.git", "git", "Make repositories for users.", True),
    "sessions": ("conchgo.cli.sessions", "sessions", "List who is connected, in all workers.", True),
    "transfers": ("conchgo.cli.transfers", "transfers", "List how much users have transferred.", True),
    "portable": ("conchgo.cli.portable", "portable", "Serve one directory to one user; nothing is stored.", False),
}


class LazyGroup(click.Group):
    """Commands of the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _, takes_config = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return _with_config(command) if takes_config else command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConchgoError as error:
            raise Refusal(error.text) from error


def _with_config(command: click.Command) -> click.Command:
    """The same, and its own commands, with --config."""
    if not any(option.name == "config" for option in command.params):
        command.params.append(config_option())
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _with_config(below)
    return command


@click.group(cls=LazyGroup, params=[config_option()], context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conchgo")
@click.pass_context
def main(context: click.Context) -> None:
    """One SSH port for a team's files."""
    context.ensure_object(Context)
