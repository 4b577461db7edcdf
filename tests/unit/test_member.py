"""One connection's life: what it is answered, what happens when it reads slowly, how it ends."""

from __future__ import annotations

import asyncio
import time

import pytest

from brokers import Append, Appended, Conflict, Refused, Unknown
from quartchat import member as life
from quartchat.frames import text_frame
from quartchat.member import Member
from quartchat.wire import HIGH_WATER
from tests.unit.clock import later, settled
from tests.unit.doubles import ANN, BOB, ROOM, ScriptedBroker, World, chain, send, wire_of, world

BIG = "x" * 8000


def answers(member: Member) -> list[tuple[str, str]]:
    """Type and id of every answer to a send, in order."""
    return [(frame["type"], frame["id"]) for frame in wire_of(member).of("ack", "nack", "unknown")]


# Sends and their answers ------------------------------------------------------------------------------------


async def test_an_ack_names_the_position_and_comes_only_after_the_broker_s_word(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    member.receive(send("a", "hi"))
    await settled()
    assert answers(member) == []
    assert wire_of(member).texts == []
    w.broker.answer()
    await settled()
    (ack,) = wire_of(member).of("ack")
    assert ack["position"] == w.broker.log().top == wire_of(member).of("message")[0]["position"]
    assert w.hub.counters.acks == 1


async def test_the_same_id_again_gets_the_same_position_and_no_second_entry(w: World) -> None:
    member = await w.enter()
    for _ in range(3):
        member.receive(send("a", "hi"))
        await settled()
    assert len({ack["position"] for ack in wire_of(member).of("ack")}) == 1
    assert len(wire_of(member).of("ack")) == 3
    assert wire_of(member).texts == ["hi"]


async def test_the_same_id_while_it_is_under_way_is_put_in_line_once_and_answered_once(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    for _ in range(3):
        member.receive(send("a", "hi"))
    assert len(w.broker.submitted) == 1
    w.broker.answer()
    await settled()
    assert answers(member) == [("ack", "a")]


@pytest.mark.parametrize("under_way", [True, False])
async def test_the_same_id_with_another_text_is_a_conflict(w: World, under_way) -> None:
    member = await w.enter()
    w.broker.hold_appends = under_way
    member.receive(send("a", "one"))
    if not under_way:
        await settled()
    member.receive(send("a", "two"))
    if under_way:
        w.broker.answer()
    await settled()
    (nack,) = wire_of(member).of("nack")
    assert (nack["id"], nack["code"]) == ("a", "id_conflict")
    assert wire_of(member).texts == ["one"]


async def test_what_is_stored_is_said_under_the_connection_s_own_identity(w: World) -> None:
    member = await w.enter(ANN)
    member.receive('{"type":"send","id":"a","message":"hi","user":{"id":"bob-id","name":"Bob"},"time":"x"}')
    await settled()
    assert w.broker.submitted[0].key == "ann-id:a"
    assert wire_of(member).of("message")[0]["user"] == {"id": ANN.id, "name": ANN.name}


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "empty"), (" \n\t\u3000", "empty"), ("x" * 101, "too_long"), ("é" * 51, "too_long")],
)
async def test_a_text_that_is_not_taken_is_refused_by_its_id_and_never_submitted(text, code) -> None:
    async with world(max_message_bytes=100) as w:
        member = await w.enter()
        member.receive(send("a", text))
        await settled()
        (nack,) = wire_of(member).of("nack")
        assert (nack["id"], nack["code"]) == ("a", code)
        assert w.broker.submitted == []
        assert w.hub.counters.nacks == {code: 1}


async def test_a_text_with_half_a_surrogate_is_refused_by_its_id(w: World) -> None:
    member = await w.enter()
    member.receive('{"type":"send","id":"a","message":"\\ud83d"}')
    member.receive('{"type":"send","id":"b","message":"\ud83d"}')
    await settled()
    assert answers(member) == [("nack", "a"), ("nack", "b")]
    assert {nack["code"] for nack in wire_of(member).of("nack")} == {"bad_request"}
    assert w.broker.submitted == []
    assert member.in_flight == 0


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "bad_request"),
        ("hi", "bad_request"),
        ("[]", "bad_request"),
        ("{}", "bad_request"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"send","message":"hi"}', "bad_request"),
        ('{"type":"send","id":"","message":"hi"}', "bad_request"),
        ('{"type":"send","id":"a b","message":"hi"}', "bad_request"),
        ('{"type":"send","id":5,"message":"hi"}', "bad_request"),
    ],
)
async def test_a_frame_that_is_not_understood_is_an_error_and_the_connection_lives_on(
    w: World, frame, code
) -> None:
    member = await w.enter()
    member.receive(frame)
    member.receive(send("ok", "still here"))
    await settled()
    (error,) = wire_of(member).of("error")
    assert error["code"] == code
    assert error["detail"]
    assert wire_of(member).texts == ["still here"]


async def test_a_send_whose_message_is_no_text_is_refused_by_its_id(w: World) -> None:
    member = await w.enter()
    for number, message in enumerate(["null", "5", "[]", "{}", "true"]):
        member.receive(f'{{"type":"send","id":"i{number}","message":{message}}}')
    member.receive('{"type":"send","id":"i5"}')
    await settled()
    assert answers(member) == [("nack", f"i{number}") for number in range(6)]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Conflict("x"), "id_conflict"), (Refused("the entry is too big"), "bad_request")],
)
async def test_what_the_broker_refuses_for_good_is_a_nack(w: World, outcome, code) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    member.receive(send("a", "hi"))
    w.broker.answer(outcome)
    await settled()
    (nack,) = wire_of(member).of("nack")
    assert (nack["id"], nack["code"]) == ("a", code)


async def test_ping_is_answered_with_the_top_and_pong_with_nothing(w: World) -> None:
    member = await w.enter()
    await later(1)
    w.broker.put()
    await settled()
    wire_of(member).forget()
    member.receive('{"type":"ping"}')
    member.receive('{"type":"pong"}')
    await settled()
    assert wire_of(member).frames == [{"type": "pong", "position": w.room.top}]


async def test_more_than_the_rate_is_refused_with_the_time_to_wait() -> None:
    async with world(message_rate=1.0) as w:
        member = await w.enter()
        for number in range(5):
            member.receive(send(f"i{number}", "hi"))
        await settled()
        assert sorted(answers(member)) == [
            ("ack", "i0"),
            ("ack", "i1"),
            ("ack", "i2"),
            ("nack", "i3"),
            ("nack", "i4"),
        ]
        nack = wire_of(member).of("nack")[0]
        assert nack["code"] == "rate_limited"
        assert 0 < nack["retry_after"] <= 1.1
        await later(nack["retry_after"])
        member.receive(send("i3", "hi"))
        await settled()
        assert ("ack", "i3") in answers(member)


async def test_the_rate_is_the_session_s_whichever_socket_it_uses() -> None:
    async with world(message_rate=1.0) as w:
        members = [await w.enter(ANN) for _ in range(3)]
        other = await w.enter(BOB)
        for member in members:
            member.receive(send("a", "hi"))
            member.receive(send("b", "hi"))
        other.receive(send("a", "hi"))
        await settled()
        assert sum(len(wire_of(member).of("nack")) for member in members) == 3
        assert wire_of(other).of("nack") == []


async def test_a_resend_of_an_unanswered_message_is_not_refused_for_the_rate() -> None:
    """It may be in the log by now, and what was nacked never appears (C7)."""
    async with world(message_rate=1.0) as w:
        member = await w.enter()
        w.broker.hold_appends = True
        for message_id in "abc":
            member.receive(send(message_id, "hi"))
        for _ in range(3):
            append = w.broker.waiting[0]
            w.broker.log().append(append.key, append.digest, append.time, append.data)  # the confirm is lost
            w.broker.answer(Unknown("no answer"))
        await settled()
        w.broker.hold_appends = False
        for message_id in "abc":
            member.receive(send(message_id, "hi"))
        await settled()
        assert sorted(answers(member)[3:]) == [("ack", "a"), ("ack", "b"), ("ack", "c")]


async def test_a_resend_after_a_reconnect_of_what_was_stored_is_not_refused_for_the_rate() -> None:
    async with world(message_rate=1.0) as w:
        member = await w.enter()
        for message_id in "abc":
            member.receive(send(message_id, "hi"))
        await settled()
        w.hub.leave(member)  # before the acks got through
        again = await w.enter()
        for message_id in "abc":
            again.receive(send(message_id, "hi"))
        await settled()
        assert [kind for kind, _ in answers(again)] == ["ack"] * 3


# After `unknown` --------------------------------------------------------------------------------------------


async def with_an_unknown(w: World) -> Member:
    """A member whose message `a` got no answer."""
    member = await w.enter()
    w.broker.hold_appends = True
    member.receive(send("a", "one"))
    w.broker.answer(Unknown("no answer"))
    w.broker.hold_appends = False
    await settled()
    (frame,) = wire_of(member).of("unknown")
    assert frame["id"] == "a"
    assert frame["retry_after"] > 0
    assert w.hub.counters.unknown == 1
    return member


async def test_after_unknown_nothing_newer_passes_before_the_resend(w: World) -> None:
    member = await with_an_unknown(w)
    member.receive(send("b", "two"))
    await settled()
    assert answers(member) == [("unknown", "a"), ("unknown", "b")]
    assert len(w.broker.submitted) == 1
    member.receive(send("a", "one"))
    member.receive(send("b", "two"))
    await settled()
    assert answers(member)[2:] == [("ack", "a"), ("ack", "b")]
    assert wire_of(member).texts == ["one", "two"]


async def test_who_never_resends_is_held_up_for_some_seconds_only(w: World) -> None:
    member = await with_an_unknown(w)
    await later(life.ORDER_SECONDS - 1)
    member.receive(send("b", "two"))
    await later(1.1)
    member.receive(send("b", "two"))
    await settled()
    assert answers(member) == [("unknown", "a"), ("unknown", "b"), ("ack", "b")]


async def test_the_first_of_several_unanswered_ones_is_waited_for(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    for message_id in "abc":
        member.receive(send(message_id, message_id))
    for _ in range(3):
        w.broker.answer(Unknown("no answer"))
    w.broker.hold_appends = False
    for message_id in "cbabc":
        member.receive(send(message_id, message_id))
    await settled()
    assert wire_of(member).texts == ["a", "b", "c"]


async def test_something_new_passes_none_of_several_unanswered_ones(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    for message_id in "ab":
        member.receive(send(message_id, message_id))
    for _ in range(2):
        w.broker.answer(Unknown("no answer"))
    w.broker.hold_appends = False
    for message_id in "acbc":
        member.receive(send(message_id, message_id))
    await settled()
    assert wire_of(member).texts == ["a", "b", "c"]


async def test_the_gate_of_one_connection_holds_up_no_other(w: World) -> None:
    await with_an_unknown(w)
    other = await w.enter(ANN)
    other.receive(send("b", "two"))
    await settled()
    assert answers(other) == [("ack", "b")]


# In flight --------------------------------------------------------------------------------------------------


async def test_reading_pauses_while_too_many_sends_are_without_an_answer(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    for number in range(life.IN_FLIGHT - 1):
        member.receive(send(f"i{number}", "hi"))
        await member.room_for_more()
    member.receive(send("last", "hi"))
    pause = asyncio.create_task(member.room_for_more())
    await later(60)
    assert not pause.done()
    w.broker.answer()
    await settled()
    assert pause.done()
    assert member.in_flight == life.IN_FLIGHT - 1


async def test_a_paused_reader_wakes_up_when_the_connection_closes(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    for number in range(life.IN_FLIGHT):
        member.receive(send(f"i{number}", "hi"))
    pause = asyncio.create_task(member.room_for_more())
    await settled()
    member.close(1012, "leaving")
    await settled()
    assert pause.done()


async def test_an_answer_after_the_end_is_nobody_s(w: World) -> None:
    member = await w.enter()
    w.broker.hold_appends = True
    member.receive(send("a", "hi"))
    await settled()
    wire_of(member).forget()
    member.close(1012, "leaving")
    w.broker.answer()
    await settled()
    assert wire_of(member).frames == []
    assert member.in_flight == 0


# The plain dialect ------------------------------------------------------------------------------------------


async def test_plain_members_get_messages_and_nothing_else(w: World) -> None:
    member = await w.enter(v1=False)
    await w.enter(BOB)
    member.receive('{"message": "hi"}')
    member.receive('{"message": "hi"}')
    await later(5)
    assert wire_of(member).frames == [{"message": "hi"}, {"message": "hi"}]


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "hi",
        "[]",
        "{}",
        '{"message": 5}',
        '{"message": null}',
        '{"text": "hi"}',
        '{"message": ""}',
        '{"message": "  "}',
        '{"message": "\\ud83d"}',
        '{"message": "\ud83d"}',
        '{"message": "' + "x" * 101 + '"}',
        "[" * 100_000,
    ],
)
async def test_a_refused_plain_message_closes_with_1008_and_a_reason(frame) -> None:
    async with world(max_message_bytes=100) as w:
        member = await w.enter(v1=False)
        member.receive(frame)
        await settled()
        assert wire_of(member).closed is not None
        code, reason = wire_of(member).closed
        assert code == 1008
        assert 0 < len(reason.encode()) <= 123
        assert wire_of(member).frames == []
        assert w.broker.submitted == []


async def test_a_plain_message_above_the_rate_closes_with_1008() -> None:
    async with world(message_rate=1.0) as w:
        member = await w.enter(v1=False)
        for _ in range(4):
            member.receive('{"message": "hi"}')
        assert wire_of(member).closed == (1008, "too many messages, slow down")


async def test_a_plain_message_without_an_answer_closes_so_that_its_sender_knows(w: World) -> None:
    member = await w.enter(v1=False)
    w.broker.hold_appends = True
    member.receive('{"message": "hi"}')
    w.broker.answer(Unknown("no answer"))
    assert wire_of(member).closed == (1013, "the last message may be lost")


@pytest.mark.parametrize("outcome", [Refused("too big"), Conflict("x")])
async def test_a_plain_message_that_the_broker_refuses_closes_with_1008(w: World, outcome) -> None:
    member = await w.enter(v1=False)
    w.broker.hold_appends = True
    member.receive('{"message": "hi"}')
    w.broker.answer(outcome)
    await settled()
    assert wire_of(member).closed is not None
    assert wire_of(member).closed[0] == 1008


# Reading slowly ---------------------------------------------------------------------------------------------


async def fallen_behind(w: World, *, v1: bool = True) -> Member:
    """A member that took nothing of the last messages."""
    member = await w.enter(v1=v1)
    await settled()
    wire_of(member).stuck = True
    while not member.behind:
        w.broker.put(text=BIG)
        await settled()
    return member


@pytest.mark.parametrize("v1", [True, False])
async def test_what_waits_for_a_slow_reader_is_bounded(w: World, v1) -> None:
    member = await fallen_behind(w, v1=v1)
    for _ in range(500):
        w.broker.put(text=BIG)
        await settled()
    assert wire_of(member).peak <= HIGH_WATER + len(BIG) + 1000


async def test_a_slow_reader_holds_up_nobody(w: World) -> None:
    slow, quick = await fallen_behind(w), await w.enter(BOB)
    w.broker.put(100, text=BIG)
    await settled()
    assert len(wire_of(quick).texts) == 100
    assert slow.behind


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("step", [None, 20_000, 70_000])
async def test_a_slow_reader_catches_up_without_a_gap_or_a_repeat(w: World, v1, step) -> None:
    member = await fallen_behind(w, v1=v1)
    so_far = len(w.broker.log().entries)
    for number in range(100):
        w.broker.put(text=f"{number:04}" + BIG)
        await settled()
        if number % 3 == 0:
            wire_of(member).take(step)
            await settled()
    while member.behind:
        wire_of(member).take(step)
        await settled()
    wire_of(member).take()
    w.broker.put(text="live")
    await settled()
    assert [text[:4] for text in wire_of(member).texts[so_far:]] == [
        *(f"{number:04}" for number in range(100)),
        "live",
    ]
    if v1:
        pairs = list(chain(wire_of(member).frames))
        assert [prev for prev, _ in pairs[1:]] == [position for _, position in pairs[:-1]]
        assert wire_of(member).of("reset") == []
    assert not member.behind
    assert w.broker.reads == []


async def test_a_slow_reader_that_fell_out_of_the_ring_is_told_and_gets_the_page() -> None:
    async with world(history=20) as w:
        member = await fallen_behind(w)
        missed = 0
        while w.room.base <= member.cursor:
            w.broker.put(text=f"n{missed}")
            missed += 1
            await settled()
        wire_of(member).take()
        wire_of(member).stuck = False
        await settled()
        frames = wire_of(member).of("message", "reset")
        (at,) = [number for number, frame in enumerate(frames) if frame["type"] == "reset"]
        assert (frames[at]["reason"], frames[at]["position"]) == ("trimmed", w.room.top)
        after = [frame["message"] for frame in frames[at + 1 :]]
        assert after == [f"n{number}" for number in range(missed - len(after), missed)]
        assert 1 <= len(after) <= 50
        w.broker.put(text="live")
        await settled()
        assert wire_of(member).texts[-1] == "live"
        assert w.hub.counters.resets == {"trimmed": 1}


async def test_a_plain_slow_reader_that_fell_out_of_the_ring_goes_on_with_what_is_live() -> None:
    async with world(history=20) as w:
        member = await fallen_behind(w, v1=False)
        while w.room.base <= member.cursor:
            w.broker.put(text="missed")
            await settled()
        wire_of(member).take()
        wire_of(member).stuck = False
        await settled()
        w.broker.put(text="live")
        await settled()
        assert "missed" not in wire_of(member).texts
        assert wire_of(member).texts[-1] == "live"


@pytest.mark.parametrize("v1", [True, False])
async def test_a_slow_reader_without_any_progress_is_let_go_with_1013_after_ten_seconds(w: World, v1) -> None:
    member = await fallen_behind(w, v1=v1)
    await later(9.9)
    assert wire_of(member).closed is None
    await later(0.2)
    assert wire_of(member).closed == (1013, "reading too slowly")
    assert member not in w.hub.members
    assert member not in w.room.members


async def test_the_ten_seconds_begin_with_the_last_that_was_taken(w: World) -> None:
    member = await fallen_behind(w)
    await later(7.5)
    wire_of(member).take(1)
    await later(9)
    assert wire_of(member).closed is None
    await later(2.1)
    assert wire_of(member).closed == (1013, "reading too slowly")


@pytest.mark.parametrize("v1", [True, False])
async def test_a_slow_reader_with_some_progress_is_kept_though_no_ping_reaches_it(w: World, v1) -> None:
    member = await fallen_behind(w, v1=v1)
    w.hub.start()
    for _ in range(20):
        wire_of(member).take(100)
        await later(life.STALL_SECONDS - 0.1)
    assert wire_of(member).closed is None
    assert member.behind


async def test_a_reset_while_behind_comes_before_the_new_log_and_after_nothing_of_the_old(w: World) -> None:
    member = await fallen_behind(w)
    w.broker.put(5, text="old")
    w.broker.logs.clear()
    w.broker.lagging = True
    w.broker.put(5, text="new")
    w.broker.begin_again("epoch", keep=True)
    wire_of(member).take()
    wire_of(member).stuck = False
    await settled()
    frames = wire_of(member).of("reset", "message")
    assert [frame.get("message", "reset") for frame in frames][-6:] == ["reset", *["new"] * 5]
    assert "old" not in wire_of(member).texts


async def test_answers_reach_a_slow_reader_once_it_reads(w: World) -> None:
    member = await fallen_behind(w)
    member.receive(send("a", "mine"))
    await settled()
    assert answers(member) == []
    wire_of(member).take()
    await settled()
    assert answers(member) == [("ack", "a")]
    assert wire_of(member).texts[-1] == "mine"


@pytest.mark.parametrize("frame", ['{"type":"ping"}', "{", send("a", ""), '{"type":"dance"}'])
async def test_who_asks_and_never_reads_the_answers_does_not_fill_the_memory(w: World, frame) -> None:
    """One byte read every few seconds keeps the connection open."""
    member = await fallen_behind(w)
    for number in range(60_000):
        if member.closing is not None:
            break
        member.receive(frame)
        if number % 1000 == 0:
            wire_of(member).take(1)
            await settled()
    held = sum(map(len, member.pending)) + wire_of(member).buffered()
    assert member.closing is not None or held < 1_000_000


async def test_a_big_history_comes_in_pieces_as_fast_as_it_is_read(w: World) -> None:
    await w.enter()
    w.broker.put(200, text=BIG)
    member_wire = type(wire_of(await w.enter()))()
    member_wire.stuck = True
    member = await w.enter(BOB, history=200, wire=member_wire)
    await settled()
    assert member.behind
    assert member_wire.peak <= 2 * HIGH_WATER + len(BIG)
    while member.behind:
        member_wire.take()
        await settled()
    assert len(member_wire.texts) == 200


async def test_a_connection_that_is_gone_leaves_no_task_behind(w: World) -> None:
    member = await fallen_behind(w)
    w.hub.leave(member)
    wire_of(member).take()
    wire_of(member).stuck = False
    await settled()
    assert not [task for task in w.hub._tasks if not task.done()]


# Silence and the session's end ------------------------------------------------------------------------------


async def test_a_silent_client_is_pinged_with_the_top_and_let_go_after_two(w: World) -> None:
    member = await w.enter()
    w.hub.start()
    await later(life.SILENCE_SECONDS - 1)
    assert wire_of(member).of("ping") == []
    await later(4)
    (ping,) = wire_of(member).of("ping")
    assert ping["position"] == w.room.top
    await later(26)
    assert wire_of(member).closed is None
    await later(6)  # sixty in all
    assert len(wire_of(member).of("ping")) == 2
    assert wire_of(member).closed == (1013, "no sign of life")


async def test_any_frame_is_a_sign_of_life(w: World) -> None:
    member = await w.enter()
    w.hub.start()
    for _ in range(10):
        await later(life.SILENCE_SECONDS - 3)
        member.receive('{"type":"pong"}')
    assert wire_of(member).closed is None
    assert wire_of(member).of("ping") == []


async def test_a_plain_client_that_only_answers_the_pings_of_the_protocol_stays(w: World) -> None:
    member = await w.enter(v1=False)
    w.hub.start()
    for number in range(8):
        await later(26)
        assert wire_of(member).writes == [b"\x89\x00"] * (number + 1)
        member.alive()
    assert wire_of(member).closed is None


async def test_a_plain_client_that_does_not_answer_them_is_let_go_within_a_minute(w: World) -> None:
    member = await w.enter(v1=False)
    w.hub.start()
    await later(54)
    assert wire_of(member).closed is None
    await later(5.9)
    assert wire_of(member).closed == (1013, "no sign of life")
    assert wire_of(member).writes == [b"\x89\x00"] * 2


async def test_where_the_server_alone_sees_pongs_a_plain_client_may_be_silent(w: World) -> None:
    wire = type(wire_of(await w.enter()))()
    wire.pings = False
    await w.enter(v1=False, wire=wire)
    w.hub.start()
    await later(300)
    assert wire.closed is None
    assert wire.writes == []


async def test_an_expired_session_s_socket_is_closed_within_five_seconds(w: World) -> None:
    member = await w.enter(expires=time.time() - 1)
    other = await w.enter(BOB, expires=time.time() + 1000)
    w.hub.start()
    await later(4.9)
    assert wire_of(member).closed == (4401, "the session ended")
    assert wire_of(other).closed is None


# Closing ----------------------------------------------------------------------------------------------------


async def test_what_is_pending_leaves_before_the_close(w: World) -> None:
    member = await w.enter()
    await settled()
    wire_of(member).forget()
    member.receive(send("a", " "))
    member.close(1012, "leaving")
    assert answers(member) == [("nack", "a")]


async def test_only_the_first_reason_to_close_counts(w: World) -> None:
    member = await w.enter()
    member.close(1008, "first")
    member.close(1012, "second")
    assert member.closing == (1008, "first")
    assert wire_of(member).closed == (1008, "first")


async def test_nothing_is_written_after_the_close(w: World) -> None:
    member = await w.enter()
    await settled()
    member.close(1008, "x")
    wire_of(member).forget()
    member.tell(text_frame(b"{}"))
    w.broker.put(3)
    w.broker.begin_again("epoch")
    await later(1)
    assert wire_of(member).writes == []


# Typing -----------------------------------------------------------------------------------------------------


async def test_typing_is_told_at_most_once_each_three_seconds(w: World) -> None:
    member, other = await w.enter(ANN), await w.enter(BOB)
    plain = await w.enter(BOB, v1=False)
    for _ in range(61):
        member.receive('{"type":"typing"}')
        await later(0.1)
    told = wire_of(other).of("typing")
    assert told == [{"type": "typing", "user": {"id": ANN.id, "name": ANN.name}}] * 3
    assert wire_of(plain).frames == []


async def test_typing_from_two_sockets_of_one_person_is_told_no_more_often(w: World) -> None:
    members, other = [await w.enter(ANN) for _ in range(5)], await w.enter(BOB)
    for member in members:
        member.receive('{"type":"typing"}')
    await settled()
    assert len(wire_of(other).of("typing")) == 1


async def test_typing_stays_in_its_room(w: World) -> None:
    member, other = await w.enter(ANN), await w.enter(BOB, room="elsewhere")
    member.receive('{"type":"typing"}')
    await settled()
    assert wire_of(other).of("typing") == []


# The broker's word ------------------------------------------------------------------------------------------


async def test_every_answer_that_a_broker_can_give_ends_the_wait() -> None:
    for outcome in (Appended("p", False), Appended("p", True), Conflict(""), Refused(""), Unknown("")):
        async with world(ScriptedBroker()) as w:
            member = await w.enter()
            w.broker.hold_appends = True
            member.receive(send("a", "hi"))
            (append,) = w.broker.submitted
            assert isinstance(append, Append)
            assert append.room == ROOM
            w.broker.answer(outcome)
            await settled()
            assert len(answers(member)) == 1
            assert member.in_flight == 0
