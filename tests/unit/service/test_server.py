"""The order of the start and of the end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conchgo.edge.pools import Pool
from conchgo.service.errors import StartError
from conchgo.service.server import Parts, Server
from conchgo.sessions.registry import Registry


class Connections:
    """In place of a factory: connections that end when the test says so, or when they are disconnected."""

    def __init__(self, open_connections: bool, story: list[str]) -> None:
        self.ended: Deferred[None] = Deferred()
        self._open = open_connections
        self._story = story

    def drain(self) -> Deferred[None]:
        self._story.append("drain")
        return self.ended if self._open else succeed(None)

    def disconnect_all(self) -> None:
        self._story.append("disconnect")
        self.ended.callback(None)


class Endpoint:
    def __init__(self, result: Any, story: list[str]) -> None:
        self._result = result
        self._story = story

    def listen(self, factory: object) -> Deferred[Any]:
        self._story.append("listen")
        return self._result if isinstance(self._result, Deferred) else succeed(self._result)


class Task:
    def __init__(self, story: list[str]) -> None:
        self._story = story

    def start(self) -> None:
        """With the server."""

    def stop(self) -> Deferred[None]:
        self._story.append("stop task")
        return succeed(None)


class Port:
    def __init__(self, story: list[str]) -> None:
        self._story = story

    def getHost(self) -> str:
        return "somewhere"

    def stopListening(self) -> None:
        self._story.append("stop listening")


class Time(Clock):
    """A clock with as much of a reactor as a Server needs."""

    def callWhenRunning(self, call: Callable[..., object], *arguments: object) -> None:
        self.callLater(0, call, *arguments)


class Serving(SynchronousTestCase):
    def setUp(self) -> None:
        self.story: list[str] = []
        self.time = Time()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def server(self, *results: Any, open_connections: bool = False) -> tuple[Server, Connections]:
        connections = Connections(open_connections, self.story)
        pool = Pool(reactor, "test", 1)  # type: ignore[arg-type]
        listen: Any = {f"place {number}": Endpoint(result, self.story) for number, result in enumerate(results)}
        factory: Any = connections
        task: Any = Task(self.story)
        parts = Parts(factory, Registry(1024), listen, [pool], [task], None, 30, lambda: self.story.append("close"))
        return Server(self.time, parts), connections

    def test_the_end_without_connections_comes_at_once(self) -> None:
        server, _ = self.server(Port(self.story), Port(self.story))
        server.privilegedStartService()
        self.successResultOf(server.stopService())
        self.assertEqual(
            self.story, ["listen", "listen", "stop listening", "stop listening", "drain", "stop task", "close"]
        )

    def test_transfers_may_finish(self) -> None:
        server, connections = self.server(Port(self.story), open_connections=True)
        server.privilegedStartService()
        ended = server.stopService()
        self.time.advance(29)
        self.assertNoResult(ended)
        connections.ended.callback(None)
        self.successResultOf(ended)
        self.assertNotIn("disconnect", self.story)
        self.assertEqual(self.time.getDelayedCalls(), [])

    def test_the_grace_time_has_an_end(self) -> None:
        server, _ = self.server(Port(self.story), open_connections=True)
        server.privilegedStartService()
        ended = server.stopService()
        self.time.advance(30)
        self.successResultOf(ended)
        self.assertEqual(self.story[-3:], ["disconnect", "stop task", "close"])

    def test_a_place_that_is_taken(self) -> None:
        failed: Deferred[Any] = Deferred()
        failed.errback(CannotListenError("", 22, OSError(98, "Address already in use")))
        server, _ = self.server(Port(self.story), failed)
        with self.assertRaises(StartError) as caught:
            server.privilegedStartService()
        self.assertEqual(str(caught.exception), "place 1: Address already in use")

    def test_a_place_that_does_not_answer(self) -> None:
        server, _ = self.server(Deferred())
        with self.assertRaises(StartError) as caught:
            server.privilegedStartService()
        self.assertEqual(str(caught.exception), "place 0: it takes too long")
