"""A room against a plain list, whatever comes in whatever order.

A script of turns is played: in one turn of the loop several things happen at once, as on a busy machine.
Small constants (three entries a read, four a page, half a kilobyte a wire) make the corners common.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers import Reason
from quartchat import member as life
from quartchat import room as rooms
from quartchat.member import Member
from quartchat.settings import Settings
from tests.unit.clock import ClockLoop, settled
from tests.unit.doubles import BOB, NOW_MS, ROOM, ClockedHub, Frame, Log, ScriptedBroker, WireDouble

WINDOW = 8

Script = list[tuple[list[tuple[int, tuple[Any, ...]]], bool]]
"""Turns: what happens in them, after how many steps of the loop, and whether all comes to rest then."""


@contextlib.contextmanager
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms, "READ", 3)
        patch.setattr(rooms, "PAGE", 4)
        patch.setattr(rooms, "SLACK", 2)
        patch.setattr(life, "HIGH_WATER", 500)
        patch.setattr(WireDouble, "high", 500)
        yield


class Guest:
    """One client, what it asked for, and what it has to see."""

    def __init__(self, since: str | None) -> None:
        self.since = since
        self.wire = WireDouble()
        self.shaken = asyncio.Event()
        """Its handshake is over, and it joins."""
        self.member: Member | None = None
        self.task: asyncio.Task[None] | None = None


class Play:
    """The truth is `self.logs`: all logs that the room ever had, each a plain list."""

    def __init__(self, tail_entries: int) -> None:
        self.broker = ScriptedBroker()
        self.broker.tail_entries = tail_entries
        self.hub = ClockedHub(Settings(message_rate=0.0, history=WINDOW), self.broker)
        self.guests: list[Guest] = []
        self.logs: list[Log] = []
        self.positions: list[str] = []
        self.place: dict[str, tuple[Log, int]] = {}
        self.junk: set[str] = set()
        self.told = False
        """Something happened that may reset a member that is here."""

    # What happens ----------------------------------------------------------------------------------------

    def know(self) -> None:
        log = self.broker.log()
        if log not in self.logs:
            self.logs.append(log)
            self.positions.append(log.empty)
            self.place[log.empty] = (log, 0)
        for number, entry in enumerate(log.entries, 1):
            if entry.position not in self.place:
                self.place[entry.position] = (log, number)
                self.positions.append(entry.position)
        log.first = max(log.first, len(log.entries) - WINDOW)

    def do(self, action: tuple[Any, ...]) -> None:
        kind, *values = action
        getattr(self, f"do_{kind}")(*values)
        self.know()

    def do_say(self, count: int, late: bool) -> None:
        self.broker.lagging = late or bool(self.broker.undelivered)
        self.broker.put(count)

    def do_junk(self, count: int, late: bool) -> None:
        self.broker.lagging = late or bool(self.broker.undelivered)
        self.junk.update(entry.position for entry in self.broker.put_junk(count))

    def do_deliver(self, count: int) -> None:
        self.broker.deliver(count)

    def do_trim(self, entries: int) -> None:
        self.told = True
        if ROOM in self.hub.rooms:
            self.hub.rooms[ROOM].trim(entries, 0)

    def do_age(self) -> None:
        """All that the ring holds is too old now."""
        self.told = True
        if ROOM in self.hub.rooms:
            self.hub.rooms[ROOM].trim(WINDOW, NOW_MS + 1)

    def do_drop(self, count: int) -> None:
        log = self.broker.log()
        log.first = min(len(log.entries), log.first + count)

    def do_begin_again(self, keep: bool) -> None:
        self.told = True
        self.broker.begin_again("trimmed" if keep else "epoch", keep=keep)

    def do_enter(self, back: int | None, history: int, quick: bool) -> None:
        since = None if back is None else self.positions[-1 - back % len(self.positions)]
        guest = Guest(since)
        if quick:
            guest.shaken.set()
        guest.task = asyncio.get_running_loop().create_task(self.arrive(guest, history))
        self.guests.append(guest)

    def do_shake(self, number: int) -> None:
        if self.guests:
            self.guests[number % len(self.guests)].shaken.set()

    def do_hold_reads(self, late: bool) -> None:
        if self.broker.read_gate is None:
            self.broker.read_gate, self.broker.late_reads = asyncio.Event(), late

    def do_answer_reads(self) -> None:
        gate, self.broker.read_gate = self.broker.read_gate, None
        if gate is not None:
            gate.set()

    def do_stick(self, number: int) -> None:
        if self.guests:
            self.guests[number % len(self.guests)].wire.stuck = True

    def do_take(self, number: int, size: int | None) -> None:
        if self.guests:
            wire = self.guests[number % len(self.guests)].wire
            wire.stuck = wire.stuck and size is not None
            wire.take(size)

    def do_leave(self, number: int) -> None:
        if self.guests:
            guest = self.guests.pop(number % len(self.guests))
            self.judge(guest)
            if guest.task is not None:
                guest.task.cancel()
            if guest.member is not None:
                self.hub.leave(guest.member)

    async def arrive(self, guest: Guest, history: int) -> None:
        found = await self.hub.enter(ROOM)
        resumed: bool | None = None
        reason: Reason | None = None
        cursor = 0
        try:
            if guest.since is None:
                cursor = await found.reach_back(history) if history else found.end
            else:
                place = await found.resume(guest.since)
                resumed = isinstance(place, int)
                cursor, reason = (place, None) if isinstance(place, int) else (0, place)
            await guest.shaken.wait()
        finally:
            self.hub.release(found)
        guest.member = Member(self.hub, found, guest.wire, BOB, v1=True, cursor=cursor, expires=float("inf"))
        self.hub.join(guest.member, resumed, reason)

    # What has to be true ---------------------------------------------------------------------------------

    def ours(self, log: Log, number: int) -> str | None:
        """The first entry that is ours from a number on."""
        return next((e.position for e in log.entries[number:] if e.position not in self.junk), None)

    def before(self, log: Log, number: int) -> str | None:
        """The last entry that is ours before the numbered one."""
        earlier = log.entries[: number - 1]
        return next((e.position for e in reversed(earlier) if e.position not in self.junk), None)

    def judge(self, guest: Guest, *, final: bool = False) -> None:
        """Every entry after where it was, in order, once, `prev` right; or a reset, and then the same."""
        frames = guest.wire.of("welcome", "reset", "message")
        if not frames:
            assert not final or guest.member is None
            return
        welcome, *rest = frames
        assert welcome["type"] == "welcome"
        assert welcome["resumed"] in ([None] if guest.since is None else [True, False])
        if welcome["resumed"] is False:
            assert len(rest) > 0
            assert rest[0]["type"] == "reset"
            self.check_refusal(guest.since or "")
        start = guest.since if welcome["resumed"] else None
        last = self.place[start] if start else None
        top = self.place[welcome["position"]]
        previous: str | None = None
        for number, frame in enumerate(rest):
            if frame["type"] == "reset":
                refused = number == 0 and welcome["resumed"] is False
                assert self.told or refused or self.fell_out(last or top), "a reset without a reason"
                last, previous, top = None, None, self.place[frame["position"]]
                continue
            last = self.check_message(frame, last, top, previous)
            previous = frame["position"]
        if final and not guest.wire.closed:
            log, number = last or top
            assert log is self.broker.log(), "it still hears the old log"
            assert self.ours(log, number) is None, "it does not hear what is new"

    def fell_out(self, place: tuple[Log, int]) -> bool:
        """Whether more was said since than the window holds."""
        log, number = place
        return number < log.first or len(log.entries) > WINDOW

    def check_message(
        self, frame: Frame, last: tuple[Log, int] | None, top: tuple[Log, int], previous: str | None
    ) -> tuple[Log, int]:
        log, number = self.place[frame["position"]]
        assert frame["position"] not in self.junk
        if last is not None:
            assert log is last[0], "another log without a reset"
            assert frame["position"] == self.ours(log, last[1]), "a gap or a repeat"
        else:
            assert log is top[0], "another log without a reset"
            assert number <= top[1] or frame["position"] == self.ours(log, top[1]), "a gap after the top"
        before = self.before(log, number)
        if previous is not None:
            assert frame["prev"] == previous, "prev does not name what came before"
        elif number > 1 and log.entries[number - 2].position != before:
            # Behind entries that are not ours: what stands before them is not looked for just for this.
            assert frame["prev"] in (before, None, log.entries[number - 2].position)
        elif before is not None and self.place[before][1] <= log.first:
            assert frame["prev"] in (before, None)
        else:
            assert frame["prev"] == before, "prev of the first one"
        return log, number

    def check_refusal(self, since: str) -> None:
        """No reset where continuity can be proved."""
        log, number = self.place[since]
        assert log is not self.broker.log() or number < log.first or self.told, "a reset without need"

    def check_ring(self) -> None:
        found = self.hub.rooms.get(ROOM)
        if found is None or not found.lines:
            return
        numbers = [self.place[line.position] for line in found.lines]
        (log,) = {id(log): log for log, _ in numbers}.values()
        assert log is self.broker.log() or self.broker.lagging
        expected = [entry.position for entry in log.entries[numbers[0][1] - 1 : numbers[-1][1]]]
        assert [line.position for line in found.lines] == expected, "a hole in the ring"
        for number, line in enumerate(found.lines, found.base):
            assert found._index[line.position] == number

    # The play --------------------------------------------------------------------------------------------

    async def run(self, script: Script) -> None:
        await self.broker.open(self.hub)
        self.know()
        try:
            for actions, settle in script:
                async with asyncio.TaskGroup() as turn:
                    for hops, action in actions:
                        turn.create_task(self.soon(hops, action))
                if settle:
                    await settled()
                self.check_ring()
                for guest in self.guests:
                    self.judge(guest)
            await self.end()
        finally:
            for guest in self.guests:
                if guest.task is not None:
                    guest.task.cancel()
            await self.hub.stop()
            await settled()

    async def soon(self, hops: int, action: tuple[Any, ...]) -> None:
        for _ in range(hops):
            await asyncio.sleep(0)
        self.do(action)

    async def end(self) -> None:
        """Every fault is over: all have to be caught up at once."""
        self.do_answer_reads()
        self.broker.deliver()
        self.broker.lagging = False
        for guest in self.guests:
            guest.shaken.set()
            guest.wire.stuck = False
            guest.wire.take()
        await settled()
        self.do(("say", 2, False))
        await settled()
        for guest in self.guests:
            assert guest.task is not None
            assert guest.task.done(), "it waits although everything is here"
            guest.task.result()
            self.judge(guest, final=True)
        self.check_ring()


counts = st.integers(1, 5)
who = st.integers(0, 5)


def actions(*, junk: bool) -> st.SearchStrategy[tuple[Any, ...]]:
    say = st.tuples(st.just("say"), counts, st.booleans())
    enter = st.tuples(st.just("enter"), st.none() | st.integers(0, 15), st.integers(0, 12), st.booleans())
    often = [
        say,
        enter,
        st.tuples(st.just("shake"), who),
        st.tuples(st.just("deliver"), counts),
        *([st.tuples(st.just("junk"), counts, st.booleans())] if junk else []),
    ]
    seldom = [
        st.tuples(st.just("hold_reads"), st.booleans()),
        st.tuples(st.just("answer_reads")),
        st.tuples(st.just("trim"), st.integers(0, 6)),
        st.tuples(st.just("age")),
        st.tuples(st.just("drop"), counts),
        st.tuples(st.just("begin_again"), st.booleans()),
        st.tuples(st.just("stick"), who),
        st.tuples(st.just("take"), who, st.none() | st.integers(50, 600)),
        st.tuples(st.just("leave"), who),
    ]
    return st.one_of(*often, *often, *seldom)


def scripts(*, junk: bool) -> st.SearchStrategy[Script]:
    delayed = st.tuples(st.integers(0, 2), actions(junk=junk))
    turn = st.tuples(st.lists(delayed, min_size=1, max_size=5), st.booleans())
    return st.lists(turn, min_size=5, max_size=25)


def play(tail_entries: int, script: Script) -> None:
    with small(), asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(Play(tail_entries).run(script))


@settings(max_examples=150)
@given(st.integers(1, 6), scripts(junk=False))
def test_every_member_sees_the_log_after_its_place_in_order_and_once_or_is_told(tail_entries, script) -> None:
    play(tail_entries, script)


@given(st.integers(1, 6), scripts(junk=True))
def test_the_same_with_entries_in_between_that_are_not_ours(tail_entries, script) -> None:
    play(tail_entries, script)
