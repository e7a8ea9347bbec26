"""Names of the server's own, temporaries for instance: no session sees, reaches or makes them (`vfs/filtered.py`)."""

from __future__ import annotations

from typing import Final

from conchgo.paths import VirtualPath

#: What these names begin with, in any case: on some file systems the case makes no difference.
PREFIX: Final = b".conchgo-"

_LENGTH: Final = len(PREFIX)
_IN_PATH: Final = b"/" + PREFIX


def is_reserved(name: bytes) -> bool:
    return name.startswith(b".") and name[:_LENGTH].lower() == PREFIX


def is_below_reserved(path: VirtualPath) -> bool:
    """Whether a component of the path is such a name."""
    return _IN_PATH in bytes(path).lower()
