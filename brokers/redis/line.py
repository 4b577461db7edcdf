"""A line to the server: one link at a time, made again when it broke, one call after the other."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ResponseError

from ..base import Durability
from ..errors import Unavailable
from .link import FAULTS, Command, Link

log = logging.getLogger("brokers.redis")

BACKOFF = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between tries, each with jitter; the last one repeats. Short: a caller is waiting."""


TRY_SECONDS = 3.0
"""For one call on one link: on a link that died in silence the deadline leaves time for another one."""


class Script:
    """A Lua script that stands beside this module, with the part that all share in front."""

    def __init__(self, name: str) -> None:
        folder = files(__package__)
        self.text = (folder / "room.lua").read_text() + (folder / name).read_text()
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Line:
    """Calls that go through, or end with `Unavailable` at their deadline."""

    def __init__(self, pool: ConnectionPool, name: str, scripts: Sequence[Script]) -> None:
        self._pool = pool
        self._name = name
        self._scripts = scripts
        self._link: Link | None = None
        self._lock = asyncio.Lock()
        self.durability: Durability | None = None
        """What the server said it keeps; None before the first link."""
        self.up = True
        """False from the first fault until a link is made again."""

    async def call(self, commands: Callable[[Link, int], Sequence[Command]], deadline: float) -> list[Any]:
        """Replies to `commands(link, attempt)`, tried until the loop's clock reaches `deadline`.

        Only for commands that may be sent twice. An error reply counts as a broken link: the servers'
        errors that are left here (loading, read-only, out of memory, scripts flushed) are gone or not by
        the next try, and a wrong command of ours ends at the deadline and in the log.
        """
        attempt = 0
        async with self._lock:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        link = self._link or await self._make()
                    seconds = min(deadline - asyncio.get_running_loop().time(), TRY_SECONDS)
                    replies = await link.call(commands(link, attempt), max(seconds, 0.001))
                    for reply in replies:
                        if isinstance(reply, ResponseError):
                            raise reply
                    return replies
                except FAULTS as error:
                    await self._drop(error)
                    pause = BACKOFF[min(attempt, len(BACKOFF) - 1)] * random.uniform(0.5, 1)  # noqa: S311
                    attempt += 1
                    if asyncio.get_running_loop().time() + pause >= deadline:
                        raise Unavailable(f"no answer from Redis: {type(error).__name__}") from None
                    await asyncio.sleep(pause)
                except BaseException as error:
                    # Cancelled in the middle of a reply: the next caller must not find it here.
                    await self._drop(error)
                    raise

    async def close(self) -> None:
        """Drop the link at once, whoever is using it."""
        link, self._link = self._link, None
        if link is not None:
            await link.drop()

    async def _make(self) -> Link:
        link = await Link.make(self._pool)
        try:
            loads = [("SCRIPT", "LOAD", script.text) for script in self._scripts]
            for reply in await link.call(loads, 3.0) if loads else []:
                if isinstance(reply, ResponseError):
                    raise reply
        except BaseException:
            await link.drop()
            raise
        self._link, self.durability, self.up = link, link.durability, True
        log.debug("%s: connected, durability D%d", self._name, link.durability)
        return link

    async def _drop(self, error: BaseException) -> None:
        if self.up and not isinstance(error, asyncio.CancelledError):
            log.warning("%s: link to Redis lost: %s", self._name, type(error).__name__)
        elif not isinstance(error, OSError | asyncio.CancelledError):
            log.debug("%s: no link to Redis: %s", self._name, error)
        self.up = False
        await self.close()
