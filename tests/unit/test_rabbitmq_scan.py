"""An old log is read by the pasts that batches carry: all of it, or not at all."""

from __future__ import annotations

from unittest import mock

import pytest

from brokers import Window
from brokers.rabbitmq import scan
from brokers.rabbitmq.history import History
from brokers.rabbitmq.scan import DIGEST, Limits, Message, read_back
from brokers.rabbitmq.wire import Batch, Past, pack_batch, unpack_batch

ALL = Limits(1 << 30, 0)
LONG = 4 * DIGEST


class Stream:
    """What a server holds, message after message, from one writer that knows all before it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.history = History(Window(), 1 << 30, set())

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.add(self.history.past())

    def add(self, past: Past | None) -> None:
        offset = len(self.messages)
        batch = Batch(self.history.epoch or "", offset - 1, "writer", offset, [], past)
        self.messages.append((offset, pack_batch(batch)))
        self.history.feed(*self.messages[-1])

    @property
    def bearers(self) -> list[int]:
        return [offset for offset, body in self.messages if unpack_batch(body).past]

    def carries(self, offset: int, past: Past) -> None:
        """Have the message there carry this one instead."""
        batch = unpack_batch(self.messages[offset][1])
        self.messages[offset] = offset, pack_batch(Batch(*[*_fields(batch)[:5], past]))

    def past(self, offset: int) -> Past:
        past = unpack_batch(self.messages[offset][1]).past
        assert past is not None
        return past

    def trim(self, first: int) -> None:
        del self.messages[:first]


def _fields(batch: Batch) -> list[object]:
    return [batch.epoch, batch.base, batch.who, batch.seq, batch.entries, batch.past]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    stream = Stream()

    async def read_range(channel: object, name: str, first: int, last: int, credit: int = 0) -> list[Message]:
        return [message for message in stream.messages if first <= message[0] <= last]

    monkeypatch.setattr(scan, "read_range", read_range)
    return stream


async def read(stream: Stream) -> list[Message] | None:
    return await read_back(mock.AsyncMock(), "s", stream.messages[-1][0], ALL)


async def test_all_of_a_long_log(stream: Stream) -> None:
    stream.grow(LONG)
    assert len(stream.bearers) >= 3
    assert await read(stream) == stream.messages


async def test_a_past_stays_as_it_was_when_it_was_asked_for(stream: Stream) -> None:
    """It is packed in a later turn of the loop: what came in until then is not in it."""
    stream.grow(DIGEST)
    past = stream.history.past()
    assert past is not None
    known = len(past.messages)
    stream.add(None)
    assert len(past.messages) == known


async def test_a_past_that_holds_more_than_its_writer_says_it_knew(stream: Stream) -> None:
    """What earlier versions wrote: one message came in before it was packed."""
    stream.grow(DIGEST)
    past = stream.history.past()
    assert past is not None
    stream.add(None)
    late = Batch(
        stream.history.epoch or "",
        DIGEST - 1,
        "other",
        1,
        [],
        Past(past.chain, [*past.messages, stream.messages[-1]]),
    )
    stream.messages.append((len(stream.messages), pack_batch(late)))
    stream.history.feed(*stream.messages[-1])
    stream.grow(LONG)
    assert await read(stream) == stream.messages


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("how", ["not rising", "of another place", "a chain into the future"])
async def test_a_past_that_cannot_be_trusted_has_all_of_it_read(stream: Stream, which: int, how: str) -> None:
    """It does not pass for the start of the log: whoever comes late would miss what stands before."""
    stream.grow(LONG)
    at = stream.bearers[which]
    chain, messages = stream.past(at).chain, stream.past(at).messages
    bad = {
        "not rising": Past(chain, [*messages[1:], messages[0]]),
        "of another place": Past(chain, [*messages, (at + 9, messages[0][1])]),
        "a chain into the future": Past([*chain, at + 1], messages),
    }
    stream.carries(at, bad[how])
    assert await read(stream) is None


async def test_a_log_that_was_trimmed_is_read_from_where_it_begins(stream: Stream) -> None:
    stream.grow(LONG)
    stream.trim(stream.bearers[0] + 1)
    found = await read(stream)
    assert found
    assert found == stream.messages[-len(found) :]
    assert found[0][0] <= stream.bearers[0]
