"""Values of options that click does not know: verbs, rules of directories, public keys, dates."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

import click

from conchgo.accounts.naming import shown
from conchgo.accounts.permissions import ANY, VERBS

#: For the help of an option that takes verbs.
KNOWN_VERBS: Final = f"with commas between: {', '.join(sorted(VERBS))}; or {ANY} for everything"


def verbs(text: str) -> list[str]:
    """`list,download`; nothing at all is a valid list."""
    return [verb for verb in map(str.strip, text.split(",")) if verb]


def directory_rule(text: str) -> tuple[str, list[str]] | None:
    """`/sub=list,download`; an empty text is no rule."""
    if not text:
        return None
    path, equals, granted = text.rpartition("=")
    if not equals or not path.startswith("/"):
        raise click.BadParameter(f"{shown(text)}: write it as /incoming=list,upload")
    return path, verbs(granted)


def public_keys(text: str) -> list[str]:
    """A key as it stands in a .pub file, or the name of a file of such lines; an empty text is no key."""
    if not text.strip():
        return []
    if len(text.split()) > 1 and not os.path.exists(text):
        return [text.strip()]
    try:
        with open(text, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise click.BadParameter(f"{shown(text)}: neither a key nor a readable file of keys: {reason}") from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise click.BadParameter(f"{shown(text)}: there is no key in this file")
    return keys


def date(text: str) -> int:
    """An ISO 8601 date or time, UTC where it does not say, as milliseconds since the epoch; `never` is 0."""
    if text in ("", "never"):
        return 0
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{shown(text)}: write it as 2030-12-31 or 2030-12-31T18:00:00+01:00, or never"
        ) from None
