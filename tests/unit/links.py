"""Hypercorn's own HTTP/1.1 server on a link without a network, and a client at the other end of it."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from brokers.memory import MemoryBroker
from quartchat import protocol
from quartchat.door import Door
from quartchat.hypercorn.stream import install
from quartchat.identity import Identities
from quartchat.settings import Settings
from quartchat.websocket import connection_class
from tests.unit.clock import settled
from tests.unit.doubles import ClockedHub

App = Callable[..., Awaitable[None]]

V1 = f"Sec-WebSocket-Protocol: {protocol.SUBPROTOCOL}"

MASK = b"\x37\xfa\x21\x3d"


def client_frame(
    payload: bytes,
    opcode: int = 1,
    *,
    fin: bool = True,
    mask: bytes | None = MASK,
    rsv: int = 0,
    form: int = 0,
) -> bytes:
    """A frame as a client sends it. `form` is how its length is said at least: in 0, 2 or 8 further bytes."""
    size = len(payload)
    masked = 0 if mask is None else 0x80
    if size < 126 and form == 0:
        length = bytes((masked | size,))
    elif size < 0x10000 and form <= 2:
        length = bytes((masked | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((masked | 127,)) + size.to_bytes(8, "big")
    head = bytes((0x80 * fin | rsv << 4 | opcode,)) + length
    if mask is None:
        return head + payload
    key = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def handshake(path: str = "/", *headers: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: here",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


class _Socket:
    family = socket.AF_UNIX

    def getpeername(self) -> str:
        return ""

    getsockname = getpeername


class Link(asyncio.Transport):
    """The server's side of a connection. What the client `says` is handed over while the server reads."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.reading = True
        self.aborted = self.closing = self.ended = False
        self._inbox: deque[bytes] = deque()
        self._protocol: Any = None
        self._loop = asyncio.get_running_loop()

    def say(self, *parts: bytes) -> None:
        """From the client, each in one piece."""
        self._inbox.extend(part for part in parts if part)
        self._hand_over()

    def leave(self) -> None:
        """The client's end of file."""
        if not self.closing and not self.ended:
            self.ended = True
            if not self._protocol.eof_received():
                self.close()

    @property
    def unread(self) -> int:
        """Bytes that the server did not take yet."""
        return sum(map(len, self._inbox))

    def _hand_over(self) -> None:
        while self._inbox and self.reading and not self.closing:
            self._protocol.data_received(self._inbox.popleft())

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return _Socket() if name == "socket" else default

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        self._loop.call_soon(self._hand_over)

    def write(self, data: Any) -> None:
        if not self.closing:
            self.writes.append(data)

    def write_eof(self) -> None:
        return

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        self.close()


class Client:
    """A client of Hypercorn's, and what it got."""

    def __init__(self, app: App, **config: Any) -> None:
        loop = asyncio.get_running_loop()
        self.link = Link()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        self.link.set_protocol(protocol)
        protocol.connection_made(self.link)
        writer = asyncio.StreamWriter(self.link, protocol, reader, loop)
        settings = Config()
        for name, value in config.items():
            setattr(settings, name, value)
        made: Any = TCPServer(app, loop, settings, WorkerContext(None), {}, reader, writer)  # type: ignore[arg-type]
        self.server = made
        self._serving = loop.create_task(made.run())

    async def open(self, path: str = "/", *headers: str) -> None:
        """Shake hands, and forget what was got until then but for the frames."""
        await settled()
        self.link.say(handshake(path, *headers))
        await settled()
        assert self.status == 101

    @property
    def got(self) -> bytes:
        return b"".join(self.link.writes)

    @property
    def status(self) -> int:
        return int(self.got.split(b" ", 2)[1])

    @property
    def events(self) -> list[Any]:
        """All that came after the handshake's answer."""
        socket = Connection(ConnectionType.CLIENT)
        socket.receive_data(self.got.partition(b"\r\n\r\n")[2])
        return list(socket.events())

    @property
    def texts(self) -> list[str]:
        return [event.data for event in self.events if isinstance(event, TextMessage)]

    @property
    def close_code(self) -> int | None:
        codes = [int(event.code) for event in self.events if isinstance(event, CloseConnection)]
        assert len(codes) <= 1
        return codes[0] if codes else None

    async def end(self) -> None:
        self.link.leave()
        await self._serving


class Server:
    """Makes clients of one application, and ends them all."""

    def __init__(self, app: App, **config: Any) -> None:
        self._app = app
        self._config = config
        self.clients: list[Client] = []

    def client(self) -> Client:
        made = Client(self._app, **self._config)
        self.clients.append(made)
        return made


@asynccontextmanager
async def serving(app: App, **config: Any) -> AsyncIterator[Server]:
    """A server with our stream in the place of Hypercorn's."""
    assert install()
    made = Server(app, **config)
    try:
        yield made
    finally:
        for client in made.clients:
            await client.end()


@asynccontextmanager
async def chat(**config: Any) -> AsyncIterator[tuple[ClockedHub, Server]]:
    """The chat on the memory broker as it is served: handshake, door, member, wire."""
    broker = MemoryBroker()
    hub = ClockedHub(Settings(message_rate=0.0), broker)
    await broker.open(hub)
    connection: Any = connection_class(Door(hub, Identities(("key",))))

    async def app(scope: Any, receive: Any, send: Any, *_: Any) -> None:
        await connection(None, scope)(receive, send)

    async with serving(app, **config) as server:
        yield hub, server
    assert not hub.members, "a member is left"
    await hub.stop()
    await broker.close()
