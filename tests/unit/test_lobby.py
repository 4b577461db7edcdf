"""The rooms with people in them, over all instances, without a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from quartchat import presence
from quartchat.lobby import LISTED, ROOM, Lobby
from tests.unit.doubles import ANN, BOB, EVE, ScriptedBroker, World, world

GATHERED = 3.0
"""Seconds after which everybody knows: changes are gathered over two."""


class PartOfABroker(ScriptedBroker):
    """One process's broker; what is signalled reaches all parts."""

    def __init__(self, parts: list[PartOfABroker]) -> None:
        super().__init__()
        self.parts = parts
        self.cut = False
        parts.append(self)

    def signal(self, room: str, data: bytes) -> None:
        self.signals.append((room, data))
        if not self.cut:
            for part in self.parts:
                asyncio.get_running_loop().call_soon(part._echo, room, data)

    @property
    def told(self) -> int:
        """How often this instance told of its rooms."""
        return sum(room == ROOM for room, _ in self.signals)


class Place:
    """One instance: a hub and its lobby."""

    def __init__(self, made: World, lobby: Lobby) -> None:
        self.world = made
        self.hub = made.hub
        self.lobby = lobby
        assert isinstance(made.broker, PartOfABroker)
        self.broker = made.broker


class Site:
    """Instances on one broker."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._parts: list[PartOfABroker] = []

    async def place(self) -> Place:
        made = await self._stack.enter_async_context(world(PartOfABroker(self._parts)))
        await made.broker.follow(ROOM)
        place = Place(made, Lobby(made.hub))
        made.hub.start()
        return place


@asynccontextmanager
async def site_of() -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        yield Site(stack)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with site_of() as made:
        yield made


async def test_rooms_with_people_are_listed_the_fullest_first(site) -> None:
    one = await site.place()
    await one.world.enter(ANN, room="quiet")
    await one.world.enter(ANN, room="busy")
    await one.world.enter(BOB, room="busy")
    await asyncio.sleep(GATHERED)
    assert one.lobby.rooms() == [("busy", 2), ("quiet", 1)]


async def test_other_instances_rooms_are_listed_although_nobody_follows_them(site) -> None:
    one, two = await site.place(), await site.place()
    await asyncio.sleep(2 * presence.HEARTBEAT_SECONDS + 1)
    await one.world.enter(ANN, room="there")
    await asyncio.sleep(GATHERED)
    assert two.lobby.rooms() == [("there", 1)]
    assert "there" not in two.broker.followed
    assert two.broker.reads == []


async def test_a_room_that_is_on_both_is_counted_once_and_so_is_who_is_on_both(site) -> None:
    one, two = await site.place(), await site.place()
    await one.world.enter(ANN)
    await two.world.enter(ANN)
    await two.world.enter(BOB)
    await asyncio.sleep(2 * GATHERED)
    assert one.lobby.rooms() == two.lobby.rooms() == [("lobby", 2)]


async def test_who_is_left_on_one_instance_is_still_told_of(site) -> None:
    one, two = await site.place(), await site.place()
    there = await one.world.enter(ANN)
    await asyncio.sleep(GATHERED)
    await two.world.enter(ANN)
    await asyncio.sleep(GATHERED)
    there.close(1000, "gone")
    await asyncio.sleep(3 * GATHERED)
    assert one.lobby.rooms() == two.lobby.rooms() == [("lobby", 1)]
    assert two.hub.people == {"lobby": 1}
    assert one.hub.people == {}


async def test_who_was_here_before_by_another_instance_is_told_of(site) -> None:
    one, two = await site.place(), await site.place()
    there = await one.world.enter(ANN)
    bob = await two.world.enter(BOB)
    await asyncio.sleep(GATHERED)
    bob.close(1000, "gone")
    await asyncio.sleep(GATHERED)
    await two.world.enter(ANN)  # whom it knows already: nothing changes for the people of the room
    await asyncio.sleep(GATHERED)
    there.close(1000, "gone")
    await asyncio.sleep(2 * GATHERED)
    assert one.lobby.rooms() == two.lobby.rooms() == [("lobby", 1)]


async def test_one_s_own_rooms_are_known_without_being_told(site) -> None:
    one = await site.place()
    await asyncio.sleep(GATHERED)
    member = await one.world.enter(ANN)
    await asyncio.sleep(0.1)
    assert one.lobby.rooms() == [("lobby", 1)]
    await asyncio.sleep(GATHERED)
    member.close(1000, "gone")
    await asyncio.sleep(0.1)
    assert one.lobby.rooms() == []


async def test_a_room_that_all_left_is_listed_no_more(site) -> None:
    one, two = await site.place(), await site.place()
    members = [await one.world.enter(ANN), await two.world.enter(BOB)]
    await asyncio.sleep(GATHERED)
    for member in members:
        member.close(1000, "gone")
    await asyncio.sleep(2 * GATHERED)
    assert one.lobby.rooms() == two.lobby.rooms() == []


async def test_an_instance_that_is_cut_off_is_forgotten_and_heard_again(site) -> None:
    one, two = await site.place(), await site.place()
    await one.world.enter(ANN)
    await asyncio.sleep(GATHERED)
    one.broker.cut = True
    await asyncio.sleep(presence.FORGET_SECONDS - presence.HEARTBEAT_SECONDS - 2)
    assert two.lobby.rooms() == [("lobby", 1)]
    await asyncio.sleep(presence.HEARTBEAT_SECONDS + 5)
    assert two.lobby.rooms() == []
    one.broker.cut = False
    await asyncio.sleep(presence.HEARTBEAT_SECONDS + GATHERED)
    assert two.lobby.rooms() == [("lobby", 1)]


async def test_a_new_instance_is_told_soon(site) -> None:
    one = await site.place()
    await one.world.enter(ANN)
    await asyncio.sleep(4.5)
    two = await site.place()
    await asyncio.sleep(4.5)  # it says that it is there, and is answered
    assert two.lobby.rooms() == [("lobby", 1)]


async def test_an_instance_that_leaves_is_forgotten_at_once(site) -> None:
    one, two = await site.place(), await site.place()
    await one.world.enter(ANN)
    await asyncio.sleep(GATHERED)
    assert two.lobby.rooms()
    await one.hub.drain(0.1)
    await asyncio.sleep(0.1)
    assert two.lobby.rooms() == []


async def test_nothing_new_is_told_only_now_and_then(site) -> None:
    one, _ = await site.place(), await site.place()
    await one.world.enter(ANN)
    await asyncio.sleep(10)
    before = one.broker.told
    await asyncio.sleep(70)
    assert 8 <= one.broker.told - before <= 10


async def test_many_changes_are_told_together(site) -> None:
    one = await site.place()
    await asyncio.sleep(1)
    for number in range(100):
        await one.world.enter(EVE, room=f"r{number}")
        await asyncio.sleep(0.05)
    await asyncio.sleep(GATHERED)
    assert one.broker.told <= 6


async def test_only_the_fullest_rooms_are_told_and_listed(site) -> None:
    one, two = await site.place(), await site.place()
    for number in range(LISTED + 20):
        await one.world.enter(ANN, room=f"r{number:03}")
    await one.world.enter(BOB, room=f"r{LISTED + 10:03}")
    await asyncio.sleep(GATHERED)
    assert one.lobby.rooms() == two.lobby.rooms()
    assert len(two.lobby.rooms()) == LISTED
    assert two.lobby.rooms()[0] == (f"r{LISTED + 10:03}", 2)
    _, data = next(signal for signal in reversed(one.broker.signals) if signal[0] == ROOM)
    assert len(data) < 1000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{}",
        msgspec.msgpack.encode(["x"]),
        msgspec.msgpack.encode(["x", [["room", "many"]]]),
        msgspec.msgpack.encode(["x", [["room", -1], ["room", 0]]]),
        msgspec.msgpack.encode(["x", [[b"\xff", 1]]]),
        b"\x92\xa1x\x91\x92\xa1\xff\x01",
    ],
)
async def test_what_makes_no_sense_is_not_listed(site, data: bytes) -> None:
    one = await site.place()
    one.hub.signal(ROOM, data)
    assert one.lobby.rooms() == []


async def test_no_instance_is_believed_more_rooms_than_are_listed(site) -> None:
    one = await site.place()
    one.hub.signal(ROOM, msgspec.msgpack.encode(["x", [[f"r{n}", 1] for n in range(1000)]]))
    assert len(one.lobby._others["x"][1]) == LISTED
