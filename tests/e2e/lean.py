"""A WebSocket client that reads only when it is told to, and so small that a thousand fit in a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Self
from urllib.parse import urlencode

from tests.support.client import PATIENCE, Frame

_RESET = struct.pack("ii", 1, 0)


class Lean:
    """One connection. Nothing is read in between: the client stops reading whenever the test waits elsewhere.

    `narrow`: the kernel takes little for it.
    """

    def __init__(
        self, port: int, room: str, *, plain: bool = False, narrow: bool = False, **query: Any
    ) -> None:
        self.frames: list[Frame] = []
        self.pings = 0
        self._port = port
        self._narrow = narrow
        lines = [
            f"GET /ws/chat/{room}/?{urlencode(query)} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *([] if plain else ["Sec-WebSocket-Protocol: quartchat.v1"]),
        ]
        self._hello = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
        self._data = bytearray()
        self._answered = False
        self._socket = socket.socket()
        self._socket.setblocking(False)

    async def open(self) -> Self:
        """Shake hands, and nothing more."""
        loop, sock = asyncio.get_running_loop(), self._socket
        if self._narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        await loop.sock_connect(sock, ("127.0.0.1", self._port))
        await loop.sock_sendall(sock, self._hello)
        await self.until(lambda: self._answered, "the handshake's answer")
        return self

    @property
    def messages(self) -> list[Frame]:
        return [frame for frame in self.frames if "message" in frame]

    @property
    def texts(self) -> list[str]:
        return [frame["message"] for frame in self.messages]

    def of(self, type: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.get("type") == type]

    async def read(self, size: int = 1 << 18) -> bool:
        """Read so many bytes at most; whether the connection still is."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, size)
        except OSError:
            return False
        self._data += data
        await self._parse()
        return bool(data)

    async def until(self, predicate: Callable[[], Any], what: str) -> None:
        """Read on until it is true."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not predicate() and await self.read():
                    pass
        kinds = [frame.get("type") for frame in self.frames[-9:]]
        assert predicate(), f"not within {PATIENCE} s: {what}; {len(self.frames)} frames, the last: {kinds}"

    async def wait_texts(self, texts: list[str]) -> None:
        """Read until so many messages have come; they must be these."""
        await self.until(lambda: len(self.messages) >= len(texts), f"{len(texts)} messages")
        assert self.texts == texts

    def cut(self) -> None:
        """Reset the connection."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    async def _parse(self) -> None:
        data = self._data
        if not self._answered:
            head, end, rest = bytes(data).partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._answered = True
            data[:] = rest
        at = 0
        while (found := _frame(data, at)) is not None:
            opcode, payload, at = found
            if opcode == 1:
                self.frames.append(json.loads(payload))
            elif opcode == 9:
                self.pings += 1
                pong = bytes((0x8A, 0x80 | len(payload))) + bytes(4) + payload
                await asyncio.get_running_loop().sock_sendall(self._socket, pong)
            else:
                assert opcode == 8, f"an unexpected frame: {opcode}"
        del data[:at]


def _frame(data: bytearray, at: int) -> tuple[int, bytes, int] | None:
    """Opcode and payload of a server's frame, and the place after it."""
    if len(data) < at + 10 and len(data) < at + 2 + (data[at + 1] if len(data) > at + 1 else 10):
        return None
    size, body = data[at + 1], at + 2
    if size >= 126:
        body = at + (4 if size == 126 else 10)
        size = int.from_bytes(data[at + 2 : body], "big")
    if len(data) < body + size:
        return None
    return data[at] & 15, bytes(data[body : body + size]), body + size


def room_for_sockets() -> None:
    """A thousand clients and their server do not fit into what some systems allow by default."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    with open(f"/proc/{pid}/statm") as told:
        return int(told.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
