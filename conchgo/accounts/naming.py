"""What users may be called, and how names and other texts of a record are shown."""

from __future__ import annotations

import re
from typing import Final

from conchgo.paths import escaped

MAX_USERNAME: Final = 255

_USERNAME: Final = re.compile(rf"[A-Za-z0-9._~@+-]{{1,{MAX_USERNAME}}}")


def is_username(name: str) -> bool:
    """Whether a user may have this name: letters, digits and -_.~@+ (`.` and `..` would be other directories)."""
    return _USERNAME.fullmatch(name) is not None and name not in (".", "..")


def shown(text: str) -> str:
    """Any text on one line, for messages and logs; a long one is cut."""
    return escaped(text[:MAX_USERNAME].encode("utf-8", "surrogatepass"))
