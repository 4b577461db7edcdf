"""Reading an old log fast.

A server gives out some 8,000 messages a second, whatever is in them, and with a message an entry a full
bucket holds tens of thousands. So every `DIGEST` messages a batch also carries what came since the last
one that did so, as one piece, and says where those before it stand. Who opens a bucket finds the newest
one near the end, and fetches the others. A writer knew the stream up to its base: what lies between
there and its batch is read from the stream itself.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Literal, NamedTuple

from aiormq.abc import AbstractChannel, DeliveredMessage

from .. import codec
from .link import ANSWER, Silence, ask
from .wire import Batch, Past, unpack_batch

DIGEST = 256
"""Messages between two that carry a past."""

DIGEST_BYTES = 256 << 10
"""A bigger past is not carried but pointed to: big messages are read fast enough."""

LOOKBACK = DIGEST + 64
"""Messages that are read from the end to find one with a past: other writers may come in between."""

NEAR = 2
"""Messages that are read along with one with a past: its base mostly lies among them."""

CHAIN = 256
"""Earlier ones that one with a past names: more than fit into a stream of the usual size."""

AT_ONCE = 8
"""How many of them are fetched at a time."""

Message = tuple[int, bytes]
"""Offset in the stream, and body."""


class Limits(NamedTuple):
    """When to stop walking back."""

    size: int
    """Bytes of messages."""
    oldest: int
    """Milliseconds since 1970: what was appended before has left the window."""


async def read_range(
    channel: AbstractChannel, stream: str, first: int, last: int, credit: int = 2 * NEAR
) -> list[Message]:
    """The messages of a stream from one offset to another, both included, as far as they exist.

    `credit` is what the channel's next consumers may have without an ack.
    """
    found: list[Message] = []
    done = asyncio.Event()

    async def hear(message: DeliveredMessage) -> None:
        offset = offset_of(message)
        if offset <= last:
            found.append((offset, message.body))
        if offset >= last:
            done.set()
        elif len(found) % (credit // 2) == 0:
            await channel.basic_ack(message.delivery_tag or 0, multiple=True, wait=False)

    started = await ask(channel.basic_consume(stream, hear, arguments={"x-stream-offset": first}))
    known = -1
    while not done.is_set():
        if len(found) == known:
            raise Silence(f"{stream} does not send what it holds")
        known = len(found)
        try:
            async with asyncio.timeout(ANSWER):
                await done.wait()
        except TimeoutError:
            continue
    await ask(channel.basic_cancel(started.consumer_tag or "", nowait=True))
    return sorted(found)


async def read_back(channel: AbstractChannel, stream: str, end: int, limits: Limits) -> list[Message] | None:
    """The messages up to `end`, oldest first; None where only reading all of them can tell."""
    if end < LOOKBACK:
        return None
    await ask(channel.basic_qos(prefetch_count=LOOKBACK))
    recent = await read_range(channel, stream, end - LOOKBACK, end, LOOKBACK)
    if not recent or recent[0][0] > end - LOOKBACK + NEAR:
        return recent or None  # the stream begins here
    bearers = [found for found in map(_bearer, recent) if found]
    if not bearers or bearers[-1].batch.base < recent[0][0]:
        return None
    await ask(channel.basic_qos(prefetch_count=2 * NEAR))
    newest = bearers[-1]
    parts = [[message for message in recent if message[0] > newest.batch.base]]
    size, chain = 0, list(newest.past.chain)
    turn: list[_Bearer | _Missing] = [newest]
    while True:
        for bearer in turn:
            if bearer == "doubtful":
                return None
            if bearer == "trimmed" or bearer.batch.epoch != newest.batch.epoch:
                return _joined(parts)  # the stream was trimmed up to here
            if bearer is not newest:
                parts.append(bearer.near)
            before = bearer.past.chain[-1] if bearer.past.chain else -1
            past = bearer.past.messages
            if not past and before < bearer.batch.base:
                past = await read_range(channel, stream, before + 1, bearer.batch.base)
            parts.append(past)
            size += sum(len(body) for _, body in past)
            if size > limits.size or (bearer.time or limits.oldest) < limits.oldest:
                return _joined(parts)
        if not chain:
            return _joined(parts)
        chain, offsets = chain[:-AT_ONCE], chain[-AT_ONCE:]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_fetch(channel, stream, at)) for at in reversed(offsets)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        turn = [task.result() for task in tasks]


_Missing = Literal["trimmed", "doubtful"]


class _Bearer(NamedTuple):
    """A batch with a past."""

    offset: int
    batch: Batch
    past: Past
    near: list[Message]
    """The messages from its base up to itself."""

    @property
    def time(self) -> int | None:
        """When its last entry was appended."""
        try:
            return codec.unpack(self.batch.entries[-1][1]).time if self.batch.entries else None
        except ValueError:
            return None


def _bearer(message: Message) -> _Bearer | None:
    """The batch in a message, where it carries a past and can be trusted with it."""
    offset, body = message
    try:
        batch = unpack_batch(body)
    except ValueError:
        return None
    past = batch.past
    if past is None or not batch.epoch or not batch.base < offset:
        return None
    before = past.chain[-1] if past.chain else -1
    carried = [at for at, _ in past.messages]
    # Rising, and all of it from there on and before itself: nothing that could pass for another part of the
    # log. Not only up to its base: until it was sent, earlier versions added what came in.
    if any(a >= b for a, b in pairwise([-1, *past.chain, offset])):
        return None
    if any(a >= b for a, b in pairwise([before, *carried, offset])):
        return None
    return _Bearer(offset, batch, past, [])


async def _fetch(channel: AbstractChannel, stream: str, at: int) -> _Bearer | _Missing:
    """The batch with a past that stands here, with what its writer did not know of."""
    near = await read_range(channel, stream, max(0, at - NEAR), at)
    if not near or near[-1][0] != at:
        return "trimmed"
    bearer = _bearer(near[-1])
    if bearer is None:
        return "doubtful"
    first = bearer.batch.base + 1
    if near[0][0] > first:
        near = await read_range(channel, stream, first, at)
    return bearer._replace(near=[message for message in near if message[0] >= first])


def _joined(parts: list[list[Message]]) -> list[Message]:
    """Parts that were found from the end on, as one log."""
    log: list[Message] = []
    for part in reversed(parts):
        log += (message for message in part if not log or message[0] > log[-1][0])
    return log


def offset_of(message: DeliveredMessage) -> int:
    """Where in the stream a message stands."""
    offset = (message.header.properties.headers or {}).get("x-stream-offset")
    if not isinstance(offset, int):
        raise ValueError("a message without an offset: the queue is no stream")
    return offset
