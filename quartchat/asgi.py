"""The way out under any ASGI server: plain `websocket.send` events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from .frames import payloads
from .wire import HIGH_WATER

Send = Callable[[dict[str, Any]], Awaitable[None]]


class AsgiWire:
    """Collects ready frames; `run` hands their texts to the server one by one."""

    pings = False

    def __init__(self, send: Send, on_close: Callable[[int, str], None]) -> None:
        self._send = send
        self._on_close = on_close
        self._waiting: list[bytes] = []
        self._size = 0
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closed = self._gone = False

    def write(self, frames: bytes) -> bool:
        if self._size > HIGH_WATER:
            return False
        if not self._closed and not self._gone:
            self._waiting.append(frames)
            self._size += len(frames)
            self._filled.set()
            self._empty.clear()
        return True

    def buffered(self) -> int:
        return self._size

    def taken(self) -> object:
        return self._size

    async def drained(self) -> None:
        await self._empty.wait()

    def close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._on_close(code, reason)

    async def run(self) -> None:
        """Send until cancelled, or until the client is gone: then `send` raises an `OSError`, says ASGI."""
        with contextlib.suppress(OSError):
            await self._run()
        self._gone = True
        self._waiting.clear()
        self._size = 0
        self._empty.set()

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            waiting, self._waiting = self._waiting, []
            self._filled.clear()
            for frames in waiting:
                for payload in payloads(frames):
                    await self._send({"type": "websocket.send", "text": payload.decode()})
                self._size -= len(frames)
            if not self._waiting:
                self._empty.set()
