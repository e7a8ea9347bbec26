"""How uploads are stored, and how large they may be."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from conchgo.errors import QuotaExceeded
from conchgo.storage.interface import FileStat
from conchgo.vfs.uploads.temporaries import Temporaries


class UploadMode(enum.Enum):
    #: Straight into the file.
    DIRECT = "direct"
    #: Into a temporary beside it, which takes its place when the client closes it.
    ATOMIC = "atomic"
    #: The same; and what there is of an upload that broke off takes its place too, so that it can be resumed.
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class UploadRules:
    """Of one user; `max_size` is the most bytes that he may make a file have (None: any number)."""

    mode: UploadMode = UploadMode.DIRECT
    max_size: int | None = None
    temporaries: Temporaries = field(default_factory=Temporaries)

    def require(self, size: int, present: Callable[[], FileStat]) -> None:
        """Raise QuotaExceeded where `size` is too much for a file, and more than it has (which `present` tells)."""
        if self.max_size is not None and size > self.max_size and size > present().size:
            raise QuotaExceeded(f"quota exceeded: a file may have at most {self.max_size} bytes")
