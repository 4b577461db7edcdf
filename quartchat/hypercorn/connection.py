"""Hypercorn's connections, with bounds and ends that it does not have."""

from __future__ import annotations

import socket
from typing import Any
from weakref import WeakSet

from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, RawData

READ_AHEAD = 16 * 1024
"""Bytes of one client that wait to be read, twice: asyncio's own 64 KiB, and the 256 KiB that it takes from
the kernel at a time, were 30 MB for a hundred clients that send as fast as they can. A message need not be
here as a whole."""

WINDOW = 64 * 1024
"""Bytes of one client that the kernel takes before we do. One packet on loopback, where proxies are, has as
many: with less room than that, TCP waits 40 ms for every few messages."""


class Connection(TCPServer):
    """Ends with its client, can be cut, and holds little of what the client sends.

    Hypercorn keeps a connection whose client has left until the keep-alive time is over, with a file and
    three tasks: a probe a second would hold 75 of them.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        _open.add(self)
        if hasattr(self.reader, "_limit"):
            self.reader._limit = READ_AHEAD
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            # The kernel doubles it for its own needs.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        transport: Any = self.writer.transport
        if hasattr(transport, "max_size"):
            transport.max_size = READ_AHEAD  # what one read of asyncio's brings; uvloop has no such bound

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        # Asyncio says so in the log each time: answers to a thousand pings of who left were as many lines.
        if isinstance(event, RawData) and self.writer.transport.is_closing():
            return
        await super().protocol_send(event)

    async def _close(self) -> None:
        try:
            await super()._close()
        except OSError:
            pass  # "Not connected", from uvloop: who was told that this is the end had gone already.
        finally:
            # It is collected much later, as garbage in a circle: what it had read need not wait for that.
            unread = getattr(self.reader, "_buffer", None)
            if isinstance(unread, bytearray):
                unread.clear()


_open: WeakSet[Connection] = WeakSet()


def cut_all() -> None:
    """Cut whatever is still connected to this process."""
    for connection in list(_open):
        connection.writer.transport.abort()


def install() -> None:
    """Have the worker make such connections; it looks the class up when it starts to serve."""
    module: Any = run
    if getattr(module, "TCPServer", None) is TCPServer and hasattr(TCPServer, "_read_data"):
        module.TCPServer = Connection
