"""The way out to one HTTP/1.1 connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from ..wire import HIGH_WATER

CLOSE_SECONDS = 1.0
"""For a client to take the close frame; then its transport is aborted. Asyncio alone would wait for ever."""

ACKED = slice(120, 128)
"""Where Linux, since 4.1, has the count of acknowledged bytes in its `tcp_info`."""


def acked(transport: asyncio.WriteTransport) -> bytes | None:
    """How many bytes the other side has acknowledged, as the kernel counts them; None where it does not.

    The kernel holds megabytes beside the transport's buffer, and takes more only when a third of that is
    free: of a client that reads some kilobytes a second the transport hears nothing for minutes.
    """
    sock = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_INFO", None)
    if sock is None or option is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        info: bytes = sock.getsockopt(socket.IPPROTO_TCP, option, ACKED.stop)
    except OSError:  # it was closed just now
        return None
    return info[ACKED] or None


class TransportWire:
    """Ready frames straight to the transport of an HTTP/1.1 connection."""

    pings = True

    __slots__ = ("_closed", "_on_close", "_transport", "_writer")

    def __init__(self, writer: asyncio.StreamWriter, on_close: Callable[[int, str], None]) -> None:
        self._writer = writer
        self._transport = writer.transport
        self._on_close = on_close
        self._closed = False

    @property
    def cut(self) -> bool:
        """Whether the connection is over, whatever the client had said before."""
        return self._transport.is_closing()

    def write(self, frames: bytes) -> bool:
        transport = self._transport
        if self._closed or transport.is_closing():
            return True
        # Asked before: right after a write uvloop counts what it only hands over at the end of the turn.
        if transport.get_write_buffer_size() > HIGH_WATER:
            return False
        transport.write(frames)
        return True

    def buffered(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    def taken(self) -> object:
        return acked(self._transport) or self.buffered()

    async def drained(self) -> None:
        try:
            await self._writer.drain()
        except OSError:
            return

    def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._on_close(code, reason)
            self.finish()

    def hang_up(self) -> None:
        """As `finish`, and the client sees the end of the link as soon as it has read what there is."""
        self.finish()
        with contextlib.suppress(OSError, RuntimeError, NotImplementedError):
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def finish(self) -> None:
        """Nothing may follow the close frame; and who takes too long after it is cut off."""
        self._closed = True
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)
