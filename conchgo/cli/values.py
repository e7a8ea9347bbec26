"""Values of options that click does not know: verbs, rules of directories, folders, networks, public keys, dates."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any, Final

import click

from conchgo.accounts.folder_record import INCLUDED
from conchgo.accounts.naming import shown
from conchgo.accounts.permissions import ANY, VERBS

#: For the help of an option that takes verbs.
KNOWN_VERBS: Final = f"with commas between: {', '.join(sorted(VERBS))}; or {ANY} for everything"


def verbs(text: str) -> list[str]:
    """`list,download`; nothing at all is a valid list."""
    return [verb for verb in map(str.strip, text.split(",")) if verb]


def names(text: str) -> list[str]:
    """Words with commas between."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def directory_rule(text: str) -> tuple[str, list[str]] | None:
    """`/sub=list,download`; an empty text is no rule."""
    if not text:
        return None
    path, equals, granted = text.rpartition("=")
    if not equals or not path.startswith("/"):
        raise click.BadParameter(f"{shown(text)}: write it as /incoming=list,upload")
    return path, verbs(granted)


def virtual_folder(text: str) -> dict[str, Any] | None:
    """`/virtual=NAME`, or `/virtual=NAME:BYTES:FILES` with limits of its own; an empty text is no folder."""
    if not text:
        return None
    path, _, folder = text.partition("=")
    name, *limits = folder.split(":")
    if not path.startswith("/") or not name or len(limits) not in (0, 2) or not all(map(_is_number, limits)):
        raise click.BadParameter(f"{shown(text)}: write it as /virtual=NAME, or as /virtual=NAME:BYTES:FILES")
    size, files = map(int, limits or (INCLUDED, INCLUDED))
    return {"virtual_path": path, "name": name, "quota_size": size, "quota_files": files}


def virtual_directory(text: str) -> tuple[str, str] | None:
    """`/virtual=DIR`, a directory of this machine, which is made absolute and free of links; an empty text is none."""
    if not text:
        return None
    path, _, directory = text.partition("=")
    if not path.startswith("/") or not directory:
        raise click.BadParameter(f"{shown(text)}: write it as /virtual=DIR")
    if not os.path.isdir(directory):
        raise click.BadParameter(f"{shown(directory)}: is no directory")
    return path, os.path.realpath(directory)


def bandwidth_limit(text: str) -> dict[str, Any] | None:
    """`NETWORK,NETWORK=UPLOAD:DOWNLOAD`, in KB/s; an empty text is no limit."""
    if not text:
        return None
    networks, _, limits = text.partition("=")
    numbers = limits.split(":")
    if len(numbers) != 2 or not all(map(_is_number, numbers)):
        raise click.BadParameter(f"{shown(text)}: write it as 10.0.0.0/8,2001:db8::/32=UPLOAD:DOWNLOAD")
    upload, download = map(int, numbers)
    sources = [network for network in map(str.strip, networks.split(",")) if network]
    return {"sources": sources, "upload_bandwidth": upload, "download_bandwidth": download}


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


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
