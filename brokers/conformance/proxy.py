"""A TCP proxy that can hurt the link between a broker and its server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

Direction = Literal["both", "up", "down"]
"""up: from the broker to the server. down: from the server to the broker."""

_RESET = struct.pack("ii", 1, 0)
_CHUNK = 65536
_PORTS = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}


class Proxy:
    """Carries TCP connections to one server, until it is told to misbehave.

    Lives in the test's own loop. What it does to bytes is what a network does: a black hole keeps
    them and `heal` delivers them late (as TCP does by sending again), so that commands given up
    long ago still arrive; only a cut loses them. Every fault but `cut` and `stall` holds for later
    connections, too.
    """

    def __init__(self, target_host: str, target_port: int, *, port: int = 0) -> None:
        self.target = (target_host, target_port)
        self.port = port
        self.accepted = 0
        """How many connections were made through it, ever."""
        self.held = 0
        """Bytes that arrived while their way was a black hole or stalled, ever: the fault was felt."""
        self._holes: set[str] = set()
        self._delay = 0.0
        self._left: int | None = None
        self._place: socket.socket | None = None
        """Bound to the port: while it refuses, too, for no other program may be given it meanwhile."""
        self._listening = False
        self._links: set[_Link] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @classmethod
    def before(cls, url: str) -> Proxy:
        """A proxy in front of the server in a URL."""
        parts = urlsplit(url)
        port = parts.port or {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}.get(parts.scheme)
        if not parts.hostname or not port:
            raise ValueError("a URL with a host and a port is needed")
        return cls(parts.hostname, port)

    def through(self, url: str) -> str:
        """The same URL by way of this proxy."""
        parts = urlsplit(url)
        who = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{who[0]}{who[1]}127.0.0.1:{self.port}"))

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._links)

    async def __aenter__(self) -> Proxy:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def listen(self) -> None:
        """Take connections (again)."""
        if not self._listening:
            place = self._place or _bound(self.port)
            self._place, self.port = place, place.getsockname()[1]
            place.listen(100)
            # Not `asyncio.start_server`: a connection that it takes in the turn in which it is closed is
            # forgotten and never ended (Python 3.11, an `assert` in `Server._attach`).
            asyncio.get_running_loop().add_reader(place, self._accept, place)
            self._listening = True

    async def refuse(self) -> None:
        """Newcomers get "connection refused"; who is connected stays so."""
        if self._listening:
            self._let_go()
            self._place = _bound(self.port)

    def cut(self) -> None:
        """Reset all connections; what was under way is lost."""
        for link in list(self._links):
            link.reset()

    def stall(self, direction: Direction = "both") -> None:
        """The connections of now go silent for ever, new ones are fine: a middlebox forgot them."""
        for link in self._links:
            link.stalled |= _directions(direction)
        self._wake()

    def black_hole(self, direction: Direction = "both") -> None:
        """Writes are taken, nothing is delivered, until `heal`."""
        self._holes |= _directions(direction)
        self._wake()

    def delay(self, seconds: float) -> None:
        """Everything arrives that much later, in both directions."""
        self._delay = seconds
        self._wake()

    def cut_after(self, count: int) -> None:
        """Cut everything after so many more bytes: most likely in the middle of a frame."""
        self._left = count
        self._wake()

    async def heal(self) -> None:
        """End all faults; what was held back is delivered now."""
        self._holes.clear()
        self._delay = 0.0
        self._left = None
        self._wake()
        await self.listen()

    async def close(self) -> None:
        """Cut everything and stop."""
        self._let_go()
        while self._accepting:
            self.cut()
            await asyncio.wait(self._accepting, timeout=1)

    def _let_go(self) -> None:
        if self._place is not None:
            asyncio.get_running_loop().remove_reader(self._place)
            self._place.close()
            self._place = None
            self._listening = False

    def _accept(self, place: socket.socket) -> None:
        try:
            near, _ = place.accept()
        except OSError:
            return  # It went before it was taken.
        self.accepted += 1
        task = asyncio.get_running_loop().create_task(self._connect(near))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _connect(self, near: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=near, limit=_CHUNK)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target, limit=_CHUNK)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, far_writer)
        self._links.add(link)
        link.tasks = {
            asyncio.create_task(self._carry(link, "up", reader, far_writer)),
            asyncio.create_task(self._carry(link, "down", far_reader, writer)),
        }
        try:
            await asyncio.wait(link.tasks)
        finally:
            link.reset()
            self._links.discard(link)

    async def _carry(
        self, link: _Link, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One direction of one connection: a task that reads, and this one that delivers."""
        loop = asyncio.get_running_loop()
        held: deque[tuple[float, bytes]] = deque()
        arrived = asyncio.Event()

        async def read() -> None:
            while True:
                try:
                    data = await reader.read(_CHUNK)
                except OSError:
                    data = b""
                    link.broken = True
                if way in self._holes | link.stalled:
                    self.held += len(data)
                held.append((loop.time() + self._delay, data))
                arrived.set()
                if not data:
                    return

        task = asyncio.create_task(read())
        try:
            while True:
                while not held:
                    arrived.clear()
                    await arrived.wait()
                due, data = held[0]
                await self._pause_until(lambda: way not in self._holes | link.stalled)
                if self._delay and loop.time() < due:
                    await self._sleep(due - loop.time())
                    continue
                held.popleft()
                if not data:
                    if link.broken:
                        link.reset()
                    else:
                        with contextlib.suppress(OSError):
                            writer.write_eof()
                    return
                await self._deliver(writer, data)
        except OSError:
            link.reset()
        finally:
            task.cancel()

    async def _deliver(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._left is not None:
            data, self._left = data[: self._left], self._left - len(data)
        writer.write(data)
        await writer.drain()
        if self._left is not None and self._left <= 0:
            self._left = None
            # One turn of the loop, so that the bytes before the cut are on their way.
            await asyncio.sleep(0)
            self.cut()

    async def _pause_until(self, free: Callable[[], bool]) -> None:
        while not free():
            await self._changed.wait()

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _Link:
    """One connection: two sockets."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.stalled: set[str] = set()
        self.broken = False
        self.tasks: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        for task in self.tasks:
            task.cancel()
        _reset(self.near)
        _reset(self.far)


def _bound(port: int) -> socket.socket:
    """At a port of loopback; 0 is any. Connections that were made through the port may still be there."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST, not by FIN."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


def _directions(direction: Direction) -> set[str]:
    return {"up", "down"} if direction == "both" else {direction}
