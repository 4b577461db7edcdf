"""The ring of one room: what is made once, what is read once, and what is told where something is missing."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable

import pytest

from brokers import Unavailable, Window
from quartchat import protocol, room
from quartchat.frames import payloads
from quartchat.member import Member
from tests.unit.clock import later, settled
from tests.unit.doubles import (
    ANN,
    BOB,
    EVE,
    NOW_MS,
    ROOM,
    Log,
    ScriptedBroker,
    WireDouble,
    World,
    chain,
    send,
    wire_of,
    world,
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was encoded for the log: one item a call."""
    calls: list[str] = []
    for name in ("message_frame", "plain_frame"):
        real = getattr(protocol, name)

        def counted(*arguments: object, real: Callable[..., bytes] = real, name: str = name) -> bytes:
            calls.append(name)
            return real(*arguments)

        monkeypatch.setattr(protocol, name, counted)
    return calls


# Delivery ---------------------------------------------------------------------------------------------------


async def test_a_message_reaches_everybody_in_both_dialects(w: World) -> None:
    modern, plain = await w.enter(ANN), await w.enter(BOB, v1=False)
    (entry,) = w.broker.put(text="hi")
    await settled()
    (frame,) = wire_of(modern).of("message")
    assert frame["message"] == "hi"
    assert frame["user"] == {"id": EVE.id, "name": EVE.name}
    assert frame["position"] == entry.position
    assert wire_of(plain).frames == [{"message": "hi"}]


async def test_each_entry_is_encoded_once_for_each_dialect_however_many_members_there_are(
    w: World, made
) -> None:
    for number in range(300):
        await w.enter(v1=number % 2 == 0)
    await settled()
    w.broker.put(5)
    await settled()
    assert sorted(made) == ["message_frame"] * 5 + ["plain_frame"] * 5


async def test_nothing_is_encoded_for_a_dialect_that_nobody_speaks(w: World, made) -> None:
    for _ in range(3):
        await w.enter()
    w.broker.put(5)
    await settled()
    assert made == ["message_frame"] * 5


async def test_a_batch_is_joined_once_for_each_dialect(w: World, monkeypatch) -> None:
    members = [await w.enter(v1=number % 3 != 0) for number in range(99)]
    await settled()
    joins = []
    real = room.Room._join
    monkeypatch.setattr(
        room.Room, "_join", staticmethod(lambda lines, v1: joins.append(v1) or real(lines, v1))
    )
    w.broker.put(7)
    await settled()
    assert sorted(joins) == [False, True]
    for member in members:
        assert wire_of(member).texts == [f"m{number}" for number in range(7)]


async def test_all_batches_of_one_turn_leave_in_one_write(w: World) -> None:
    members = [await w.enter(), await w.enter(v1=False)]
    await settled()
    for member in members:
        wire_of(member).forget()
    w.broker.put(3)
    w.broker.put(2)
    w.broker.put(1)
    await settled()
    for member in members:
        assert len(wire_of(member).writes) == 1
        assert len(wire_of(member).texts) == 6


async def test_the_answer_to_a_send_and_the_message_leave_in_one_write(w: World) -> None:
    member = await w.enter()
    await settled()
    wire_of(member).forget()
    member.receive(send("a", "one"))
    member.receive(send("b", "two"))
    await settled()
    assert len(wire_of(member).writes) == 1
    assert sorted(frame["type"] for frame in wire_of(member).frames) == ["ack", "ack", "message", "message"]


async def test_welcome_and_history_leave_in_one_write(w: World) -> None:
    w.broker.put(20)
    member = await w.enter(history=50)
    await settled()
    first, *_ = wire_of(member).writes
    assert [json.loads(payload)["type"] for payload in payloads(first)] == ["welcome", *["message"] * 20]


async def test_deliveries_are_counted(w: World) -> None:
    for _ in range(4):
        await w.enter()
    await settled()
    w.broker.put(5)
    await settled()
    assert w.hub.counters.deliveries == 20


async def test_whoever_joins_between_an_entry_and_its_writing_gets_it_once(w: World) -> None:
    await w.enter()
    await settled()
    w.broker.put()
    late, earlier = await w.enter(BOB), await w.enter(BOB, history=50)
    w.broker.put()
    await settled()
    w.broker.put()
    await settled()
    assert wire_of(late).texts == ["m1", "m2"]
    assert wire_of(earlier).texts == ["m0", "m1", "m2"]


# prev and what is not ours ----------------------------------------------------------------------------------


async def test_prev_names_the_entry_before_and_is_null_at_the_oldest(w: World) -> None:
    w.broker.put(3)
    member = await w.enter(history=50)
    w.broker.put(2)
    await settled()
    pairs = list(chain(wire_of(member).frames))
    assert [prev for prev, _ in pairs] == [None, *(position for _, position in pairs[:-1])]


async def test_entries_that_are_not_ours_are_skipped_and_counted_and_prev_names_the_line_before(
    w: World,
) -> None:
    member = await w.enter()
    w.broker.put(1)
    w.broker.put_junk(6)
    w.broker.put(2)
    await settled()
    pairs = list(chain(wire_of(member).frames))
    assert [prev for prev, _ in pairs] == [None, *(position for _, position in pairs[:-1])]
    assert w.room.rejected == 6


async def test_an_entry_under_another_ones_key_is_not_delivered(w: World) -> None:
    """Else whoever can write to the broker could make two entries of one id."""
    member = await w.enter()
    _, digest, data = protocol.store("id", "hi", ANN, NOW_MS)
    entry = w.broker.put_raw("bob-id:id", digest, data)
    w.broker.listener.entries(ROOM, [entry])
    await settled()
    assert wire_of(member).texts == []
    assert w.room.rejected == 1


async def test_prev_names_the_line_before_also_where_the_ring_was_extended_back_over_what_is_not_ours(
    w: World,
) -> None:
    w.broker.tail_entries = 3
    w.broker.put(4)
    w.broker.put_junk(1)
    w.broker.put(2)
    member = await w.enter(history=50)
    await settled()
    pairs = list(chain(wire_of(member).frames))
    assert len(pairs) == 6
    assert [prev for prev, _ in pairs] == [None, *(position for _, position in pairs[:-1])]


async def test_what_is_not_ours_at_the_end_of_a_read_does_not_make_reading_endless(w: World) -> None:
    w.broker.tail_entries = 9
    w.broker.most_reads = 20
    w.broker.put(5)
    w.broker.put_junk(1)
    w.broker.put(9)
    member = await w.enter(history=10)
    await settled()
    assert wire_of(member).texts[-10:] == [f"m{number}" for number in (4, *range(6, 15))]
    assert len(w.broker.reads) < 10


async def test_a_tail_of_nothing_but_what_is_not_ours_does_not_hide_the_messages_before_it(w: World) -> None:
    w.broker.tail_entries = 4
    w.broker.put(3)
    w.broker.put_junk(4)
    member = await w.enter(history=50)
    await settled()
    assert wire_of(member).texts == ["m0", "m1", "m2"]


async def test_a_position_before_what_is_not_ours_can_be_resumed_from(w: World) -> None:
    w.broker.tail_entries = 2
    (entry,) = w.broker.put()
    w.broker.put_junk(2)
    member = await w.enter(since=entry.position)
    await settled()
    (welcome,) = wire_of(member).of("welcome", "reset", "message")
    assert welcome["resumed"] is True


@pytest.mark.parametrize("known", [True, False])
async def test_a_position_of_what_is_not_ours_can_be_resumed_from_without_repeats(w: World, known) -> None:
    """`welcome` and `ping` told it to clients as the top."""
    w.broker.put(5)
    if known:
        await w.enter()
    (junk,) = w.broker.put_junk()
    w.broker.put(2)
    member = await w.enter(BOB, since=junk.position)
    await settled()
    assert wire_of(member).texts == ["m6", "m7"]


# Resuming ---------------------------------------------------------------------------------------------------


async def test_resuming_within_the_ring_reads_nothing(w: World) -> None:
    await w.enter()
    entries = w.broker.put(500)
    await settled()
    for entry in entries[::50]:
        member = await w.enter(BOB, since=entry.position)
        await settled()
        number = entries.index(entry)
        assert wire_of(member).texts == [f"m{n}" for n in range(number + 1, 500)]
    assert w.broker.reads == []


async def test_resuming_from_the_top_and_from_the_empty_log_reads_nothing(w: World) -> None:
    empty = await w.enter()
    await settled()
    (welcome,) = wire_of(empty).of("welcome")
    again = await w.enter(BOB, since=welcome["position"])
    await settled()
    assert wire_of(again).frames[0]["resumed"] is True
    (entry,) = w.broker.put()
    await settled()
    third = await w.enter(EVE, since=entry.position)
    await settled()
    assert wire_of(third).texts == []
    assert wire_of(again).texts == ["m0"]
    assert w.broker.reads == []


async def test_the_empty_log_s_position_stays_good_while_all_that_followed_is_retained(w: World) -> None:
    member = await w.enter()
    await settled()
    position = wire_of(member).of("welcome")[0]["position"]
    w.broker.put(500)
    await settled()
    again = await w.enter(BOB, since=position)
    await settled()
    assert wire_of(again).texts == [f"m{number}" for number in range(500)]


@pytest.mark.parametrize("order", ["oldest first", "newest first", "mixed"])
async def test_a_thousand_who_come_back_together_cost_reads_that_grow_with_the_room_only(
    w: World, order
) -> None:
    entries = w.broker.put(164)  # a hundred of them are not in the tail
    places = [number % 100 for number in range(1000)]
    if order != "mixed":
        places.sort(reverse=order == "newest first")
    members = await asyncio.gather(*(w.enter(EVE, since=entries[place].position) for place in places))
    await settled()
    for place, member in zip(places, members, strict=True):
        written = b"".join(wire_of(member).writes)
        assert b"".join(line.v1 for line in w.room.lines[place - 163 :]) in written
        assert written.count(b'"type":"message"') == 163 - place
    assert len(w.broker.reads) <= 100 + 1


async def test_a_thousand_from_the_same_place_read_the_room_once(w: World) -> None:
    entries = w.broker.put(900)
    members = await asyncio.gather(*(w.enter(EVE, since=entries[0].position) for _ in range(1000)))
    await settled()
    for member in members:
        assert b"".join(wire_of(member).writes).count(b'"type":"message"') == 899
    assert len(w.broker.reads) <= 900 // room.READ + 1


async def test_a_thousand_whose_place_is_gone_do_not_read_a_thousand_times(w: World) -> None:
    """All come back with one position after the log was wiped, while the instance started anew."""
    w.broker.put(100)
    members = await asyncio.gather(*(w.enter(EVE, since="gone.5.00000000") for _ in range(1000)))
    await settled()
    assert all(wire_of(member).of("reset") for member in members)
    assert len(w.broker.reads) <= 20


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ("otherepoch.1.00000000", "epoch"),
        ("epoch0000001.fff.00000000", "ahead"),
        ("epoch0000001.5.ffffffff", "mismatch"),
        ("epoch0000001.1.00000000", "trimmed"),
        ("nonsense", "mismatch"),
        ("", "mismatch"),
    ],
)
async def test_where_continuity_cannot_be_proved_there_is_a_reset_and_the_page(
    w: World, since, reason
) -> None:
    w.broker.put(200)
    w.broker.log().first = 4
    member = await w.enter(since=since)
    await settled()
    welcome, reset, *rest = wire_of(member).of("welcome", "reset", "message")
    assert welcome["resumed"] is False
    assert (reset["type"], reset["reason"], reset["position"]) == ("reset", reason, w.room.top)
    assert [frame["message"] for frame in rest] == [f"m{number}" for number in range(150, 200)]
    assert w.hub.counters.resets == {reason: 1}


async def test_a_verdict_counts_for_the_log_that_it_was_about(w: World) -> None:
    """A server came back with an older log, and then with the right one."""
    await w.enter()
    entries, right = w.broker.put(3), w.broker.log()
    w.broker.begin_again("epoch")
    refused = await w.enter(BOB, since=entries[0].position)
    await settled()
    assert wire_of(refused).of("reset")
    w.broker.logs[ROOM] = right
    w.broker.begin_again("epoch", keep=True)
    member = await w.enter(EVE, since=entries[0].position)
    await settled()
    assert wire_of(member).of("reset") == []
    assert wire_of(member).texts == ["m1", "m2"]


async def test_a_position_that_the_tail_has_not_brought_yet_is_waited_for(w: World) -> None:
    await w.enter()
    w.broker.lagging = True
    entries = w.broker.put(3)
    joining = asyncio.create_task(w.enter(BOB, since=entries[1].position))
    await settled()
    assert not joining.done()
    w.broker.deliver()
    member = await joining
    await settled()
    assert wire_of(member).texts == ["m2"]


async def test_a_tail_that_stays_late_is_told_as_unavailable(w: World) -> None:
    await w.enter()
    w.broker.lagging = True
    (entry,) = w.broker.put()
    joining = asyncio.create_task(w.enter(BOB, since=entry.position))
    await later(room.ARRIVAL_SECONDS - 0.1)
    assert not joining.done()
    await later(0.2)
    with pytest.raises(Unavailable):
        await joining


async def test_a_position_that_arrives_while_it_is_looked_up_is_found_at_once(w: World) -> None:
    """Sent by way of another instance a moment ago: the read says nothing follows, and by then it is here."""
    await w.enter()
    w.broker.put(5)
    w.broker.lagging, w.broker.read_gate = True, asyncio.Event()
    (entry,) = w.broker.put()
    joining = asyncio.create_task(w.enter(BOB, since=entry.position))
    await settled()
    w.broker.deliver()
    w.broker.read_gate.set()
    await settled()
    assert joining.done(), "waits for another arrival, and everybody behind it waits along"
    await settled()
    assert wire_of(joining.result()).texts == []


@pytest.mark.parametrize("late", [False, True])
async def test_nothing_is_repeated_where_more_arrives_while_a_position_is_looked_up(w: World, late) -> None:
    await w.enter()
    w.broker.put(5)
    w.broker.lagging, w.broker.read_gate, w.broker.late_reads = True, asyncio.Event(), late
    entries = w.broker.put(3)
    joining = asyncio.create_task(w.enter(BOB, since=entries[0].position))
    await settled()
    w.broker.deliver()
    w.broker.read_gate.set()
    await settled()
    assert joining.done()
    await settled()
    assert wire_of(joining.result()).texts == ["m6", "m7"]


async def test_a_read_that_fails_is_unavailable_and_the_next_one_finds_it(w: World) -> None:
    entries = w.broker.put(200)
    w.broker.read_error = Unavailable("gone")
    with pytest.raises(Unavailable):
        await w.enter(since=entries[0].position)
    w.broker.read_error = None
    member = await w.enter(since=entries[0].position)
    await settled()
    assert len(wire_of(member).texts) == 199


async def test_a_cancelled_reader_does_not_hold_up_the_next_one(w: World) -> None:
    entries = w.broker.put(200)
    w.broker.read_gate = asyncio.Event()
    first = asyncio.create_task(w.enter(since=entries[0].position))
    second = asyncio.create_task(w.enter(BOB, since=entries[1].position))
    await settled()
    first.cancel()
    w.broker.read_gate.set()
    member = await second
    await settled()
    assert len(wire_of(member).texts) == 198
    assert first.cancelled()


async def test_a_log_that_began_again_while_it_was_read_is_looked_at_anew(w: World) -> None:
    await w.enter()
    entries = w.broker.put(300)
    w.room.trim(1, 0)
    w.broker.read_gate = asyncio.Event()
    joining = asyncio.create_task(w.enter(BOB, since=entries[0].position))
    await settled()
    w.broker.begin_again("epoch")
    w.broker.put(2)
    w.broker.read_gate.set()
    member = await joining
    await settled()
    welcome, reset, *rest = wire_of(member).of("welcome", "reset", "message")
    assert (welcome["resumed"], reset["reason"]) == (False, "epoch")
    assert [frame["message"] for frame in rest] == ["m300", "m301"]


@pytest.mark.parametrize("history", [0, 5, 50])
@pytest.mark.parametrize("meanwhile", [0, 10])
async def test_a_place_from_before_a_reset_does_not_point_into_the_new_log(
    w: World, meanwhile, history
) -> None:
    """Between the answer to `resume` and the joining stands the handshake, and anything can happen in it."""
    w.broker.tail_entries = 4
    await w.enter()
    entries = w.broker.put(20, text="old")
    held = await w.hub.enter(ROOM)
    cursor = await held.resume(entries[-1].position)
    assert isinstance(cursor, int)
    if meanwhile:
        w.broker.put(meanwhile, text="old")
    await settled()
    w.broker.logs[ROOM] = Log("anotherepoch")
    w.broker.lagging = True
    w.broker.put(30, text="new")
    w.broker.begin_again("epoch", keep=True)
    if history:
        await held.reach_back(history)
    w.hub.release(held)
    wire = WireDouble()
    member = Member(w.hub, held, wire, BOB, v1=True, cursor=cursor, expires=float("inf"))
    w.hub.join(member, True, None)
    await settled()
    kinds = [frame["type"] for frame in wire.of("welcome", "reset", "message")]
    assert kinds[:2] == ["welcome", "reset"], "the new log follows the old one without a word"
    assert set(wire.texts) == {"new"}


# Reaching back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [1, 10, 64, 65, 200, 201, 500, 1000])
async def test_as_much_history_comes_as_is_asked_for(w: World, wanted) -> None:
    w.broker.put(450)
    member = await w.enter(history=wanted)
    await settled()
    assert wire_of(member).texts == [f"m{number}" for number in range(max(0, 450 - wanted), 450)]


async def test_history_that_the_ring_holds_is_not_read_again(w: World) -> None:
    w.broker.put(300)
    await asyncio.gather(*(w.enter(history=300) for _ in range(100)))
    reads = len(w.broker.reads)
    assert reads <= 300 // room.READ + 1
    await w.enter(history=300)
    await w.enter(history=10)
    assert len(w.broker.reads) == reads


async def test_a_short_log_is_not_asked_for_more_than_it_has(w: World) -> None:
    w.broker.put(3)
    for _ in range(5):
        await w.enter(history=50)
    assert w.broker.reads == []


async def test_the_end_of_the_retained_log_is_found_once(w: World) -> None:
    w.broker.put(300)
    w.broker.log().first = 100
    for _ in range(3):
        member = await w.enter(history=1000)
        await settled()
        assert wire_of(member).texts == [f"m{number}" for number in range(100, 300)]
    assert len(w.broker.reads) <= 2


async def test_entries_that_arrive_while_the_ring_is_extended_are_not_lost_or_repeated(w: World) -> None:
    w.broker.put(100)
    w.broker.read_gate = asyncio.Event()
    joining = asyncio.create_task(w.enter(history=100))
    await settled()
    w.broker.put(10)
    w.broker.read_gate.set()
    member = await joining
    w.broker.put(5)
    await settled()
    texts = wire_of(member).texts
    assert texts == [f"m{number}" for number in range(115 - len(texts), 115)]
    assert len(texts) >= 105


async def test_what_was_trimmed_while_the_ring_was_extended_leaves_no_hole(w: World) -> None:
    """Everything in the ring grew too old during the read, and its older part must not stand for it."""
    w.broker.put(100)
    w.broker.read_gate = asyncio.Event()
    joining = asyncio.create_task(w.enter(history=100))
    await settled()
    w.room.trim(1000, NOW_MS + 1)
    assert w.room.lines == []
    w.broker.read_gate.set()
    member = await joining
    w.broker.put(2)
    await settled()
    pairs = list(chain(wire_of(member).frames))
    order = [entry.position for entry in w.broker.log().entries]
    numbers = [order.index(position) for _, position in pairs]
    assert numbers == list(range(102 - len(numbers), 102))


# Trimming ---------------------------------------------------------------------------------------------------


async def test_the_ring_does_not_grow_beyond_the_window_and_some_slack() -> None:
    async with world(history=100) as w:
        await w.enter()
        for _ in range(50):
            w.broker.put(20)
            await settled()
        assert len(w.room.lines) <= 100 + room.SLACK
        assert w.room.lines[-1].message.message == "m999"
        assert set(w.room._index) == {line.position for line in w.room.lines}


async def test_what_is_too_old_goes_also_where_it_is_little(w: World) -> None:
    await w.enter()
    w.broker.put(3, time=1000)
    w.broker.put(2)
    await settled()
    assert [line.message.message for line in w.room.lines] == ["m3", "m4"]


async def test_what_the_window_dropped_is_not_looked_for() -> None:
    async with world(history=100) as w:
        await w.enter()
        w.broker.put(600)
        await settled()
        for _ in range(5):
            member = await w.enter(BOB, history=1000)
            await settled()
            assert 100 <= len(wire_of(member).texts) <= 100 + room.SLACK
        assert w.broker.reads == []


async def test_a_trimmed_position_is_looked_up_at_the_broker(w: World) -> None:
    await w.enter()
    entries = w.broker.put(600)
    w.room.trim(10, 0)
    member = await w.enter(BOB, since=entries[0].position)
    await settled()
    assert len(wire_of(member).texts) == 599
    assert w.broker.reads


async def test_a_quiet_room_whose_ring_grew_too_old_can_still_be_resumed(w: World) -> None:
    """The broker keeps by its own clock, or by segments, and may hold what the ring has dropped."""
    await w.enter()
    entries = w.broker.put(5)
    await settled()
    w.room.trim(1000, NOW_MS + 1)
    assert w.room.lines == []
    member = await w.enter(BOB, since=entries[1].position)
    w.broker.put()
    await settled()
    kinds = [frame["type"] for frame in wire_of(member).frames]
    if kinds[1] != "reset":
        assert wire_of(member).texts == ["m2", "m3", "m4", "m5"]


async def test_what_is_trimmed_before_it_was_written_is_told_and_not_skipped(w: World) -> None:
    """A clock that is far behind makes entries that are too old at once; a page is read in the same turn."""
    member = await w.enter()
    w.broker.put(2)
    await settled()
    w.broker.put(2, time=1000)
    w.broker.put(1)
    reading = asyncio.create_task(w.hub.read(ROOM, None, None, 50, behind=True))
    w.room.trim(1000, NOW_MS)
    await reading
    await settled()
    w.broker.put(1)
    await settled()
    frames = wire_of(member).of("message", "reset")
    assert [frame.get("message", "reset") for frame in frames] in (
        [f"m{number}" for number in range(6)],
        ["m0", "m1", "reset", "m4", "m5"],
    )


# Beginning again --------------------------------------------------------------------------------------------


async def test_a_restart_tells_v1_members_and_shows_them_the_page_and_plain_ones_nothing(w: World) -> None:
    modern, plain = await w.enter(ANN), await w.enter(BOB, v1=False)
    w.broker.put(3)
    await settled()
    for member in (modern, plain):
        wire_of(member).forget()
    w.broker.logs.clear()
    w.broker.lagging = True
    w.broker.put(200, text="new")
    w.broker.begin_again("epoch", keep=True)
    await settled()
    reset, *page = wire_of(modern).of("reset", "message")
    assert (reset["type"], reset["reason"], reset["position"]) == ("reset", "epoch", w.room.top)
    assert len(page) == room.PAGE
    assert page[-1]["position"] == w.room.top
    assert wire_of(plain).frames == []
    w.broker.lagging = False
    w.broker.put(text="live")
    await settled()
    assert wire_of(modern).texts[-1] == wire_of(plain).texts[-1] == "live"
    assert len(wire_of(plain).texts) == 1


async def test_a_reset_leaves_with_its_page_in_one_write(w: World) -> None:
    w.broker.put(30)
    member = await w.enter()
    await settled()
    wire_of(member).forget()
    w.broker.begin_again("mismatch", keep=True)
    await settled()
    assert len(wire_of(member).writes) == 1


async def test_a_reset_of_an_empty_log_is_told(w: World) -> None:
    member = await w.enter()
    w.broker.put(3)
    await settled()
    wire_of(member).forget()
    w.broker.begin_again("epoch")
    await settled()
    (reset,) = wire_of(member).of("reset", "message")
    assert reset["position"] == w.broker.log().empty
    w.broker.put()
    await settled()
    assert wire_of(member).of("message")[0]["prev"] is None


async def test_two_resets_in_a_row_end_at_the_last_log(w: World) -> None:
    member = await w.enter()
    w.broker.begin_again("epoch")
    w.broker.put(1)
    w.broker.begin_again("epoch")
    w.broker.put(2)
    await settled()
    frames = wire_of(member).of("reset", "message")
    last = max(number for number, frame in enumerate(frames) if frame["type"] == "reset")
    assert [frame["message"] for frame in frames[last + 1 :]] == ["m1", "m2"]


# Reading for pages and the API ------------------------------------------------------------------------------


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize("junk", [0, 3])
async def test_a_read_is_the_same_whether_the_room_is_followed_or_not(followed, junk) -> None:
    broker = ScriptedBroker(window=Window(1000))
    broker.tail_entries = 30
    async with world(broker) as w:
        entries = broker.put(50)
        broker.put_junk(junk)
        entries += broker.put(50)
        positions = [entry.position for entry in entries]
        if followed:
            await w.enter()

        async def read(after: str | None, before: str | None, limit: int) -> list[str]:
            lines, complete = await w.hub.read(ROOM, after, before, limit, behind=True)
            assert complete
            found = [line.position for line in lines]
            for one, other in itertools.pairwise(lines):
                assert other.prev == one.position
            return found

        assert await read(None, None, 10) == positions[-10:]
        assert await read(positions[79], None, 200) == positions[80:]
        assert await read(positions[79], None, 5) == positions[80:85]
        assert await read(positions[-1], None, 5) == []
        assert await read(None, positions[80], 5) == positions[75:80]
        assert await read(None, positions[3], 200) == positions[:3]
        assert await read(None, positions[0], 5) == []


async def test_a_read_from_a_place_that_is_gone_is_not_complete(w: World) -> None:
    await w.enter()
    w.broker.put(10)
    lines, complete = await w.hub.read(ROOM, "other.1.00000000", None, 50, behind=True)
    assert not complete
    assert len(lines) == 10
    lines, complete = await w.hub.read(ROOM, None, "other.1.00000000", 50)
    assert (lines, complete) == ([], False)


async def test_reading_a_room_that_nobody_is_in_follows_nothing(w: World) -> None:
    w.broker.put(3)
    lines, _ = await w.hub.read(ROOM, None, None, 50)
    assert len(lines) == 3
    assert w.hub.rooms == {}
    assert w.broker.follows == []
