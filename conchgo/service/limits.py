"""What the operating system lets the process have."""

from __future__ import annotations

import resource
from typing import Final

#: Where there is no limit.
_MANY: Final = 2**20


def file_limit() -> int:
    """How many descriptors the process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY if soft == resource.RLIM_INFINITY else soft


def raise_file_limit() -> None:
    """As many descriptors as allowed: every connection, file and listing needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
