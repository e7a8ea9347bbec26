"""Whole records as JSON, from a file."""

from __future__ import annotations

import json
from typing import IO, Any, NoReturn

import click

from conchgo.errors import InvalidArgument

json_file = click.option(
    "--json",
    "record_file",
    type=click.File("rb"),
    metavar="FILE",
    help="The whole record as JSON, in SFTPGo's form; - for stdin. Other options win over it.",
)


def read_record(file: IO[bytes]) -> dict[str, Any]:
    """Raises InvalidArgument: it is no JSON object."""
    try:
        record = json.loads(file.read(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"--json: that is no JSON: {error}") from error
    if not isinstance(record, dict):
        raise InvalidArgument("--json: a record is one JSON object")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
