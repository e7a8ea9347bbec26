from __future__ import annotations

from conchgo.sessions.notices import Notice
from conchgo.sessions.registry import Registry
from tests.unit.sessions.helpers import WrittenProgram, WrittenStream


def test_programs_are_counted_until_their_channel_is_gone() -> None:
    registry = Registry(1024)
    first, second = (registry.register(WrittenProgram(), "alice") for _ in range(2))
    other = registry.register(WrittenProgram(), "bob")
    assert len(registry) == 3
    assert not registry.has_room("alice", 2)
    assert registry.has_room("alice", 3)
    assert registry.has_room("alice", 0)
    assert not registry.has_room("bob", 1)
    assert registry.has_room("carol", 1)
    first.connection_lost()
    assert registry.has_room("alice", 2)
    second.connection_lost()
    other.connection_lost()
    assert len(registry) == 0
    assert registry.has_room("alice", 1)


def test_a_registered_program_hears_what_its_channel_says() -> None:
    registry, program, stream = Registry(1024), WrittenProgram(), WrittenStream()
    registered = registry.register(program, "alice")
    registered.started(stream)
    assert not registered.busy
    program.busy = True
    assert registered.busy
    registered.data_received(b"x")
    registered.drained()
    registered.input_ended()
    registered.connection_lost()
    assert program.told == ["started", "data b'x'", "drained", "input ended", "lost"]


def test_a_program_that_fails_at_its_end_is_counted_no_longer() -> None:
    class Failing(WrittenProgram):
        def connection_lost(self) -> None:
            raise RuntimeError("broken")

    registry = Registry(1024)
    program = registry.register(Failing(), "alice")
    try:
        program.connection_lost()
    except RuntimeError:
        pass
    assert registry.has_room("alice", 1)


def test_all_programs_are_drained_those_that_come_late_too() -> None:
    registry, running, late = Registry(1024), WrittenProgram(), WrittenProgram()
    registry.register(running, "alice").started(WrittenStream())
    registry.register(Notice("no drain", 0), "alice")
    registry.drain()
    registered = registry.register(late, "alice")
    assert late.told == []
    registered.started(WrittenStream())
    # Not before it has its stream, or it could not say that it ends.
    assert late.told == ["started", "drain"]
    assert running.told == ["started", "drain"]
