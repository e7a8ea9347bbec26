"""The audit log: its lines, its thread, and what happens when the disk does not take them."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conchgo.events.audit import AuditLog
from conchgo.events.bus import Bus
from conchgo.events.lines import LineFile
from conchgo.events.records import Event, Origin
from conchgo.paths import VirtualPath

ORIGIN = Origin("mary", "c0ffee", "192.0.2.1")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_holds_what_the_event_has(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = AuditLog(str(path))
    audit.start()
    bus = Bus(audit)
    at = datetime(2026, 11, 5, 1, 2, 3, 4567, tzinfo=UTC)
    bus.publish(
        Event(
            "rename",
            ORIGIN,
            status="refused",
            path=VirtualPath((b"a\n", b"\xff")),
            target=VirtualPath(),
            reason="permission denied",
            time=at,
        )
    )
    bus.publish(Event("close", ORIGIN, bytes_read=0, bytes_written=7, elapsed=0.25, method="password", time=at))
    audit.stop()
    common = {"time": "2026-11-05T01:02:03.004Z", "username": "mary", "session": "c0ffee", "ip": "192.0.2.1"}
    common["protocol"] = "SFTP"
    assert lines(path) == [
        {
            **common,
            "action": "rename",
            "status": "refused",
            "path": "/a\\n/\\xff",
            "target": "/",
            "reason": "permission denied",
        },
        {
            **common,
            "action": "close",
            "status": "ok",
            "bytes_read": 0,
            "bytes_written": 7,
            "elapsed": 0.25,
            "method": "password",
        },
    ]
    assert path.stat().st_mode & 0o777 == 0o640


def test_many_threads_lose_nothing_and_stop_waits_for_all(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = AuditLog(str(path))
    audit.start()

    def publish(number: int) -> None:
        for index in range(200):
            audit(Event("open", Origin(f"user{number}", str(index), "::1")))

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    audit.stop()
    written = lines(path)
    assert len(written) == 1600
    assert audit.lost == 0
    for number in range(8):
        sessions = [line["session"] for line in written if line["username"] == f"user{number}"]
        assert sessions == [str(index) for index in range(200)]


def test_stop_before_start_and_twice(tmp_path: Path) -> None:
    audit = AuditLog(str(tmp_path / "audit.log"))
    audit.stop()
    audit.stop()
    audit(Event("open", ORIGIN))
    assert audit.lost == 1


def test_a_full_queue_counts_what_it_drops(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = AuditLog(str(path), queue_limit=3)
    for _ in range(5):
        audit(Event("open", ORIGIN))
    assert audit.lost == 2
    audit.start()
    audit.stop()
    assert [line["action"] for line in lines(path)] == ["lost", "open", "open", "open"]
    assert lines(path)[0]["count"] == 2


def test_what_comes_together_is_written_together_and_the_end_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conchgo.events.audit._GATHERING", 3600)
    writes: list[bytes] = []
    monkeypatch.setattr(LineFile, "write", lambda _, data: writes.append(data))
    audit = AuditLog(str(tmp_path / "audit.log"))
    audit.start()
    for _ in range(100):
        audit(Event("open", ORIGIN))
    audit.stop()
    assert [data.count(b"\n") for data in writes] == [100]


class Disk:
    """Writes to a file, or not: in place of os.write."""

    def __init__(self) -> None:
        self.full = False
        self.room = 0
        self.wrote = threading.Event()
        self._write: Callable[[int, bytes], int] = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        try:
            if self.full and self.room == 0:
                raise OSError(28, "No space left on device")
            if self.full:
                data, self.room = data[: self.room], 0
            return self._write(descriptor, data)
        finally:
            self.wrote.set()


def test_a_disk_that_fails_is_told_once_and_the_gap_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk()
    monkeypatch.setattr("conchgo.events.lines.os.write", disk.write)
    path = tmp_path / "audit.log"
    audit = AuditLog(str(path))
    audit.start()

    def publish(session: str) -> None:
        disk.wrote.clear()
        audit(Event("open", Origin("mary", session, "::1")))
        assert disk.wrote.wait(10)

    with caplog.at_level(logging.ERROR):
        publish("before")
        disk.full, disk.room = True, 20
        publish("torn")
        publish("lost")
        disk.full = False
        publish("after")
        audit.stop()
    first, torn, gap, last = path.read_bytes().splitlines()
    assert json.loads(first)["session"] == "before"
    assert len(torn) == 20
    assert (json.loads(gap)["action"], json.loads(gap)["count"]) == ("lost", 2)
    assert json.loads(last)["session"] == "after"
    assert audit.lost == 2
    assert caplog.messages == [
        "the audit log cannot be written, events are lost: No space left on device",
        "the audit log is written again, 2 events were lost",
    ]


def test_logrotate_may_move_the_file_away(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = AuditLog(str(path))
    path.rename(tmp_path / "audit.log.1")
    audit(Event("open", ORIGIN))
    audit.start()
    audit.stop()
    assert len(lines(path)) == 1
    assert lines(tmp_path / "audit.log.1") == []


def test_a_path_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        AuditLog(str(tmp_path / "missing" / "audit.log"))
