"""`conchgo serve` and `conchgo check-config`."""

from __future__ import annotations

import sys

import click

from conchgo.cli.context import Context, Refusal


@click.command()
@click.pass_obj
def serve(context: Context) -> None:
    """Run the service in the foreground: the same as `twistd -n conchgo --config FILE`."""
    from twisted.scripts import twistd

    sys.argv = ["twistd", "-n", "conchgo", "--config", context.path]
    twistd.run()


@click.command()
@click.pass_obj
def check_config(context: Context) -> None:
    """Read the configuration as the service does, and say what in it would stop the start.

    Databases and ports are not tried.
    """
    from twisted.internet import reactor

    from conchgo.service.check import check
    from conchgo.service.errors import StartError

    try:
        check(reactor, context.settings)
    except StartError as error:
        raise Refusal(f"{context.path}: {error}") from None
    click.echo(f"{context.path}: good")
