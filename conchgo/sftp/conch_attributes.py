"""Attributes as Conch's ISFTPServer passes them: a dictionary of what is known or asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conchgo.sftp import codec
from conchgo.vfs.interface import Attributes, FileStat


def from_stat(stat: FileStat | None) -> dict[str, int]:
    """What Conch's own server can put into ATTRS: it packs the numbers as they are."""
    if stat is None:
        return {}
    return {
        "size": stat.size,
        "uid": stat.uid,
        "gid": stat.gid,
        "permissions": stat.mode,
        "atime": codec.seconds(stat.atime),
        "mtime": codec.seconds(stat.mtime),
    }


def from_changes(changes: Attributes) -> dict[str, int]:
    named = {
        "size": changes.size,
        "uid": changes.uid,
        "gid": changes.gid,
        "permissions": changes.mode,
        "atime": changes.atime,
        "mtime": changes.mtime,
    }
    return {name: value for name, value in named.items() if value is not None}


def to_changes(attributes: Mapping[str, Any]) -> Attributes:
    mode = attributes.get("permissions")
    return Attributes(
        size=attributes.get("size"),
        uid=attributes.get("uid"),
        gid=attributes.get("gid"),
        mode=None if mode is None else mode & 0o7777,
        atime=attributes.get("atime"),
        mtime=attributes.get("mtime"),
    )


def encoded(attributes: Mapping[str, Any]) -> bytes:
    """What an ISFTPServer found out, as ATTRS: just what it knows, the mode with the file's type."""
    return codec.attributes(
        Attributes(
            size=attributes.get("size"),
            uid=attributes.get("uid"),
            gid=attributes.get("gid"),
            mode=attributes.get("permissions"),
            atime=_time(attributes.get("atime")),
            mtime=_time(attributes.get("mtime")),
        )
    )


def _time(seconds: float | None) -> int | None:
    return None if seconds is None else codec.seconds(int(seconds))
