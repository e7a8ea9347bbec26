"""What becomes of changes of owner, mode and times: some clients insist on them where nobody wants them, or can."""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import suppress

from conchgo.errors import Unsupported
from conchgo.storage.interface import Attributes


class SetstatMode(enum.Enum):
    APPLY = "apply"
    #: They are not made, and the client is told that they are. A size is always set.
    IGNORE = "ignore"
    #: What the storage is not able to do is left out.
    IGNORE_UNSUPPORTED = "ignore_unsupported"

    def apply(self, changes: Attributes, change: Callable[[Attributes], None]) -> None:
        """Make by `change` what is to be made of the changes; it is called in any case, and finds what is wrong."""
        if self is SetstatMode.IGNORE:
            change(Attributes(size=changes.size))
            return
        try:
            change(changes)
        except Unsupported:
            if self is SetstatMode.APPLY:
                raise
            change(Attributes(size=changes.size))
            for part in (
                Attributes(uid=changes.uid, gid=changes.gid),
                Attributes(mode=changes.mode),
                Attributes(atime=changes.atime, mtime=changes.mtime),
            ):
                with suppress(Unsupported):
                    change(part)
