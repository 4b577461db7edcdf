"""The way out to one client, as a member sees it."""

from __future__ import annotations

from typing import Protocol


class Wire(Protocol):
    """Takes ready frames. Bytes beyond `HIGH_WATER` in its buffer mean: stop, and wait for `drained`."""

    def write(self, frames: bytes) -> None:
        """Send joined frames. Never blocks, never raises; nothing happens on a closed wire."""

    def buffered(self) -> int:
        """Bytes that the client has not taken yet."""

    async def drained(self) -> None:
        """Return when there is room again, or the wire is closed."""

    def close(self, code: int, reason: str) -> None:
        """Begin to say good-bye; whoever serves the connection ends soon, also when the client is stuck."""


HIGH_WATER = 64 * 1024
"""Bytes in a wire's buffer above which a member stops writing: asyncio's own mark, where `drained` waits."""
