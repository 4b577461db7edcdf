"""What comes in on a connection, in the place of Hypercorn's own reading of frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import time
from typing import Any

from hypercorn.protocol import h2, h11
from hypercorn.protocol.events import Body, Data, EndBody, Response, StreamClosed
from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer, WSStream
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from ..headers import complete
from ..wire import HIGH_WATER
from .http2 import StreamWire
from .transport import TransportWire

GULP = 64
"""Messages of one client that are taken before others get their turn: a chunk may hold thousands."""

SIP = 16
"""Events, parts of messages among them, that are taken from one client the usual way, which costs more: of a
hundred clients that send one-byte fragments, a turn of the loop takes 16 ms."""


class Parts(WebsocketBuffer):
    """The message that has begun and not ended, as bytes, with its limit in bytes.

    Hypercorn keeps it as text: a limit in characters is four times as many bytes, and more for a client that
    sends them one by one.
    """

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length)
        self._parts = bytearray()
        self._text = True

    def extend(self, event: Any) -> None:
        """Add a part. Raise `FrameTooLargeError` where the whole would be above the limit."""
        self._text = type(event) is TextMessage
        data = event.data.encode() if self._text else event.data
        if len(self._parts) + len(data) > self.max_length:
            raise FrameTooLargeError
        self._parts += data
        self.value = self._parts  # type: ignore[assignment]

    def clear(self) -> None:
        self.value = None
        self._parts = bytearray()

    def to_message(self) -> Any:
        """The event for the application."""
        return _received(self._parts.decode() if self._text else bytes(self._parts))


class ChatStream(WSStream):
    """Hypercorn's stream, but for six things.

    - A whole message goes to the application as it is, without a copy and a buffer in between.
    - What there is of a message that has not ended is bounded in bytes: see `Parts`.
    - A client that speaks before it is accepted is refused for good: Hypercorn does not tell the
      application, which then would wait for it for ever.
    - A client that broke the protocol is told so (1002, 1007); Hypercorn only drops the link.
    - After a message above the limit it keeps nothing more of what the client sends, nor says anything after
      the close frame; Hypercorn goes on buffering.
    - A handshake that is none is refused with the headers that all answers have.
    - An HTTP/2 client that takes nothing gets no answers to its pings: they would pile up in its buffer.
    """

    __slots__ = ("_expected", "_handling", "alive", "clear", "over", "part", "wire")

    app_put: Callable[[Any], Awaitable[None]] | None
    alive: Callable[[], None]
    """Told of everything that comes in, pongs and parts of messages too."""
    part: Callable[[], Awaitable[None]] | None
    """Told of each ping, and of each part of a message but the last; reading waits until it returns."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.buffer = Parts(self.buffer.max_length)
        self.wire: TransportWire | StreamWire | None = None
        self.alive = lambda: None
        self.part = None
        self.clear = False
        """Nothing that came before is under way, nor any part of a message: see `inlet`."""
        self.over = False
        self._expected = 0
        self._handling = 0

    async def handle(self, event: Any) -> None:
        if not isinstance(event, Body | Data) or self.closed:
            await super().handle(event)
        elif not self.handshake.accepted:
            self.closed = True  # first: from here on the application's answer is not heard
            await self._send_error_response(400)
            await self._tell({"type": "websocket.disconnect", "code": CloseReason.ABNORMAL_CLOSURE})
        elif not self.over:
            self.alive()
            self._handling += 1
            await super().handle(event)
            self._handling -= 1
            if self._expected:
                self._expected -= len(event.data)
                self.clear = not self._expected and self._between_messages()

    def expect(self, size: int) -> None:
        """So many bytes are on their way to `handle`."""
        self.clear = False
        self._expected += size

    def begin_clear(self) -> bool:
        """Whether nothing is under way, so that from now on `clear` tells."""
        self.clear = not self._handling and not self.closed and self._between_messages()
        return self.clear

    def _between_messages(self) -> bool:
        try:
            parts = self.connection._proto
            frame, message = parts._frame_decoder, parts._message_decoder
            waiting = len(frame.buffer) or frame.header is not None or message.opcode is not None
        except AttributeError:  # another wsproto
            return False
        return not waiting and self.connection.state is ConnectionState.OPEN and not self.over

    async def _tell(self, event: Any) -> None:
        if self.app_put is not None:
            await self.app_put(event)

    async def _handle_events(self) -> None:
        connection, buffer = self.connection, self.buffer
        for number, event in enumerate(connection.events(), 1):
            if not number % SIP:
                await asyncio.sleep(0)
                if self.wire is not None and self.wire.cut:
                    return  # nobody is there any more
            if isinstance(event, Message):
                whole = event.message_finished and buffer.value is None
                try:
                    if not whole:
                        buffer.extend(event)
                    elif _size(event.data) > buffer.max_length:
                        raise FrameTooLargeError
                except FrameTooLargeError:
                    await self._refuse_length()
                    return
                if whole:
                    await self._tell(_received(event.data))
                elif event.message_finished:
                    message = buffer.to_message()
                    buffer.clear()
                    await self._tell(message)
                elif self.part is not None:
                    await self.part()
            elif isinstance(event, Ping):
                if self.part is not None:
                    await self.part()
                if not isinstance(self.wire, StreamWire) or self.wire.buffered() <= HIGH_WATER:
                    await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                buffer.clear()
                if connection.state is ConnectionState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                elif connection.state is ConnectionState.OPEN:
                    fault = CloseConnection(event.code, "not as RFC 6455 says")
                    await self._send_wsproto_event(fault)
                    if isinstance(self.wire, TransportWire):
                        # Closed at once with more of it unread, the link would be reset, and the reason lost.
                        self.over = True
                        self.wire.hang_up()
                        return
                await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_error_response(self, status_code: int) -> None:
        """A handshake that is none, refused before the application hears of it: with every header, too."""
        told = complete([(b"content-length", b"0"), (b"connection", b"close")], secure=self.scheme == "wss")
        await self.send(Response(stream_id=self.stream_id, status_code=status_code, headers=told))
        await self.send(EndBody(stream_id=self.stream_id))
        noted: Any = {"status": status_code, "headers": []}
        await self.config.log.access(self.scope, noted, time() - self.start_time)

    async def _refuse_length(self) -> None:
        self.over = True
        self.buffer.clear()
        await self._send_wsproto_event(CloseConnection(CloseReason.MESSAGE_TOO_BIG))
        if self.wire is not None:
            self.wire.finish()


def _received(data: str | bytes) -> Any:
    text, plain = (data, None) if isinstance(data, str) else (None, data)
    return {"type": "websocket.receive", "text": text, "bytes": plain}


def _size(data: str | bytes) -> int:
    """Bytes on the wire."""
    return len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)


def install() -> bool:
    """Have Hypercorn make its streams of this class, in this process; whether it is the one we know."""
    places: tuple[Any, ...] = (h11, h2)
    if any(getattr(place, "WSStream", None) not in (WSStream, ChatStream) for place in places):
        return False
    for place in places:
        place.WSStream = ChatStream
    return True
