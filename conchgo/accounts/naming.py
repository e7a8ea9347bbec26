"""What users and folders may be called, and how names and other texts of a record are shown."""

from __future__ import annotations

import re
from typing import Final

from conchgo.paths import escaped

MAX_NAME: Final = 255

_NAME: Final = re.compile(rf"[A-Za-z0-9._~@+-]{{1,{MAX_NAME}}}")


def is_name(name: str) -> bool:
    """Whether a user or folder may have this name: letters, digits, -_.~@+ (`.`, `..` would be other directories)."""
    return _NAME.fullmatch(name) is not None and name not in (".", "..")


def shown(text: str, limit: int | None = MAX_NAME) -> str:
    """Any text on one line, for messages, logs and terminals; cut after `limit` characters."""
    text = text[:limit]
    try:
        return escaped(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        return escaped(text.encode("utf-8", "surrogatepass"))
