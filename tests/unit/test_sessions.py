"""Sessions that were ended: heard of on every instance, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from brokers import Entry, Unavailable, Unknown
from quartchat import sessions
from quartchat.names import BadName, room_name
from quartchat.sessions import KEPT, LOG, EndedSessions
from tests.unit.clock import later, settled
from tests.unit.doubles import NOW_MS, ScriptedBroker, World, wire_of


class Instance:
    """One process's part: its listener, and what it closed."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self.broker = broker
        self.closed: list[str] = []
        self.ended = EndedSessions(broker, self.closed.append)

    def tail(self, room, tail, reason):
        self.ended.take(tail.entries)

    def entries(self, room, entries):
        self.ended.take(entries)


@pytest.fixture
async def here() -> Instance:
    broker = ScriptedBroker()
    instance = Instance(broker)
    await broker.open(instance)
    return instance


def entry(data: bytes) -> Entry:
    return Entry("p", None, "k", b"d", NOW_MS, data)


async def test_an_end_counts_here_at_once_also_while_the_broker_says_nothing(here: Instance) -> None:
    here.broker.hold_appends = True
    ending = asyncio.create_task(here.ended.end("ann"))
    await settled()
    assert "ann" in here.ended
    assert here.closed == ["ann"]
    assert not ending.done()
    here.broker.answer()
    await ending


async def test_an_end_reaches_those_who_follow_and_those_who_start_later(here: Instance) -> None:
    await here.ended.follow()
    await here.ended.end("ann")
    await settled()
    late = Instance(here.broker)
    here.broker.followed.clear()
    await here.broker.open(late)
    await late.ended.follow()
    assert "ann" in late.ended
    assert late.closed == ["ann"]


async def test_all_that_the_log_retains_is_heard_of_not_just_its_tail(here: Instance) -> None:
    here.broker.tail_entries = 5
    for number in range(900):
        await here.ended.end(f"u{number}")
    late = Instance(here.broker)
    await here.broker.open(late)
    await late.ended.follow()
    assert all(f"u{number}" in late.ended for number in range(900))


async def test_an_end_is_put_in_the_log_once_however_often_it_takes(here: Instance) -> None:
    here.broker.hold_appends = True
    ending = asyncio.create_task(here.ended.end("ann"))
    for _ in range(5):
        await later(1.1)
        here.broker.answer(Unknown("no answer"))
    await later(1.1)
    here.broker.answer()
    await ending
    assert len({append.key for append in here.broker.submitted}) == 1
    assert len(here.broker.log(LOG).entries) == 1


async def test_a_broker_that_is_down_at_the_start_is_tried_until_it_is_there(here: Instance) -> None:
    here.broker.follow_error = Unavailable("down")
    following = asyncio.create_task(here.ended.follow())
    await later(30)
    assert not following.done()
    here.broker.follow_error, here.broker.read_error = None, Unavailable("down")
    await later(5)
    assert not following.done()
    here.broker.read_error = None
    await later(2)
    assert following.done()
    await here.ended.end("ann")
    assert here.closed == ["ann"]


async def test_an_end_that_is_heard_again_closes_nobody_again(here: Instance) -> None:
    await here.ended.follow()
    await here.ended.end("ann")
    await settled()
    here.broker.begin_again("epoch", room=LOG, keep=True)
    assert here.closed == ["ann"]


async def test_an_end_is_remembered_also_when_the_log_was_lost(here: Instance) -> None:
    await here.ended.follow()
    await here.ended.end("ann")
    here.broker.begin_again("epoch", room=LOG)
    assert "ann" in here.ended


@pytest.mark.parametrize(
    "data", [b"", b"{", b"{}", b"[]", b"null", b'{"user":5}', b"\xff", b'{"user":"\\ud83d"}', b"[" * 100_000]
)
async def test_what_is_not_ours_in_the_log_is_skipped(here: Instance, data) -> None:
    here.ended.take([entry(b'{"user":"a"}'), entry(data), entry(b'{"user":"b"}')])
    assert here.closed == ["a", "b"]


async def test_memory_is_bounded_and_the_oldest_are_forgotten_first(here: Instance) -> None:
    here.ended.take([entry(b'{"user":"u%d"}' % number) for number in range(KEPT + 10)])
    assert "u9" not in here.ended
    assert "u10" in here.ended
    assert f"u{KEPT + 9}" in here.ended


def test_no_room_has_the_log_s_name() -> None:
    with pytest.raises(BadName):
        room_name(LOG)


async def test_by_way_of_the_hub_the_sockets_are_closed_on_every_instance(w: World) -> None:
    w.hub.sessions = EndedSessions(w.broker, w.hub.close_session)
    await w.hub.sessions.follow()
    member = await w.enter()
    w.broker.put_raw("k", b"d", b'{"user":"ann-id"}', room=sessions.LOG)
    w.broker.listener.entries(LOG, w.broker.log(LOG).entries)
    await settled()
    assert wire_of(member).closed == (4401, "the session ended")
    assert LOG not in w.hub.rooms
