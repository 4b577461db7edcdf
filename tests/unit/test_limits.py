"""How much a session, an address and a room may do, and who is counted as whom."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quartchat import hub as hubs
from quartchat import limits as module
from quartchat.counters import Counters
from quartchat.limits import LINGER_SECONDS, Limits, counted
from quartchat.protocol import User
from quartchat.seats import Seats
from quartchat.settings import Settings
from tests.unit.clock import later, settled
from tests.unit.doubles import ANN, BOB, EVE, ROOM, send, wire_of, world

CLASS = "198.51.100.7"
"""An address with a class of two hundred behind it."""


def limits(**settings: Any) -> Limits:
    return Limits(Settings(**settings), Counters())


# Whose it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "proxies", "expected"),
    [
        ("8.8.8.8", 0, "8.8.8.8"),
        ("8.8.8.8", 1, "8.8.8.8"),
        ("::ffff:8.8.8.8", 0, "8.8.8.8"),
        ("2600:1:2:3:4:5:6:7", 0, "2600:1:2:3::"),
        ("2600:1:2:3:ffff::1", 1, "2600:1:2:3::"),
        ("2600:1:2:4::1", 1, "2600:1:2:4::"),
        # Of the inside: perhaps a proxy, unless all proxies are known.
        *(
            (address, 0, "")
            for address in ("127.0.0.1", "10.1.2.3", "192.168.1.9", "172.17.0.1", "169.254.1.1")
        ),
        *((address, 0, "") for address in ("::1", "fd00::1", "fe80::1", "fe80::1%eth0", "::ffff:127.0.0.1")),
        ("100.64.0.1", 0, ""),
        ("127.0.0.1", 1, "127.0.0.1"),
        ("::ffff:127.0.0.1", 1, "127.0.0.1"),
        ("10.1.2.3", 2, "10.1.2.3"),
        ("fd00:1:2:3:4::1", 1, "fd00:1:2:3::"),
        # None at all.
        *(
            (text, proxies, "")
            for text in ("", "unix:", "8.8.8", "x", "8.8.8.8, 9.9.9.9")
            for proxies in (0, 1)
        ),
    ],
)
def test_an_address_is_counted_as_one_network(address: str, proxies: int, expected: str) -> None:
    assert counted(address, proxies) == expected


# Messages -------------------------------------------------------------------------------------------------


def said(of: Limits, user: str, address: str, room: str, now: float, tries: int) -> int:
    return sum(of.message(user, address, room, now) == 0 for _ in range(tries))


def test_a_session_an_address_and_a_room_have_a_rate_each() -> None:
    of = limits(message_rate=10)
    assert said(of, "ann", CLASS, "a", 0, 1000) == 30
    assert sum(said(of, f"u{number}", CLASS, "a", 0, 100) for number in range(100)) == 600 - 30
    others = (said(of, f"v{n}", f"203.0.113.{n % 200}", "a", 0, 100) for n in range(2000))
    assert sum(others) == 1500 - 600
    assert said(of, "w", "203.0.113.250", "b", 0, 100) == 30


def test_what_one_limit_refuses_is_not_counted_by_the_others() -> None:
    of = limits(message_rate=10, room_rate=1)
    assert said(of, "ann", CLASS, "a", 0, 1000) == 3
    assert said(of, "ann", CLASS, "b", 0, 3) == 3
    # 24 of the session's 30 are left.
    assert (
        said(of, "ann", CLASS, "c", 0, 3) + sum(said(of, "ann", CLASS, f"r{n}", 0, 3) for n in range(30))
        == 24
    )


def test_each_refusal_says_how_long_and_which_limit() -> None:
    counters = Counters()
    of = Limits(Settings(message_rate=2, room_rate=5), counters)
    assert said(of, "ann", CLASS, "a", 0, 6) == 6
    assert of.message("ann", CLASS, "a", 0) == pytest.approx(0.5)
    assert sum(said(of, f"u{n}", f"203.0.113.{n}", "a", 0, 6) for n in range(5)) == 9
    assert of.message("eve", "", "a", 0) == pytest.approx(0.2)
    assert counters.limited["messages_session"] == 1
    assert counters.limited["messages_room"] == 5 * 6 - 9 + 1


def test_a_class_of_two_hundred_behind_one_address_notices_nothing() -> None:
    """All come at once with two windows each, take a name, say three things, then one each 5 s."""
    counters = Counters()
    of = Limits(Settings(), counters)
    people = [f"pupil {number}" for number in range(200)]
    for person in people:
        assert of.identity("", CLASS, 0) == 0
        assert [of.request(CLASS, 0) for _ in range(6)] == [0] * 6
        for _ in range(2):
            assert of.join(person, CLASS, 0) == 0
            assert of.seat(person, CLASS)
        assert of.open_room(person, CLASS, 0) == 0
        assert [of.message(person, CLASS, "class", 0) for _ in range(3)] == [0] * 3
    for second in range(10, 600):
        of.sweep(second)
        for person in people[second % 5 :: 5]:
            assert of.message(person, CLASS, "class", second) == 0
            assert of.noise(person, CLASS, second, 2) == 0
    # The teacher's network fails, and comes back.
    for person in people:
        assert [of.join(person, CLASS, 600) for _ in range(2)] == [0, 0]
    assert counters.limited == {}


def test_with_no_rate_for_messages_nothing_that_follows_from_it_is_limited() -> None:
    of = limits(message_rate=0)
    for _ in range(10_000):
        assert not of.message("ann", CLASS, "a", 0)
        assert not of.join("ann", CLASS, 0)
        assert not of.open_room("ann", CLASS, 0)
        assert not of.identity("ann", CLASS, 0)
        assert not of.request(CLASS, 0)
        assert not of.noise("ann", CLASS, 0, 5)
        assert not of.typing("a", 0)


def test_what_is_set_counts_whatever_the_rate_for_messages() -> None:
    of = limits(message_rate=0, room_rate=1, joins_per_minute=2, new_per_minute=3)
    assert said(of, "ann", CLASS, "a", 0, 100) == 3
    assert sum(not of.join("ann", CLASS, 0) for _ in range(100)) == 2
    assert sum(not of.open_room("ann", CLASS, 0) for _ in range(100)) == 3


def test_addresses_need_not_be_limited() -> None:
    of = limits(message_rate=10, address_share=0)
    assert all(not of.join("", CLASS, 0) for _ in range(10_000))
    assert all(not of.request(CLASS, 0) for _ in range(10_000))


def test_per_minute_is_so_many_at_once_and_then_evenly() -> None:
    of = limits(joins_per_minute=60)
    assert sum(not of.join("ann", "", 0) for _ in range(100)) == 60
    assert of.join("ann", "", 0) == pytest.approx(1)
    assert sum(not of.join("ann", "", 10) for _ in range(100)) == 10


# Seats ----------------------------------------------------------------------------------------------------


def test_seats_are_counted_by_session_and_by_address() -> None:
    seats = Seats(2, 3)
    assert [seats.take("ann", CLASS), seats.take("ann", CLASS)] == [None, None]
    assert seats.take("ann", CLASS) == "session"
    assert seats.take("bob", CLASS) is None
    assert seats.take("eve", CLASS) == "address"
    assert seats.take("eve", "203.0.113.1") is None
    seats.leave("ann", CLASS)
    assert seats.take("eve", CLASS) is None
    assert seats.taken == 4


def test_seats_that_were_given_back_leave_nothing() -> None:
    seats = Seats(5, 5)
    for number in range(1000):
        assert seats.take(f"u{number}", f"a{number}") is None
    for number in range(1000):
        seats.leave(f"u{number}", f"a{number}")
    assert (seats.taken, seats._sessions, seats._addresses) == (0, {}, {})


def test_nobody_s_address_has_seats_without_end() -> None:
    seats = Seats(0, 1)
    assert all(seats.take("ann", "") is None for _ in range(1000))


# In a hub -------------------------------------------------------------------------------------------------


async def test_what_comes_by_way_of_other_instances_counts_for_the_room_within_two_seconds() -> None:
    async with world(message_rate=1000.0, room_rate=10) as w:
        w.hub.start()
        member = await w.enter()
        w.broker.put(100)
        await later(hubs.SWEEP_SECONDS + 0.1)
        member.receive(send("a", "text"))
        await settled()
        (nack,) = wire_of(member).of("nack")
        assert nack["code"] == "rate_limited"
        assert 0 < nack["retry_after"] < 3.2
        await later(nack["retry_after"])
        member.receive(send("b", "text"))
        await settled()
        assert [frame["id"] for frame in wire_of(member).of("ack")] == ["b"]


async def test_what_comes_by_way_of_this_instance_is_not_counted_twice() -> None:
    async with world(message_rate=1000.0, room_rate=10) as w:
        w.hub.start()
        member = await w.enter()
        for number in range(60):
            member.receive(send(f"n{number}", "text"))
            await later(0.1)
        assert len(wire_of(member).of("ack")) == 60


async def test_a_client_that_only_makes_noise_is_read_more_slowly_and_not_refused() -> None:
    async with world(message_rate=1.0) as w:
        member = await w.enter()
        for _ in range(25):
            assert not member.full
            member.receive('{"type":"ping"}')
        member.receive('{"type":"ping"}')
        assert member.full
        waiting = asyncio.create_task(member.room_for_more())
        await settled()
        assert not waiting.done()
        await later(0.25)
        assert waiting.done()
        assert not member.full
        assert len(wire_of(member).of("pong")) == 26


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"typing"}',
        '{"type":"pong"}',
        '{"type":"what"}',
        "no json",
        send("x", ""),
        send("i d", "text"),
        send("same", "text"),
    ],
)
async def test_whatever_is_no_new_message_is_noise(frame: str) -> None:
    async with world(message_rate=1.0) as w:
        w.broker.hold_appends = True
        member = await w.enter()
        for _ in range(102):
            member.receive(frame)
        assert member.full


async def test_what_is_refused_is_noise_by_its_size() -> None:
    async with world(message_rate=1.0) as w:
        member = await w.enter()
        member.receive(send("x", "x" * 110_000))
        assert member.full


async def test_noise_of_a_session_holds_all_its_sockets_and_no_others() -> None:
    async with world(message_rate=1.0) as w:
        one, two, other = await w.enter(ANN), await w.enter(ANN), await w.enter(BOB)
        for _ in range(150):
            one.receive('{"type":"pong"}')
        two.receive('{"type":"pong"}')
        other.receive('{"type":"pong"}')
        assert (two.full, other.full) == (True, False)


async def test_a_member_that_is_held_can_be_closed() -> None:
    async with world(message_rate=1.0) as w:
        member = await w.enter()
        for _ in range(150):
            member.receive('{"type":"pong"}')
        waiting = asyncio.create_task(member.room_for_more())
        await settled()
        member.close(1012, "leaving")
        await settled()
        assert waiting.done()
        await later(5)


async def test_of_many_who_type_a_room_is_told_of_some() -> None:
    async with world(message_rate=1.0) as w:
        await w.enter(EVE)
        room = w.room
        for number in range(200):
            w.hub.typing(room, User(f"user{number}", "Name"))
        await settled()
        told = [data for name, data in w.broker.signals if name == ROOM and b"Name" in data]
        assert len(told) == 3 * module.TYPING_RATE


async def test_many_rooms_that_were_left_do_not_linger() -> None:
    async with world() as w:
        w.hub.start()
        for number in range(hubs.LINGERING + 10):
            w.hub.release(await w.hub.enter(f"room {number}"))
        await later(2 * hubs.SWEEP_SECONDS)
        assert len(w.hub.rooms) == 0


async def test_an_address_has_fifty_turns_a_second_and_in_the_long_run_five() -> None:
    of = limits()
    assert max(of.wait_for_turn("far", 0.0) for _ in range(100)) == pytest.approx(0)
    assert of.wait_for_turn("far", 0.0) == pytest.approx(0.02)
    assert of.wait_for_turn("near", 0.0) == 0.0
    for number in range(600):
        of.wait_for_turn("far", 1 + number / 50)
    assert of.wait_for_turn("far", 13.0) > 5
    for _ in range(1000):
        of.wait_for_turn("far", 13.0)
    assert of.wait_for_turn("far", 13.0) == pytest.approx(module.MOST_PATIENT)
    assert max(of.wait_for_turn("", 0.0) for _ in range(1000)) == 0


async def test_nobody_waits_for_an_instance_that_leaves() -> None:
    of = limits()
    for _ in range(200):
        of.wait_for_turn("far", 0.0)
    waiting = [asyncio.create_task(of.linger()), asyncio.create_task(of.turn("far", 0.0))]
    await settled()
    assert not any(task.done() for task in waiting)
    of.leave()
    await settled()
    assert all(task.done() for task in waiting)
    await of.linger()  # at once


async def test_refusals_wait_and_not_too_many_of_them() -> None:
    of = limits()
    waiting = [asyncio.create_task(of.linger()) for _ in range(module.LINGERING)]
    await settled()
    assert not any(task.done() for task in waiting)
    await of.linger()  # at once
    await later(LINGER_SECONDS)
    assert all(task.done() for task in waiting)
    left = asyncio.create_task(of.linger())
    await settled()
    left.cancel()
    await settled()
    assert of._lingering == 0
