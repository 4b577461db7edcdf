"""One process's rooms and members: entering, presence, draining, what is kept and what is let go."""

from __future__ import annotations

import asyncio
import logging

import pytest

from brokers import Durability, Unavailable, Unknown
from quartchat import hub as hubs
from quartchat import presence, rulebook
from quartchat.member import Member
from quartchat.presence import Notice
from quartchat.protocol import User
from quartchat.room import Room
from tests.unit.clock import later, settled
from tests.unit.doubles import ANN, BOB, EVE, ROOM, ScriptedBroker, WireDouble, World, send, wire_of, world

# Welcome ----------------------------------------------------------------------------------------------------


async def test_welcome_comes_first_and_says_everything() -> None:
    async with world(history=7, history_seconds=9.0, max_message_bytes=11, message_rate=13.0) as w:
        w.broker.level = Durability.POWER
        await w.enter(BOB)
        (entry,) = w.broker.put()
        member = await w.enter(ANN, history=50)
        await settled()
        welcome, message = wire_of(member).frames[:2]
        assert welcome == {
            "type": "welcome",
            "room": ROOM,
            "you": {"id": ANN.id, "name": ANN.name},
            "position": entry.position,
            "resumed": None,
            "durability": "D3",
            "window": {"entries": 7, "seconds": 9.0},
            "limits": {"message_bytes": 11, "rate": 13.0},
            "count": 2,
            "members": [{"id": BOB.id, "name": BOB.name}, {"id": ANN.id, "name": ANN.name}],
        }
        assert message["type"] == "message"


async def test_welcome_tells_the_top_also_in_an_empty_room_and_without_history(w: World) -> None:
    member = await w.enter()
    await settled()
    assert wire_of(member).frames[0]["position"] == w.broker.log().empty
    entries = w.broker.put(3)
    other = await w.enter(BOB)
    await settled()
    assert wire_of(other).frames[0]["position"] == entries[-1].position


# Entering a room --------------------------------------------------------------------------------------------


async def test_many_who_enter_together_follow_the_room_once(w: World) -> None:
    w.broker.follow_gate = asyncio.Event()
    entering = [asyncio.create_task(w.enter()) for _ in range(50)]
    await settled()
    assert not any(task.done() for task in entering)
    w.broker.follow_gate.set()
    await asyncio.gather(*entering)
    assert w.broker.follows == [ROOM]


async def test_where_the_follow_fails_all_who_wait_are_told_and_the_next_one_tries_again(
    w: World, caplog
) -> None:
    w.broker.follow_gate, w.broker.follow_error = asyncio.Event(), Unavailable("down")
    entering = [asyncio.create_task(w.enter()) for _ in range(3)]
    await settled()
    w.broker.follow_gate.set()
    results = await asyncio.gather(*entering, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert w.hub.rooms == {}
    w.broker.follow_error = None
    await w.enter()
    assert w.broker.follows == [ROOM, ROOM]
    assert caplog.records == []


async def test_a_follow_that_fails_in_an_unexpected_way_is_logged(w: World, caplog) -> None:
    w.broker.follow_error = RuntimeError("a bug")
    with pytest.raises(RuntimeError):
        await w.enter()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert w.hub.rooms == {}


async def test_who_leaves_while_entering_takes_nobody_along(w: World) -> None:
    w.broker.follow_gate = asyncio.Event()
    first, second = asyncio.create_task(w.enter(ANN)), asyncio.create_task(w.enter(BOB))
    await settled()
    first.cancel()
    await settled()
    assert first.cancelled()
    w.broker.follow_gate.set()
    member = await second
    w.broker.put()
    await settled()
    assert wire_of(member).texts == ["m0"]
    assert w.room.holds == 0


async def test_a_room_that_everybody_left_while_entering_is_given_up(w: World) -> None:
    w.hub.start()
    w.broker.follow_gate = asyncio.Event()
    entering = asyncio.create_task(w.enter())
    await settled()
    entering.cancel()
    await settled()
    w.broker.follow_gate.set()
    await later(hubs.LINGER_SECONDS + 2 * hubs.SWEEP_SECONDS)
    assert w.hub.rooms == {}
    assert w.broker.followed == {rulebook.LOG}


async def test_who_leaves_while_history_is_read_leaves_no_hold(w: World) -> None:
    w.broker.put(200)
    w.broker.read_gate = asyncio.Event()
    entering = asyncio.create_task(w.enter(history=100))
    await settled()
    assert w.room.holds == 1
    entering.cancel()
    await settled()
    assert w.room.holds == 0


# Leaving a room ---------------------------------------------------------------------------------------------


async def test_a_room_is_followed_for_a_while_after_the_last_one_left(w: World) -> None:
    w.hub.start()
    member = await w.enter()
    w.hub.leave(member)
    await later(hubs.LINGER_SECONDS - 1)
    again = await w.enter()
    assert w.broker.follows == [ROOM]
    await later(2 * hubs.LINGER_SECONDS)
    assert ROOM in w.hub.rooms
    w.hub.leave(again)
    await later(hubs.LINGER_SECONDS + 2 * hubs.SWEEP_SECONDS)
    assert w.hub.rooms == {}
    assert w.broker.unfollows == [ROOM]
    assert w.hub._presence == {}
    assert w.hub._presence_due == {}


async def test_a_room_that_somebody_is_about_to_join_is_kept(w: World) -> None:
    w.hub.start()
    await w.hub.enter(ROOM)
    await later(10 * hubs.LINGER_SECONDS)
    assert ROOM in w.hub.rooms


async def test_after_it_was_given_up_a_room_begins_anew(w: World) -> None:
    w.hub.start()
    member = await w.enter()
    w.broker.put(3)
    w.hub.leave(member)
    await later(hubs.LINGER_SECONDS + 2 * hubs.SWEEP_SECONDS)
    w.broker.put(3)
    member = await w.enter(history=50)
    await settled()
    assert wire_of(member).texts == [f"m{number}" for number in range(6)]


async def test_leaving_twice_counts_once(w: World) -> None:
    first, second = await w.enter(ANN), await w.enter(ANN)
    w.hub.leave(first)
    w.hub.leave(first)
    await later(5)
    other = await w.enter(BOB)
    await settled()
    assert wire_of(other).frames[0]["count"] == 2
    assert second in w.hub.members


async def test_who_left_gets_nothing_more(w: World) -> None:
    member = await w.enter()
    await settled()
    w.hub.leave(member)
    wire_of(member).forget()
    w.broker.put(3)
    w.broker.begin_again("epoch")
    await later(5)
    assert wire_of(member).writes == []


async def test_entries_and_signals_of_rooms_that_are_not_followed_are_nothing(w: World) -> None:
    await w.enter()
    (entry,) = w.broker.put(room="elsewhere")
    w.hub.entries("elsewhere", [entry])
    w.hub.tail("elsewhere", w.broker.log("elsewhere").tail(5), "epoch")
    w.hub.signal("elsewhere", presence.encode(Notice("q", "other")))
    await settled()
    assert set(w.hub.rooms) == {ROOM}


async def test_rooms_do_not_mix(w: World) -> None:
    one, other = await w.enter(room="one"), await w.enter(room="other")
    w.broker.put(2, room="one", text="1")
    w.broker.put(3, room="other", text="2")
    await settled()
    assert (wire_of(one).texts, wire_of(other).texts) == (["1"] * 2, ["2"] * 3)


# Sessions ---------------------------------------------------------------------------------------------------


async def test_the_end_of_a_session_closes_all_its_sockets_and_no_others(w: World) -> None:
    ended = [await w.enter(ANN), await w.enter(ANN, room="elsewhere"), await w.enter(ANN, v1=False)]
    kept = await w.enter(BOB)
    w.hub.close_session(ANN.id)
    assert [wire_of(member).closed for member in ended] == [(4401, "the session ended")] * 3
    assert wire_of(kept).closed is None
    assert set(w.hub.members) == {kept}


# Presence ---------------------------------------------------------------------------------------------------


def presences(member: Member) -> list[tuple[int, list[str], list[str]]]:
    """Count, and names, of each presence frame."""
    return [
        (
            frame["count"],
            [user["name"] for user in frame["joined"]],
            [user["name"] for user in frame["left"]],
        )
        for frame in wire_of(member).of("presence")
    ]


async def test_coming_and_going_is_told(w: World) -> None:
    member = await w.enter(ANN)
    await later(2)
    wire_of(member).forget()
    bob = await w.enter(BOB)
    await later(2)
    w.hub.leave(bob)
    await later(2)
    assert presences(member) == [(2, ["Bob"], []), (1, [], ["Bob"])]


async def test_presence_is_gathered_to_one_frame_a_second(w: World) -> None:
    member = await w.enter(ANN)
    await later(2)
    wire_of(member).forget()
    for number in range(100):
        await w.enter(User(f"u{number}", f"U{number}"))
        await asyncio.sleep(0.05)
    await later(2)
    told = presences(member)
    assert len(told) <= 7
    assert sorted(name for _, joined, _ in told for name in joined) == sorted(f"U{n}" for n in range(100))
    assert told[-1][0] == 101


async def test_who_came_and_went_within_a_second_is_not_told(w: World) -> None:
    member = await w.enter(ANN)
    await later(0.5)
    wire_of(member).forget()
    w.hub.leave(await w.enter(BOB))
    await later(3)
    assert presences(member) == []


async def test_a_second_tab_is_not_a_second_person(w: World) -> None:
    member = await w.enter(ANN)
    await later(2)
    wire_of(member).forget()
    tabs = [await w.enter(BOB), await w.enter(BOB)]
    await later(2)
    w.hub.leave(tabs[0])
    await later(2)
    assert presences(member) == [(2, ["Bob"], [])]


async def test_a_renamed_person_is_told_by_the_new_name(w: World) -> None:
    member = await w.enter(ANN)
    await w.enter(BOB)
    await later(2)
    wire_of(member).forget()
    await w.enter(User(BOB.id, "Robert"))
    await later(2)
    assert presences(member) == [(2, ["Robert"], [])]


async def test_above_two_hundred_there_are_no_lists(w: World) -> None:
    member = await w.enter(ANN)
    for number in range(presence.LISTED):
        await w.enter(User(f"u{number}", f"U{number}"))
    await later(3)
    last = wire_of(member).of("presence")[-1]
    assert last == {"type": "presence", "count": presence.LISTED + 1}
    late = await w.enter(BOB)
    await settled()
    assert wire_of(late).frames[0]["count"] == presence.LISTED + 2
    assert wire_of(late).frames[0]["members"] == []


async def test_people_of_other_instances_are_here_too_and_go_with_them(w: World) -> None:
    w.hub.start()
    member = await w.enter(ANN)
    await later(2)
    wire_of(member).forget()
    here = presence.encode(Notice("p", "other", 1, [(EVE.id, EVE.name)]))
    w.hub.signal(ROOM, here)
    await later(2)
    assert presences(member) == [(2, ["Eve"], [])]
    for _ in range(5):
        await later(presence.HEARTBEAT_SECONDS)
        w.hub.signal(ROOM, here)
        member.receive('{"type":"pong"}')
    assert len(presences(member)) == 1
    await later(presence.FORGET_SECONDS + 2 * hubs.SWEEP_SECONDS)  # killed: it says nothing any more
    assert presences(member)[1:] == [(1, [], ["Eve"])]


async def test_an_instance_asks_who_is_there_and_others_answer_at_once(w: World) -> None:
    await w.enter(ANN)
    await settled()
    notices = [presence.decode(data) for _, data in w.broker.signals]
    assert [notice.kind for notice in notices if notice] == ["q", "p"]
    w.broker.signals.clear()
    w.hub.signal(ROOM, presence.encode(Notice("q", "other")))
    await settled()
    (room, data), *_ = w.broker.signals
    notice = presence.decode(data)
    assert notice is not None
    assert (room, notice.kind, notice.people) == (ROOM, "p", [(ANN.id, ANN.name)])


async def test_an_instance_does_not_answer_itself(w: World) -> None:
    await w.enter(ANN)
    await later(3)
    assert len(w.broker.signals) == 2


async def test_heartbeats_go_out_for_rooms_with_people_only(w: World) -> None:
    w.hub.start()
    await w.enter(ANN)
    empty = await w.enter(BOB, room="empty")
    w.hub.leave(empty)
    await later(3)
    w.broker.signals.clear()
    await later(presence.HEARTBEAT_SECONDS + 2 * hubs.SWEEP_SECONDS)
    assert {room for room, _ in w.broker.signals} == {ROOM}


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"\xc1", b"\x93", b"[" * 1000, presence.encode(Notice("?", "other", 3)), b"\x92\xa1p\x01"],
)
async def test_a_signal_that_is_not_ours_is_nothing(w: World, data) -> None:
    member = await w.enter(ANN)
    await later(2)
    wire_of(member).forget()
    w.hub.signal(ROOM, data)
    await later(2)
    assert wire_of(member).frames == []


async def test_a_count_below_zero_is_not_believed(w: World) -> None:
    member = await w.enter(ANN)
    await later(2)
    w.hub.signal(ROOM, presence.encode(Notice("p", "other", -5)))
    await later(2)
    assert all(frame["count"] >= 1 for frame in wire_of(member).of("presence"))


# Draining ---------------------------------------------------------------------------------------------------


async def test_draining_answers_what_is_under_way_and_then_sends_everybody_away(w: World) -> None:
    member, other = await w.enter(ANN), await w.enter(BOB, v1=False)
    w.broker.hold_appends = True
    member.receive(send("a", "hi"))
    draining = asyncio.create_task(w.hub.drain(1.0))
    await later(0.5)
    assert w.hub.draining
    assert wire_of(member).closed is None
    w.broker.answer()
    await settled()
    assert draining.done()
    assert [frame["id"] for frame in wire_of(member).of("ack")] == ["a"]
    assert wire_of(member).closed is not None
    assert wire_of(other).closed is not None
    assert {wire_of(member).closed[0], wire_of(other).closed[0]} == {1012}
    assert w.hub.members == {}


async def test_draining_does_not_wait_longer_than_it_was_told(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    member.receive(send("a", "hi"))
    start = asyncio.get_running_loop().time()
    await w.hub.drain(1.0)
    assert asyncio.get_running_loop().time() - start == pytest.approx(1.0, abs=0.01)
    assert wire_of(member).closed == (1012, "this instance is leaving, come back")


async def test_draining_an_empty_instance_takes_no_time(w: World) -> None:
    await w.hub.drain(1.0)
    assert w.hub.draining


async def test_draining_tells_the_other_instances_that_its_people_are_gone(w: World) -> None:
    await w.enter(ANN)
    await w.enter(BOB, room="elsewhere")
    await later(2)
    w.broker.signals.clear()
    await w.hub.drain(1.0)
    gone = {room for room, data in w.broker.signals if presence.decode(data) == Notice("p", w.hub.instance)}
    assert gone == {ROOM, "elsewhere"}


async def test_an_unknown_answer_ends_the_wait_of_a_draining_instance(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    member.receive(send("a", "hi"))
    draining = asyncio.create_task(w.hub.drain(10.0))
    await settled()
    w.broker.answer(Unknown("no answer"))
    await settled()
    assert draining.done()
    assert [frame["type"] for frame in wire_of(member).frames][-1] in ("unknown", "presence")


async def test_a_client_that_reads_nothing_does_not_hold_up_the_draining(w: World) -> None:
    wire = WireDouble()
    wire.stuck = True
    member = await w.enter(wire=wire)
    while not member.behind:
        w.broker.put(text="x" * 8000)
        await settled()
    await w.hub.drain(1.0)
    assert wire.closed is not None


async def test_stopping_leaves_no_task_and_no_timer(w: World) -> None:
    w.hub.start()
    await w.enter(ANN)
    await w.hub.stop()
    assert w.hub._tasks == set()
    assert all(timer.cancelled() for timer in w.hub._presence_due.values())


# Writing ----------------------------------------------------------------------------------------------------


async def test_a_task_of_the_hub_that_fails_is_logged(w: World, caplog) -> None:
    async def fail() -> None:
        raise RuntimeError("a bug")

    w.hub.spawn(fail())
    await settled()
    assert "a task of the hub failed" in caplog.text


async def test_messages_of_two_rooms_in_one_turn_reach_both(w: World, monkeypatch) -> None:
    flushed: list[str] = []
    real = Room.flush

    def flush(room: Room) -> int:
        flushed.append(room.name)
        return real(room)

    monkeypatch.setattr(Room, "flush", flush)
    await w.enter(room="one")
    await w.enter(room="two")
    for _ in range(5):
        w.broker.put(room="one")
        w.broker.put(room="two")
    await settled()
    assert flushed == ["one", "two"]


async def test_the_counters_of_two_hubs_are_apart(w: World) -> None:
    async with world(ScriptedBroker()) as other:
        member = await w.enter()
        member.receive(send("a", ""))
        assert w.hub.counters.nacks == {"empty": 1}
        assert other.hub.counters.nacks == {}
