"""A bucket: one stream, its tail, and this process's line of appends to it.

Opening, again on each new link: put a barrier into the stream and see where it lands. What an older link
of ours still has under way can now only arrive after it, and is void. Then read from the last known
message, which must be the same one, up to the barrier. Only then is the bucket live: what it answers is
true, and it may publish.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any
from zlib import crc32

from aiormq import spec
from aiormq.abc import AbstractChannel, DeliveredMessage

from .. import codec
from ..base import (
    Append,
    Entry,
    Listener,
    Page,
    Reason,
    Tail,
    Window,
)
from .history import History
from .line import Flight, Line
from .link import ANSWER, Link, Trouble, ask, outcome_of
from .scan import Limits, offset_of, read_back
from .wire import (
    Batch,
    Options,
    pack_batch,
    unpack_batch,
)

log = logging.getLogger("brokers.rabbitmq")

PREFETCH = 1000
ACK_EVERY = 100
"""Messages. Acks are only credit in a stream; the server sends whole chunks."""

LATE = 2.5
"""Seconds after which a batch without its answer makes us doubt the link: time for a second try is left."""

SILENT = 3.0
"""Seconds without a message after which the end of the stream is looked up: a deaf tail is found in ten."""

CLOCKS = 3_600_000
"""Milliseconds by which the clocks of two processes may differ where it is about what is too old."""

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class Bucket:
    """Lives as long as the broker, over all its links."""

    def __init__(
        self,
        number: int,
        options: Options,
        window: Window,
        listener: Listener,
        tail_entries: int,
        spawn: Spawn,
        turnstile: asyncio.Semaphore,
    ) -> None:
        self.name = options.bucket_name(number)
        self.followed: set[str] = set()
        self.alive = asyncio.Event()
        """Set while the tail is at the end of the stream and hears it."""
        self.declared = False
        self._options = options
        self._window = window
        self._listener = listener
        self._tail_entries = tail_entries
        self._spawn = spawn
        self._turnstile = turnstile
        """Few read an old log at a time, so that the first ones are soon done."""
        self._loop = asyncio.get_running_loop()
        self._context = Context()
        self._who = codec.new_epoch()
        self._seq = 0
        self._history = self._begin()
        self._lost: Reason | None = None
        """Why the history begins again, until the followed rooms were told."""
        self._old_epoch: str | None = None
        self._end = -1
        self._check = False
        self._channel: AbstractChannel | None = None
        self._link: Link | None = None
        self._broken: asyncio.Future[str] = self._loop.create_future()
        self._reached: asyncio.Future[None] = self._loop.create_future()
        self._moved = asyncio.Event()
        self._lookers: list[asyncio.Future[None]] = []
        self._looking = False
        self._unacked = 0
        self._fresh: dict[str, list[Entry]] = {}
        self._line = Line(self._context, self._schedule)
        self._scheduled = False

    # What the broker asks

    def submit(self, append: Append) -> None:
        """Put an entry in line."""
        self._line.submit(append)

    def follow(self, room: str) -> Tail:
        """Hear the room from this tail on. Only while alive."""
        self.followed.add(room)
        return self._history.tail(room, self._tail_entries)

    def unfollow(self, room: str) -> None:
        self.followed.discard(room)
        self._fresh.pop(room, None)
        self._history.forget(room)

    async def live(self) -> None:
        """Wait until the tail is at the end of the stream, and hears it."""
        while not self.alive.is_set():
            await self.alive.wait()

    async def read(self, room: str, after: str | None, before: str | None, limit: int) -> Page:
        """A page: from memory, once that is known to reach to the end of the stream."""
        looked = self._loop.create_future()
        self._lookers.append(looked)
        if len(self._lookers) == 1 and not self._looking:
            self._looking = True
            self._spawn(self._look())
        await looked
        return self._history.read(room, after, before, limit)

    def close(self) -> None:
        """Everything in line ends `Unknown`."""
        self._line.close()

    # The tail

    async def serve(self, link: Link, doubt: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keep the bucket open on a link. Raise `Trouble`; the caller tries again.

        `doubt` asks the link for a sign of life, and raises where there is none.
        """
        channel = await link.channel(confirms=True)
        self._broken, self._reached = self._loop.create_future(), self._loop.create_future()
        self._link, self._channel = link, channel
        try:
            await self._open(channel)
            last = -1
            while True:
                # Woken by what breaks the tail or makes it doubtful.
                await asyncio.wait({self._broken}, timeout=SILENT)
                if self._broken.done():
                    reason = self._broken.result()
                    if self._line.flight is not None and not link.lost.done():
                        await doubt()
                    raise Trouble(reason)
                if self._history.last == last and not link.blocked:
                    await self._catch_up(channel)
                last = self._history.last
        finally:
            self.alive.clear()
            self._channel = None
            if not link.lost.done():
                self._spawn(_part(channel))

    async def _open(self, channel: AbstractChannel) -> None:
        channel.closing.add_done_callback(lambda _: self._break(channel, "channel closed"))
        channel.on_consumer_cancel_callbacks.add(lambda _: self._break(channel, "the stream was deleted"))
        arguments: Any = self._options.stream_arguments
        await ask(channel.queue_declare(self.name, durable=True, arguments=arguments))
        self.declared = True
        self._end = await self._put_barrier(channel)
        if self._history.last >= self._end:
            self._lose("ahead")
        if self._history.last < 0:
            async with self._turnstile:
                await self._prime(channel)
        first: str | int = self._history.last if self._history.last >= 0 else "first"
        self._check = first != "first"
        self._unacked = 0
        await ask(channel.basic_qos(prefetch_count=PREFETCH))
        await ask(
            channel.basic_consume(
                self.name, partial(self._on_message, channel), arguments={"x-stream-offset": first}
            )
        )
        while not self.alive.is_set():
            # However long the log is: as long as it comes in, we wait.
            self._moved.clear()
            await _first(self._broken, self._reached)
            if self._broken.done():
                raise Trouble(self._broken.result())
            if not self._moved.is_set():
                raise Trouble("the stream does not send what it holds")

    async def _prime(self, channel: AbstractChannel) -> None:
        """Read a long log by its pasts. What is left for the tail is what came since."""
        oldest = codec.now_ms() - int(self._window.seconds * 1000) - CLOCKS
        limits = Limits(self._options.kept_bytes, oldest)
        for number, (offset, body) in enumerate(await read_back(channel, self.name, self._end, limits) or ()):
            self._history.feed(offset, body)
            if number % 200 == 0:
                await asyncio.sleep(0)  # others want the loop, too

    async def _put_barrier(self, channel: AbstractChannel) -> int:
        """Write a batch without entries, and hear at which offset it stands."""
        self._seq += 1
        await ask(channel.basic_qos(prefetch_count=PREFETCH))
        seq, place = self._seq, self._loop.create_future()

        async def hear(message: DeliveredMessage) -> None:
            try:
                batch = unpack_batch(message.body)
            except ValueError:
                return
            if (batch.who, batch.seq) == (self._who, seq) and not place.done():
                place.set_result(offset_of(message))

        # One channel keeps the order: the consumer stands at the end before the barrier gets there.
        started = await ask(channel.basic_consume(self.name, hear, arguments={"x-stream-offset": "next"}))
        barrier = Batch(self._history.epoch or "", self._history.last, self._who, seq, [])
        await ask(self._publish(channel, barrier))
        await _first(place, self._broken)
        if not place.done():
            raise Trouble("the stream does not send what was written to it")
        await ask(channel.basic_cancel(started.consumer_tag or ""))
        return int(place.result())

    async def _look(self) -> None:
        """Answer all that wait for a look at the end; who comes in the meantime waits for the next."""
        while self._lookers:
            await self.live()
            channel, lookers, self._lookers = self._channel, self._lookers, []
            if channel is not None:
                try:
                    await self._catch_up(channel)
                except Trouble as trouble:
                    self._break(channel, str(trouble))
            if channel is None or channel is not self._channel or self._broken.done():
                self._lookers = [*lookers, *self._lookers]
            else:
                for looked in lookers:
                    if not looked.done():
                        looked.set_result(None)
            self._lookers = [looked for looked in self._lookers if not looked.done()]
        self._looking = False

    async def _catch_up(self, channel: AbstractChannel) -> None:
        """Look up where the stream ends, and wait for the tail to be there. Writes nothing."""
        end = -1
        heard = asyncio.Event()

        async def hear(message: DeliveredMessage) -> None:
            nonlocal end
            end = max(end, offset_of(message))
            heard.set()

        started = await ask(channel.basic_consume(self.name, hear, arguments={"x-stream-offset": "last"}))
        try:
            async with asyncio.timeout(ANSWER):
                await heard.wait()
            # The rest of the last chunk was sent before the answer to this.
            await ask(channel.basic_cancel(started.consumer_tag or ""))
            async with asyncio.timeout(ANSWER / 2):
                while self._history.last < end:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            self._break(channel, "the tail is deaf")

    async def _on_message(self, channel: AbstractChannel, message: DeliveredMessage) -> None:
        # The driver starts a task for each message, in order: nothing may be awaited in here.
        if channel is not self._channel or self._broken.done():
            return
        try:
            self._take(offset_of(message), message.body)
        except Exception:
            log.exception("a message of %s could not be read", self.name)
            self._break(channel, "a message could not be read")
            return
        self._unacked += 1
        if self._unacked >= ACK_EVERY:
            self._unacked = 0
            self._spawn(_ack(channel, message.delivery_tag or 0))

    def _take(self, offset: int, body: bytes) -> None:
        history = self._history
        self._moved.set()
        if self._check:
            if offset < history.last:
                return
            self._check = False
            if offset == history.last and crc32(body) == history.mark:
                if offset >= self._end:
                    self._go_live()
                return
            self._lose("trimmed" if offset > history.last else "mismatch")
            self._break(self._channel, f"the log does not go on where it was: {self._lost}")
            return
        if offset <= history.last:
            return
        found = history.feed(offset, body)
        if found is None:
            self._listener.rejected("", 1)
        else:
            batch, verdict = found
            flight = self._line.flight
            if batch.who == self._who and flight is not None and batch.seq == flight.seq:
                flight.seen, flight.verdict = True, verdict
                self._schedule()
            if verdict and self._lost is None:
                for (room, _), entry in zip(batch.entries, verdict, strict=True):
                    if entry is not None and room in self.followed:
                        self._fresh.setdefault(room, []).append(entry)
                self._schedule()
        if offset >= self._end and not self.alive.is_set():
            self._go_live()

    def _go_live(self) -> None:
        self._history.settle()
        self.alive.set()
        if not self._reached.done():
            self._reached.set_result(None)
        if self._lost is not None:
            reason, self._lost = self._lost, None
            if self._history.epoch != self._old_epoch:
                reason = "epoch"
            for room in list(self.followed):
                self._begin_again(room, reason)
        for room, entries in list(self._fresh.items()):
            # What came while we were away and has left the window already is not there any more.
            if len(entries) > self._window.entries:
                self._begin_again(room, "trimmed")
        flight = self._line.flight
        if flight is not None and not flight.seen:
            # The barrier stands behind where it could have been: it never will be.
            self._line.turn_back()
        elif flight is not None:
            flight.confirmed = True
        self._schedule()

    def _begin_again(self, room: str, reason: Reason) -> None:
        self._fresh.pop(room, None)
        if room in self.followed:
            self._listener.tail(room, self._history.tail(room, self._tail_entries), reason)

    def _begin(self) -> History:
        return History(self._window, self._options.kept_bytes, self.followed)

    def _lose(self, reason: Reason) -> None:
        """The log is not the one that we knew: read it from its start."""
        if self._lost is None:
            self._lost, self._old_epoch = reason, self._history.epoch
        self._fresh.clear()
        self._history = self._begin()
        if self._line.flight is not None:
            self._line.flight.seen = False

    def _break(self, channel: AbstractChannel | None, reason: str) -> None:
        if channel is self._channel and not self._broken.done():
            self.alive.clear()
            self._broken.set_result(reason)

    # One turn of the loop

    def _schedule(self) -> None:
        # One turn of the loop gathers what its other callbacks submit, and what came in together.
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn, context=self._context)

    def _turn(self) -> None:
        self._scheduled = False
        if self._fresh and self.alive.is_set():
            fresh, self._fresh = self._fresh, {}
            while fresh:
                # One at a time out of reach: the listener may unfollow any room meanwhile.
                room, entries = fresh.popitem()
                if room in self.followed:
                    self._listener.entries(room, entries)
        flight = self._line.flight
        if flight is not None and flight.confirmed and flight.seen:
            self._line.land(self._history)
        if self._line.flight is None and self.alive.is_set() and self._channel is not None:
            self._send(self._channel)

    def _send(self, channel: AbstractChannel) -> None:
        """Send what waits as one batch."""
        history = self._history
        flight = self._line.take_off(history, self._seq + 1)
        if flight is None:
            return
        self._seq = flight.seq
        batch = Batch(
            history.epoch or "",
            history.last,
            self._who,
            flight.seq,
            flight.entries,
            history.past(),
        )
        self._watch(channel, flight)
        task = self._spawn(self._publish(channel, batch))
        task.add_done_callback(partial(self._on_confirm, channel, flight), context=self._context)

    def _watch(self, channel: AbstractChannel, flight: Flight) -> None:
        flight.timer = self._loop.call_later(LATE, self._doubt, channel, flight, context=self._context)

    def _doubt(self, channel: AbstractChannel, flight: Flight) -> None:
        if self._link is not None and self._link.blocked:
            # An alarm at the server: it takes nothing now, and a new link would change nothing.
            self._watch(channel, flight)
        else:
            self._break(channel, "a batch was not answered in time")

    async def _publish(self, channel: AbstractChannel, batch: Batch) -> None:
        await channel.basic_publish(
            pack_batch(batch),
            routing_key=self.name,
            # Without it, what is sent to a missing stream is confirmed, and gone.
            mandatory=True,
            properties=spec.Basic.Properties(message_id=f"{batch.seq:x}", delivery_mode=2),
        )

    def _on_confirm(self, channel: AbstractChannel, flight: Flight, task: asyncio.Task[None]) -> None:
        try:
            outcome_of(task)
        except Trouble as trouble:
            self._break(channel, f"a batch was not stored: {trouble}")
            return
        flight.confirmed = True
        if flight.seen:
            self._schedule()


async def _part(channel: AbstractChannel) -> None:
    await ask(channel.close(), 2.0)


async def _ack(channel: AbstractChannel, tag: int) -> None:
    await channel.basic_ack(tag, multiple=True, wait=False)


async def _first(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done, or for as long as an answer may take."""
    await asyncio.wait(futures, timeout=ANSWER, return_when=asyncio.FIRST_COMPLETED)
