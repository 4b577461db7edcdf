"""RabbitMQ as a broker: rooms share a fixed set of streams, and each process reads those it needs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

from ..base import (
    CALL_DEADLINE,
    Append,
    Broker,
    Durability,
    Entry,
    Listener,
    Page,
    Reason,
    Tail,
    Window,
    check_room,
)
from ..errors import Unavailable, Unknown
from .bucket import Bucket
from .link import Link, Silence, Trouble
from .signals import Signals
from .wire import options_of

log = logging.getLogger("brokers.rabbitmq")

T = TypeVar("T")

BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries, each with jitter; the last one repeats."""

PULSE = 3.0
"""Seconds between two signals to ourselves: a link that is dead in one direction is found in six."""

OPEN_AT_ONCE = 3
"""Buckets that read their old log at the same time."""

WARN_EVERY = 30.0
"""Seconds before the same trouble is told again."""


class RabbitMQBroker(Broker):
    """`amqp://` and `amqps://` (TLS), with user, password and virtual host in the URL.

    Options in its query: `prefix` of all names on the server, `buckets` (4) and `bucket_bytes`
    (32 MiB), which all processes must give alike, and `heartbeat` (10 seconds). Durability is D2: a
    stream's write is confirmed before it is synced to disk. See `docs/design/rabbitmq.md`.
    """

    def __init__(self, url: str, *, window: Window | None = None) -> None:
        super().__init__(url, window=window)
        self._options = options_of(url)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._workers: set[asyncio.Task[Any]] = set()
        self._parting: set[asyncio.Task[None]] = set()
        self._buckets: dict[int, Bucket] = {}
        self._joining: dict[str, asyncio.Task[None]] = {}
        self._listener: Listener | None = None
        self._signals: Signals | None = None
        self._link: Link | None = None
        self._runner: asyncio.Task[None] | None = None
        self._silent = False
        self._told: dict[str, float] = {}

    async def open(self, listener: Listener) -> None:
        self._listener = _Guarded(listener)
        self._signals = Signals(self._options, self._hear, self._reject)
        self._up = asyncio.Event()
        self._turnstile = asyncio.Semaphore(OPEN_AT_ONCE)
        self._runner = self._spawn(self._run())

    async def close(self) -> None:
        self._listener = None
        for bucket in self._buckets.values():
            bucket.followed.clear()
            bucket.close()
        if self._runner is not None:
            self._runner.cancel()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        if self._parting:
            await asyncio.wait(self._parting)

    @property
    def durability(self) -> Durability:
        declared = any(bucket.declared for bucket in self._buckets.values())
        return Durability.CRASH if declared else Durability.BROKER

    @property
    def connected(self) -> bool:
        heard = all(bucket.alive.is_set() for bucket in self._buckets.values() if bucket.followed)
        return heard and self._link is not None and self._up.is_set()

    @property
    def silent(self) -> bool:
        """While not `connected`: nothing is answered at all, not even that the server is down."""
        return self._silent

    def submit(self, append: Append) -> None:
        check_room(append.room)
        if self._listener is None:
            append.done(Unknown("the broker is not open"))
        else:
            self._bucket(append.room).submit(append)

    async def follow(self, room: str) -> None:
        self._opened()
        check_room(room)
        bucket = self._bucket(room)
        if room in bucket.followed:
            return
        if room not in self._joining:
            self._joining[room] = self._spawn(self._join(room, bucket))
        # Again, where an unfollow and another follow came in between; not after a mere unfollow.
        while (task := self._joining.get(room)) is not None:
            await asyncio.wait({task})
            if self._joining.get(room) is task:
                del self._joining[room]
            if not task.cancelled():
                task.result()
        self._opened()

    def unfollow(self, room: str) -> None:
        task = self._joining.pop(room, None)
        if task is not None:
            task.cancel()
        if self._signals is not None and self._listener is not None:
            self._signals.drop(room)
            number = self._options.bucket_of(room)
            if number in self._buckets:
                self._buckets[number].unfollow(room)

    async def read(
        self, room: str, *, after: str | None = None, before: str | None = None, limit: int = 50
    ) -> Page:
        if after is not None and before is not None:
            raise ValueError("after or before, not both")
        self._opened()
        check_room(room)
        bucket = self._bucket(room)
        return await self._timely(lambda: bucket.read(room, after, before, limit))

    def signal(self, room: str, data: bytes) -> None:
        check_room(room)
        if self._signals is not None:
            self._signals.send(room, data)

    async def probe(self) -> float:
        signals = self._opened()
        return await self._timely(lambda: self._probe(signals))

    async def _probe(self, signals: Signals) -> float:
        loop = asyncio.get_running_loop()
        while True:
            await self._up.wait()
            for bucket in list(self._buckets.values()):
                await bucket.live()
            began = loop.time()
            with contextlib.suppress(Trouble):
                await signals.echo(CALL_DEADLINE)
                return loop.time() - began
            await asyncio.sleep(BACKOFF[0])

    async def _join(self, room: str, bucket: Bucket) -> None:
        signals, task = self._opened(), asyncio.current_task()
        signals.want(room)
        try:
            async with asyncio.timeout(CALL_DEADLINE):
                await signals.bound(room)
                await bucket.live()
            if self._joining.get(room) is task and self._listener is not None:
                self._listener.tail(room, bucket.follow(room), None)
        except TimeoutError:
            raise Unavailable("no answer from RabbitMQ in time") from None
        finally:
            if self._joining.get(room) is task:
                del self._joining[room]
            if room not in bucket.followed and room not in self._joining:
                signals.drop(room)

    def _hear(self, room: str, data: bytes) -> None:
        if self._listener is not None:
            bucket = self._buckets.get(self._options.bucket_of(room))
            if bucket is not None and room in bucket.followed:
                self._listener.signal(room, data)

    def _reject(self, room: str) -> None:
        if self._listener is not None:
            self._listener.rejected(room, 1)

    # The link

    async def _run(self) -> None:
        attempt = 0
        while True:
            link = Link(self._options.url)
            try:
                await link.open()
                await self._work(link)
            except Trouble as trouble:
                if self._up.is_set():
                    attempt = 0
                self._silent = isinstance(trouble, Silence)
                self._warn("RabbitMQ", trouble)
            except Exception:
                log.exception("a bug in the RabbitMQ broker")
            finally:
                self._link = None
                self._up.clear()
                # Not waited for: a dead socket takes its time, and the next link need not.
                parting = asyncio.get_running_loop().create_task(link.close(), context=Context())
                self._parting.add(parting)
                parting.add_done_callback(self._parting.discard)
            await asyncio.sleep(_pause(attempt))
            attempt += 1

    async def _work(self, link: Link) -> None:
        signals = self._opened()
        try:
            self._start(link, lambda: signals.serve(link, self._up.set))
            self._start(link, lambda: self._pulse(link, signals))
            self._link = link
            for bucket in self._buckets.values():
                self._start(link, partial(self._serve, link, bucket))
            raise await asyncio.shield(link.lost)
        finally:
            for task in self._workers:
                task.cancel()
            if self._workers:
                await asyncio.wait(self._workers)

    def _start(self, link: Link, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def supervised() -> None:
            try:
                await work()
            except Trouble as trouble:
                link.fail(trouble)
            except Exception as error:
                log.exception("a bug in the RabbitMQ broker")
                link.fail(type(error).__name__)

        task = self._spawn(supervised())
        self._workers.add(task)
        task.add_done_callback(self._workers.discard)

    async def _serve(self, link: Link, bucket: Bucket) -> None:
        """Keep one bucket open, as long as the link is there."""
        attempt = 0

        async def doubt() -> None:
            if not link.blocked:
                await self._opened().echo(PULSE / 2)

        while True:
            try:
                await bucket.serve(link, doubt)
            except Silence as silence:
                if not link.blocked:
                    raise
                self._warn(bucket.name, silence)
            except Trouble as trouble:
                if link.lost.done():
                    return
                self._warn(bucket.name, trouble)
            await asyncio.sleep(_pause(attempt))
            attempt += 1

    async def _pulse(self, link: Link, signals: Signals) -> None:
        await self._up.wait()
        while True:
            await asyncio.sleep(PULSE)
            if not link.blocked:
                await signals.echo(PULSE)

    def _bucket(self, room: str) -> Bucket:
        number = self._options.bucket_of(room)
        bucket = self._buckets.get(number)
        if bucket is None:
            if self._listener is None:
                raise Unavailable("the broker is not open")
            bucket = self._buckets[number] = Bucket(
                number,
                self._options,
                self.window,
                self._listener,
                self.tail_entries,
                self._spawn,
                self._turnstile,
            )
            if self._link is not None:
                self._start(self._link, partial(self._serve, self._link, bucket))
        return bucket

    def _opened(self) -> Signals:
        if self._listener is None or self._signals is None:
            raise Unavailable("the broker is not open")
        return self._signals

    def _warn(self, what: str, trouble: Trouble) -> None:
        now, text = asyncio.get_running_loop().time(), f"{what}: {trouble}"
        if now - self._told.get(text, -WARN_EVERY) >= WARN_EVERY:
            self._told = {t: at for t, at in self._told.items() if now - at < WARN_EVERY}
            self._told[text] = now
            log.warning("%s", text)

    async def _timely(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(CALL_DEADLINE):
                return await work()

        # The work is ours, and goes on when the caller is cancelled.
        task = self._spawn(bounded())
        await asyncio.wait({task})
        if task.cancelled():
            raise Unavailable("the broker was closed")
        try:
            return task.result()
        except (TimeoutError, Trouble):
            raise Unavailable("no answer from RabbitMQ in time") from None

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        # In an empty context: it would otherwise carry the identity of who called first along for ever.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits sees it; one who left must not leave a warning behind


class _Guarded(Listener):
    """A listener's exception is its own bug: logged, and delivery goes on."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def tail(self, room: str, tail: Tail, reason: Reason | None) -> None:
        try:
            self._listener.tail(room, tail, reason)
        except Exception:
            log.exception("the listener failed")

    def entries(self, room: str, entries: Sequence[Entry]) -> None:
        try:
            self._listener.entries(room, entries)
        except Exception:
            log.exception("the listener failed")

    def signal(self, room: str, data: bytes) -> None:
        try:
            self._listener.signal(room, data)
        except Exception:
            log.exception("the listener failed")

    def rejected(self, room: str, count: int) -> None:
        try:
            self._listener.rejected(room, count)
        except Exception:
            log.exception("the listener failed")


def _pause(attempt: int) -> float:
    pause = BACKOFF[min(attempt, len(BACKOFF) - 1)]
    return pause * random.uniform(0.5, 1.0)  # noqa: S311
