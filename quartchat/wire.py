"""The way out to one client, as a member sees it."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Close(NamedTuple):
    """Why a connection has to end."""

    code: int
    reason: str


class Wire(Protocol):
    """Takes ready frames, as long as the client takes them."""

    @property
    def pings(self) -> bool:
        """Whether the protocol's pings go out and answers are seen; else the server sees to dead links."""

    def write(self, frames: bytes) -> bool:
        """Send joined frames. Never blocks, never raises; nothing happens on a closed wire.

        False where more than `HIGH_WATER` bytes wait already: then it took nothing, and it is time to wait
        for `drained`. So what it holds is bounded by that mark and one write.
        """

    def buffered(self) -> int:
        """Bytes that wait here. How much the kernel holds beside them is not known."""

    def taken(self) -> object:
        """Another value than before where the client took something since, as far as one can tell."""

    async def drained(self) -> None:
        """Return when there is room again, or the wire is closed."""

    def close(self, code: int, reason: str) -> None:
        """Begin to say good-bye; whoever serves the connection ends soon, also when the client is stuck."""


HIGH_WATER = 64 * 1024
"""Bytes in a wire's buffer above which it takes no more: asyncio's own mark, where `drained` waits."""
