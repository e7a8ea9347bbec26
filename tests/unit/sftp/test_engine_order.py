"""The law of order: what overlaps, what waits, and in which order replies leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.errors import NotFound
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.sftp.engine import MAX_OUTSTANDING, MAX_PROMISED
from tests.unit.sftp.controlled import ControlledServer
from tests.unit.sftp.harness import INIT, NO_ATTRIBUTES, Client, fast_server, generic_server, split

READ, WRITE, APPEND, CREATE = c.FXF_READ, c.FXF_WRITE, c.FXF_APPEND, c.FXF_WRITE | c.FXF_CREAT


@pytest.fixture
def server() -> ControlledServer:
    return ControlledServer()


@pytest.fixture
def client(server: ControlledServer) -> Client:
    return Client(server)


def opened(client: Client, server: ControlledServer, flags: int = READ | WRITE) -> bytes:
    client.send(c.FXP_OPEN, string(b"/f"), uint32(flags), NO_ATTRIBUTES)
    server.finish()
    (reply,) = client.replies()
    return reply.handle


def read(client: Client, handle: bytes, offset: int, length: int = 10) -> int:
    return client.send(c.FXP_READ, string(handle), uint64(offset), uint32(length))


def write(client: Client, handle: bytes, offset: int, length: int = 10) -> int:
    return client.send(c.FXP_WRITE, string(handle), uint64(offset), string(bytes(length)))


def working(server: ControlledServer) -> list[tuple[Any, ...]]:
    return [(work.name, *work.args[1:]) for work in server.working]


def test_replies_leave_in_the_order_of_requests(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    asked = [read(client, handle, offset) for offset in range(0, 100, 10)]
    for index in (9, 3, 3, 5, 0, 0, 1, 0, 1, 0):
        server.finish(index)
    assert [reply.request_id for reply in client.replies()] == asked


def test_nothing_leaves_before_the_first_is_done(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    first, second = read(client, handle, 0), read(client, handle, 10)
    server.finish(1)
    assert client.replies() == []
    server.finish(0)
    assert [reply.request_id for reply in client.replies()] == [first, second]


def test_a_failure_keeps_its_place(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    first, second, third = (read(client, handle, offset) for offset in (0, 10, 20))
    server.finish(2)
    server.finish(1, NotFound())
    server.finish(0)
    replies = client.replies()
    assert [reply.request_id for reply in replies] == [first, second, third]
    assert replies[1].code == c.FX_NO_SUCH_FILE
    assert client.engine.outstanding == 0


def test_disjoint_reads_and_writes_overlap_in_time(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    write(client, handle, 0)
    read(client, handle, 10)
    write(client, handle, 20)
    read(client, handle, 10)
    assert working(server) == [("write", 0, 10), ("read", 10, 10), ("write", 20, 10), ("read", 10, 10)]


@pytest.mark.parametrize(
    ("first", "second"), [(write, read), (read, write), (write, write)], ids=["write-read", "read-write", "write-write"]
)
def test_overlapping_ranges_keep_their_order(
    client: Client, server: ControlledServer, first: Callable[..., int], second: Callable[..., int]
) -> None:
    handle = opened(client, server)
    first(client, handle, 0)
    second(client, handle, 9)
    read(client, handle, 100)
    assert len(server.working) == 1
    server.finish()
    assert len(server.working) == 2
    assert working(server)[0][1] == 9


def test_an_appending_handle_is_served_one_by_one(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server, READ | WRITE | APPEND)
    for offset in (0, 100, 200):
        write(client, handle, offset)
    read(client, handle, 500)
    for _ in range(4):
        assert len(server.working) == 1
        server.finish()
    assert [work.name for work in server.started[1:]] == ["write", "write", "write", "read"]


def test_close_waits_for_all_and_what_follows_meets_no_handle(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    read(client, handle, 0)
    write(client, handle, 10)
    client.send(c.FXP_CLOSE, string(handle))
    late = read(client, handle, 50)
    server.finish(1)
    assert working(server) == [("read", 0, 10)]
    server.finish(0)
    assert working(server) == [("close",)]
    assert client.replies()[-1].kind == c.FXP_STATUS
    server.finish()
    replies = client.replies()
    assert [reply.request_id for reply in replies] == [late - 1, late]
    assert [reply.code for reply in replies] == [c.FX_OK, c.FX_FAILURE]
    assert server.files[0].closed == 1


def test_fstat_waits_for_the_writes_before_it_and_holds_up_those_after(
    client: Client, server: ControlledServer
) -> None:
    handle = opened(client, server)
    write(client, handle, 0)
    client.send(c.FXP_FSTAT, string(handle))
    write(client, handle, 100)
    assert working(server) == [("write", 0, 10)]
    server.finish()
    assert working(server) == [("fstat",)]
    server.finish()
    assert working(server) == [("write", 100, 10)]


def test_other_requests_are_done_one_at_a_time_and_in_order(client: Client, server: ControlledServer) -> None:
    for number in range(5):
        client.send(c.FXP_MKDIR, string(b"/%d" % number), NO_ATTRIBUTES)
        client.send(c.FXP_STAT, string(b"/%d" % number))
    for number in range(5):
        for name in ("mkdir", "stat"):
            (work,) = server.working
            assert (work.name, work.args[0]) == (name, b"/%d" % number)
            server.finish()


def test_reads_go_on_beside_a_slow_request(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    client.send(c.FXP_STAT, string(b"/slow"))
    read(client, handle, 0)
    client.send(c.FXP_STAT, string(b"/next"))
    read(client, handle, 10)
    assert [work.name for work in server.working] == ["stat", "read"]
    server.finish(0)
    assert [work.name for work in server.working] == ["read", "stat", "read"]


def test_a_request_uses_the_handle_that_the_one_before_closes(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    client.send(c.FXP_CLOSE, string(handle))
    client.send(c.FXP_CLOSE, string(handle))
    server.finish_all()
    assert [reply.code for reply in client.replies()] == [c.FX_OK, c.FX_FAILURE]
    assert server.files[0].closed == 1


#: One request of a random client: what, on which handle (modulo), where.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["read", "write", "fstat", "stat", "open", "append", "opendir", "readdir", "close", "bad", "cut"]
        ),
        st.integers(0, 3),
        st.integers(0, 30),
        st.integers(0, 12),
    ),
    max_size=60,
)


def packets(steps: list[tuple[str, int, int, int]]) -> list[bytes]:
    """Handles are guessed: the engine counts them, so that a client may well name one before it has it."""
    made = []
    for request_id, (what, which, offset, length) in enumerate(steps, 1):
        name = string(which.to_bytes(8, "big"))
        kind, body = {
            "read": (c.FXP_READ, name + uint64(offset) + uint32(length)),
            "write": (c.FXP_WRITE, name + uint64(offset) + string(bytes(length))),
            "fstat": (c.FXP_FSTAT, name),
            "stat": (c.FXP_STAT, string(b"/")),
            "open": (c.FXP_OPEN, string(b"/") + uint32(READ | WRITE) + NO_ATTRIBUTES),
            "append": (c.FXP_OPEN, string(b"/") + uint32(WRITE | APPEND) + NO_ATTRIBUTES),
            "opendir": (c.FXP_OPENDIR, string(b"/")),
            "readdir": (c.FXP_READDIR, name),
            "close": (c.FXP_CLOSE, name),
            "bad": (99, b""),
            "cut": (c.FXP_READ, name[:-2]),
        }[what]
        made.append(codec.packet(kind, request_id, body))
    return made


def checked(server: ControlledServer, client: Client) -> None:
    assert not server.breaches
    assert client.engine.outstanding <= MAX_OUTSTANDING
    assert sum(work.args[2] for work in server.working if work.name == "read") <= MAX_PROMISED


@settings(max_examples=200, deadline=None)
@given(STEPS, st.data())
def test_the_law_holds_whatever_ends_first(steps: list[tuple[str, int, int, int]], data: st.DataObject) -> None:
    server = ControlledServer()
    client = Client(server)
    waiting = packets(steps)
    while waiting or server.working:
        if waiting and (not server.working or data.draw(st.booleans())):
            client.feed(waiting.pop(0))
        else:
            server.finish(data.draw(st.integers(0, len(server.working) - 1)))
        checked(server, client)
    assert [reply.request_id for reply in client.replies()] == list(range(1, len(steps) + 1))
    assert client.stream.consumed_bytes == client.sent


@settings(max_examples=200, deadline=None)
@given(STEPS, st.data())
def test_a_client_lost_at_any_point_leaves_nothing_open(
    steps: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    server = ControlledServer()
    client = Client(server)
    waiting = packets(steps)
    for _ in range(data.draw(st.integers(0, 2 * len(steps)))):
        if waiting and (not server.working or data.draw(st.booleans())):
            client.feed(waiting.pop(0))
        elif server.working:
            server.finish(data.draw(st.integers(0, len(server.working) - 1)))
    output, consumed = bytes(client.stream.output), client.stream.consumed_bytes
    started = len(server.started)
    client.engine.connection_lost()
    while server.working:
        server.finish(data.draw(st.integers(0, len(server.working) - 1)))
    assert not server.breaches
    assert [file.closed for file in server.files] == [1] * len(server.files)
    assert {work.name for work in server.started[started:]} <= {"close"}
    assert (bytes(client.stream.output), client.stream.consumed_bytes) == (output, consumed)
    assert client.stream.statuses == []


def conversation() -> bytes:
    """Requests that need nothing but what they say, and among them bad ones."""
    first, second = string((0).to_bytes(8, "big")), string((1).to_bytes(8, "big"))
    asked = [
        (c.FXP_REALPATH, string(b".")),
        (c.FXP_OPEN, string(b"/f") + uint32(CREATE | READ) + NO_ATTRIBUTES),
        (c.FXP_WRITE, first + uint64(0) + string(b"content")),
        (c.FXP_READ, first + uint64(3) + uint32(100)),
        (c.FXP_READ, first),
        (99, b"unknown"),
        (c.FXP_OPENDIR, string(b"/")),
        (c.FXP_READDIR, first),
        (c.FXP_CLOSE, second),
        (c.FXP_EXTENDED, string(b"limits@openssh.com")),
        (c.FXP_CLOSE, first),
        (c.FXP_STAT, string(b"/gone")),
    ]
    return INIT + b"".join(codec.packet(kind, number, body) for number, (kind, body) in enumerate(asked))


def answered(make: Callable[[], Any], pieces: list[bytes]) -> bytes:
    client = Client(make(), greet=False)
    for piece in pieces:
        client.feed(piece)
    client.replies()
    assert client.stream.consumed_bytes == client.sent
    return bytes(client.stream.output)


@pytest.mark.parametrize("make", [fast_server, generic_server])
def test_every_way_to_cut_the_input_in_two_gets_the_same_replies(make: Callable[[], Any]) -> None:
    whole = conversation()
    expected = answered(make, [whole])
    assert len(split(expected)) == 13
    for cut in range(len(whole) + 1):
        assert answered(make, [whole[:cut], whole[cut:]]) == expected
    assert answered(make, [whole[at : at + 1] for at in range(len(whole))]) == expected
