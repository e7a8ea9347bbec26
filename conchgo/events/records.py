"""What can happen, as one plain record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from conchgo.paths import VirtualPath


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """On whose behalf something happens: one session of one user.

    `protocol` is SFTP, SCP, or SSH for other commands and for what concerns the connection.
    """

    username: str
    session: str
    ip: str
    protocol: str = "SFTP"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened or was refused.

    `action` is a name from ACTIONS; `status` is "ok", or a word for what went wrong ("refused", "failed"); `reason`
    says why, for administrators, without real paths. Sizes are bytes, `elapsed` is seconds.
    """

    action: str
    origin: Origin
    status: str = "ok"
    path: VirtualPath | None = None
    target: VirtualPath | None = None
    bytes_read: int | None = None
    bytes_written: int | None = None
    elapsed: float | None = None
    method: str | None = None
    reason: str | None = None
    #: What was typed, escaped.
    command: str | None = None
    time: datetime = field(default_factory=utc_now)


ACTIONS: Final = frozenset(
    {
        "login",
        "logout",
        "mount",
        "open",
        "close",
        "list",
        "stat",
        "mkdir",
        "rmdir",
        "remove",
        "rename",
        "symlink",
        "readlink",
        "hardlink",
        "setstat",
        "shell",
        "exec",
        "copy",
        "fetch",
        "gc",
        "push",
    }
)
