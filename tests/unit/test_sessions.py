"""Sessions that were ended: heard of on every instance, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from brokers import Entry, Unavailable, Unknown, Window
from quartchat import sessions
from quartchat.names import BadName, room_name
from quartchat.sessions import KEPT, LIFETIME, LOG, EndedSessions
from tests.unit.clock import later, settled
from tests.unit.doubles import NOW_MS, ScriptedBroker, World, wire_of


class Instance:
    """One process's part: its listener, and what it closed."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self.broker = broker
        self.closed: list[str] = []
        self.moments: list[int] = []
        self.ended = EndedSessions(broker, self.close)

    def close(self, user_id: str, moment: int) -> None:
        self.closed.append(user_id)
        self.moments.append(moment)

    def tail(self, room, tail, reason):
        self.ended.ledger.tail(tail, reason)

    def entries(self, room, entries):
        self.ended.ledger.take(entries)


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
    assert here.ended.over("ann", 0)
    assert here.closed == ["ann"]
    assert not ending.done()
    here.broker.answer()
    await ending


async def test_an_end_reaches_those_who_follow_and_those_who_start_later(here: Instance) -> None:
    await here.ended.ledger.follow()
    await here.ended.end("ann")
    await settled()
    late = Instance(here.broker)
    here.broker.followed.clear()
    await here.broker.open(late)
    await late.ended.ledger.follow()
    assert late.ended.over("ann", 0)
    assert late.closed == ["ann"]


async def test_all_that_the_log_retains_is_heard_of_not_just_its_tail(here: Instance) -> None:
    here.broker.tail_entries = 5
    for number in range(900):
        await here.ended.end(f"u{number}")
    late = Instance(here.broker)
    await here.broker.open(late)
    await late.ended.ledger.follow()
    assert all(late.ended.over(f"u{number}", 0) for number in range(900))


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
    following = asyncio.create_task(here.ended.ledger.follow())
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
    await here.ended.ledger.follow()
    await here.ended.end("ann")
    await settled()
    here.broker.begin_again("epoch", room=LOG, keep=True)
    assert here.closed == ["ann"]


async def test_an_end_is_remembered_also_when_the_log_was_lost(here: Instance) -> None:
    await here.ended.ledger.follow()
    await here.ended.end("ann")
    here.broker.begin_again("epoch", room=LOG)
    assert here.ended.over("ann", 0)


DEEP = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"{}", b"[]", b"null", b'{"user":5}', b"\xff", b'{"user":"\\ud83d"}', b"[" * 100_000),
        DEEP,
    ],
    ids=lambda data: data[:20],
)
async def test_what_is_not_ours_in_the_log_is_skipped(here: Instance, data) -> None:
    here.ended.ledger.take([entry(b'{"user":"a"}'), entry(data), entry(b'{"user":"b"}')])
    assert here.closed == ["a", "b"]


async def test_memory_is_bounded_and_the_oldest_are_forgotten_first(here: Instance) -> None:
    here.ended.ledger.take([entry(b'{"user":"u%d"}' % number) for number in range(KEPT + 10)])
    assert not here.ended.over("u9", 0)
    assert here.ended.over("u10", 0)
    assert here.ended.over(f"u{KEPT + 9}", 0)


def test_no_room_has_the_log_s_name() -> None:
    with pytest.raises(BadName):
        room_name(LOG)


async def test_by_way_of_the_hub_the_sockets_are_closed_on_every_instance(w: World) -> None:
    await w.hub.sessions.ledger.follow()
    member = await w.enter()
    w.broker.put_raw("k", b"d", b'{"user":"ann-id"}', room=sessions.LOG)
    w.broker.listener.entries(LOG, w.broker.log(LOG).entries)
    await settled()
    assert wire_of(member).closed == (4401, "the session ended")
    assert LOG not in w.hub.rooms


# Longer than the log ------------------------------------------------------------------------------------


async def beat(instance: Instance) -> None:
    """What the hub does every two seconds."""
    tasks: list[asyncio.Task[None]] = []

    def spawn(work: Any) -> asyncio.Task[None]:
        tasks.append(asyncio.get_running_loop().create_task(work))
        return tasks[-1]

    instance.ended.ledger.beat(spawn)
    await asyncio.gather(*tasks)


def said_again(broker: ScriptedBroker) -> list[dict[str, int]]:
    """What stands in the log of ends that were said again, oldest first."""
    found = [json.loads(entry.data).get("again") for entry in broker.log(LOG).entries]
    return [again for again in found if again]


@pytest.fixture
async def short() -> Instance:
    """On a broker whose window is much shorter than what it has to remember."""
    broker = ScriptedBroker(window=Window(8, 86400.0))
    instance = Instance(broker)
    await broker.open(instance)
    await instance.ended.ledger.follow()
    return instance


async def test_ends_are_said_again_before_they_fall_out_of_the_log(short: Instance) -> None:
    for number in range(30):
        await short.ended.end(f"u{number}")
    await beat(short)
    assert [set(again) for again in said_again(short.broker)] == [{f"u{number}" for number in range(30)}]
    late = EndedSessions(short.broker, lambda *_: None)
    late.ledger.take(short.broker.log(LOG).entries[-1:])
    assert all(late.over(f"u{number}", 0) for number in range(30))


async def test_and_not_again_until_it_is_time(short: Instance) -> None:
    await short.ended.end("ann")
    for _ in range(5):
        await beat(short)
    assert len(said_again(short.broker)) == 1
    for number in range(2):
        await short.ended.end(f"u{number}")
    await beat(short)
    assert len(said_again(short.broker)) == 1
    await short.ended.end("u3")
    await beat(short)
    assert len(said_again(short.broker)) == 2


async def test_nobody_says_anything_where_nobody_left(short: Instance) -> None:
    await beat(short)
    assert short.broker.submitted == []


async def test_what_two_instances_know_they_say_once(short: Instance) -> None:
    await short.ended.end("ann")
    other = Instance(short.broker)
    other.ended.ledger.take(short.broker.log(LOG).entries)
    await beat(short)
    await beat(other)
    assert len(said_again(short.broker)) == 1


async def test_an_end_counts_for_as_long_as_its_cookie_could(short: Instance, monkeypatch) -> None:
    await short.ended.end("ann")
    now = time.time()
    monkeypatch.setattr(sessions.time, "time", lambda: now + LIFETIME + 2)
    await short.ended.end("bob")
    await beat(short)
    assert [set(again) for again in said_again(short.broker)] == [{"bob"}]
    assert not short.ended.over("ann", 0)


async def test_a_broker_that_is_down_is_told_as_soon_as_it_is_there(short: Instance) -> None:
    await short.ended.end("ann")
    short.broker.hold_appends = True
    beating = asyncio.create_task(beat(short))
    await settled()
    short.broker.answer(Unknown("no answer"))
    await beating
    short.broker.hold_appends = False
    await beat(short)
    assert len(said_again(short.broker)) == 1


async def test_what_happened_while_an_instance_was_cut_off_is_read_whole(here: Instance) -> None:
    await here.ended.ledger.learn()
    here.broker.tail_entries = 5
    here.broker.lagging = True
    others = EndedSessions(here.broker, lambda *_: None)
    for number in range(40):
        await others.end(f"u{number}")
    here.ended.ledger.tail(here.broker.log(LOG).tail(5), None)
    assert not here.ended.over("u0", 0)
    await beat(here)
    assert all(here.ended.over(f"u{number}", 0) for number in range(40))


# Sessions that begin anew ---------------------------------------------------------------------------------


@pytest.fixture
def noon(monkeypatch) -> int:
    """The clock stands still."""
    now = 1_800_000_000
    monkeypatch.setattr(sessions.time, "time", lambda: float(now))
    return now


async def test_an_end_concerns_what_began_until_then_and_nothing_later(here: Instance, noon: int) -> None:
    first = here.ended.begin("ann")
    await here.ended.end("ann", first)
    again = here.ended.begin("ann")
    assert first == noon < again
    assert here.ended.over("ann", first)
    assert not here.ended.over("ann", again)
    assert not here.ended.over("bob", 0)


async def test_in_and_out_within_one_second_as_often_as_one_likes(here: Instance, noon: int) -> None:
    for _ in range(50):
        began = here.ended.begin("ann")
        assert not here.ended.over("ann", began)
        await here.ended.end("ann", began)
        assert here.ended.over("ann", began)


async def test_an_end_holds_also_for_a_session_whose_instance_had_a_fast_clock(
    here: Instance, noon: int
) -> None:
    fast = noon + 3600
    await here.ended.end("ann", fast)
    assert here.ended.over("ann", fast)
    other = Instance(here.broker)
    other.ended.ledger.take(here.broker.log(LOG).entries)
    assert other.ended.over("ann", fast)
    assert other.ended.begin("ann") > fast


async def test_all_instances_know_the_same_moment_whatever_the_brokers_clock(
    here: Instance, noon: int
) -> None:
    await here.ended.end("ann")
    moments = set()
    for _ in range(3):
        other = Instance(here.broker)
        other.ended.ledger.take(here.broker.log(LOG).entries)
        moments.update(other.moments)
    assert moments == set(here.moments) == {noon}


async def test_an_old_end_that_is_said_again_touches_no_newer_session(here: Instance, noon: int) -> None:
    await here.ended.end("ann", here.ended.begin("ann"))
    again = here.ended.begin("ann")
    here.closed.clear()
    for _ in range(3):
        here.ended.ledger.take(here.broker.log(LOG).entries)
        here.ended.ledger.take([entry(json.dumps({"again": {"ann": noon + LIFETIME}}).encode())])
        here.ended.ledger.take([entry(json.dumps({"again": {"ann": noon + LIFETIME - 5}}).encode())])
    assert here.closed == []
    assert not here.ended.over("ann", again)


async def test_a_later_end_counts_beside_an_earlier_one(here: Instance, noon: int) -> None:
    await here.ended.end("ann", here.ended.begin("ann"))
    again = here.ended.begin("ann")
    here.ended.ledger.take([entry(json.dumps({"user": "ann", "until": again + LIFETIME}).encode())])
    assert here.ended.over("ann", again)
    assert here.closed == ["ann", "ann"]
    assert here.moments == [noon, again]


async def test_what_earlier_versions_wrote_is_understood(here: Instance) -> None:
    """They said neither until when an end counts, nor had sessions a beginning."""
    here.ended.ledger.take([entry(b'{"user":"ann"}')])
    assert here.ended.over("ann", 0)
    assert here.ended.over("ann", NOW_MS // 1000)
    assert not here.ended.over("ann", NOW_MS // 1000 + 1)


async def test_what_is_written_is_understood_by_earlier_versions(here: Instance) -> None:
    await here.ended.end("ann")
    said = json.loads(here.broker.log(LOG).entries[0].data)
    assert said.pop("until") > LIFETIME
    assert said == {"user": "ann"}


async def test_a_later_end_is_said_again_as_well(short: Instance) -> None:
    await short.ended.end("ann")
    await beat(short)
    for _ in range(3):
        await short.ended.end("ann", short.ended.begin("ann"))
    await beat(short)
    told = [again["ann"] for again in said_again(short.broker)]
    assert len(told) == 2
    assert told[0] < told[1]


async def test_the_person_who_left_last_is_forgotten_last(here: Instance) -> None:
    here.ended.ledger.take([entry(b'{"user":"u%d"}' % number) for number in range(KEPT)])
    await here.ended.end("u0", NOW_MS // 1000 + 1)
    here.ended.ledger.take([entry(b'{"user":"more"}')])
    assert here.ended.over("u0", 0)
    assert not here.ended.over("u1", 0)


async def test_a_socket_of_a_newer_session_is_not_closed_by_an_old_end(w: World) -> None:
    old, new = await w.enter(), await w.enter()
    old.began, new.began = 100, 101
    w.hub.sessions.ledger.take([entry(json.dumps({"user": old.user.id, "until": 100 + LIFETIME}).encode())])
    assert wire_of(old).closed == (4401, "the session ended")
    assert wire_of(new).closed is None
