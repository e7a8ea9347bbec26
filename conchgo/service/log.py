"""The log: one JSON object a line, from Twisted's loggers, Python's, and warnings."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    globalLogBeginner,
)
from zope.interface import implementer

from conchgo.events.lines import STANDARD_ERROR, LineFile
from conchgo.paths import VirtualPath, escaped

#: Characters of one message or traceback, bytes of one value.
_MAX_TEXT: Final = 8192

#: Twisted tells of paths of the installation at info level, and Conch of whole packets, which may hold passwords: at
#: no level is Conch heard below warning. Python's loggers (SQLAlchemy, Alembic) tell statements with their values.
_QUIET: Final = {"twisted": LogLevel.warn, "log_legacy": LogLevel.warn}
_ALWAYS_QUIET: Final = {"twisted.conch": LogLevel.warn}

_LEVELS: Final = {
    logging.CRITICAL: LogLevel.critical,
    logging.ERROR: LogLevel.error,
    logging.WARNING: LogLevel.warn,
}


@implementer(ILogObserver)
class JSONObserver:
    """Writes events to a file or to standard error ("-"); when that fails, it says so once on standard error."""

    def __init__(self, path: str, also: Mapping[str, int]) -> None:
        """Raises OSError: the file cannot be opened."""
        self._file = LineFile(path)
        self._also = also
        self._failing = False
        self._writing = threading.Lock()

    def __call__(self, event: LogEvent) -> None:
        line = as_line({**event, **self._also})
        with self._writing:
            try:
                self._file.write(line)
                self._failing = False
            except OSError as error:
                if not self._failing:
                    self._failing = True
                    self._cry(f"conchgo: the log cannot be written, lines are lost: {error.strerror}\n")

    def _cry(self, text: str) -> None:
        try:
            LineFile(STANDARD_ERROR).write(text.encode())
        except OSError:
            return  # nobody can be told


class _FromPython(logging.Handler):
    """Python's `logging` into Twisted's."""

    def emit(self, record: logging.LogRecord) -> None:
        level = _LEVELS.get(record.levelno, LogLevel.warn)
        failure = {"trace": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        Logger(namespace=record.name).emit(level, "{text}", text=record.getMessage(), **failure)


def observer(path: str, level: str, **also: int) -> ILogObserver:
    """What writes events of `level` ("debug", "info", "warn", "error") and above to `path`, and `also` with each.

    Raises:
        OSError: the file cannot be opened.
    """
    threshold = LogLevel.levelWithName(level)
    predicate = LogLevelFilterPredicate(defaultLogLevel=threshold)
    for namespace, least in {**({} if level == "debug" else _QUIET), **_ALWAYS_QUIET}.items():
        predicate.setLogLevelForNamespace(namespace, max(least, threshold))
    return FilteringLogObserver(JSONObserver(path, also), [predicate])


def route_python_logging() -> None:
    """Python's `logging`, from warnings up, goes where Twisted's events go. Safe to call twice."""
    root = logging.getLogger()
    root.handlers = [_FromPython()]
    root.setLevel(logging.WARNING)


def begin(path: str, level: str, **also: int) -> None:
    """Log from now on, as `observer` says; standard output stays the program's own. For what twistd does not run."""
    route_python_logging()
    globalLogBeginner.beginLoggingTo([observer(path, level, **also)], redirectStandardIO=False)


def as_line(event: LogEvent) -> bytes:
    """The event as JSON: time, level, system, message, then its plain values by name."""
    fields: dict[str, Any] = {
        "time": _timestamp(event.get("log_time")),
        "level": _level(event),
        "system": event.get("log_namespace", "-"),
        "message": formatEvent(event)[:_MAX_TEXT],
    }
    failure = event.get("log_failure")
    if failure is not None:
        fields["traceback"] = failure.getTraceback()[-_MAX_TEXT:]
    for name, value in event.items():
        if not name.startswith("log_") and name not in _LEGACY and name not in fields:
            plain = _plain(value)
            if plain is not None:
                fields[name] = plain
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


#: Fields of twisted.python.log, which say again what stands under our names; and `text`, which is the message.
_LEGACY: Final = frozenset({"isError", "message", "time", "system", "failure", "why", "format", "text"})


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    return "info" if level is None else str(level.name)


def _timestamp(seconds: float | None) -> str:
    time = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> str | int | float | None:
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, VirtualPath):
        return str(value)
    if isinstance(value, bytes):
        return escaped(value[:_MAX_TEXT])
    return value[:_MAX_TEXT] if isinstance(value, str) else None
