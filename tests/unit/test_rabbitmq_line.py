"""The line of appends to a bucket, without a server."""

from __future__ import annotations

import asyncio
from contextvars import Context

import pytest

from brokers import Append, Appended, Conflict, Outcome, Unknown, Window, codec
from brokers.rabbitmq.history import History
from brokers.rabbitmq.line import Line
from brokers.rabbitmq.wire import Batch, pack_batch

ROOM = "room"


def history(*keys: str) -> History:
    """A log that holds these keys."""
    found = History(Window(), 1 << 20)
    now = codec.now_ms()
    entries = [(ROOM, codec.pack(key, key.encode(), now, b"data")) for key in keys]
    found.feed(0, pack_batch(Batch("writer1", -1, "writer", 1, entries)))
    return found


@pytest.fixture
async def line() -> Line:
    return Line(Context(), lambda: None)


def submit(line: Line, key: str, digest: str | None = None) -> list[Outcome]:
    answers: list[Outcome] = []
    given = (key if digest is None else digest).encode()
    line.submit(Append(ROOM, key, given, codec.now_ms(), b"data", answers.append))
    return answers


async def test_a_repeat_is_answered_only_when_a_batch_came_back_from_the_same_log(line: Line) -> None:
    known = history("a")
    answers = submit(line, "a")
    flight = line.take_off(known, 2)
    assert flight is not None
    assert flight.entries == []
    assert answers == []
    flight.verdict = []
    line.land(known)
    entry = known.find(ROOM, "a")
    assert entry is not None
    assert answers == [Appended(entry.position, True)]


async def test_a_repeat_of_what_was_wiped_in_the_meantime_is_stored_again(line: Line) -> None:
    answers = submit(line, "a")
    line.take_off(history("a"), 2)
    line.turn_back()  # the stream was gone
    flight = line.take_off(history(), 3)
    assert answers == []
    assert flight is not None
    assert [room for room, _ in flight.entries] == [ROOM]


async def test_a_repeat_that_left_the_window_on_the_way_is_stored_again(line: Line) -> None:
    answers = submit(line, "a")
    flight = line.take_off(history("a"), 2)
    assert flight is not None
    flight.verdict = []
    line.land(history())
    assert answers == []
    again = line.take_off(history(), 3)
    assert again is not None
    assert len(again.entries) == 1


async def test_a_key_that_was_used_for_another_entry_is_a_conflict(line: Line) -> None:
    known = history("a")
    answers = submit(line, "a", "another")
    flight = line.take_off(known, 2)
    assert flight is not None
    flight.verdict = []
    line.land(known)
    assert [type(answer) for answer in answers] == [Conflict]


async def test_repeats_under_way_end_unknown_when_the_broker_is_closed(line: Line) -> None:
    answers = submit(line, "a")
    line.take_off(history("a"), 2)
    line.close()
    await asyncio.sleep(0)
    assert [type(answer) for answer in answers] == [Unknown]
