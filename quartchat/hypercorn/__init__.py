"""The only place that touches Hypercorn's private parts. Pinned to hypercorn 0.18; tested; optional.

Everything is looked for before it is used. Where something is not as it was in 0.18, or the server is
another one, `feed` answers False and `ready_wire` None: the caller then uses plain ASGI events and
`asgi.AsgiWire`, slower, with the same behaviour.

What is changed, and why:

- Ready frames go straight to the asyncio transport. One `await websocket.send()` costs about ten coroutines
  a member; a frame made once and written to each transport costs the kernel's part and little else.
  Over HTTP/2 they go into the stream's own buffer: see `http2.StreamWire`, which also ends streams properly.
- What a client says is handed to the member by the task that read it, without a queue and a second task in
  between: see `feed`.
- permessage-deflate is not negotiated: 87 KiB more a connection, each broadcast deflated once for every
  browser, and inflation without a bound (61 kB on the wire became 181 MB).
- A message above the size limit ends the connection, or the HTTP/2 stream, and a client that broke the
  protocol is told so: see `stream.ChatStream`.
- A connection ends with its client, not when its keep-alive time is over: see `connection`.
- A request that cannot be read is the client's fault, never a 5xx: see `refusals`.
- A request is one line of the access log, whatever it holds: see `access`.
- When the server is told to stop, the chat drains first, and nothing can hold it up: see `shutdown`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.config import Config

from .access import install as install_access_log
from .connection import install as install_connections
from .http2 import StreamWire, over_http2
from .inlet import direct
from .refusals import install as install_refusals
from .shutdown import REST_SECONDS, alone, on_shutdown
from .stream import ChatStream
from .stream import install as install_streams
from .transport import TransportWire

__all__ = [
    "StreamWire",
    "TransportWire",
    "alone",
    "closed",
    "feed",
    "on_shutdown",
    "prepare",
    "ready_wire",
    "set_defaults",
]

BACKLOG = 2048
"""Connections that wait to be accepted. With Hypercorn's 100, of 500 that came back at once after a restart
many were dropped by the kernel and tried again only a second later."""


def set_defaults(max_frame_characters: int) -> None:
    """Safe defaults for a bare `hypercorn quartchat:app`; a config file or flag still overrides them."""
    Config.websocket_max_message_size = max_frame_characters
    Config.include_server_header = False
    Config.graceful_timeout = 2 * REST_SECONDS  # before that, whatever is left is cut
    Config.backlog = BACKLOG
    # Longer than most load balancers' idle time, or they send a request into a closing connection.
    Config.keep_alive_timeout = 75.0
    Config.websocket_ping_interval = None
    _read_headers_of_any_bytes()
    install_access_log()
    install_connections()
    install_refusals()
    install_streams()


def prepare(send: Any) -> None:
    """Before the handshake is answered: negotiate no compression."""
    stream = _stream(send)
    if stream is None:
        return
    stream.handshake.extensions = None
    writer = _writer(stream)
    if writer is not None and over_http2(stream):
        stream.wire = StreamWire(_protocol(stream), stream, writer.transport)


def feed(
    send: Any,
    hear: Callable[[Any], Awaitable[None]],
    alive: Callable[[], None],
    part: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """Have the server hand its events to `hear`, and read on when that returns; whether it will.

    `alive` is told of any bytes beside those that `take` gets: a ping or a pong is no event. `part` is told
    of each ping and each part of a message that goes on; like `hear`, it holds up the reading.
    To be called right before the handshake is accepted: until then it takes nothing from the client.
    """
    stream = _stream(send)
    if stream is None:
        return False
    stream.app_put = hear
    stream.alive = alive
    stream.part = part
    return True


def closed(send: Any) -> bool:
    """Whether the client was gone, or refused, before the handshake was accepted: then no event tells."""
    return bool(getattr(_stream(send), "closed", False))


def ready_wire(
    send: Any, on_close: Callable[[int, str], None], take: Callable[[str], bool]
) -> TransportWire | StreamWire | None:
    """A wire for the connection behind an ASGI `send`, once it is accepted; None where there is no way.

    With the wire comes a shorter way in, where there is one: `take` gets a text at once, or answers False;
    then it comes by `feed`, with what follows it.
    """
    stream = _stream(send)
    writer = None if stream is None else _writer(stream)
    if stream is None or writer is None:
        return None
    wire = stream.wire
    if isinstance(wire, StreamWire):
        wire.serve(on_close)
    else:
        wire = stream.wire = TransportWire(writer, on_close)
        direct(stream, writer, take)
    return wire


def _stream(send: Any) -> ChatStream | None:
    stream = getattr(send, "__self__", None)
    return stream if isinstance(stream, ChatStream) else None


def _protocol(stream: Any) -> Any:
    return getattr(getattr(stream, "send", None), "__self__", None)


def _writer(stream: Any) -> asyncio.StreamWriter | None:
    """The connection's writer, where it can be used: see `TransportWire` and `StreamWire`."""
    from hypercorn.protocol.h11 import H11Protocol

    protocol = _protocol(stream)
    server = getattr(getattr(protocol, "send", None), "__self__", None)
    writer = getattr(server, "writer", None)
    usable = isinstance(protocol, H11Protocol) or over_http2(stream)
    return writer if usable and isinstance(writer, asyncio.StreamWriter) else None


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
