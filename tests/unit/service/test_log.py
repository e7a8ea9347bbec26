"""The log: JSON lines, what is in them, and what never is."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import FilteringLogObserver, ILogObserver, Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from conchgo.paths import VirtualPath
from conchgo.service.log import observer, route_python_logging


class Log:
    """A log file and a way to write to it."""

    def __init__(self, path: Path, level: str = "info") -> None:
        self.path = path
        self.observer: ILogObserver = observer(str(path), level)

    def logger(self, namespace: str = "conchgo.test") -> Logger:
        return Logger(namespace=namespace, observer=LogPublisher(self.observer))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


def test_an_event_is_one_json_object_with_its_plain_values(log: Log) -> None:
    log.logger().info(
        "{user} came\nin", user="m\ud800", port=22, path=VirtualPath((b"\xff",)), raw=b"\x00", odd=object(), none=None
    )
    (line,) = log.lines()
    assert line.pop("time")[-1] == "Z"
    assert line == {
        "level": "info",
        "system": "conchgo.test",
        "message": "m\ud800 came\nin",
        "user": "m\ud800",
        "port": 22,
        "path": "/\\xff",
        "raw": "\\x00",
    }
    assert log.path.read_bytes().count(b"\n") == 1


def test_the_time_is_in_milliseconds_of_utc(log: Log) -> None:
    log.observer({"log_time": 1.5, "log_level": LogLevel.warn, "log_namespace": "conchgo", "log_format": "hello"})
    (line,) = log.lines()
    assert line == {"time": "1970-01-01T00:00:01.500Z", "level": "warn", "system": "conchgo", "message": "hello"}


def test_a_failure_brings_its_traceback(log: Log) -> None:
    try:
        raise KeyError("who")
    except KeyError:
        log.logger().failure("unexpected", failure=Failure())
    (line,) = log.lines()
    assert line["level"] == "critical"
    assert "KeyError" in line["traceback"]


def test_a_line_has_an_end(log: Log) -> None:
    log.logger().error("{text}", text="x" * 100_000, value="y" * 100_000, raw=b"z" * 100_000)
    assert log.path.stat().st_size < 30_000


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("debug", ["debug", "info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_decides_what_is_kept(tmp_path: Path, level: str, kept: list[str]) -> None:
    log = Log(tmp_path / "log", level)
    logger = log.logger()
    for each in ("debug", "info", "warn", "error"):
        logger.emit(LogLevel.levelWithName(each), each)
    assert [line["message"] for line in log.lines()] == kept


@pytest.mark.parametrize(
    ("level", "namespace", "heard"),
    [
        ("info", "twisted.application", False),
        ("info", "log_legacy", False),
        ("debug", "twisted.application", True),
        ("debug", "twisted.conch.ssh.transport.SSHTransportBase", False),
        ("info", "twisted.conchgo", False),
    ],
)
def test_other_peoples_chatter(tmp_path: Path, level: str, namespace: str, heard: bool) -> None:
    log = Log(tmp_path / "log", level)
    log.logger(namespace).info("couldn't handle {packet!r}", packet=b"password")
    assert bool(log.lines()) is heard
    log.logger(namespace).warn("listen to this")
    assert log.lines()[-1]["message"] == "listen to this"


def test_a_file_that_was_moved_away_is_made_anew(log: Log) -> None:
    log.logger().info("one")
    log.path.rename(log.path.with_suffix(".1"))
    log.logger().info("two")
    assert [line["message"] for line in log.lines()] == ["two"]
    assert log.path.stat().st_mode & 0o777 == 0o640


def test_a_full_disk_is_told_once_and_stops_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(Path("/dev/full"))
    log.logger().info("one")
    log.logger().info("two")
    assert capfd.readouterr().err == ("conchgo: the log cannot be written, lines are lost: No space left on device\n")


@pytest.fixture
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.mark.usefixtures("root_logger")
def test_python_loggers_are_heard_from_warnings_up(log: Log) -> None:
    from twisted.logger import globalLogPublisher

    globalLogPublisher.addObserver(log.observer)
    try:
        route_python_logging()
        logging.getLogger("sqlalchemy.engine").info("INSERT %s", "a hash")
        logging.getLogger("alembic").warning("%d {braces}", 7)
        try:
            raise ValueError("why")
        except ValueError:
            logging.getLogger("other").exception("oh")
    finally:
        globalLogPublisher.removeObserver(log.observer)
    first, second = log.lines()
    assert (first["level"], first["system"], first["message"]) == ("warn", "alembic", "7 {braces}")
    assert second["level"] == "error"
    assert "ValueError: why" in second["trace"]


def test_what_is_below_the_level_is_dropped_before_it_is_formatted(tmp_path: Path) -> None:
    class Costly:
        def __format__(self, spec: str) -> str:
            raise AssertionError("formatted")

    log = Log(tmp_path / "log", "warn")
    assert isinstance(log.observer, FilteringLogObserver)
    log.logger().info("{value}", value=Costly())
    assert log.lines() == []
