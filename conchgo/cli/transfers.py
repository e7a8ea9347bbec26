"""`conchgo transfers`: how much users have transferred."""

from __future__ import annotations

from typing import Final

import click

from conchgo.accounts.naming import shown
from conchgo.cli.context import Context, Refusal
from conchgo.cli.display import print_json, print_table
from conchgo.quota.transfers_sql import SQLTransferCounter

_COLUMNS: Final = ("username", "upload", "download")


@click.command()
@click.option("--reset", metavar="USER", help="Count this user's transfers from 0 again.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
@click.pass_obj
def transfers(context: Context, reset: str | None, as_json: bool) -> None:
    """List what was uploaded and downloaded, in bytes, by users whose transfers are limited.

    A worker counts up to 16 MiB before they are transferred.
    """
    counter = SQLTransferCounter(context.database())
    if reset is not None:
        if not counter.reset(reset):
            raise Refusal(f"{shown(reset)}: nothing was counted of this user")
        click.echo(f"counting from 0 again: {shown(reset)}")
        return
    rows = [dict(zip(_COLUMNS, (username, *found), strict=True)) for username, found in counter.all_transferred()]
    if as_json:
        print_json(rows)
    else:
        print_table(list(_COLUMNS), ([str(row[name]) for name in _COLUMNS] for row in rows))
