"""The way in from one HTTP/1.1 connection, past the tasks and buffers in between while they are empty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..frames import text_at
from .stream import GULP, ChatStream


class Inlet(asyncio.Protocol):
    """Stands before the protocol that Hypercorn reads from, for the rest of the connection.

    A text frame that is here as a whole goes to `take` at once. What is not (parts of frames, control frames,
    faults), and what `take` refuses because it is not the time, goes the usual way; until that has been
    worked off, so does everything after it.
    """

    __slots__ = ("_inner", "_stream", "_take")

    def __init__(self, inner: asyncio.Protocol, stream: ChatStream, take: Callable[[str], bool]) -> None:
        self._inner = inner
        self._stream = stream
        self._take = take

    def data_received(self, data: bytes) -> None:
        stream, at = self._stream, 0
        for _ in range(GULP):
            if not stream.clear:
                break
            found = text_at(data, at)
            # The head of a frame that may be too long has eight bytes.
            if found is None or found[1] - at > stream.buffer.max_length + 8 or not self._take(found[0]):
                break
            at = found[1]
            if at == len(data):
                return
        rest = data[at:] if at else data
        stream.expect(len(rest))
        self._inner.data_received(rest)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def direct(stream: ChatStream, writer: asyncio.StreamWriter, take: Callable[[str], bool]) -> bool:
    """Put an inlet before a connection; whether that can be done."""
    transport = writer.transport
    inner = transport.get_protocol()
    reader = getattr(inner, "_stream_reader", None)
    unread = getattr(reader, "_buffer", None)
    if not isinstance(inner, asyncio.StreamReaderProtocol) or unread is None or len(unread):
        return False
    # A time limit for reading counts what passes through the reader.
    if stream.config.read_timeout is not None or not stream.begin_clear():
        return False
    transport.set_protocol(Inlet(inner, stream, take))
    return True
