"""Attributes as Conch's ISFTPServer passes them: a dictionary of what is known or asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conchgo.vfs.interface import Attributes, FileStat


def from_stat(stat: FileStat | None) -> dict[str, int]:
    if stat is None:
        return {}
    return {
        "size": stat.size,
        "uid": stat.uid,
        "gid": stat.gid,
        "permissions": stat.mode,
        "atime": stat.atime,
        "mtime": stat.mtime,
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


def to_stat(attributes: Mapping[str, Any]) -> FileStat | None:
    """None where the dictionary lacks what ATTRS would tell."""
    try:
        return FileStat(
            mode=attributes["permissions"],
            size=attributes["size"],
            uid=attributes["uid"],
            gid=attributes["gid"],
            atime=int(attributes["atime"]),
            mtime=int(attributes["mtime"]),
        )
    except KeyError:
        return None
