"""The SFTP engine: requests in, replies out, in order and with bounds on everything.

How it works: packets are cut from the channel's bytes and wait in a short queue. The head of the queue is started when
the law of order lets it (see `handles`), its work is done inline or in a thread, and its reply waits for those of all
requests before it. READs and WRITEs may be in work together; of all other requests one at a time is.

Nothing grows without bound: requests in work or queued are counted, so are the bytes that READs have promised, and a
congested channel starts nothing. Input that is not yet worked off stays in the channel's receive window.
"""

from __future__ import annotations

from typing import Any, Final, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from conchgo.edge.stream import Buffer, Stream
from conchgo.errors import ConchgoError, ShuttingDown, Unsupported
from conchgo.sftp import codec, extensions, requests, rows
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Malformed, Reader
from conchgo.sftp.framing import Framer, Oversized, Packet, Unframeable
from conchgo.sftp.handles import HandleTable, OpenHandle, Span
from conchgo.sftp.rows import Handles, Reply, Row
from conchgo.sftp.server import ServedFile, Server
from conchgo.sftp.status import status_of

_log = Logger()

#: Requests that may be in work, or done and waiting for the reply of an earlier one.
MAX_OUTSTANDING: Final = 64
#: Requests that may wait, read from the channel, for their turn.
MAX_QUEUED: Final = 64
#: Bytes that all READs in work together may promise.
MAX_PROMISED: Final = 2 * 1024 * 1024
#: Requests started before the reactor gets a turn; so many bytes of data that are read or written at once count as
#: one more.
MAX_BURST: Final = 64
BULK: Final = 8 * 1024
#: And so many of any other request: a path of 4 KiB has two thousand names, and costs twenty times as much as one name.
LONG: Final = 256
#: Replies that gather before they are sent together: a packet's worth.
_GATHERING: Final = 32 * 1024
#: What needs no server.
_OWN_EXTENSIONS: Final = extensions.by_name(extensions.ENGINE)
#: What has a version where requests have their id: there is nothing that could be answered.
_WITHOUT_ID: Final = frozenset({c.FXP_INIT, c.FXP_VERSION})
#: What is surely no Deferred: to find that out of its class takes Python a microsecond.
_AT_ONCE: Final = frozenset({bytes, bytearray, type(None)})


class Request:
    """One request on its way: queued, in work, answered."""

    __slots__ = ("args", "handles", "promised", "reply", "request_id", "row", "size", "span")

    def __init__(self, request_id: int, size: int) -> None:
        self.request_id = request_id
        self.size = size
        self.row: Row | None = None
        self.args: tuple[Any, ...] = ()
        self.handles: tuple[OpenHandle, ...] = ()
        self.span: Span | None = None
        self.promised = 0
        self.reply: Reply | None = None


class Engine:
    """Serves one `sftp` channel from a `Server`. A `conchgo.edge.stream.Program`."""

    def __init__(self, server: Server, reactor: IReactorTime, handles: HandleTable | None = None) -> None:
        self._server = server
        self._reactor = reactor
        self._framer = Framer()
        self._handles = HandleTable() if handles is None else handles
        self._extensions = server.extensions()
        # Lists: they are short, and an empty deque takes 600 bytes of each idle session.
        self._queue: list[Request] = []
        self._outstanding: list[Request] = []
        self._promised = 0
        # What is to be sent, and to be told as consumed, when what may be started now is.
        self._replies: list[Buffer] = []
        self._gathered = 0
        self._consumed = 0
        self._left = MAX_BURST
        self._lane_busy = False
        self._started = False
        self._greeted = False
        self._pumping = False
        self._resting = False
        self._input_ended = False
        self._draining = False
        self._ended = False

    @property
    def busy(self) -> bool:
        """Replies leave as soon as they are there: what is outstanding is in work, in a thread."""
        return bool(self._outstanding)

    @property
    def outstanding(self) -> int:
        """Requests in work or waiting for an earlier reply."""
        return len(self._outstanding)

    @property
    def queued(self) -> int:
        """Requests read and not begun."""
        return len(self._queue)

    def drain(self) -> None:
        """Take no new work: open files may be finished, every other request fails, then the channel ends."""
        self._draining = True
        self._pump()

    # What the channel calls.

    def started(self, stream: Stream) -> None:
        self._stream = stream
        self._started = True
        self._pump()

    def data_received(self, data: Buffer) -> None:
        if self._ended:
            return
        skipped = self._framer.feed(data)
        if skipped:
            self._stream.consumed(skipped)
        if self._framer.ready:
            self._pump()

    def input_ended(self) -> None:
        self._input_ended = True
        self._pump()

    def drained(self) -> None:
        self._pump()

    def connection_lost(self) -> None:
        self._ended = True
        self._queue.clear()
        for handle in self._handles.pop_all():
            if handle.idle:
                self._discard(handle)
            # Else the work on it does so when it ends: a descriptor is never closed under a thread that uses it.
        self._server.cancel()

    # From bytes to requests.

    def _fill_queue(self) -> bool:
        """Whether there is a request to begin now."""
        while len(self._queue) < MAX_QUEUED and not self._ended:
            try:
                packet = self._framer.next_packet()
            except Oversized as packet_error:
                if not self._greeted:
                    self._abort("no INIT")
                    break
                request = Request(packet_error.request_id, packet_error.size)
                request.reply = codec.status(request.request_id, c.FX_BAD_MESSAGE, "the packet is too large")
                self._queue.append(request)
                continue
            except Unframeable:
                self._abort("packet too short")
                break
            if packet is None:
                break
            if not self._greeted:
                self._greet(packet)
            elif packet.head[0] in _WITHOUT_ID:
                self._abort("a second INIT")
            else:
                self._queue.append(self._parsed(packet))
        return bool(self._queue)

    def _greet(self, packet: Packet) -> None:
        """INIT and VERSION, section 4."""
        version = int.from_bytes(packet.head[1:5], "big")
        if packet.head[0] != c.FXP_INIT or version < c.VERSION:
            self._abort("no INIT of version 3 or later")
            return
        self._greeted = True
        offered = {**_OWN_EXTENSIONS, **self._extensions}
        pairs = b"".join(codec.string(name) + codec.string(row.version) for name, row in offered.items())
        self._stream.consumed(packet.size)
        self._stream.write(codec.packet(c.FXP_VERSION, c.VERSION, pairs))

    def _parsed(self, packet: Packet) -> Request:
        """A packet as a request; one that can't be served has its reply already."""
        kind = packet.head[0]
        reader = Reader(packet.head, 1, packet.rest)
        request = Request(reader.uint32(), packet.size)
        try:
            row = requests.REQUESTS.get(kind)
            if kind == c.FXP_EXTENDED:
                name = reader.string()
                row = self._extensions.get(name) or _OWN_EXTENSIONS.get(name)
            if row is None:
                raise Unsupported
            request.args = row.parse(reader)
            request.row = row
        except Malformed as error:
            request.reply = codec.status(request.request_id, c.FX_BAD_MESSAGE, f"bad message: {error}")
        except Unsupported as error:
            request.reply = codec.status(request.request_id, c.FX_OP_UNSUPPORTED, error.text)
        return request

    # From requests to replies.

    def _pump(self) -> None:
        """Start what may be started. Work that is done at once comes back here: the loop that runs goes on."""
        if self._pumping or self._resting or self._ended or not self._started:
            return
        self._pumping = True
        self._left = MAX_BURST
        try:
            while (self._queue or self._fill_queue()) and self._may_start(self._queue[0]):
                if self._left <= 0:
                    self._resting = True
                    self._reactor.callLater(0, self._rested)
                    break
                self._left -= 1
                self._start(self._queue.pop(0))
        finally:
            self._pumping = False
        self._send()
        if not (self._ended or self._resting or self._queue or self._outstanding) and (
            self._input_ended or (self._draining and not self._handles)
        ):
            self._end()

    def _rested(self) -> None:
        self._resting = False
        self._pump()

    def _may_start(self, request: Request) -> bool:
        """Whether its turn has come. If so it has its handles, or (where there is no such handle) its reply."""
        if self._stream.congested or len(self._outstanding) >= MAX_OUTSTANDING:
            return False
        row = request.row
        if row is None:
            return True
        if row.handles is Handles.NONE:
            return not self._lane_busy
        if row is requests.READ and self._promised and self._promised + request.args[2] > MAX_PROMISED:
            return False
        try:
            # Looked up only now: the requests before this one may have made or closed the handle.
            handles = request.handles = self._handles_of(row, request.args)
        except ConchgoError as error:
            request.reply = codec.status(request.request_id, *status_of(error))
            return True
        span = request.span = _span(row, request.args)
        return (span is not None or not self._lane_busy) and all(handle.admits(span) for handle in handles)

    def _handles_of(self, row: Row, args: tuple[Any, ...]) -> tuple[OpenHandle, ...]:
        """Raises BadHandle."""
        if row.handles is Handles.TWO_FILES:
            return self._handles.find(args[0], Handles.FILE), self._handles.find(args[1], Handles.FILE)
        return (self._handles.find(args[0], row.handles),)

    def _start(self, request: Request) -> None:
        row = request.row
        if row is None or request.reply is not None:
            self._answer(request)
            return
        if row is requests.READ and not self._outstanding and self._read_now(request):
            return
        try:
            if row.handles is Handles.NONE:
                self._check_room(row)
            elif row is requests.CLOSE:
                self._handles.remove(request.handles[0])
            opened = [handle.opened for handle in request.handles]
            arguments = request.args[len(opened) :]
            if row is requests.WRITE:
                arguments += (bool(self._queue) or self._framer.has_partial,)
            result = row.serve(self._server, *opened, *arguments)
        except Exception as error:
            self._answer(request, codec.status(request.request_id, *status_of(error)))
            return
        if result.__class__ not in _AT_ONCE and isinstance(result, Deferred):
            self._begin(request, row)
            result.addCallbacks(
                self._finished, self._failed, callbackArgs=(request, row), errbackArgs=(request, row)
            ).addErrback(self._bug)
        else:
            self._answer(request, self._reply(result, request, row))

    def _check_room(self, row: Row) -> None:
        """Raises ShuttingDown or TooManyOpenFiles."""
        if self._draining:
            raise ShuttingDown
        if row is requests.OPEN or row is requests.OPENDIR:
            self._handles.require_room(directory=row is requests.OPENDIR)

    def _read_now(self, request: Request) -> bool:
        """Read what is in memory to where it leaves from: no copy, and no reply before it that is still to come.

        False where it is not in memory, or an error: then the long way finds that out again, and answers.
        """
        _, offset, length = request.args
        if offset + length > c.MAX_OFFSET:
            return False
        self._send()
        first, *rest = self._stream.reserve(codec.DATA_HEAD + length)
        try:
            file = cast(ServedFile, request.handles[0].opened)
            count = file.read_now(offset, [first[codec.DATA_HEAD :], *rest])
        except Exception:
            count = None
        if not count:
            self._stream.commit(0)
            if count is None:
                return False
            self._answer(request, rows.data(request.request_id, b""))
            return True
        self._left -= count // BULK
        first[: codec.DATA_HEAD] = codec.data_head(request.request_id, count)
        self._consumed += request.size
        self._stream.commit(codec.DATA_HEAD + count)
        return True

    def _begin(self, request: Request, row: Row) -> None:
        """Its work goes on elsewhere."""
        self._outstanding.append(request)
        if row is not requests.WRITE:
            self._consumed += request.size
        if row is requests.READ:
            self._promise(request)
        if request.span is None:
            self._lane_busy = True
        for handle in dict.fromkeys(request.handles):
            handle.begin(request.span)

    def _promise(self, request: Request) -> None:
        request.promised = request.args[2]
        self._promised += request.promised

    def _finished(self, result: Any, request: Request, row: Row) -> None:
        self._complete(request, row, self._reply(result, request, row))

    def _failed(self, failure: Failure, request: Request, row: Row) -> None:
        error = failure.value or RuntimeError("a failure without an error")
        self._complete(request, row, codec.status(request.request_id, *status_of(error)))

    def _reply(self, result: Any, request: Request, row: Row) -> Reply:
        try:
            if row is requests.OPEN or row is requests.OPENDIR:
                result = self._opened(OpenHandle(result, is_file=row is requests.OPEN))
            return row.reply(request.request_id, result)
        except Exception as error:
            # An ISFTPServer returned what no reply can be made of.
            return codec.status(request.request_id, *status_of(error))

    def _opened(self, handle: OpenHandle) -> bytes:
        if self._ended:
            self._discard(handle)
            return b""
        return self._handles.add(handle)

    def _answer(self, request: Request, reply: Reply | None = None) -> None:
        """What was done at once waits for the replies before it."""
        self._left -= request.size // (BULK if request.row is requests.WRITE else LONG)
        self._consumed += request.size
        if reply is not None:
            request.reply = reply
        if self._outstanding and request.row is requests.READ:
            self._promise(request)
        request.args = ()
        self._outstanding.append(request)
        self._gather()

    def _complete(self, request: Request, row: Row, reply: Reply) -> None:
        """What was done elsewhere."""
        if request.span is None:
            self._lane_busy = False
        for handle in dict.fromkeys(request.handles):
            handle.end(request.span)
            if self._ended and handle.idle and row is not requests.CLOSE:
                self._discard(handle)
        if self._ended:
            return
        if row is requests.WRITE:
            self._consumed += request.size
        request.args = ()
        request.reply = reply
        self._gather()
        if not self._pumping:
            self._pump()
            self._send()

    def _gather(self) -> None:
        """The replies whose turn it is."""
        while self._outstanding and (reply := self._outstanding[0].reply) is not None:
            self._promised -= self._outstanding.pop(0).promised
            parts = (reply,) if isinstance(reply, bytes) else reply
            self._replies += parts
            self._gathered += sum(map(len, parts))
        if self._gathered >= _GATHERING:
            self._send()

    def _send(self) -> None:
        if self._ended:
            return
        if self._consumed:
            consumed, self._consumed = self._consumed, 0
            self._stream.consumed(consumed)
        if self._replies:
            replies, self._replies, self._gathered = self._replies, [], 0
            self._stream.write(*replies)

    # The end.

    def _end(self) -> None:
        """The client sent all it had to say, or the service ends: close what is open, then the channel."""
        self._ended = True
        cut_off = self._framer.has_partial or not self._greeted
        status = 1 if cut_off and not self._draining else 0
        open_handles = self._handles.pop_all()
        for handle in open_handles:
            self._discard(handle)
        self._stream.exit(status)

    def _abort(self, reason: str) -> None:
        _log.info("SFTP channel ended: {reason}", reason=reason)
        self._send()
        self.connection_lost()
        self._stream.exit(1)

    def _discard(self, handle: OpenHandle) -> None:
        """Close it; whatever goes wrong, the next one gets its turn."""
        maybeDeferred(handle.opened.abandon).addErrback(
            lambda failure: _log.failure("closing an abandoned handle failed", failure)
        )

    def _bug(self, failure: Failure) -> None:
        _log.failure("a reply could not be made", failure)
        self._abort("internal error")


def _span(row: Row, args: tuple[Any, ...]) -> Span | None:
    """The bytes that a READ or WRITE works on; None for all other requests."""
    if row is requests.READ:
        return args[1], args[1] + args[2], False
    if row is requests.WRITE:
        return args[1], args[1] + len(args[2]), True
    return None
