"""The only place that touches Hypercorn's private parts. Pinned to hypercorn 0.18; tested; optional.

Everything is looked for before it is used. Where something is not as it was in 0.18, or the server is
another one, `ready_wire` answers None and the caller takes `asgi.AsgiWire`: slower, with the same behaviour.

What is changed, and why:

- Ready frames go straight to the asyncio transport. One `await websocket.send()` costs about ten coroutines
  a member; a frame made once and written to each transport costs the kernel's part and little else.
- permessage-deflate is not negotiated: 87 KiB more a connection, each broadcast deflated once for every
  browser, and inflation without a bound (61 kB on the wire became 181 MB).
- A message above the size limit ends the connection; Hypercorn says 1009 and goes on buffering.
- When the server is told to stop, the chat drains first: see `on_shutdown`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import cache
from typing import Any

from hypercorn.config import Config

log = logging.getLogger("quartchat")

USER_TIMEOUT_MS = 30_000
"""Unacknowledged data for this long: the kernel gives the link up (TCP_USER_TIMEOUT, Linux)."""

CLOSE_SECONDS = 1.0
"""For a client to take the close frame; then its transport is aborted. Asyncio alone would wait for ever."""


def set_defaults(max_frame_characters: int) -> None:
    """Safe defaults for a bare `hypercorn quartchat:app`; a config file or flag still overrides them."""
    Config.websocket_max_message_size = max_frame_characters
    Config.include_server_header = False
    Config.graceful_timeout = 1.0
    # Longer than most load balancers' idle time, or they send a request into a closing connection.
    Config.keep_alive_timeout = 75.0
    Config.websocket_ping_interval = None
    _read_headers_of_any_bytes()


class TransportWire:
    """Ready frames straight to the transport of an HTTP/1.1 connection."""

    __slots__ = ("_closed", "_on_close", "_transport", "_writer")

    def __init__(self, writer: asyncio.StreamWriter, on_close: Callable[[int, str], None]) -> None:
        self._writer = writer
        self._transport = writer.transport
        self._on_close = on_close
        self._closed = False

    def write(self, frames: bytes) -> None:
        if not self._closed and not self._transport.is_closing():
            self._transport.write(frames)

    def buffered(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    async def drained(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            return

    def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._on_close(code, reason)
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)


def prepare(send: Any) -> None:
    """Before the handshake is answered: negotiate no compression, and bound what one message may buffer."""
    stream = _stream(send)
    if stream is None:
        return
    handshake = getattr(stream, "handshake", None)
    if handshake is not None and hasattr(handshake, "extensions"):
        handshake.extensions = None
    buffer, writer = getattr(stream, "buffer", None), _writer(stream)
    if writer is not None and buffer is not None and hasattr(buffer, "max_length"):
        stream.buffer = _bounded_buffer()(buffer.max_length, writer.transport)


def ready_wire(send: Any, on_close: Callable[[int, str], None]) -> TransportWire | None:
    """A wire for the connection behind an ASGI `send`, once it is accepted; None where there is no way."""
    stream = _stream(send)
    writer = None if stream is None else _writer(stream)
    if writer is None:
        return None
    _answer_faults(stream, writer.transport)
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, USER_TIMEOUT_MS)
    return TransportWire(writer, on_close)


def on_shutdown(drain: Callable[[], Awaitable[None]], also: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """Have Hypercorn call `drain` when it was told to stop, before it ends anything; whether that worked.

    `also` is one more reason to stop: it returns when the process should leave by itself. All ways to stop
    (a signal with `-w 0`, the parent's event with `-w N`, `max_requests`) pass `raise_shutdown`, which the
    worker looks up when it starts to serve, after this application was imported.
    """
    try:
        from hypercorn.asyncio import run
        from hypercorn.utils import ShutdownError
    except ImportError:
        return False
    if not hasattr(run, "raise_shutdown"):
        return False

    async def raise_shutdown(trigger: Callable[..., Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        waits = {loop.create_task(_wait(trigger)), loop.create_task(also())}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waits:
                task.cancel()
        await drain()
        raise ShutdownError

    run.raise_shutdown = raise_shutdown
    return True


async def _wait(trigger: Callable[..., Awaitable[None]]) -> None:
    await trigger()


def _stream(send: Any) -> Any:
    from hypercorn.protocol.ws_stream import WSStream

    stream = getattr(send, "__self__", None)
    return stream if isinstance(stream, WSStream) else None


def _writer(stream: Any) -> asyncio.StreamWriter | None:
    """The connection's writer, where the stream is the only one on it."""
    from hypercorn.protocol.h11 import H11Protocol

    protocol = getattr(getattr(stream, "send", None), "__self__", None)
    server = getattr(getattr(protocol, "send", None), "__self__", None)
    writer = getattr(server, "writer", None)
    usable = isinstance(protocol, H11Protocol) and isinstance(writer, asyncio.StreamWriter)
    return writer if usable else None


def _answer_faults(stream: Any, transport: asyncio.WriteTransport) -> None:
    """Have a client that broke the protocol told so (1002, 1007): Hypercorn only drops the link."""
    connection = getattr(stream, "connection", None)
    if connection is None or not hasattr(connection, "events"):
        return
    from wsproto.connection import ConnectionState
    from wsproto.events import CloseConnection

    events = connection.events

    def told() -> Iterator[Any]:
        for event in events():
            fault = isinstance(event, CloseConnection) and connection.state is ConnectionState.OPEN
            if fault and not transport.is_closing():
                transport.write(connection.send(CloseConnection(event.code, "not as RFC 6455 says")))
            yield event

    connection.events = told


def _read_headers_of_any_bytes() -> None:
    """A header that is not ASCII must not end in a traceback: it is marked, and refused by the app."""
    from hypercorn.protocol import ws_stream

    module: Any = ws_stream
    split = getattr(module, "split_comma_header", None)
    if split is None or hasattr(split, "tolerant"):
        return

    def tolerant(value: bytes) -> Any:
        return split(value) if value.isascii() else ["\ufffd"]

    tolerant.tolerant = True  # type: ignore[attr-defined]
    module.split_comma_header = tolerant


@cache
def _bounded_buffer() -> Any:
    """The class, made once: one for each connection would cost each of them its time and memory."""
    from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer

    class Bounded(WebsocketBuffer):
        def __init__(self, max_length: int, transport: asyncio.WriteTransport) -> None:
            super().__init__(max_length)
            self.transport = transport
            self.over = False

        def extend(self, event: Any) -> None:
            if self.over:
                raise FrameTooLargeError
            try:
                super().extend(event)
            except FrameTooLargeError:
                self.over = True
                self.clear()
                asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.transport.abort)
                raise

    return Bounded
