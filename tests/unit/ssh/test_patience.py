"""A channel that waits for whole packets, and for nobody too long."""

from __future__ import annotations

from twisted.internet.task import Clock

from conchgo.ssh.packet_buffer import MAX_DATA
from conchgo.ssh.patience import LARGE_WINDOW, PATIENCE, Patience
from tests.ssh_client import channel_data
from tests.unit.ssh.test_channel import Session

SHORT = 1000


def sizes(session: Session) -> list[int]:
    """Of the data of each message that came."""
    return [len(payload) - 8 for payload in session.client.received(94)]


def test_a_packet_waits_until_the_window_has_room_for_all_of_it() -> None:
    session = Session(window=LARGE_WINDOW + SHORT)
    session.stream.write(b"x" * (LARGE_WINDOW + 2 * MAX_DATA))
    session.wire.pump()
    assert sum(sizes(session)) == LARGE_WINDOW

    session.adjust(MAX_DATA)
    assert sizes(session) == [MAX_DATA] * (LARGE_WINDOW // MAX_DATA + 1)


def test_who_does_not_open_the_window_gets_the_rest_soon_and_is_not_waited_for_again() -> None:
    session = Session(window=LARGE_WINDOW + SHORT)
    session.stream.write(b"x" * (LARGE_WINDOW + 2 * MAX_DATA))
    session.factory.clock.advance(PATIENCE)
    session.wire.pump()
    assert sum(sizes(session)) == LARGE_WINDOW + SHORT

    session.adjust(SHORT)
    assert sum(sizes(session)) == LARGE_WINDOW + 2 * SHORT
    assert not session.stream.remoteWindowLeft


def test_a_wait_that_began_while_the_timer_ran_for_another_ends_too() -> None:
    session = Session(window=LARGE_WINDOW + SHORT)
    session.stream.write(b"x" * (LARGE_WINDOW + 10 * MAX_DATA))
    session.factory.clock.advance(PATIENCE / 2)
    session.adjust(MAX_DATA)
    session.factory.clock.advance(PATIENCE / 2)
    session.wire.pump()
    assert sum(sizes(session)) == LARGE_WINDOW + MAX_DATA

    session.factory.clock.advance(PATIENCE)
    session.wire.pump()

    assert sum(sizes(session)) == LARGE_WINDOW + SHORT + MAX_DATA


def test_small_windows_are_used_to_the_last_byte() -> None:
    session = Session(window=SHORT)
    session.stream.write(b"x" * 5000)
    session.wire.pump()

    assert channel_data(session.client) == b"x" * SHORT


def test_the_end_leaves_no_timer() -> None:
    clock = Clock()
    patience = Patience(clock, LARGE_WINDOW, lambda: None)
    assert patience.waits()
    patience.end()

    assert not clock.getDelayedCalls()
    assert not patience.waits()
