"""One raw connection to the instance: bytes out, and whatever comes back taken apart strictly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from typing import Any

PATIENCE = 20.0
"""Seconds for an answer that has to come: the machine may be busy."""

_LINGER = struct.pack("ii", 1, 0)


class Breach(Exception):
    """The server said something that no server may say."""


class Link:
    """Reads in the background; `frames`, `close` and `ended` tell what has come."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> None:
        async with asyncio.timeout(PATIENCE):
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)

    async def send(self, data: bytes) -> bool:
        """Whether the connection still took it."""
        try:
            self._writer.write(data)
            async with asyncio.timeout(PATIENCE):
                await self._writer.drain()
        except (OSError, TimeoutError):
            return False
        return True

    def finish(self) -> None:
        """Say nothing more; the other way stays open."""
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    def cut(self) -> None:
        """Reset the connection, where there is one."""
        if not hasattr(self, "_writer"):
            return
        with contextlib.suppress(OSError):
            sock = self._writer.get_extra_info("socket")
            if sock is not None:
                import socket

                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        self._writer.transport.abort()

    async def shake(self, room: str, *, plain: bool = False, query: str = "") -> None:
        """Become a member. Raise `Breach` where that is refused."""
        hello = handshake(f"/ws/chat/{room}/{query}", plain=plain)
        await self.send(hello)
        head = await self.head()
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Breach(f"a good handshake was answered {head[:60]!r}")

    async def head(self) -> bytes:
        """The head of an HTTP answer; what came, where the connection ended before it was whole."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as short:
                return short.partial
            except OSError:
                return b""

    async def rest(self, length: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, OSError):
                return b""

    async def frame(self) -> tuple[int, Any] | None:
        """The next frame: opcode and payload (JSON of a text, code of a close); None at the end."""
        # Inside the time limit: its TimeoutError is an OSError as well, and no end.
        async with asyncio.timeout(PATIENCE):
            try:
                first, size = await self._reader.readexactly(2)
                if size == 126:
                    size = int.from_bytes(await self._reader.readexactly(2), "big")
                elif size == 127:
                    size = int.from_bytes(await self._reader.readexactly(8), "big")
                payload = await self._reader.readexactly(size) if size < 128 or size < 1 << 24 else b""
            except (asyncio.IncompleteReadError, OSError):
                return None
        opcode = first & 15
        if first & 0x70 or not first & 0x80 or opcode not in (1, 8, 9, 10):
            raise Breach(f"a frame that begins with {first:#x}")
        if opcode == 1:
            return 1, strict(payload)
        if opcode == 8:
            payload[2:].decode()
            return 8, int.from_bytes(payload[:2], "big") if payload else 1005
        return opcode, payload


def strict(payload: bytes) -> Any:
    """JSON as every browser can read it: UTF-8, whole characters, finite numbers. Raise `Breach`."""

    def refuse(what: str) -> None:
        raise Breach(f"a number that is none: {what}")

    try:
        found = json.loads(payload.decode(), parse_constant=refuse)
        json.dumps(found, ensure_ascii=False).encode()  # no lone surrogates
    except ValueError as error:
        raise Breach(f"not JSON in UTF-8: {error}") from None
    return found


def handshake(target: str, *, plain: bool = False, more: tuple[str, ...] = ()) -> bytes:
    lines = [
        f"GET {target} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *([] if plain else ["Sec-WebSocket-Protocol: quartchat.v1"]),
        *more,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
