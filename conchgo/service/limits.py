"""What the operating system lets the process have."""

from __future__ import annotations

import resource


def raise_file_limit() -> None:
    """As many descriptors as allowed: every connection, file and listing needs one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
