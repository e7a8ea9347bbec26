"""The one tree of domain errors.

A backend turns what its operating system or library raises into one of these; a protocol turns these into SFTP
statuses, exit codes or HTTP statuses, in one table each. `text` is shown to clients: it never holds a real path.
"""

from __future__ import annotations

from typing import ClassVar


class ConchgoError(Exception):
    """Anything that went wrong and that somebody may be told about."""

    default: ClassVar[str] = "failure"

    def __init__(self, text: str | None = None) -> None:
        self.text = text or self.default
        super().__init__(self.text)


class Failure(ConchgoError):
    """The storage failed in a way that has no better name here (an I/O error, for instance)."""


class NotFound(ConchgoError):
    default = "no such file or directory"


class PermissionDenied(ConchgoError):
    """Refused, by the user's permissions or by the operating system."""

    default = "permission denied"


class AlreadyExists(ConchgoError):
    default = "file exists"


class NotADirectory(ConchgoError):
    default = "not a directory"


class IsADirectory(ConchgoError):
    default = "is a directory"


class DirectoryNotEmpty(ConchgoError):
    default = "directory not empty"


class NotARegularFile(ConchgoError):
    """A FIFO, socket or device: never opened for data."""

    default = "not a regular file"


class InvalidPath(ConchgoError):
    """The client's bytes are no path: they hold a NUL, or are too long."""

    default = "invalid path"


class InvalidArgument(ConchgoError):
    default = "invalid argument"


class TooManyLinks(ConchgoError):
    """More than 40 symbolic links on the way (Linux has the same limit)."""

    default = "too many levels of symbolic links"


class NoSpace(ConchgoError):
    default = "no space left on the storage"


class QuotaExceeded(ConchgoError):
    """It would be more than the user, or the folder, may have."""

    default = "quota exceeded"


class ReadOnlyStorage(ConchgoError):
    default = "read-only storage"


class TooManyOpenFiles(ConchgoError):
    default = "too many open files"


class CrossStorage(ConchgoError):
    """Rename or link between two storages."""

    default = "cannot rename or link across storages"


class Unsupported(ConchgoError):
    """The storage or this server lacks that operation."""

    default = "operation unsupported"


class BadHandle(ConchgoError):
    default = "invalid handle"


class Cancelled(ConchgoError):
    """The client went away, or an administrator ended the work."""

    default = "cancelled"


class ShuttingDown(ConchgoError):
    default = "the service is shutting down"


class Busy(ConchgoError):
    """A bounded queue is full."""

    default = "the server is busy, try again later"


class WouldBlock(Exception):
    """The answer would have to be waited for, and nothing was changed: a thread shall ask the same again.

    No `ConchgoError`: nobody may take it for an answer, tell of it, or send it to a client.
    """


class NotBefore(Exception):
    """The answer must wait for time to pass, and nothing was changed: ask the same again at `at` (time.monotonic()).

    Raised by what never sleeps (bandwidth, room that others hold); whoever runs the work waits without a thread. No
    `ConchgoError`, for the same reason as `WouldBlock`.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        super().__init__(at)


class LoginRefused(ConchgoError):
    """No entry. `text` is always the same for the client; `reason` says why, for the log."""

    default = "permission denied"

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason
