"""What a message costs, counted in work and not in time: frames, writes, turns, tasks, copies.

The numbers are what the design promises. Whoever makes one of them grow with the members of a room makes the
chat slow, however fast the machine is.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from brokers import Append, Appended, Durability, Entry, Outcome, Window, codec
from brokers.memory import MemoryBroker
from quartchat import protocol
from quartchat.frames import payloads
from quartchat.hub import PRESENCE_SECONDS
from quartchat.member import Member
from quartchat.protocol import User
from quartchat.settings import Settings
from tests.unit.clock import later, settled
from tests.unit.doubles import ROOM, ClockedHub, send
from tests.unit.links import V1, Client, chat, client_frame

TURNS = 3
"""Turns of the loop from what a client says to the writes: the broker's and the hub's, and one to spare."""


class CountingWire:
    """Takes everything, and keeps what it was given: not a copy of it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, frames: bytes) -> bool:
        self.writes.append(frames)
        return True

    def buffered(self) -> int:
        return 0

    async def drained(self) -> None:
        return

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed: {code} {reason}")


class Work(Counter[str]):
    """Calls by what they do."""


async def turns(count: int = TURNS) -> None:
    """Let the loop go round, without a timer."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Counts what is done within a block of `TURNS` turns."""

    @contextmanager
    def counting() -> Iterator[Work]:
        done = Work()
        loop = asyncio.get_running_loop()

        def count(patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
            real = getattr(owner, name)

            def counted(*args: Any, **more: Any) -> Any:
                done[name.strip("_")] += 1
                return real(*args, **more)

            patch.setattr(owner, name, counted)

        with monkeypatch.context() as patch:
            for name in ("call_soon", "call_later", "call_at", "create_task", "create_future"):
                count(patch, loop, name)
            for name in ("message_frame", "plain_frame", "store", "load", "_encode", "_decode_stored"):
                count(patch, protocol, name)
            yield done

    return counting


class Crowd:
    """A hub on the memory broker with people in one room: every third speaks the plain dialect."""

    def __init__(self, hub: ClockedHub, broker: MemoryBroker) -> None:
        self.hub = hub
        self.broker = broker
        self.members: list[Member] = []

    async def come(self, count: int, *, plain: bool = True) -> None:
        for number in range(len(self.members), len(self.members) + count):
            room = await self.hub.enter(ROOM)
            v1 = not plain or number % 3 != 2
            user = User(f"u{number}", f"Name {number}")
            wire = CountingWire()
            member = Member(self.hub, room, wire, user, v1=v1, cursor=room.end, expires=float("inf"))
            self.hub.join(member, None, None)
            self.hub.release(room)
            self.members.append(member)
        await later(2 * PRESENCE_SECONDS)  # presence was told
        self.forget()

    def forget(self) -> None:
        for member in self.members:
            wire_of(member).writes.clear()

    @property
    def v1(self) -> list[Member]:
        return [member for member in self.members if member.v1]

    @property
    def plain(self) -> list[Member]:
        return [member for member in self.members if not member.v1]

    def say(self, count: int, first: int = 0) -> None:
        """So many messages within one turn, of several people in turn, one frame each."""
        speakers = self.v1[:10]
        for number in range(first, first + count):
            speakers[number % len(speakers)].receive(send(f"m{number}", f"text {number}"))


def wire_of(member: Member) -> CountingWire:
    assert isinstance(member.wire, CountingWire)
    return member.wire


@asynccontextmanager
async def crowd(count: int, *, plain: bool = True) -> AsyncIterator[Crowd]:
    broker = MemoryBroker(window=Window())
    hub = ClockedHub(Settings(message_rate=0.0), broker)
    await broker.open(hub)
    made = Crowd(hub, broker)
    try:
        await made.come(count, plain=plain)
        yield made
    finally:
        await hub.stop()
        await broker.close()


# One message ----------------------------------------------------------------------------------------------


async def test_a_message_is_made_once_for_each_dialect_and_written_once_to_each_member(work) -> None:
    async with crowd(100) as people:
        with work() as done:
            people.say(1)
            await turns()
        assert done["message_frame"] == done["plain_frame"] == 1
        assert [len(wire_of(member).writes) for member in people.members] == [1] * 100
        assert people.hub.counters.deliveries == 100


async def test_nothing_is_made_for_a_dialect_that_nobody_speaks(work) -> None:
    async with crowd(100, plain=False) as people:
        with work() as done:
            people.say(1)
            await turns()
        assert (done["message_frame"], done["plain_frame"]) == (1, 0)


async def test_a_message_is_encoded_and_decoded_as_often_for_a_hundred_as_for_three(work) -> None:
    counts = []
    for size in (3, 100):
        async with crowd(size) as people:
            with work() as done:
                people.say(1)
                await turns()
            counts.append({name: done[name] for name in ("encode", "decode_stored", "store", "load")})
    assert counts[0] == counts[1]
    # As it is stored, for v1 and for the plain dialect; and as it came back from the broker.
    assert counts[1] == {"encode": 3, "decode_stored": 1, "store": 1, "load": 1}


async def test_a_lone_message_leaves_within_a_few_turns_and_no_timer_is_asked(work) -> None:
    async with crowd(100) as people:
        with work() as done:
            people.say(1)
            await turns()
        assert all(wire_of(member).writes for member in people.members)
        assert done["call_later"] == done["call_at"] == 0


async def test_all_members_are_given_the_same_bytes(work) -> None:
    async with crowd(100) as people:
        people.say(20)
        await turns()
        for group in (people.v1[10:], people.plain):
            assert len({id(wire_of(member).writes[0]) for member in group}) == 1


# Many in one turn -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("burst", [2, 50, 200])
async def test_a_burst_is_one_write_for_each_member_and_turn(work, burst: int) -> None:
    async with crowd(100) as people:
        with work() as done:
            people.say(burst)
            await turns()
        assert done["message_frame"] == done["plain_frame"] == done["store"] == done["load"] == burst
        assert [len(wire_of(member).writes) for member in people.members] == [1] * 100
        expected = [f"text {number}" for number in range(burst)]
        for member in people.members:
            (data,) = wire_of(member).writes
            assert data.count(b'"message":"text') == burst
        (data,) = wire_of(people.plain[0]).writes
        assert [protocol.decode_plain(text.decode()) for text in payloads(data)] == expected


async def test_answers_and_messages_of_one_turn_leave_in_one_write(work) -> None:
    async with crowd(100) as people:
        speaker = people.v1[0]
        for number in range(50):
            speaker.receive(send(f"m{number}", "text"))
        await turns()
        (data,) = wire_of(speaker).writes
        assert data.count(b'"type":"ack"') == data.count(b'"type":"message"') == 50


async def test_messages_of_several_turns_are_one_write_each(work) -> None:
    async with crowd(30) as people:
        for number in range(5):
            people.say(10, first=10 * number)
            await turns()
        assert {len(wire_of(member).writes) for member in people.members} == {5}


async def test_batches_that_come_in_one_turn_are_one_write_for_each_member(work) -> None:
    async with crowd(30) as people:
        with work() as done:
            for number in range(20):
                key, digest, data = protocol.store(f"m{number}", "text", User("u", "Name"), 2_000_000_000_000)
                entry = Entry(f"e.{number + 1:x}.0", None, key, digest, 2_000_000_000_000, data)
                people.hub.entries(ROOM, [entry])
            await turns()
        assert {len(wire_of(member).writes) for member in people.members} == {1}
        assert done["call_soon"] - TURNS <= 1


async def test_who_comes_later_is_given_frames_that_are_there(work) -> None:
    async with crowd(30) as people:
        people.say(50)
        await turns()
        room = people.hub.rooms[ROOM]
        with work() as done:
            for v1 in (True, False) * 20:
                wire, user = CountingWire(), User("late", "Late")
                start = await room.reach_back(50)
                late = Member(people.hub, room, wire, user, v1=v1, cursor=start, expires=float("inf"))
                people.hub.join(late, None, None)
                (data,) = wire.writes
                assert data.count(b'"message":"text') == 50
        assert done["message_frame"] == done["plain_frame"] == done["load"] == done["create_task"] == 0


@pytest.mark.parametrize(("members", "burst"), [(3, 1), (3, 200), (100, 1), (100, 200)])
async def test_no_task_no_future_and_two_callbacks_whatever_the_room_and_the_burst(
    work, members: int, burst: int
) -> None:
    async with crowd(members) as people:
        with work() as done:
            people.say(burst)
            await turns()
        assert done["create_task"] == done["create_future"] == done["call_later"] == 0
        # One of the broker's and one of the hub's; the others are this test's own turns.
        assert done["call_soon"] - TURNS <= 2


async def test_between_messages_there_is_nothing_to_do(work) -> None:
    async with crowd(100) as people:
        people.say(10)
        await turns()
        with work() as done:
            await turns()
        assert done == {"call_soon": TURNS}


# Memory ---------------------------------------------------------------------------------------------------


async def test_delivering_keeps_nothing_for_a_member() -> None:
    """Blocks that are still there after a turn: the room's line, and nothing a member."""

    async def kept(size: int) -> int:
        async with crowd(size) as people:
            speaker = people.v1[0]
            blocks = []
            for number in range(12):
                before = sys.getallocatedblocks()
                speaker.receive(send(f"m{number}", "text"))
                await turns()
                people.forget()  # what the wires got went out
                blocks.append(sys.getallocatedblocks() - before)
            return sorted(blocks)[len(blocks) // 2]

    gc.disable()
    try:
        few, many = await kept(3), await kept(203)
    finally:
        gc.enable()
    assert many - few < 100, f"{many - few} blocks more for 200 members"
    assert many < 100


async def test_a_turn_holds_no_copy_for_a_member() -> None:
    """A large message to two hundred members that have not taken it yet is held once for each dialect."""
    async with crowd(201) as people:
        text = "x" * 8000
        people.v1[0].receive(send("big", text))
        await turns()
        held = {id(data): len(data) for member in people.members for data in wire_of(member).writes}
        # v1, plain, and the speaker's own with its answer.
        assert len(held) == 3
        assert sum(held.values()) < 3 * (len(text) + 1000)


# Redis ----------------------------------------------------------------------------------------------------


class FakeLink:
    """A server that stores everything, and answers when it may."""

    run_id = "run"
    durability = Durability.CRASH

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def call(self, commands: Any, seconds: float) -> list[Any]:
        self.calls.append(list(commands))
        await self.open.wait()
        return [self._reply(command) for command in commands]

    def _reply(self, command: Any) -> Any:
        if command[0] != "EVALSHA":
            return b"OK"
        # Of one room: its number of entries, then four arguments each.
        count = next(n for n in range(1, len(command) // 4) if command[-4 * n - 1] == n)
        return [[b"epoch", *range(1, count + 1)], 0]

    async def drop(self) -> None:
        return

    @property
    def scripts(self) -> list[int]:
        """Entries of each script call."""
        return [
            len(self._reply(command)[0]) - 1
            for commands in self.calls
            for command in commands
            if command[0] == "EVALSHA"
        ]


async def test_entries_that_wait_together_travel_to_redis_in_one_script_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("redis")
    from brokers.redis.appender import APPEND, Appender
    from brokers.redis.keys import Keys
    from brokers.redis.line import Line
    from brokers.redis.link import Link, pool_for

    link, packed = FakeLink(), 0
    real = codec.pack

    async def make(_: Any) -> FakeLink:
        return link

    def pack(*args: Any) -> bytes:
        nonlocal packed
        packed += 1
        return real(*args)

    monkeypatch.setattr(Link, "make", make)
    monkeypatch.setattr(codec, "pack", pack)
    answers: list[Outcome] = []

    def append(number: int) -> Append:
        data = b"%d" % number
        return Append(ROOM, f"k{number}", codec.digest_of(data), 1, data, answers.append)

    appender = Appender(Line(pool_for("redis://nowhere"), "appends", [APPEND]), Keys("p"), Window())
    running = asyncio.create_task(appender.run())
    await settled()
    for number in range(50):
        appender.submit(append(number))
    await settled()
    assert link.scripts == [50]
    # While a call is under way the next ones gather.
    link.open.clear()
    appender.submit(append(50))
    await settled()
    for number in range(51, 151):
        appender.submit(append(number))
        await turns(1)
    link.open.set()
    await settled()
    assert link.scripts == [50, 1, 100]
    assert packed == len(answers) == 151
    assert all(isinstance(answer, Appended) for answer in answers)
    running.cancel()
    await asyncio.wait([running])


# Over Hypercorn's HTTP/1.1 --------------------------------------------------------------------------------


@asynccontextmanager
async def clients_of_all_kinds(count: int) -> AsyncIterator[list[Client]]:
    """Every third one speaks the plain dialect."""
    async with chat() as (_, server):
        clients = [server.client() for _ in range(count)]
        for number, client in enumerate(clients):
            await client.open(f"/ws/chat/{ROOM}/", *(() if number % 3 == 2 else (V1,)))
        await later(2 * PRESENCE_SECONDS)
        yield clients


@pytest.mark.parametrize("burst", [1, 50])
async def test_from_the_transport_to_the_transports_there_is_one_write_and_no_task(work, burst: int) -> None:
    async with clients_of_all_kinds(30) as clients:
        said = b"".join(client_frame(send(f"m{n}", f"text {n}").encode()) for n in range(burst))
        before = [len(client.link.writes) for client in clients]
        with work() as done:
            clients[0].link.say(said)
            await turns()
        assert [len(client.link.writes) for client in clients] == [count + 1 for count in before]
        assert done["message_frame"] == done["plain_frame"] == burst
        assert done["create_task"] == done["create_future"] == done["call_later"] == 0
        # Nobody was woken: not the task that reads this connection, nor any of the others.
        assert done["call_soon"] - TURNS <= 2
        for client in clients:
            assert sum("text" in text for text in client.texts) == burst
