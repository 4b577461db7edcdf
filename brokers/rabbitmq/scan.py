"""Reading an old log fast.

A server gives out some 8,000 messages a second, whatever is in them, and with a message an entry a full
bucket holds tens of thousands. So every `DIGEST` messages a batch also carries what came before it, as one
piece: its `past`, and in `chain` the place of the last one that did so. Who opens a bucket walks that chain
backwards from the end. A writer knew the stream up to its base: what lies between there and its batch is
read from the stream itself.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import NamedTuple

from aiormq.abc import AbstractChannel, DeliveredMessage

from .. import codec
from .link import ANSWER, Silence, ask
from .wire import Batch, unpack_batch

DIGEST = 256
"""Messages between two that carry a past."""

DIGEST_BYTES = 256 << 10
"""A bigger past is not carried but pointed to: big messages are read fast enough."""

LOOKBACK = 2 * DIGEST
"""Messages that are read from the end to find the first one with a past."""

NEAR = 8
"""Messages that are read along with one with a past: its base mostly lies among them."""

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
    """The messages of a stream from one offset to another, both included, as far as they exist."""
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

    await ask(channel.basic_qos(prefetch_count=credit))
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
    await ask(channel.basic_cancel(started.consumer_tag or ""))
    return sorted(found)


async def read_back(channel: AbstractChannel, stream: str, end: int, limits: Limits) -> list[Message] | None:
    """The messages up to `end`, oldest first; None where only reading all of them can tell."""
    if end < LOOKBACK:
        return None
    recent = await read_range(channel, stream, end - LOOKBACK, end, LOOKBACK)
    if not recent or recent[0][0] > end - LOOKBACK + NEAR:
        return recent or None  # the stream begins here
    newest = next((found for found in map(_bearer, reversed(recent)) if found), None)
    if newest is None or newest[1].base < recent[0][0]:
        return None
    offset, batch = newest
    parts = [[message for message in recent if message[0] > batch.base]]
    size = 0
    while True:
        past = batch.past or await _between(channel, stream, batch.chain, batch.base)
        parts.append(past)
        size += sum(len(body) for _, body in past)
        if batch.chain < 0 or size > limits.size or _time_of(batch, limits) < limits.oldest:
            break
        near = await read_range(channel, stream, max(0, batch.chain - NEAR), batch.chain)
        found = _bearer(near[-1]) if near else None
        if found is None or found[0] != batch.chain or found[1].epoch != batch.epoch:
            break  # trimmed meanwhile
        offset, batch = found
        if near[0][0] > batch.base + 1:
            near = await _between(channel, stream, batch.base, offset)
        parts.append([message for message in near if message[0] > batch.base])
        if not parts[-1] or near[0][0] > batch.base + 1 + NEAR:
            break
    log: list[Message] = []
    for message in chain.from_iterable(reversed(parts)):
        if not log or message[0] > log[-1][0]:
            log.append(message)
    return log


def offset_of(message: DeliveredMessage) -> int:
    """Where in the stream a message stands."""
    offset = (message.header.properties.headers or {}).get("x-stream-offset")
    if not isinstance(offset, int):
        raise ValueError("a message without an offset: the queue is no stream")
    return offset


async def _between(channel: AbstractChannel, stream: str, after: int, last: int) -> list[Message]:
    if after >= last:
        return []
    return await read_range(channel, stream, after + 1, last)


def _bearer(message: Message) -> tuple[int, Batch] | None:
    """The batch in a message, where it carries a past and can be trusted with it."""
    offset, body = message
    try:
        batch = unpack_batch(body)
    except ValueError:
        return None
    if batch.past is None or not batch.epoch or not batch.chain <= batch.base < offset:
        return None
    return offset, batch


def _time_of(batch: Batch, limits: Limits) -> int:
    try:
        return codec.unpack(batch.entries[-1][1]).time if batch.entries else limits.oldest
    except ValueError:
        return limits.oldest
