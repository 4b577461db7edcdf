"""Redis (and Valkey) as a broker: a stream a room is the log, pub/sub the fast path to it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..base import Append, Broker, Durability, Listener, Page, Window, check_room
from ..errors import BrokerConfigError, Unavailable, Unknown
from .appender import APPEND, Appender
from .follower import Follower
from .keys import Keys
from .line import BACKOFF, Line
from .link import pool_for
from .reader import READ, Reader

log = logging.getLogger("brokers.redis")

PREFIX = "quartchat1"
"""In front of every key; the digit is the version of their layout. `?prefix=` in the URL replaces it."""


class Parts(NamedTuple):
    """What an open broker is made of; the two lines keep a long read from holding up an append."""

    appender: Appender
    follower: Follower
    reader: Reader
    inward: Line
    outward: Line


class RedisBroker(Broker):
    """`redis://`, `rediss://` (TLS) and `unix://`, with user, password and database in the URL.

    Durability is D1 for a server that keeps snapshots or nothing, D2 where its append-only file was seen
    to be on, D3 where it also syncs each write. See `docs/design/redis.md` for the way of a message.
    """

    def __init__(self, url: str, *, window: Window | None = None) -> None:
        super().__init__(url, window=window)
        bare, prefix = _split(url)
        try:
            self._pool = pool_for(bare)
        except (ValueError, TypeError):
            # The library's own words may repeat a password.
            raise BrokerConfigError("not a usable Redis URL, or an unknown option in it") from None
        self._keys = Keys(prefix)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._parts: Parts | None = None

    async def open(self, listener: Listener) -> None:
        inward = Line(self._pool, "append", [APPEND])
        outward = Line(self._pool, "read", [READ])
        reader = Reader(outward, self._keys, self.window)
        appender = Appender(inward, self._keys, self.window)
        follower = Follower(self._pool, self._keys, reader, outward, self._spawn, self.tail_entries)

        def reject(room: str, count: int) -> None:
            try:
                listener.rejected(room, count)
            except Exception:
                log.exception("the listener failed")

        reader.rejected = appender.rejected = reject
        self._parts = Parts(appender, follower, reader, inward, outward)
        self._spawn(_for_ever(appender.run))
        self._spawn(_for_ever(lambda: follower.run(listener)))
        self._spawn(_for_ever(follower.watch))

    async def close(self) -> None:
        parts, self._parts = self._parts, None
        if parts is None:
            return
        parts.appender.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await parts.inward.close()
        await parts.outward.close()

    @property
    def durability(self) -> Durability:
        lines = (self._parts.inward, self._parts.outward) if self._parts else ()
        # Two links may have seen two servers: the smaller promise holds.
        return min((line.durability for line in lines if line.durability), default=Durability.BROKER)

    @property
    def connected(self) -> bool:
        return self._parts is not None and self._parts.follower.up

    @property
    def silent(self) -> bool:
        """While not `connected`: nothing is answered at all, not even that the server is down."""
        return self._parts is not None and self._parts.follower.silent

    def submit(self, append: Append) -> None:
        check_room(append.room)
        if self._parts is None:
            append.done(Unknown("the broker is not open"))
        else:
            self._parts.appender.submit(append)

    def signal(self, room: str, data: bytes) -> None:
        if self._parts is not None:
            self._parts.appender.signal(self._keys.channel(room), b"S" + data)

    async def follow(self, room: str) -> None:
        check_room(room)
        await self._ask(self._opened().follower.follow(room))

    def unfollow(self, room: str) -> None:
        if self._parts is not None:
            self._parts.follower.unfollow(room)

    async def read(
        self, room: str, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> Page:
        check_room(room)
        if after is not None and before is not None:
            raise ValueError("after or before, not both")
        page: Page = await self._ask(self._opened().reader.page(room, after, before, limit))
        return page

    async def probe(self) -> float:
        began = asyncio.get_running_loop().time()
        await self._ask(self._opened().follower.probe())
        return asyncio.get_running_loop().time() - began

    def _opened(self) -> Parts:
        if self._parts is None:
            raise Unavailable("the broker is not open")
        return self._parts

    async def _ask(self, work: Coroutine[Any, Any, Any]) -> Any:
        # The work goes on in a task of ours when the caller is cancelled: no reply is left for the next one.
        task = self._spawn(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise Unavailable("the broker was closed") from None
            raise

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        # In an empty context: a task started by a request would otherwise carry that user along for ever.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        with contextlib.suppress(asyncio.CancelledError):
            task.exception()  # whoever waits sees it; a caller that left must not leave a warning behind


async def _for_ever(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do work that never ends; where a bug of ours ends it, say so and begin again: appends wait for it."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("a bug in the Redis broker")
        await asyncio.sleep(BACKOFF[-1])


def _split(url: str) -> tuple[str, str]:
    """The URL without our own options, and the prefix."""
    bare, _, query = url.partition("?")
    parts = urlsplit(bare)
    database = parts.path.strip("/")
    # The library takes anything else for database 0: two chats that were to be apart would share one.
    if parts.scheme != "unix" and database and not (database.isascii() and database.isdigit()):
        raise BrokerConfigError("what follows the host in a Redis URL is the number of a database")
    options = parse_qsl(query, keep_blank_values=True)
    prefix = dict(options).get("prefix", PREFIX)
    if not prefix.isascii() or not prefix.replace("-", "").replace("_", "").isalnum():
        raise BrokerConfigError("the option prefix takes letters, digits, - and _")
    rest = urlencode([(name, value) for name, value in options if name != "prefix"])
    return f"{bare}?{rest}" if rest else bare, prefix
