"""How records are shown: tables for people, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conchgo.accounts.naming import shown

#: Wide enough that a pipe gets one line for each record.
_PIPE_WIDTH: Final = 10_000


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    _print(Table(*header), rows)


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """One record: each of its fields on a line."""
    _print(Table("field", "value", show_header=False), fields)


def _print(table: Table, rows: Iterable[Sequence[str]]) -> None:
    for row in rows:
        table.add_row(*map(_cell, row))
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)


def _cell(value: str) -> Text:
    """A name may hold what a terminal or rich's markup would act upon."""
    return Text(shown(value, limit=None), overflow="fold")
