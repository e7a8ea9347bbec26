"""The flow of a channel, asserted by counters: nothing grows because somebody does not read."""

import struct

import pytest
from twisted.conch.ssh.common import NS
from twisted.internet.task import Clock

from conchgo.ssh.channel import GRANT, HIGH_WATER, LINGER, LOW_WATER, TURN, WINDOW
from conchgo.ssh.packet_buffer import MAX_DATA
from conchgo.ssh.patience import LARGE_WINDOW
from tests.ssh_client import channel_data, log_in, numbers_of, start
from tests.ssh_server import Echo, Gate, make_factory

DATA, EXTENDED, EOF, CLOSE, REQUEST, ADJUST = 94, 95, 96, 97, 98, 93
PROTOCOL_ERROR = 2


class Session:
    """A logged-in client with one command running."""

    def __init__(self, window: int = 2**21, program: type | None = None) -> None:
        self.gate = Gate()
        if program:
            self.gate.avatar.make = program
        self.factory = make_factory(Clock(), self.gate)
        self.client, self.wire = log_in(self.factory)
        self.channel = start(self.client, self.wire, (b"exec", NS(b"anything")), window=window)
        self.program = self.gate.avatar.programs[0]
        self.stream = self.program.stream

    def data(self, data: bytes, extended: bool = False) -> None:
        kind = b"\0\0\0\1" if extended else b""
        self.client.send_channel(EXTENDED if extended else DATA, self.channel, kind + NS(data))
        self.wire.pump()

    def adjust(self, count: int) -> None:
        self.client.send_channel(ADJUST, self.channel, struct.pack(">L", count))
        self.wire.pump()

    def send(self, number: int) -> None:
        self.client.send_channel(number, self.channel)
        self.wire.pump()

    def adjusted(self) -> int:
        return sum(struct.unpack(">LL", payload)[1] for payload in self.client.received(ADJUST))


# Output


def test_output_keeps_to_the_window_and_goes_on_where_it_stopped() -> None:
    session = Session(window=10)
    session.stream.write(b"0123456789abcdef")
    session.wire.pump()
    assert channel_data(session.client) == b"0123456789"
    assert session.stream.pending_output == 6

    session.adjust(3)
    session.adjust(100)
    assert channel_data(session.client) == b"0123456789abcdef"
    assert session.stream.remoteWindowLeft == 97


def test_little_never_overtakes_what_waits_for_the_window() -> None:
    """The last bytes of a large window are left until it is opened further; a short reply would still fit there."""
    session = Session(window=LARGE_WINDOW)
    session.stream.write(b"x" * (LARGE_WINDOW - 100))
    session.stream.write(b"y" * 1000)
    session.stream.write(b"z")
    session.adjust(LARGE_WINDOW)
    assert channel_data(session.client) == b"x" * (LARGE_WINDOW - 100) + b"y" * 1000 + b"z"


@pytest.mark.parametrize("count", [1, 256, 257, 512])
def test_little_keeps_to_the_packet_size_and_the_window(count) -> None:
    session = Session()
    session.client.open_session(max_packet=256, window=300)
    session.wire.pump()
    session.client.channel_request(1, b"exec", NS(b"more"))
    session.wire.pump()
    stream = session.gate.avatar.programs[1].stream
    stream.write(b"x" * count)
    session.wire.pump()
    sizes = [len(payload) - 8 for payload in session.client.received(DATA)]
    assert max(sizes) <= 256
    assert sum(sizes) == min(count, 300)
    assert stream.remoteWindowLeft == 300 - sum(sizes)


@pytest.mark.parametrize("max_packet", [256, 1000, MAX_DATA, 2**31])
def test_packets_keep_to_the_size_that_both_sides_take(max_packet) -> None:
    session = Session()
    session.client.open_session(max_packet=max_packet)
    session.wire.pump()
    session.client.channel_request(1, b"exec", NS(b"more"))
    session.wire.pump()
    session.gate.avatar.programs[1].stream.write(b"x" * 100_000)
    session.wire.pump()

    sizes = [len(payload) - 8 for payload in session.client.received(DATA)]
    assert sum(sizes) == 100_000
    assert max(sizes) == min(max_packet, MAX_DATA)


def test_standard_error_and_output_keep_their_order() -> None:
    session = Session(window=4)
    session.stream.write(b"out1")
    session.stream.write_error(b"err1")
    session.stream.write(b"out2")
    session.adjust(100)

    assert numbers_of(session.client, DATA, EXTENDED) == [DATA, EXTENDED, DATA]
    assert session.client.received(EXTENDED)[0][4:] == b"\0\0\0\1" + NS(b"err1")


def test_a_client_that_does_not_read_makes_the_program_stop() -> None:
    session = Session(window=0)
    written = 0
    while not session.stream.congested:
        session.stream.write(b"x" * 10_000)
        written += 10_000
    assert HIGH_WATER < written <= HIGH_WATER + 10_000
    assert session.stream.pending_output == written

    session.adjust(HIGH_WATER - LOW_WATER)
    assert session.program.calls == ["started"]
    session.adjust(2 * MAX_DATA)
    assert session.program.calls == ["started", "drained"]
    assert not session.stream.congested


def test_a_full_socket_makes_every_program_stop() -> None:
    session = Session()
    session.client.open_session()
    session.client.channel_request(1, b"exec", NS(b"another"))
    session.wire.pump()
    programs = session.gate.avatar.programs
    session.wire.fill()
    session.wire.server_socket.clear()
    for program in programs:
        assert program.stream.congested
        program.stream.write(b"x" * 100_000)
    assert session.wire.server_socket.value() == b""

    session.wire.empty()
    assert [program.calls for program in programs] == [["started", "drained"]] * 2
    session.wire.pump()
    assert len(channel_data(session.client)) == 200_000


def test_channels_take_turns_when_the_socket_is_ready_again() -> None:
    session = Session()
    session.client.open_session(number=1)
    session.client.channel_request(1, b"exec", NS(b"another"))
    session.wire.pump()
    session.wire.fill()
    for program in session.gate.avatar.programs:
        program.stream.write(b"x" * 2 * TURN)
    session.wire.empty()
    session.wire.pump()

    packets = TURN // MAX_DATA
    assert [payload[3] for payload in session.client.received(DATA)] == ([0] * packets + [1] * packets) * 2


def test_output_stops_in_the_middle_when_the_socket_becomes_full() -> None:
    session = Session()
    session.wire.server_socket.full = True
    session.stream.write(b"x" * 3 * TURN)

    assert session.stream.pending_output == 2 * TURN
    assert session.stream.congested


def test_a_program_that_starts_while_the_socket_is_full_knows_it() -> None:
    session = Session()
    session.wire.fill()
    session.client.open_session()
    session.client.channel_request(1, b"exec", NS(b"another"))
    session.wire._carry(session.wire.client_socket, session.wire.server)

    assert session.gate.avatar.programs[1].stream.congested


def test_the_end_fits_a_full_socket() -> None:
    session = Session()
    session.wire.fill()
    session.stream.write(b"x" * 10)
    session.stream.exit(0)
    session.wire.server_socket.full = True
    session.wire.server_socket.producer.resumeProducing()
    assert numbers_of(session.client, DATA, EOF, REQUEST, CLOSE) == []
    session.wire.empty()
    session.wire.pump()

    assert numbers_of(session.client, DATA, EOF, REQUEST, CLOSE) == [DATA, EOF, REQUEST, CLOSE]


# The end


def test_the_end_comes_behind_the_output_in_the_order_eof_status_close() -> None:
    session = Session(window=4)
    session.stream.write(b"01234567")
    session.stream.exit(7)
    session.stream.write(b"too late")
    session.stream.exit(8)
    session.wire.pump()
    assert numbers_of(session.client, DATA, EOF, REQUEST, CLOSE) == [DATA]

    session.adjust(100)
    assert numbers_of(session.client, DATA, EOF, REQUEST, CLOSE) == [DATA, DATA, EOF, REQUEST, CLOSE]
    assert channel_data(session.client) == b"01234567"
    assert session.client.received(REQUEST)[0][4:] == NS(b"exit-status") + b"\0" + struct.pack(">L", 7)
    session.send(CLOSE)
    assert session.program.calls == ["started", "connection_lost"]
    assert session.wire.server.service.channels == {}
    assert not session.wire.closed


def test_a_negative_status_is_32_bits() -> None:
    session = Session()
    session.stream.exit(-1)
    session.wire.pump()

    assert session.client.received(REQUEST)[0][-4:] == b"\xff" * 4


def test_the_clients_close_drops_what_waits_and_is_answered() -> None:
    session = Session(window=0)
    session.stream.write(b"never read")
    session.send(CLOSE)
    session.stream.write(b"too late")
    session.stream.exit(0)
    session.stream.consumed(WINDOW)
    session.wire.pump()

    assert numbers_of(session.client, DATA, EOF, REQUEST, CLOSE, ADJUST) == [CLOSE]
    assert session.stream.pending_output == 0
    assert session.program.calls == ["started", "connection_lost"]


def test_a_lost_connection_ends_every_program_once() -> None:
    session = Session()
    session.client.open_session()
    session.client.channel_request(1, b"exec", NS(b"another"))
    session.wire.pump()
    session.stream.exit(0)
    session.wire.lose()

    for program in session.gate.avatar.programs:
        assert program.calls.count("connection_lost") == 1


def test_eof_of_the_client_is_told_once() -> None:
    session = Session()
    session.send(EOF)
    session.send(EOF)
    session.data(b"after the end")

    assert session.program.calls == ["started", "input_ended"]
    assert session.program.input == b""


def test_a_program_that_a_signal_ended() -> None:
    session = Session()
    session.stream.exit_by_signal(b"TERM")
    session.wire.pump()
    request = NS(b"exit-signal") + b"\0" + NS(b"TERM") + b"\0" + NS(b"") + NS(b"")
    assert [payload[4:] for payload in session.client.received(REQUEST)] == [request]


def lingering(session: Session) -> None:
    """It has told its end while the client goes on to write."""
    for _ in range(WINDOW // MAX_DATA):
        session.data(b"x" * MAX_DATA)
    session.stream.linger()
    session.stream.exit(1)
    for _ in range(WINDOW // MAX_DATA):
        session.data(b"x" * MAX_DATA)
    assert len(session.program.input) == WINDOW
    assert session.adjusted() > WINDOW
    assert numbers_of(session.client, EOF, REQUEST, CLOSE) == [EOF, REQUEST]


def test_who_writes_before_he_reads_comes_to_read_the_end() -> None:
    session = Session()
    lingering(session)
    session.send(EOF)
    assert numbers_of(session.client, EOF, REQUEST, CLOSE) == [EOF, REQUEST, CLOSE]


def test_input_after_the_end_is_not_taken_for_ever() -> None:
    session = Session()
    lingering(session)
    session.wire.server.factory.clock.advance(LINGER)
    session.wire.pump()
    assert numbers_of(session.client, EOF, REQUEST, CLOSE) == [EOF, REQUEST, CLOSE]


def test_the_end_of_who_lingers_is_told_once() -> None:
    session = Session()
    lingering(session)
    session.stream.terminate()
    session.wire.pump()
    assert numbers_of(session.client, EOF, REQUEST, CLOSE) == [EOF, REQUEST, CLOSE]


def test_nothing_is_told_after_the_exit() -> None:
    session = Session(window=0)
    session.stream.write(b"x")
    session.stream.exit(0)
    session.data(b"more")
    session.send(EOF)

    assert session.program.calls == ["started"]
    assert session.program.input == b""


# Input


def test_the_window_opens_on_consumption_only() -> None:
    session = Session()
    for _ in range(WINDOW // MAX_DATA):
        session.data(b"x" * MAX_DATA)
    assert len(session.program.input) == WINDOW
    assert session.adjusted() == 0
    assert session.stream.localWindowLeft == 0

    session.stream.consumed(GRANT - 1)
    session.wire.pump()
    assert session.adjusted() == 0
    session.stream.consumed(1)
    session.wire.pump()
    assert session.adjusted() == GRANT == session.stream.localWindowLeft


def test_more_than_the_window_ends_the_connection() -> None:
    session = Session()
    for _ in range(WINDOW // MAX_DATA):
        session.data(b"x" * MAX_DATA)
    session.data(b"x")

    assert session.client.disconnect[0] == PROTOCOL_ERROR
    assert len(session.program.input) == WINDOW


def test_more_than_a_packet_may_hold_ends_the_connection() -> None:
    session = Session()
    session.data(b"x" * (MAX_DATA + 1))

    assert session.client.disconnect[0] == PROTOCOL_ERROR


def test_what_was_not_received_cannot_be_consumed() -> None:
    session = Session()
    session.data(b"x" * 100)
    session.stream.consumed(10 * WINDOW)
    session.wire.pump()

    assert session.adjusted() == 0
    assert session.stream._consumed == 100


@pytest.mark.parametrize("end", [EOF, CLOSE])
def test_no_window_is_opened_after_the_end_of_input(end) -> None:
    session = Session()
    for _ in range(WINDOW // MAX_DATA):
        session.data(b"x" * MAX_DATA)
    session.send(end)
    session.stream.consumed(WINDOW)
    session.wire.pump()

    assert session.adjusted() == 0


def test_the_window_of_ignored_extended_data_is_given_back() -> None:
    session = Session()
    for _ in range(2 * WINDOW // MAX_DATA):
        session.data(b"x" * MAX_DATA, extended=True)

    assert session.program.input == b""
    assert session.adjusted() > WINDOW
    assert not session.wire.closed


@pytest.mark.parametrize("requests", [(), ((b"subsystem", NS(b"unknown")),)])
def test_data_without_a_program_is_dropped_and_bounded(requests) -> None:
    session = Session()
    session.client.open_session()
    session.wire.pump()
    for name, details in requests:
        session.client.channel_request(1, name, details)
    for _ in range(WINDOW // MAX_DATA):
        session.client.send_channel(DATA, 1, NS(b"x" * MAX_DATA))
    session.client.send_channel(EOF, 1)
    session.wire.pump()
    assert not session.wire.closed
    assert session.adjusted() == 0

    session.client.send_channel(DATA, 1, NS(b"x"))
    session.wire.pump()
    assert session.client.disconnect[0] == PROTOCOL_ERROR


def test_the_peers_window_has_32_bits() -> None:
    session = Session(window=0xFFFFFFF0)
    session.adjust(15)
    assert not session.wire.closed
    session.adjust(1)

    assert session.client.disconnect[0] == PROTOCOL_ERROR


def test_an_echo_is_slowed_down_by_who_does_not_read_it() -> None:
    """Both ways at once: what the server holds is bounded by its two buffers, whatever the client sends."""
    session = Session(window=0, program=Echo)
    sent = 0
    while session.stream.localWindowLeft >= MAX_DATA:
        session.data(b"x" * MAX_DATA)
        sent += MAX_DATA
    assert sent <= 2 * WINDOW
    assert session.stream.pending_output == sent

    session.adjust(sent)
    assert channel_data(session.client) == b"x" * sent
    assert session.stream.localWindowLeft > WINDOW // 2
