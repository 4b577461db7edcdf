"""The way out to one stream of an HTTP/2 connection."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from ..wire import HIGH_WATER
from .transport import CLOSE_SECONDS, acked


class StreamWire:
    """Ready frames to one HTTP/2 stream: at once while it flows, else into the stream's buffer.

    Hypercorn has one task for each connection that sends from these buffers, as the client's windows allow,
    from the streams in turn: one that is stuck holds up no other. A buffer has no bound of its own (`push`
    stops waiting once a window is closed); what is in it is what `buffered` tells.

    Hypercorn 0.18 ends a stream only where the application closed it and the client read that. Here the
    stream ends with the socket in all cases, and the socket with the client's half of the stream.
    """

    pings = True

    __slots__ = (
        "_buffer",
        "_closed",
        "_data",
        "_errors",
        "_handle",
        "_id",
        "_lock",
        "_mute",
        "_on_close",
        "_protocol",
        "_send",
        "_stream",
        "_transport",
    )

    def __init__(self, protocol: Any, stream: Any, transport: asyncio.WriteTransport) -> None:
        from h2.exceptions import ProtocolError
        from hypercorn.protocol.events import Data

        self._data = Data
        self._errors = ProtocolError
        self._transport = transport
        self._protocol = protocol
        self._stream = stream
        self._id = stream.stream_id
        self._buffer = protocol.stream_buffers[self._id]
        self._send = stream.send
        self._lock = getattr(protocol.send.__self__, "send_lock", None)
        self._handle = stream.handle
        self._on_close: Callable[[int, str], None] | None = None
        self._closed = self._mute = False
        stream.handle = self._handled
        # What a client still says on a stream that ended would end the whole connection: a KeyError.
        if type(protocol.streams) is dict:
            protocol.streams = _Streams(protocol.streams)
        # After a thousand requests Hypercorn says GOAWAY, and can send nothing more on the open streams.
        protocol.keep_alive_requests = -sys.maxsize
        half = protocol.connection.streams.get(self._id)
        if half is None or half.state_machine.state.name != "OPEN" or self._buffer.complete or stream.closed:
            # Already ended, or answered 400 because it said something too early.
            stream.task_group.spawn(self._end)

    def serve(self, on_close: Callable[[int, str], None]) -> None:
        """The handshake was accepted."""
        self._on_close = on_close

    @property
    def cut(self) -> bool:
        """Whether the connection is over, whatever the client had said before."""
        return self._transport.is_closing()

    def write(self, frames: bytes) -> bool:
        if self._mute:
            return True
        if len(self._buffer.buffer) > HIGH_WATER:
            return False
        if not self._at_once(frames):
            self.push(frames)
        return True

    def _at_once(self, frames: bytes) -> bool:
        """Past the buffer and its task, where nothing is before it and nothing holds it back."""
        lock, buffer, transport = self._lock, self._buffer, self._transport
        connection = self._protocol.connection
        if lock is None or buffer.buffer or buffer.complete:
            return False
        if transport.is_closing() or transport.get_write_buffer_size():
            return False
        # Who holds or awaits the lock has bytes that must go first, maybe of this stream.
        if not _stepped(lock.acquire()):
            return False
        try:
            connection.send_data(self._id, frames)
            transport.write(connection.data_to_send())
        except self._errors:
            return False  # it would not fit into one frame, or the client's windows
        finally:
            lock.release()
        return True

    def push(self, data: bytes) -> None:
        """Into the buffer, and wake the sender. Should that want to wait: by then the data are in."""
        _stepped(self._send(self._data(self._id, data)))

    def buffered(self) -> int:
        return len(self._buffer.buffer)

    def taken(self) -> object:
        # With its window closed the stream itself is stuck, whatever else the connection carries.
        try:
            flows = self._protocol.connection.local_flow_control_window(self._id) > 0
        except self._errors:
            flows = False
        return len(self._buffer.buffer), acked(self._transport) if flows else None

    async def drained(self) -> None:
        if self._buffer.buffer:
            await self._buffer.drain()

    def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            if self._on_close is not None:
                self._on_close(code, reason)
            self.finish()

    def finish(self) -> None:
        """Nothing may follow the close frame; and what takes too long after it is cut off."""
        self._mute = True
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._cut_off)

    def _cut_off(self) -> None:
        """End what is left of the stream: the client does not read, or does not end its half."""
        if not self._protocol.closed:
            self._stream.task_group.spawn(self._reset)

    async def _handled(self, event: Any) -> None:
        """In the place of the stream's `handle`: what came from the client, or the end of the connection."""
        from hypercorn.protocol.events import EndBody, StreamClosed

        if isinstance(event, EndBody):
            await self._end()  # as if it had closed a TCP connection (RFC 8441, section 5)
            return
        await self._handle(event)
        if isinstance(event, StreamClosed):
            await self._ended()
        elif self._stream.closed:
            await self._end()  # it spoke before it was accepted, and was answered 400

    async def _end(self) -> None:
        from hypercorn.protocol.events import StreamClosed

        if self._protocol.streams.get(self._id) is self._stream:
            self._stream.closed = False  # or the application would not be told
            await self._send(StreamClosed(self._id))

    async def _ended(self) -> None:
        from hypercorn.events import Updated

        protocol = self._protocol
        half = protocol.connection.streams.get(self._id)
        if protocol.closed:
            await self._buffer.close()
            return
        if half is None or half.closed:
            await self._buffer.close()
        elif self._stream.state.name == "HANDSHAKE":
            await self._reset()
        else:
            # What is in the buffer, such as the close frame, goes out before the end.
            self._buffer.set_complete()
            self.finish()
        await protocol._window_updated(self._id)
        # A reset by the client alone would leave the connection busy for ever: it would outlive the server.
        await protocol.send(Updated(idle=protocol.idle))

    async def _reset(self) -> None:
        from h2.errors import ErrorCodes
        from h2.events import StreamReset
        from h2.exceptions import ProtocolError

        protocol = self._protocol
        half = protocol.connection.streams.get(self._id)
        if half is None or half.closed:
            return
        read_to_its_end = half.state_machine.state.name == "HALF_CLOSED_LOCAL"
        code = ErrorCodes.NO_ERROR if read_to_its_end else ErrorCodes.CANCEL
        try:
            protocol.connection.reset_stream(self._id, code)
        except ProtocolError:
            return
        await self._buffer.close()
        if not protocol.streams.keys() - {self._id} and self._transport.get_write_buffer_size():
            self._transport.abort()  # the last one, and the client takes nothing at all
        # From here on as if the client had reset it.
        await protocol._handle_events([StreamReset(stream_id=self._id)])


def over_http2(stream: Any) -> bool:
    """Whether it is one of the streams of an HTTP/2 connection, and all that `StreamWire` needs is there."""
    from hypercorn.protocol.h2 import H2Protocol

    protocol = getattr(getattr(stream, "send", None), "__self__", None)
    if not isinstance(protocol, H2Protocol):
        return False
    buffer = getattr(protocol, "stream_buffers", {}).get(getattr(stream, "stream_id", None))
    return (
        isinstance(getattr(buffer, "buffer", None), bytearray)
        and all(hasattr(buffer, name) for name in ("close", "complete", "drain", "set_complete"))
        and all(hasattr(stream, name) for name in ("closed", "handle", "state", "task_group"))
        and all(hasattr(protocol, name) for name in ("_handle_events", "_window_updated", "closed", "idle"))
        and hasattr(getattr(protocol, "connection", None), "streams")
        and isinstance(getattr(protocol, "streams", None), dict)
    )


def _stepped(work: Coroutine[Any, Any, Any]) -> bool:
    """Whether it came to its end without waiting; it is ended where it would wait."""
    try:
        work.send(None)
    except StopIteration:
        return True
    work.close()
    return False


class _Nobody:
    """Takes what a client says on a stream that ended."""

    async def handle(self, _: Any) -> None:
        return


class _Streams(dict[int, Any]):
    def __missing__(self, _: int) -> _Nobody:
        return _Nobody()
