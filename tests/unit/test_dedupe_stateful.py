"""One id, one entry, against a plain list: in memory, and as the readers of a stream settle it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextvars import Context
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from brokers import Append, Appended, Conflict, Entry, Listener, Outcome, Reason, Tail, Unknown, Window
from brokers.memory import MemoryBroker
from tests.unit.clock import ClockLoop, later, settled
from tests.unit.doubles import NOW_MS, ROOM

keys = st.integers(0, 8).map("k{}".format)
digests = st.sampled_from([b"x", b"y"])
sends = st.lists(st.tuples(keys, digests), min_size=1, max_size=5)


class Sent(NamedTuple):
    """One append, and what was answered. Its data is its own: it tells which one was stored."""

    key: str
    digest: bytes
    data: bytes
    answers: list[Outcome]


class Said(NamedTuple):
    """What the model knows of an entry."""

    key: str
    digest: bytes
    position: str


class Ears(Listener):
    """The room's log as it was heard."""

    def __init__(self) -> None:
        self.heard: list[Entry] = []
        self.tails: list[Reason | None] = []

    def tail(self, room: str, tail: Tail, reason: Reason | None) -> None:
        self.heard = list(tail.entries)
        self.tails.append(reason)

    def entries(self, room: str, entries: Sequence[Entry]) -> None:
        self.heard += entries


class Memory(RuleBasedStateMachine):
    """Several appends in one turn, the edge of the window, and a log that is forgotten."""

    @initialize(window=st.integers(1, 6))
    def begin(self, window: int) -> None:
        self.runner = asyncio.Runner(loop_factory=ClockLoop)
        self.broker = MemoryBroker(window=Window(window, 1e12))
        self.broker.tail_entries = 100
        self.ears = Ears()
        self.all: list[Said] = []
        self.runner.run(self.broker.open(self.ears))
        self.runner.run(self.broker.follow(ROOM))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.broker.close())
            self.runner.close()

    @rule(wanted=sends)
    def send(self, wanted: list[tuple[str, bytes]]) -> None:
        answers: list[Outcome] = []

        async def submit() -> None:
            for key, digest in wanted:
                self.broker.submit(Append(ROOM, key, digest, NOW_MS, secrets.token_bytes(4), answers.append))
            await settled()

        self.runner.run(submit())
        assert len(answers) == len(wanted)
        for (key, digest), outcome in zip(wanted, answers, strict=True):
            known = [said for said in self.all[-self.broker.window.entries :] if said.key == key]
            if known and known[0].digest != digest:
                assert isinstance(outcome, Conflict)
            elif known:
                assert outcome == Appended(known[0].position, True)
            else:
                assert isinstance(outcome, Appended)
                assert not outcome.duplicate
                self.all.append(Said(key, digest, outcome.position))

    @rule()
    def come_back(self) -> None:
        """Who follows again hears what the window holds."""
        self.broker.unfollow(ROOM)
        self.runner.run(self.broker.follow(ROOM))
        self.all = self.all[-self.broker.window.entries :]

    @rule()
    def forget(self) -> None:
        """So many other rooms were used that this one is not there any more."""
        self.broker.unfollow(ROOM)
        del self.broker._logs[ROOM]
        self.runner.run(self.broker.follow(ROOM))
        self.all.clear()

    @invariant()
    def each_was_heard_once_in_order(self) -> None:
        if hasattr(self, "ears"):
            assert [Said(e.key, e.digest, e.position) for e in self.ears.heard] == self.all


TestMemory = Memory.TestCase
TestMemory.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# RabbitMQ ---------------------------------------------------------------------------------------------------

pytest.importorskip("aiormq")

from brokers import codec  # noqa: E402
from brokers.rabbitmq import history as histories  # noqa: E402
from brokers.rabbitmq.history import History  # noqa: E402
from brokers.rabbitmq.line import Line  # noqa: E402
from brokers.rabbitmq.wire import Batch, pack_batch  # noqa: E402

LAG = 3
WRITERS = 3


class Writer:
    """A process: its history, its line, and the one batch of it that is on the way to the stream.

    Does what `Bucket` does with them: that one needs a server.
    """

    def __init__(self, name: str, stream: list[bytes], window: int) -> None:
        self.name = name
        self.stream = stream
        self.window = window
        self.line = Line(Context(), lambda: None)
        self.seq = 0
        self.held: bytes | None = None
        self.sent: list[Sent] = []
        self.begin()

    def begin(self) -> None:
        """Nothing was read yet."""
        self.history = History(Window(self.window, 1e12), 1 << 30, now_ms=lambda: NOW_MS)
        self.heard: list[Entry] = []

    def submit(self, key: str, digest: bytes, data: bytes) -> None:
        answers: list[Outcome] = []
        self.sent.append(Sent(key, digest, data, answers))
        self.line.submit(Append(ROOM, key, digest, NOW_MS, data, answers.append))

    def send(self) -> None:
        if self.line.flight is not None:
            return
        flight = self.line.take_off(self.history, self.seq + 1)
        if flight is not None:
            self.seq, epoch = flight.seq, self.history.epoch or ""
            past = self.history.past()
            self.held = pack_batch(Batch(epoch, self.history.last, self.name, self.seq, flight.entries, past))

    def arrive(self) -> None:
        if self.held is not None:
            self.stream.append(self.held)
            self.held = None

    def confirm(self) -> None:
        if self.line.flight is not None and self.held is None:
            self.line.flight.confirmed = True
            self.land()

    def read(self, count: int) -> None:
        for offset in range(self.history.last + 1, min(self.history.last + 1 + count, len(self.stream))):
            found = self.history.feed(offset, self.stream[offset])
            assert found is not None
            batch, verdict = found
            flight = self.line.flight
            if flight is not None and (batch.who, batch.seq) == (self.name, flight.seq):
                flight.seen, flight.verdict = True, verdict
            self.heard += [entry for entry in verdict or () if entry is not None]
        self.land()

    def land(self) -> None:
        flight = self.line.flight
        if flight is not None and flight.confirmed and flight.seen:
            self.line.land(self.history)

    def open(self) -> bytes | None:
        """Begin on a new link, or go on. Answers what the old one had under way."""
        given_up, self.held = self.held, None
        self.seq += 1
        self.stream.append(
            pack_batch(Batch(self.history.epoch or "", self.history.last, self.name, self.seq, []))
        )
        if self.history.last >= len(self.stream) - 1:
            self.begin()
            if self.line.flight is not None:
                self.line.flight.seen = False
        self.read(len(self.stream))
        flight = self.line.flight
        if flight is not None and not flight.seen:
            self.line.turn_back()
        elif flight is not None:
            flight.confirmed = True
            self.land()
        return given_up


class Readers(RuleBasedStateMachine):
    """Processes that write to one stream at the same time, know of each other too late, and lose their links.

    The truth is what one reader with an endless window, who saw it all, comes to.
    """

    @initialize(window=st.integers(1, 5))
    def start(self, window: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(histories, "LAG", LAG)
        self.patch.setattr(histories, "DIGEST", 5)
        self.runner = asyncio.Runner(loop_factory=ClockLoop)
        self.window = window
        self.stream: list[bytes] = []
        self.old: list[list[Entry]] = []
        """Logs that were deleted."""
        self.late: list[bytes] = []
        """Batches on links that nobody has any more: they may still arrive."""
        self.gone: list[Writer] = []
        self.writers: list[Writer] = []
        self.count = 0
        for _ in range(WRITERS):
            self.writers.append(self.new())

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            try:
                self.runner.run(self.end())
            finally:
                self.runner.close()
                self.patch.undo()

    def new(self) -> Writer:
        self.count += 1

        async def made() -> Writer:
            writer = Writer(f"w{self.count}", self.stream, self.window)
            writer.open()
            return writer

        return self.runner.run(made())

    def data(self) -> bytes:
        self.count += 1
        return b"%d" % self.count

    def log(self, first: int = 0) -> History:
        """Who reads the stream from there on, all of it."""
        reader = History(Window(1 << 20, 1e12), 1 << 30, now_ms=lambda: NOW_MS)
        for offset in range(first, len(self.stream)):
            reader.feed(offset, self.stream[offset])
        return reader

    def entries(self, log: History) -> list[Entry]:
        return log.read(ROOM, None, None, 1 << 20).entries

    who = st.integers(0, WRITERS - 1)

    @rule(number=who, wanted=sends)
    def submit(self, number: int, wanted: list[tuple[str, bytes]]) -> None:
        for key, digest in wanted:
            self.writers[number].submit(key, digest, self.data())

    @rule(number=who, count=st.integers(1, 4))
    def submit_what_is_new(self, number: int, count: int) -> None:
        for _ in range(count):
            data = self.data()
            self.writers[number].submit(f"new{data!r}", b"x", data)

    @rule(number=who)
    def send(self, number: int) -> None:
        self.writers[number].send()

    @rule(number=who)
    def arrive(self, number: int) -> None:
        self.writers[number].arrive()

    @rule(number=who)
    def confirm(self, number: int) -> None:
        self.writers[number].confirm()

    @rule(number=who, count=st.integers(1, 9))
    def read(self, number: int, count: int) -> None:
        self.writers[number].read(count)

    @rule(number=who, delayed=st.booleans())
    def cut(self, number: int, delayed: bool) -> None:
        self.lose(self.writers[number].open(), delayed)

    def lose(self, batch: bytes | None, delayed: bool) -> None:
        if batch is not None and delayed:
            self.late.append(batch)

    @precondition(lambda self: self.late)
    @rule(number=who)
    def arrive_late(self, number: int) -> None:
        self.stream.append(self.late.pop(number % len(self.late)))

    @rule(number=who, delayed=st.booleans())
    def restart(self, number: int, delayed: bool) -> None:
        writer = self.writers[number]
        self.lose(writer.held, delayed)
        writer.line.close()
        self.gone.append(writer)
        self.writers[number] = self.new()

    @rule(seconds=st.sampled_from([3, 9]))
    def wait(self, seconds: int) -> None:
        """Longer than somebody waits for an answer, or not."""
        self.runner.run(later(seconds))

    @rule(delayed=st.booleans())
    def wipe(self, delayed: bool) -> None:
        self.old.append(self.entries(self.log()))
        self.stream.clear()
        for writer in self.writers:
            self.lose(writer.open(), delayed)

    async def end(self) -> None:
        """Nothing is in the way any more."""
        for _ in range(20):
            for step in (Writer.send, Writer.arrive, Writer.confirm):
                for writer in self.writers:
                    step(writer)
            for writer in self.writers:
                writer.read(len(self.stream))
        log = self.log()
        entries = self.entries(log)
        self.check_log(entries)
        for writer in self.writers:
            assert writer.history.epoch == log.epoch
            assert writer.heard == entries, "it heard another log"
            held = writer.history.read(ROOM, None, None, 1 << 20)
            assert held.entries == entries[-self.window :]
        for writer in [*self.writers, *self.gone]:
            self.check_answers(writer, [*self.old, entries])
        self.check_late_readers(entries)

    def check_log(self, entries: list[Entry]) -> None:
        last: dict[str, int] = {}
        for number, entry in enumerate(entries):
            assert entry.prev == (entries[number - 1].position if number else None)
            assert number - last.get(entry.key, -1000) > self.window, "an id twice in one window"
            last[entry.key] = number
        assert len({entry.data for entry in entries}) == len(entries), "one send was stored twice"

    def check_answers(self, writer: Writer, logs: list[list[Entry]]) -> None:
        entries = [entry for log in logs for entry in log]
        stands = {entry.position: entry for entry in entries}
        digests = {(entry.key, entry.digest) for entry in entries}
        stored = {entry.data for entry in entries}
        for sent in writer.sent:
            assert len(sent.answers) == 1, "not answered, or twice"
            outcome = sent.answers[0]
            if isinstance(outcome, Appended):
                entry = stands[outcome.position]
                assert (entry.key, entry.digest) == (sent.key, sent.digest), "another one stands there"
                assert outcome.duplicate == (entry.data != sent.data)
            elif isinstance(outcome, Conflict):
                others = {b"x", b"y"} - {sent.digest}
                assert digests & {(sent.key, other) for other in others}, "there was no other text"
                # Without an answer it is sent again where its log was deleted.
                assert sent.data not in stored or len(logs) > 1
            else:
                assert isinstance(outcome, Unknown)
        # Also of what was never answered: it does not turn up behind what was sent after it.
        order = {sent.data: number for number, sent in enumerate(writer.sent) if sent.key.startswith("new")}
        for log in logs:
            numbers = [order[entry.data] for entry in log if entry.data in order]
            assert numbers == sorted(numbers), "one sender's order"

    def check_late_readers(self, entries: list[Entry]) -> None:
        """Who reads only the rest comes to the same, from where it can judge on."""
        epoch = self.log().epoch
        for first in range(1, len(self.stream), 3):
            late = self.log(first)
            # Where the first thing to be read was on its way when another log stood here, it has that name.
            if late.epoch == epoch:
                known = [e for e in entries if (codec.place(e.position) or ("", -1))[1] > late._covered]
                assert [e.position for e in self.entries(late)] == [e.position for e in known]


TestReaders = Readers.TestCase
TestReaders.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
