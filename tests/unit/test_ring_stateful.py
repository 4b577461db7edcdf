"""The ring of a room against a plain list: whatever is added, cut off, put in front or begun again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from brokers import Entry, Listener, Reason, Tail
from quartchat import room as rooms
from quartchat.frames import payloads
from quartchat.room import Line, Room
from tests.unit.clock import ClockLoop, settled
from tests.unit.doubles import EVE, NOW_MS, ROOM, Log, ScriptedBroker

SLACK = 2
counts = st.integers(1, 4)
limits = st.integers(1, 9)


class Ears(Listener):
    """What a hub does with what it hears, for the one room."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def tail(self, room: str, tail: Tail, reason: Reason | None) -> None:
        self.room.restart(tail, reason)

    def entries(self, room: str, entries: Sequence[Entry]) -> None:
        self.room.add(entries)


class RingAgainstList(RuleBasedStateMachine):
    """The truth is `log.entries`, all that was ever said in this epoch. An index is a place in that list.

    The ring holds a slice of it that begins at `lo` and ends where the tail of this process does, at `hi`.
    """

    positions = Bundle("positions")
    """(log, number of entries up to it, position) of all that ever was one."""
    cursors = Bundle("cursors")
    """(log, index, number) of all places that the ring ever named."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(rooms, "READ", 3)
        self.patch.setattr(rooms, "SLACK", SLACK)
        self.runner = asyncio.Runner(loop_factory=ClockLoop)
        self.broker = ScriptedBroker()
        self.broker.tail_entries = 3
        self.room = Room(ROOM, self.broker)
        self.junk: set[str] = set()
        self.logs: list[Log] = []
        self.run(self.broker.open(Ears(self.room)))
        self.run(self.broker.follow(ROOM))
        self.begun(self.log.first)

    def teardown(self) -> None:
        self.runner.close()
        self.patch.undo()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @property
    def log(self) -> Log:
        return self.broker.log()

    @property
    def hi(self) -> int:
        return len(self.log.entries) - len(self.broker.undelivered)

    @property
    def lo(self) -> int:
        return self.hi - len(self.room.lines)

    def begun(self, first: int) -> None:
        """The ring begins again: with what the tail brought."""
        self.logs.append(self.log)
        self.origin = self.room.base - self.lo
        """The number that the first entry of the log has, or would have. It holds until the next restart."""
        self.oldest_known = self.lo
        self.complete = self.lo == first
        """The ring is known to reach back as far as the log."""
        self.edge: int | None = None
        """Where the ring begins, where it knows what stands before that."""

    def messages(self, start: int, stop: int) -> list[str]:
        found = [entry.position for entry in self.log.entries[start:stop]]
        return [position for position in found if position not in self.junk]

    def places(self, entries: list[Entry]) -> Any:
        numbers = {entry.position: number for number, entry in enumerate(self.log.entries, 1)}
        return multiple(*((self.log, numbers[e.position], e.position) for e in entries))

    # What the broker brings ------------------------------------------------------------------------------

    @rule(target=positions, count=counts, late=st.booleans(), age=st.integers(0, 3))
    def say(self, count: int, late: bool, age: int) -> Any:
        # Clocks of writers differ: a newer entry may be of an earlier time.
        self.broker.lagging = late or bool(self.broker.undelivered)
        return self.places(self.broker.put(count, time=NOW_MS - age))

    @rule(target=positions, count=counts, late=st.booleans())
    def say_what_is_not_ours(self, count: int, late: bool) -> Any:
        self.broker.lagging = late or bool(self.broker.undelivered)
        entries = self.broker.put_junk(count)
        self.junk.update(entry.position for entry in entries)
        return self.places(entries)

    @rule(count=counts)
    def deliver(self, count: int) -> None:
        self.broker.deliver(count)

    @rule(target=positions, keep=st.booleans(), tail=st.integers(0, 5))
    def begin_again(self, keep: bool, tail: int) -> Any:
        self.broker.tail_entries = tail
        self.broker.begin_again("trimmed" if keep else "epoch", keep=keep)
        self.begun(self.log.first)
        return self.log, 0, self.log.empty

    @rule(entries=st.integers(0, 8), age=st.integers(-1, 4))
    def trim(self, entries: int, age: int) -> None:
        """The window moves on, here and at the broker."""
        before, hi, oldest = self.lo, self.hi, NOW_MS - age
        log = self.log
        self.room.trim(entries, oldest)
        window = range(max(before, hi - entries), hi)
        kept = next((i for i in window if log.entries[i].time >= oldest), hi)
        assert before <= self.lo <= kept, "what is in the window was forgotten"
        assert self.hi == hi
        assert len(self.room.lines) <= entries + SLACK
        assert not self.room.lines or self.room.lines[0].time >= oldest
        if self.lo > before:
            self.complete = True
            self.edge = self.lo
            if self.lo < hi:
                last_cut = log.entries[self.lo - 1].position
                assert self.room.between(last_cut, None, 1) is not None, "it goes on from there"
            log.first = max(log.first, self.lo)

    @rule(count=counts)
    def the_log_loses(self, count: int) -> None:
        # Never more than what both windows hold: they are of one size.
        self.log.first = max(self.log.first, min(self.hi, self.log.first + count))

    # What is asked of it ---------------------------------------------------------------------------------

    @rule(place=positions, limit=limits)
    def read_after(self, place: tuple[Log, int, str], limit: int) -> None:
        log, number, position = place
        found = self.room.between(position, None, limit)
        if log is self.log and (self.lo < number <= self.hi or number in (self.hi, self.edge)):
            assert found is not None, "it holds all of it"
        if found is not None:
            assert log is self.log
            after = self.messages(number, self.hi)
            assert self.lo <= number <= self.hi or not after
            assert self.positions_of(found) == after[:limit]

    @rule(place=st.none() | positions, limit=limits)
    def read_before(self, place: tuple[Log, int, str] | None, limit: int) -> None:
        log, number, position = place or (self.log, self.hi + 1, None)
        found = self.room.between(None, position, limit)
        inside = log is self.log and (self.lo < number <= self.hi or position is None)
        held = self.messages(self.lo, number - 1) if inside else []
        assert (found is not None) == (inside and (len(held) >= limit or self.complete))
        if found is not None:
            assert self.positions_of(found) == held[-limit:]

    @rule(token=st.sampled_from(["", "x", "a.b", "{e}.0.ffffffff", "{e}.ffff.00000000", "{e}.1.ffffffff"]))
    def read_what_never_was(self, token: str) -> None:
        token = token.format(e=self.log.epoch)
        assert self.room.between(token, None, 5) is None
        assert self.room.between(None, token, 5) is None
        found, verdict = self.run(self.room.resume(token)), self.log.number(token)
        # A verdict is remembered: it may be the one of when the log was younger.
        older = {"trimmed": "mismatch"}.get(str(verdict))
        late = "ahead" if self.broker.undelivered else None
        assert found in (verdict, older, late)

    @rule(target=cursors, count=st.integers(0, 9))
    def page(self, count: int) -> Any:
        number = self.room.page_start(count)
        assert self.room.base <= number <= self.room.end
        shown = self.messages(number - self.origin, self.hi)
        assert len(shown) == min(count, len(self.messages(self.lo, self.hi)))
        return self.log, number - self.origin, number

    @rule(target=cursors, count=st.integers(0, 12), hops=st.integers(0, 3), more=st.integers(0, 3))
    def reach_back(self, count: int, hops: int, more: int) -> Any:
        before = self.lo
        number = self.meanwhile(self.room.reach_back(count), hops, more)
        # What came in since is behind the page.
        shown = self.messages(number - self.origin, self.asked_hi)
        assert len(shown) <= count
        if len(shown) < count:
            assert shown == self.messages(self.lo, self.asked_hi)
            # Where the ring is empty so is the window.
            assert self.asked_empty or self.lo <= self.log.first, "older ones were there to be read"
            self.complete = self.complete or not self.asked_empty
        elif self.lo == 0 < before or self.room.between(None, None, 99) is not None:
            self.complete = self.complete or self.lo <= self.log.first
        return self.log, number - self.origin, number

    @rule(target=cursors, place=positions, hops=st.integers(0, 3), more=st.integers(0, 3))
    def resume(self, place: tuple[Log, int, str], hops: int, more: int) -> Any:
        log, number, position = place
        held = log is self.log and self.lo < number
        found = self.meanwhile(self.room.resume(position), hops, more)
        if log is not self.log:
            assert found == "epoch"
            return multiple()
        if isinstance(found, str):
            assert found == "trimmed"
            assert number < log.first
            assert not held
            return multiple()
        index = found - self.origin
        # What is not ours may be left out: nobody sees it.
        assert index >= number, "the cursor is at an earlier place"
        assert not self.messages(number, index), "the cursor is at a later place"
        return log, index, found

    def meanwhile(self, work: Coroutine[Any, Any, Any], hops: int, more: int) -> Any:
        """Do it while more comes in."""

        async def both() -> Any:
            async def watched() -> Any:
                answer = await work
                self.asked_hi, self.asked_empty = self.hi, not self.room.lines
                return answer

            task = asyncio.get_running_loop().create_task(watched())
            for _ in range(hops):
                await asyncio.sleep(0)
            if more:
                self.broker.lagging = bool(self.broker.undelivered)
                self.broker.put(more)
            await settled()
            if not task.done():
                self.broker.deliver()  # the log is ahead of what came down the tail
                await settled()
            assert task.done(), "it waits for nothing"
            return task.result()

        return self.run(both())

    @rule(cursor=cursors, v1=st.booleans(), size=st.integers(1, 900))
    def read_on(self, cursor: tuple[Log, int, int], v1: bool, size: int) -> None:
        log, index, number = cursor
        found = self.room.chunk(number, v1, size)
        if log is not self.log or index < self.lo or number < self.origin:
            assert found is None, "a place that fell out leads somewhere else"
            return
        assert found is not None
        data, after = found
        assert after > number or number == self.room.end
        frames = [json.loads(payload) for payload in payloads(data)]
        wanted = self.messages(index, after - self.origin)
        texts = {
            e.position: json.loads(e.data)["message"] for e in log.entries[index:] if e.position in wanted
        }
        assert [frame["message"] for frame in frames] == [texts[position] for position in wanted]
        if v1:
            assert [frame["position"] for frame in frames] == wanted
            chain = {line.position: line.prev for line in self.room.lines}
            assert [frame["prev"] for frame in frames] == [chain[position] for position in wanted]

    @rule(number=st.integers(0, 40))
    def look_for_a_message(self, number: int) -> None:
        lines = self.room.lines
        there = any(line.message is not None and line.message.id == f"n{number}" for line in lines)
        assert self.room.holds_message(EVE.id, f"n{number}") is there
        assert not self.room.holds_message("another", f"n{number}")

    # What is always so -----------------------------------------------------------------------------------

    @staticmethod
    def positions_of(lines: list[Line]) -> list[str]:
        return [line.position for line in lines]

    @invariant()
    def it_is_a_slice_of_the_log(self) -> None:
        assert self.lo >= 0
        assert self.positions_of(self.room.lines) == [
            entry.position for entry in self.log.entries[self.lo : self.hi]
        ]
        assert [line.message is None for line in self.room.lines] == [
            line.position in self.junk for line in self.room.lines
        ]

    @invariant()
    def numbers_fit(self) -> None:
        self.edge = self.edge if self.edge == self.lo < self.hi else None
        assert self.room.end - self.room.base == len(self.room.lines)
        assert self.room.base - self.lo == self.origin, "an entry has another number than before"
        numbers = {line.position: n for n, line in enumerate(self.room.lines, self.room.base)}
        assert self.room._index == numbers

    @invariant()
    def the_top_is_the_newest_message(self) -> None:
        self.oldest_known = min(self.oldest_known, self.lo)
        known = self.messages(self.oldest_known, self.hi)
        end = self.log.entries[self.hi - 1].position if self.hi else self.log.empty
        assert self.room.top == (known[-1] if known else end)

    @invariant()
    def each_names_the_one_before(self) -> None:
        before: str | None = None
        for index, line in enumerate(self.room.lines, self.lo):
            if line.message is None:
                assert (line.v1, line.plain) == (b"", b"")
                continue
            entry = self.log.entries[index]
            if before is not None:
                assert line.prev == before
            elif entry.prev not in self.junk:
                assert line.prev == entry.prev
            else:
                earlier = self.messages(0, index)
                assert line.prev in (earlier[-1] if earlier else None, None, entry.prev)
            before = line.position


TestRing = RingAgainstList.TestCase
TestRing.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_after_a_restart_the_next_message_names_the_last_one_and_not_what_is_not_ours() -> None:
    ring = RingAgainstList()
    try:
        ring.broker.put(1)
        ring.junk.update(entry.position for entry in ring.broker.put_junk(1))
        ring.resume(ring.begin_again(True, 0), 0, 0)
        ring.broker.put(1)
        assert [line.message is None for line in ring.room.lines] == [False, True, False]
        assert ring.room.lines[2].prev == ring.room.lines[0].position
    finally:
        ring.teardown()
