"""The audit log: every event as one JSON object a line, written by a thread of its own."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

from conchgo.events.lines import LineFile
from conchgo.events.records import Event, utc_now

log = logging.getLogger(__name__)

#: Events that may wait for the disk; then the newest are lost, and counted.
_QUEUE_LIMIT: Final = 10_000

#: Events written with one system call.
_BATCH: Final = 256

#: Seconds in which the thread lets events gather: to wake it for each one would cost more than all else about it.
_GATHERING: Final = 0.05

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class AuditLog:
    """A subscriber of the bus: takes events from any thread, at once, and writes them from its own thread.

    When the disk fails or is too slow the service goes on: the log says so once, `lost` counts, and when writing works
    again a line with the action `lost` tells how many are missing.
    """

    def __init__(self, path: str, queue_limit: int = _QUEUE_LIMIT) -> None:
        """Raises OSError: the file cannot be opened."""
        self._file = LineFile(path)
        self._queue_limit = queue_limit
        self._queue: deque[Event] = deque()
        self._lock = threading.Lock()
        self._come = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._unreported = 0
        self._failing = False
        self.lost = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            if self._ending.is_set() or len(self._queue) >= self._queue_limit:
                self._lose(1)
            else:
                self._queue.append(event)
                self._come.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """Write what waits, and end; give up after `timeout` seconds."""
        with self._lock:
            self._ending.set()
            self._come.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _work(self) -> None:
        ending = False
        while not ending:
            self._come.wait()
            # Known before the queue is emptied: after the end nothing is added to it.
            ending = self._ending.wait(_GATHERING)
            while batch := self._next():
                self._write(batch)
        self._file.close()
        if self._unreported:
            log.error("the audit log ends incomplete, %d events were lost", self._unreported)

    def _next(self) -> list[Event]:
        with self._lock:
            if not self._queue and not self._ending.is_set():
                self._come.clear()
            return [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH))]

    def _write(self, batch: list[Event]) -> None:
        with self._lock:
            missing = self._unreported
        lines = [as_line(event) for event in batch]
        if missing:
            lines.insert(0, _line({"time": _timestamp(utc_now()), "action": "lost", "count": missing}))
        try:
            self._file.write(b"".join(lines))
        except OSError as error:
            with self._lock:
                self._lose(len(batch))
            if not self._failing:
                self._failing = True
                log.error("the audit log cannot be written, events are lost: %s", error.strerror)
            return
        with self._lock:
            self._unreported -= missing
        if self._failing or missing:
            self._failing = False
            log.error("the audit log is written again, %d events were lost", missing)

    def _lose(self, count: int) -> None:
        self.lost += count
        self._unreported += count


def as_line(event: Event) -> bytes:
    """The event as JSON; what it does not have is left out."""
    origin = event.origin
    return _line(
        {
            "time": _timestamp(event.time),
            "action": event.action,
            "status": event.status,
            "username": origin.username,
            "session": origin.session,
            "ip": origin.ip,
            "protocol": origin.protocol,
            "path": event.path and str(event.path),
            "target": event.target and str(event.target),
            "bytes_read": event.bytes_read,
            "bytes_written": event.bytes_written,
            "elapsed": None if event.elapsed is None else round(event.elapsed, 6),
            "method": event.method,
            "command": event.command,
            "reason": event.reason,
        }
    )


def _line(fields: dict[str, Any]) -> bytes:
    known = {name: value for name, value in fields.items() if value is not None}
    return _ENCODER.encode(known).encode("ascii") + b"\n"


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
