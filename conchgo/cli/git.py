"""`conchgo git`: repositories of users."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from conchgo.cli.context import Context, Refusal
from conchgo.commands.git.repository import located, remove, steps_to_make
from conchgo.errors import AlreadyExists, ConchgoError
from conchgo.paths import VirtualPath

if TYPE_CHECKING:
    from conchgo.service.visits import Visit


@click.group()
def git() -> None:
    """Make repositories for users."""


@git.command()
@click.argument("username")
@click.argument("path")
@click.option("--initial-branch", metavar="NAME", help="What HEAD is. [default: git.default_branch]")
@click.option("--object-format", type=click.Choice(["sha1", "sha256"]), default="sha1", show_default=True)
@click.pass_obj
def init(obj: Context, /, username: str, path: str, initial_branch: str | None, object_format: str) -> None:
    """Make an empty bare repository at PATH of the user's tree, by the user's permissions and quota.

    Run it as the user of the service.
    """
    from conchgo.service.errors import StartError
    from conchgo.service.settings import branch_name
    from conchgo.service.visits import visit

    try:
        branch = branch_name(initial_branch or obj.settings.git.default_branch)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--initial-branch") from None
    target = VirtualPath.parse(path.encode("utf-8", "surrogateescape"))
    try:
        with visit(obj.database(), obj.account_store(), obj.settings, username) as user:
            _make(user, target, branch, object_format)
    except StartError as error:
        raise Refusal(str(error)) from None
    click.echo(f"{target}: an empty repository of {username}")


def _make(user: Visit, path: VirtualPath, branch: str, object_format: str) -> None:
    """What can't be made wholly is taken away again."""
    if user.do(lambda files: located(files, path)) == path:
        raise AlreadyExists(f"{path}: a repository is there already")
    first, *others = steps_to_make(path, branch, object_format)
    user.do(first)
    try:
        for step in others:
            user.do(step)
    except ConchgoError:
        with suppress(ConchgoError):
            user.do(lambda files: remove(files, path))
        raise
