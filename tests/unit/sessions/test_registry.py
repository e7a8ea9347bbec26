from __future__ import annotations

from conchgo.sessions.notices import Notice
from conchgo.sessions.registry import Registry
from tests.unit.sessions.helpers import WrittenProgram, WrittenStream


def nothing() -> None:
    """At a session's end."""


def test_programs_are_known_until_their_channel_is_gone() -> None:
    registry, ended = Registry(1024), []
    first, second = (registry.register(WrittenProgram(), lambda name=name: ended.append(name)) for name in "ab")
    assert len(registry) == 2
    second.connection_lost()
    assert (len(registry), ended) == (1, ["b"])
    first.connection_lost()
    assert (len(registry), ended) == (0, ["b", "a"])


def test_a_registered_program_hears_what_its_channel_says() -> None:
    registry, program, stream = Registry(1024), WrittenProgram(), WrittenStream()
    registered = registry.register(program, nothing)
    registered.started(stream)
    assert not registered.busy
    program.busy = True
    assert registered.busy
    registered.data_received(b"x")
    registered.drained()
    registered.input_ended()
    registered.connection_lost()
    assert program.told == ["started", "data b'x'", "drained", "input ended", "lost"]


def test_a_program_that_fails_at_its_end_has_ended() -> None:
    class Failing(WrittenProgram):
        def connection_lost(self) -> None:
            raise RuntimeError("broken")

    registry = Registry(1024)
    ended: list[bool] = []
    program = registry.register(Failing(), lambda: ended.append(True))
    try:
        program.connection_lost()
    except RuntimeError:
        pass
    assert (len(registry), ended) == (0, [True])


def test_all_programs_are_drained_those_that_come_late_too() -> None:
    registry, running, late = Registry(1024), WrittenProgram(), WrittenProgram()
    registry.register(running, nothing).started(WrittenStream())
    registry.register(Notice("no drain", 0), nothing)
    registry.drain()
    registered = registry.register(late, nothing)
    assert late.told == []
    registered.started(WrittenStream())
    # Not before it has its stream, or it could not say that it ends.
    assert late.told == ["started", "drain"]
    assert running.told == ["started", "drain"]
