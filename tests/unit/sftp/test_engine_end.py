"""How a channel begins and ends: INIT, what is no SFTP, EOF, drain, and a client that is gone."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from conchgo.edge.pools import Pool
from conchgo.errors import Busy, Cancelled, Failure
from conchgo.paths import VirtualPath
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.sftp.engine import Engine
from tests.unit.sftp.controlled import ControlledServer
from tests.unit.sftp.harness import (
    INIT,
    NO_ATTRIBUTES,
    Client,
    FakeStream,
    LaterRunner,
    LaterStorage,
    fast_server,
    filesystem,
    generic_server,
    split,
)

READ, CREATE = c.FXF_READ, c.FXF_WRITE | c.FXF_CREAT


@pytest.fixture
def server() -> ControlledServer:
    return ControlledServer()


@pytest.fixture
def client(server: ControlledServer) -> Client:
    return Client(server)


def opened(client: Client, server: ControlledServer, flags: int = READ | c.FXF_WRITE) -> bytes:
    client.send(c.FXP_OPEN, string(b"/f"), uint32(flags), NO_ATTRIBUTES)
    server.finish()
    (reply,) = client.replies()
    return reply.handle


# The beginning


@pytest.mark.parametrize("version", [3, 4, 6, 2**32 - 1])
def test_the_version_is_3_whatever_later_one_the_client_has(version: int) -> None:
    client = Client(fast_server(), greet=False)
    client.feed(struct.pack(">IBI", 5, c.FXP_INIT, version))
    (reply,) = client.replies()
    assert (reply.kind, reply.request_id) == (c.FXP_VERSION, 3)
    assert client.stream.consumed_bytes == client.sent == 9


def test_what_the_client_tells_with_init_is_passed_over() -> None:
    client = Client(fast_server(), greet=False)
    body = uint32(3) + string(b"name@example.com") + string(b"1") + b"\xff\xff\xff\xff"
    client.feed(uint32(len(body) + 1) + b"\x01" + body)
    assert client.replies()[0].kind == c.FXP_VERSION
    assert client.stream.consumed_bytes == client.sent


@pytest.mark.parametrize(
    "first",
    [
        struct.pack(">IBI", 5, c.FXP_INIT, 2),
        struct.pack(">IBI", 5, c.FXP_INIT, 0),
        codec.packet(c.FXP_STAT, 3, string(b"/")),
        codec.packet(c.FXP_VERSION, 3, b""),
        struct.pack(">IB", 1, c.FXP_INIT),
        struct.pack(">IBI", c.MAX_PACKET + 1, c.FXP_INIT, 3),
        struct.pack(">IBI", 0xFFFFFFFF, c.FXP_STAT, 3),
        b"\0\0\0\0",
        b"SSH-2.0-nonsense\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_does_not_begin_with_init_ends_at_once(first: bytes) -> None:
    client = Client(fast_server(), greet=False)
    client.feed(first)
    assert client.stream.statuses == [1]
    assert client.stream.output == b""
    client.feed(INIT)
    client.engine.input_ended()
    client.engine.connection_lost()
    assert client.stream.statuses == [1]


@pytest.mark.parametrize("again", [INIT, struct.pack(">IBI", 5, c.FXP_VERSION, 3)])
def test_a_second_init_ends_the_channel(client: Client, server: ControlledServer, again: bytes) -> None:
    opened(client, server)
    client.feed(again)
    assert client.stream.statuses == [1]
    assert server.files[0].closed == 1


@pytest.mark.parametrize("length", range(5))
def test_a_packet_that_is_too_short_ends_the_channel(client: Client, server: ControlledServer, length: int) -> None:
    handle = opened(client, server)
    client.send(c.FXP_READ, string(handle), uint64(0), uint32(5))
    client.feed(uint32(length) + bytes(length))
    assert client.stream.statuses == [1]
    assert server.files[0].closed == 0
    server.finish()
    assert server.files[0].closed == 1
    assert client.replies() == []
    client.engine.connection_lost()
    assert client.stream.statuses == [1]
    assert server.files[0].closed == 1


# End of file from the client


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 1),
        (INIT[:3], 1),
        (INIT, 0),
        (INIT + b"\0", 1),
        (INIT + codec.packet(c.FXP_STAT, 1, string(b"/")), 0),
        (INIT + codec.packet(c.FXP_STAT, 1, string(b"/"))[:-1], 1),
        (INIT + struct.pack(">IBI", c.MAX_PACKET + 1, c.FXP_WRITE, 5) + bytes(c.MAX_PACKET - 5), 1),
        (INIT + struct.pack(">IBI", c.MAX_PACKET + 1, c.FXP_WRITE, 5) + bytes(c.MAX_PACKET - 4), 0),
    ],
)
def test_the_end_of_input_ends_the_channel(sent: bytes, status: int) -> None:
    client = Client(fast_server(), greet=False)
    client.feed(sent)
    client.engine.input_ended()
    assert client.stream.statuses == [status]
    client.engine.connection_lost()
    assert client.stream.statuses == [status]


def test_work_is_finished_and_answered_before_the_end(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    asked = [client.send(c.FXP_READ, string(handle), uint64(0), uint32(5)) for _ in range(3)]
    asked += [client.send(c.FXP_STAT, string(b"/")), client.send(c.FXP_FSTAT, string(handle))]
    client.engine.input_ended()
    while server.working:
        assert client.stream.statuses == []
        assert server.files[0].closed == 0
        server.finish()
        if client.stream.statuses:
            break
    assert [reply.request_id for reply in client.replies()] == asked
    assert client.stream.statuses == [0]
    assert server.files[0].closed == 1


def test_a_congested_client_gets_all_before_the_end(client: Client, server: ControlledServer) -> None:
    client.stream.congested = True
    client.send(c.FXP_STAT, string(b"/"))
    client.engine.input_ended()
    assert client.stream.statuses == []
    client.stream.congested = False
    client.engine.drained()
    server.finish()
    assert len(client.replies()) == 1
    assert client.stream.statuses == [0]


def test_many_requests_and_the_end_at_once() -> None:
    client = Client(fast_server(), greet=False)
    client.feed(INIT + b"".join(codec.packet(c.FXP_STAT, number, string(b"/")) for number in range(500)))
    client.engine.input_ended()
    assert client.stream.statuses == []
    assert len(client.replies()) == 501
    assert client.stream.statuses == [0]


# Drain


def test_a_drain_ends_an_idle_channel(client: Client) -> None:
    client.engine.drain()
    assert client.stream.statuses == [0]


def test_a_drain_before_init_ends_the_channel() -> None:
    client = Client(fast_server(), greet=False)
    client.feed(INIT[:5])
    client.engine.drain()
    assert client.stream.statuses == [0]


def test_a_drain_before_the_channel_is_there_ends_it_then() -> None:
    engine, stream = Engine(fast_server(), Clock()), FakeStream()
    engine.drain()
    engine.started(stream)
    assert stream.statuses == [0]


def test_a_drain_lets_open_files_be_finished_and_nothing_new(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    client.send(c.FXP_WRITE, string(handle), uint64(0), string(b"x"))
    client.engine.drain()
    client.send(c.FXP_WRITE, string(handle), uint64(1), string(b"y"))
    for kind in (c.FXP_OPEN, c.FXP_MKDIR):
        body = string(b"/n") + (uint32(CREATE) if kind == c.FXP_OPEN else b"") + NO_ATTRIBUTES
        client.send(kind, body)
    client.send(c.FXP_STAT, string(b"/"))
    server.finish_all()
    replies = client.replies()
    assert [reply.code for reply in replies] == [c.FX_OK, c.FX_OK, *[c.FX_FAILURE] * 3]
    assert {reply.text for reply in replies[2:]} == {"the service is shutting down"}
    assert client.stream.statuses == []
    client.send(c.FXP_CLOSE, string(handle))
    server.finish_all()
    assert [reply.code for reply in client.replies()] == [c.FX_OK]
    assert client.stream.statuses == [0]
    assert server.files[0].closed == 1
    assert not server.breaches


def test_a_drain_waits_for_the_request_in_work(client: Client, server: ControlledServer) -> None:
    client.send(c.FXP_STAT, string(b"/"))
    client.engine.drain()
    assert client.stream.statuses == []
    server.finish()
    assert len(client.replies()) == 1
    assert client.stream.statuses == [0]


# The client is gone


def test_an_open_that_ends_after_the_loss_is_closed(client: Client, server: ControlledServer) -> None:
    client.send(c.FXP_OPEN, string(b"/f"), uint32(READ), NO_ATTRIBUTES)
    client.engine.connection_lost()
    server.finish()
    assert [file.closed for file in server.files] == [1]
    assert server.cancelled == 1


def test_a_close_in_work_is_not_done_twice(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    client.send(c.FXP_CLOSE, string(handle))
    client.engine.connection_lost()
    server.finish()
    assert server.files[0].closed == 1


def test_a_handle_is_closed_when_the_last_work_on_it_ends(client: Client, server: ControlledServer) -> None:
    handle = opened(client, server)
    for offset in (0, 10, 20):
        client.send(c.FXP_READ, string(handle), uint64(offset), uint32(10))
    client.engine.connection_lost()
    for expected in (0, 0):
        server.finish(0, Failure())
        assert server.files[0].closed == expected
    server.finish(0)
    assert server.files[0].closed == 1


@pytest.mark.parametrize("end", ["connection_lost", "input_ended"])
def test_what_the_client_left_open_is_abandoned_not_closed(end: str) -> None:
    server = ControlledServer()
    client = Client(server)
    handles = [opened(client, server) for _ in range(2)]
    client.send(c.FXP_CLOSE, string(handles[0]))
    server.finish()
    getattr(client.engine, end)()
    assert [file.abandoned for file in server.files] == [False, True]


def test_one_handle_that_cannot_be_closed_does_not_keep_the_others_open() -> None:
    server = ControlledServer()
    client = Client(server)
    for _ in range(3):
        opened(client, server)

    def failing() -> Deferred[None]:
        raise RuntimeError("broken")

    server.files[1].abandon = failing
    client.engine.connection_lost()
    assert [file.closed for file in server.files] == [1, 0, 1]


def test_after_the_loss_nothing_is_taken_or_said(client: Client, server: ControlledServer) -> None:
    opened(client, server)
    output = bytes(client.stream.output)
    client.engine.connection_lost()
    for call in (client.engine.drained, client.engine.input_ended, client.engine.drain, client.engine.connection_lost):
        call()
    client.send(c.FXP_STAT, string(b"/"))
    assert bytes(client.stream.output) == output
    assert client.stream.statuses == []
    assert [file.closed for file in server.files] == [1]
    assert [work.name for work in server.started] == ["open", "close"]


def test_a_stream_that_is_lost_while_it_is_written_to(server: ControlledServer) -> None:
    client = Client(server)
    handle = opened(client, server)

    class Breaking(FakeStream):
        def write(self, *data: bytes) -> None:
            super().write(*data)
            client.engine.connection_lost()

    stream = client.engine._stream = Breaking()
    for offset in (0, 10, 20):
        client.send(c.FXP_READ, string(handle), uint64(offset), uint32(10))
    server.finish(2)
    server.finish(0)
    server.finish(0)
    assert len(split(stream.output)) == 1
    assert server.files[0].closed == 1
    assert not server.breaches


@pytest.mark.parametrize("make", [fast_server, generic_server])
def test_descriptors_are_closed_in_any_order_of_work(make: Any) -> None:
    storage, runner = LaterStorage(), LaterRunner()
    client = Client(make(filesystem(storage), runner))
    for number in range(3):
        client.send(c.FXP_OPEN, string(b"/%d" % number), uint32(CREATE), NO_ATTRIBUTES)
    runner.do(0)
    runner.do(0)
    client.send(c.FXP_WRITE, string((0).to_bytes(8, "big")), uint64(0), string(b"x"))
    client.engine.connection_lost()
    while runner.jobs:
        runner.do(-1)
    nodes = list(storage._root.children.values())
    assert len(nodes) == 3
    assert [node.handles for node in nodes] == [0, 0, 0]


class FullRunner(LaterRunner):
    """Refuses everything as soon as it is full."""

    full = False

    def run(self, owner: str, work: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        if self.full:
            done: Deferred[Any] = Deferred()
            done.errback(Busy())
            return done
        return super().run(owner, work, *args, **kwargs)


@pytest.mark.parametrize("make", [fast_server, generic_server])
@pytest.mark.parametrize("asked", [True, False])
def test_a_full_pool_does_not_keep_a_file_open(make: Any, asked: bool) -> None:
    storage, runner = LaterStorage(), FullRunner()
    client = Client(make(filesystem(storage), runner))
    client.send(c.FXP_OPEN, string(b"/f"), uint32(CREATE), NO_ATTRIBUTES)
    runner.do_all()
    (reply,) = client.replies()
    runner.full = True
    assert client.stat(b"/f").text == "the server is busy, try again later"
    if asked:
        assert client.close(reply.handle).code == c.FX_OK
    else:
        client.engine.connection_lost()
    assert storage._find(VirtualPath((b"f",))).handles == 0


class RealPool(TestCase):
    """All of a session's files are closed by a pool that takes less than they are many."""

    def setUp(self) -> None:
        self.pool = Pool(reactor, "test", 2, queue_limit=5)
        self.addCleanup(self.pool.stop)

    def test_a_lost_client_with_many_files_leaves_none_open(self) -> Deferred[None]:
        storage = LaterStorage()
        client = Client(fast_server(filesystem(storage), self.pool))
        done: Deferred[None] = Deferred()

        def opened() -> None:
            if len(split(client.stream.output)) < 101:
                reactor.callLater(0, opened)
                return
            client.engine.connection_lost()
            closed()

        def closed() -> None:
            node = storage._find(VirtualPath((b"f",)))
            if node.handles:
                reactor.callLater(0, closed)
            else:
                done.callback(None)

        for _ in range(100):
            client.send(c.FXP_OPEN, string(b"/f"), uint32(CREATE), NO_ATTRIBUTES)
        deferToThread(lambda: None).addCallback(lambda _: opened())
        return done

    test_a_lost_client_with_many_files_leaves_none_open.timeout = 20


def test_work_that_ends_because_the_client_is_gone_closes_its_file_once(
    client: Client, server: ControlledServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = opened(client, server)
    client.send(c.FXP_READ, string(handle), uint64(0), uint32(10))
    monkeypatch.setattr(server, "cancel", lambda: server.finish(error=Cancelled()))
    client.engine.connection_lost()
    assert [(file.abandoned, file.closed) for file in server.files] == [(True, 1)]
    assert server.breaches == []
