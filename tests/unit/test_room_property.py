"""Members and their room against plain lists, whatever comes in whatever order.

A script of turns is played: in one turn of the loop several things happen at once, as on a busy machine.
Small constants (three entries a read, four a page, half a kilobyte a wire) make the corners common. It is no
state machine of hypothesis: those leave out many kinds of steps in each example, and hardly anybody joins.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers import Reason, Unavailable
from quartchat import hub as hubs
from quartchat import member as life
from quartchat import room as rooms
from quartchat.member import Member
from quartchat.settings import Settings
from tests.unit.clock import ClockLoop, settled
from tests.unit.doubles import BOB, NOW_MS, ROOM, ClockedHub, Frame, Log, ScriptedBroker, WireDouble

WINDOW = 8
SMALL = {(rooms, "READ"): 3, (rooms, "PAGE"): 4, (rooms, "SLACK"): 2, (life, "HIGH_WATER"): 500}

NEVER = [
    "",
    "x",
    "a.b",
    "{epoch}.0.ffffffff",
    "{epoch}.1.ffffffff",
    "{epoch}.ffff.00000000",
    "other.1.00000000",
]
"""Tokens that are no position of the log."""

Place = tuple[Log, int]
"""A log, and how many entries of it were seen."""

counts = st.integers(1, 5)
who = st.integers(0, 5)
backs = st.integers(0, 15)


Action = tuple[str, dict[str, Any]]
Script = list[tuple[list[tuple[int, Action]], bool]]
"""Turns: what happens in them, after how many steps of the loop, and whether all comes to rest then."""

ACTIONS: dict[str, st.SearchStrategy[Action]] = {}


def action(**given: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Something that a script can tell to happen."""

    def decorate(method: Callable[..., None]) -> Callable[..., None]:
        name = method.__name__
        ACTIONS[name] = st.tuples(st.just(name), st.fixed_dictionaries(given))
        return method

    return decorate


class Guest:
    """One client, what it asked for, and what it has to see."""

    def __init__(self, since: str | None, v1: bool) -> None:
        self.since = since
        self.v1 = v1
        self.wire = WireDouble()
        self.shaken = asyncio.Event()
        """Its handshake is over, and it joins."""
        self.member: Member | None = None
        self.task: asyncio.Task[None] | None = None
        self.verdicts: set[int | Reason] = set()
        """What the log had to say to `since` while it was asked, by this one or another."""
        self.reasons: set[Reason] = set()
        """Why a member may have been told to begin again since it came."""
        self.forsaken = False
        """The broker did not answer while it came in."""


class Play:
    """The truth is `self.logs`: all logs that the room ever had, each a plain list."""

    def __init__(self, tail_entries: int) -> None:
        self.patch = pytest.MonkeyPatch()
        for (module, name), value in SMALL.items():
            self.patch.setattr(module, name, value)
        self.patch.setattr(WireDouble, "high", 500)
        self.runner = asyncio.Runner(loop_factory=ClockLoop)
        self.loop = self.runner.get_loop()
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self.broker = ScriptedBroker()
        self.broker.tail_entries = tail_entries
        self.hub = ClockedHub(Settings(message_rate=0.0, history=WINDOW), self.broker)
        self.guests: list[Guest] = []
        self.logs: list[Log] = []
        self.positions: list[str] = []
        self.place: dict[str, Place] = {}
        self.texts: dict[str, str] = {}
        self.junk: set[str] = set()
        self.verdicts: dict[str, set[int | Reason]] = {}
        self.runner.run(self.broker.open(self.hub))
        self.know()

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
        for guest in self.guests:
            if guest.member is None and guest.since is not None:
                # A verdict is remembered for all who ask the same.
                guest.verdicts = self.verdicts.setdefault(guest.since, guest.verdicts)
                guest.verdicts.add(log.number(guest.since))

    def may_reset(self, reason: Reason) -> None:
        for guest in self.guests:
            guest.reasons.add(reason)

    # What happens ----------------------------------------------------------------------------------------

    @action(count=counts, late=st.booleans())
    def say(self, count: int, late: bool) -> None:
        self.broker.lagging = late or bool(self.broker.undelivered)
        self.put(count)

    def put(self, count: int) -> None:
        for entry in self.broker.put(count):
            self.texts[json.loads(entry.data)["message"]] = entry.position

    @action(count=counts, late=st.booleans())
    def say_what_is_not_ours(self, count: int, late: bool) -> None:
        self.broker.lagging = late or bool(self.broker.undelivered)
        self.junk.update(entry.position for entry in self.broker.put_junk(count))

    @action(count=counts)
    def deliver(self, count: int) -> None:
        self.broker.deliver(count)

    @action(entries=st.integers(0, 6))
    def trim(self, entries: int) -> None:
        self.may_reset("trimmed")
        if ROOM in self.hub.rooms:
            self.hub.rooms[ROOM].trim(entries, 0)

    @action()
    def age(self) -> None:
        """All that the ring holds is too old now."""
        self.may_reset("trimmed")
        if ROOM in self.hub.rooms:
            self.hub.rooms[ROOM].trim(WINDOW, NOW_MS + 1)

    @action(count=counts)
    def drop(self, count: int) -> None:
        log = self.broker.log()
        log.first = min(len(log.entries), log.first + count)

    @action(reason=st.sampled_from(["epoch", "trimmed", "ahead", "mismatch"]))
    def begin_again(self, reason: Reason) -> None:
        self.may_reset(reason)
        for guest in self.guests:
            if guest.member is None:
                guest.reasons.add("trimmed")  # on its way in, it finds that its place is gone
        self.broker.begin_again(reason, keep=reason == "trimmed")

    @action(back=st.none() | backs, history=st.integers(0, 12), quick=st.booleans(), v1=st.booleans())
    def enter(self, back: int | None, history: int, quick: bool, v1: bool) -> None:
        since = None if back is None or not v1 else self.positions[-1 - back % len(self.positions)]
        self.arrives(Guest(since, v1), history, quick)

    @action(token=st.sampled_from(NEVER), quick=st.booleans())
    def enter_with_what_is_no_position(self, token: str, quick: bool) -> None:
        self.arrives(Guest(token.format(epoch=self.broker.log().epoch), True), 0, quick)

    def arrives(self, guest: Guest, history: int, quick: bool) -> None:
        if quick:
            guest.shaken.set()
        guest.forsaken = self.broker.read_error is not None
        guest.task = self.loop.create_task(self.arrive(guest, history))
        self.guests.append(guest)

    @action(number=who)
    def shake(self, number: int) -> None:
        if self.guests:
            self.guests[number % len(self.guests)].shaken.set()

    @action(late=st.booleans())
    def hold_reads(self, late: bool) -> None:
        if self.broker.read_gate is None:
            self.broker.read_gate, self.broker.late_reads = asyncio.Event(), late

    @action()
    def answer_reads(self) -> None:
        gate, self.broker.read_gate = self.broker.read_gate, None
        if gate is not None:
            gate.set()

    @action(broken=st.booleans())
    def refuse_reads(self, broken: bool) -> None:
        self.broker.read_error = Unavailable("scripted") if broken else None
        for guest in self.guests:
            guest.forsaken |= broken and guest.member is None

    @action(number=who)
    def stick(self, number: int) -> None:
        if self.guests:
            self.guests[number % len(self.guests)].wire.stuck = True

    @action(number=who, size=st.none() | st.integers(50, 600))
    def take(self, number: int, size: int | None) -> None:
        if self.guests:
            wire = self.guests[number % len(self.guests)].wire
            wire.stuck = wire.stuck and size is not None
            wire.take(size)

    @action(number=who)
    def leave(self, number: int) -> None:
        if self.guests:
            guest = self.guests.pop(number % len(self.guests))
            self.judge(guest)
            assert guest.task is not None
            guest.task.cancel()
            if guest.member is not None:
                self.hub.leave(guest.member)

    @action()
    def sweep(self) -> None:
        """A while later: rooms that nobody needs are given up."""
        self.hub._sweep(self.hub.now() + hubs.LINGER_SECONDS + 1, 0.0)

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
        guest.member = Member(
            self.hub, found, guest.wire, BOB, v1=guest.v1, cursor=cursor, expires=float("inf")
        )
        self.hub.join(guest.member, resumed, reason)

    # What has to be true ---------------------------------------------------------------------------------

    def look(self) -> None:
        assert not self.failures, self.failures[0]
        self.check_ring()
        for guest in self.guests:
            self.judge(guest)

    def ours(self, log: Log, number: int) -> str | None:
        """The first entry that is ours from a number on."""
        return next((e.position for e in log.entries[number:] if e.position not in self.junk), None)

    def before(self, log: Log, number: int) -> str | None:
        """The last entry that is ours before the numbered one."""
        earlier = log.entries[: number - 1]
        return next((e.position for e in reversed(earlier) if e.position not in self.junk), None)

    def judge(self, guest: Guest, *, final: bool = False) -> None:
        """Every entry after where it was, in order, once, `prev` right; or a reset, and then the same."""
        if not guest.v1:
            self.judge_plain(guest, final=final)
            return
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
            assert rest[0]["reason"] in guest.verdicts, "a reset without need, or for another reason"
        elif welcome["resumed"]:
            assert guest.since in self.place, "it was never a position"
        start = guest.since if welcome["resumed"] else None
        last = self.place[start] if start else None
        top = self.place[welcome["position"]]
        previous: str | None = None
        for number, frame in enumerate(rest):
            if frame["type"] == "reset":
                if number or welcome["resumed"] is not False:
                    fell_out = {"trimmed"} if self.fell_out(last or top) else set()
                    assert frame["reason"] in guest.reasons | fell_out, "a reset without a reason"
                last, previous, top = None, None, self.place[frame["position"]]
                continue
            last = self.check_message(frame, last, top, previous)
            previous = frame["position"]
        if final and not guest.wire.closed:
            self.is_up_to_date(last or top)

    def judge_plain(self, guest: Guest, *, final: bool) -> None:
        """The same, as far as the tutorial's dialect can tell: it has texts alone."""
        last: Place | None = None
        for text in guest.wire.texts:
            log, number = self.place[self.texts[text]]
            if last is not None and log is last[0]:
                assert number > last[1], "a repeat"
                if not guest.reasons and not self.fell_out(last):
                    assert self.texts[text] == self.ours(*last), "a gap"
            elif last is not None:
                assert guest.reasons, "another log"
                assert self.logs.index(log) > self.logs.index(last[0]), "an older log"
            last = log, number
        if final and not guest.wire.closed and guest.member is not None:
            assert last is not None
            self.is_up_to_date(last)

    def is_up_to_date(self, place: Place) -> None:
        log, number = place
        assert log is self.broker.log(), "it still hears the old log"
        assert self.ours(log, number) is None, "it does not hear what is new"

    def fell_out(self, place: Place) -> bool:
        """Whether more was said since than the window holds."""
        log, number = place
        return number < log.first or len(log.entries) > WINDOW

    def check_message(self, frame: Frame, last: Place | None, top: Place, previous: str | None) -> Place:
        log, number = self.place[frame["position"]]
        assert frame["position"] not in self.junk
        assert self.texts[frame["message"]] == frame["position"]
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

    def play(self, script: Script) -> None:
        try:
            self.runner.run(self.run(script))
            self.runner.run(self.end())
        finally:
            for guest in self.guests:
                if guest.task is not None:
                    guest.task.cancel()
            self.runner.run(self.hub.stop())
            self.runner.close()
            self.patch.undo()

    async def run(self, script: Script) -> None:
        for actions, settle in script:
            async with asyncio.TaskGroup() as turn:
                for hops, step in actions:
                    turn.create_task(self.soon(hops, step))
            if settle:
                await settled()
            self.look()

    async def soon(self, hops: int, step: Action) -> None:
        for _ in range(hops):
            await asyncio.sleep(0)
        name, values = step
        getattr(self, name)(**values)
        self.know()

    async def end(self) -> None:
        """Every fault is over: all have to be caught up at once."""
        await settled()
        gate, self.broker.read_gate, self.broker.read_error = self.broker.read_gate, None, None
        if gate is not None:
            gate.set()
        self.broker.deliver()
        self.broker.lagging = False
        for guest in self.guests:
            guest.shaken.set()
            guest.wire.stuck = False
            guest.wire.take()
        await settled()
        self.put(2)
        self.know()
        await settled()
        assert not self.failures, self.failures[0]
        for guest in self.guests:
            assert guest.task is not None
            assert guest.task.done(), "it waits although everything is here"
            if not (guest.forsaken and isinstance(guest.task.exception(), Unavailable)):
                guest.task.result()
            self.judge(guest, final=True)
        self.check_ring()


OFTEN = ["say", "enter", "shake", "deliver"]
JUNK = "say_what_is_not_ours"


def scripts(*, junk: bool) -> st.SearchStrategy[Script]:
    names = [*(name for name in ACTIONS if name != JUNK), *OFTEN, *([JUNK, JUNK] if junk else [])]
    delayed = st.tuples(st.integers(0, 2), st.one_of(*(ACTIONS[name] for name in names)))
    turn = st.tuples(st.lists(delayed, min_size=1, max_size=5), st.booleans())
    return st.lists(turn, min_size=5, max_size=25)


@settings(max_examples=150)
@given(st.integers(1, 6), scripts(junk=False))
def test_every_member_sees_the_log_after_its_place_in_order_and_once_or_is_told(tail_entries, script) -> None:
    Play(tail_entries).play(script)


@given(st.integers(1, 6), scripts(junk=True))
def test_the_same_with_entries_in_between_that_are_not_ours(tail_entries, script) -> None:
    Play(tail_entries).play(script)
