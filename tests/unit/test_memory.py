"""The log in memory, against a plain list."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from brokers import Append, Appended, Conflict, Window, codec, memory
from brokers.memory import MemoryBroker, RoomLog
from tests.unit.clock import settled
from tests.unit.doubles import NOW_MS


def append(key: str, text: str = "", time: int = NOW_MS) -> Append:
    data = (text or key).encode()
    return Append("room", key, codec.digest_of(data), time, data, lambda _: None)


class LogAgainstList(RuleBasedStateMachine):
    """Two lists are the truth: all entries ever, and how many of them the window has dropped."""

    positions = Bundle("positions")

    @initialize(entries=st.integers(1, 8), target=positions)
    def begin(self, entries: int) -> str:
        self.log = RoomLog(Window(entries, 1e9))
        self.entries = entries
        self.all: list[tuple[str, str, str]] = []  # key, text, position
        self.gone = 0
        self.empty = self.log.top
        return self.empty

    def retained(self) -> list[tuple[str, str, str]]:
        return self.all[self.gone :]

    @rule(target=positions, key=st.integers(0, 30), text=st.sampled_from(["x", "y"]))
    def say(self, key: int, text: str) -> str:
        known = [item for item in self.retained() if item[0] == f"k{key}"]
        entry, outcome = self.log.append(append(f"k{key}", text))
        if known and known[0][1] != text:
            assert isinstance(outcome, Conflict)
            assert entry is None
            return self.empty
        if known:
            assert (entry, outcome) == (None, Appended(known[0][2], True))
            return known[0][2]
        assert isinstance(outcome, Appended)
        assert entry is not None
        assert not outcome.duplicate
        assert (entry.position, entry.key, entry.data) == (outcome.position, f"k{key}", text.encode())
        assert entry.prev == (self.all[-1][2] if self.all else None)
        assert outcome.position not in {item[2] for item in self.all} | {self.empty}
        self.all.append((f"k{key}", text, outcome.position))
        self.gone = max(self.gone, len(self.all) - self.entries)
        return outcome.position

    @rule(entries=st.integers(1, 8))
    def shrink(self, entries: int) -> None:
        self.entries = entries
        self.log.window = Window(entries, 1e9)
        self.log.trim()
        self.gone = max(self.gone, len(self.all) - entries)

    @rule(position=positions, limit=st.integers(1, 12))
    def read_after(self, position: str, limit: int) -> None:
        page = self.log.read(position, None, limit)
        order = [self.empty, *(item[2] for item in self.all)]
        number = order.index(position)
        found = [entry.position for entry in page.entries]
        if number < self.gone:
            assert (page.complete, page.reason) == (False, "trimmed")
            number = self.gone
        else:
            assert (page.complete, page.reason) == (True, None)
        assert found == order[number + 1 :][:limit]

    @rule(position=positions, limit=st.integers(1, 12))
    def read_before(self, position: str, limit: int) -> None:
        page = self.log.read(None, position, limit)
        order = [self.empty, *(item[2] for item in self.all)]
        number = order.index(position)
        found = [entry.position for entry in page.entries]
        if number > self.gone:
            assert page.complete
            assert found == order[self.gone + 1 : number][-limit:]
        elif number:  # "complete is False, and the page empty, where P itself is not in the retained log"
            assert (page.complete, found) == (False, [])
        else:
            assert found == []

    @rule(limit=st.integers(1, 12))
    def read_newest(self, limit: int) -> None:
        page = self.log.read(None, None, limit)
        assert [entry.position for entry in page.entries] == [item[2] for item in self.retained()][-limit:]
        assert page.complete

    @rule(limit=st.integers(1, 12))
    def look_at_the_tail(self, limit: int) -> None:
        tail = self.log.tail(limit)
        assert tail.top == (self.all[-1][2] if self.all else self.empty)
        assert [entry.position for entry in tail.entries] == [item[2] for item in self.retained()][-limit:]
        assert tail.complete is (len(self.retained()) <= limit)

    @rule(position=positions, change=st.sampled_from(["epoch", "ahead", "proof"]))
    def ask_for_what_never_was(self, position: str, change: str) -> None:
        place = codec.place(position)
        assert place is not None
        epoch, offset, proof = place
        if change == "epoch":
            asked, reasons = codec.position("z" * 12, offset, proof), {"epoch"}
        elif change == "ahead":
            asked, reasons = codec.position(epoch, len(self.all) + 1, proof), {"ahead"}
        else:
            asked, reasons = codec.position(epoch, offset, "~"), {"mismatch", "trimmed"}
            if offset <= self.gone:
                return  # nothing stands there any more that could tell
        page = self.log.read(asked, None, 5)
        assert not page.complete
        assert page.reason in reasons
        assert self.log.read(None, asked, 5).entries == []

    @invariant()
    def it_holds_what_the_window_holds(self) -> None:
        if hasattr(self, "log"):
            assert [entry.position for entry in self.log.entries] == [item[2] for item in self.retained()]
            assert set(self.log.ids) == {item[0] for item in self.retained()}
            assert self.log.last == len(self.all)


TestLogAgainstList = LogAgainstList.TestCase
TestLogAgainstList.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_what_is_too_old_leaves_the_log_with_its_id(monkeypatch) -> None:
    log = RoomLog(Window(10, 60))
    monkeypatch.setattr(memory.codec, "now_ms", lambda: NOW_MS)
    log.append(append("a", time=NOW_MS))
    top = log.top
    monkeypatch.setattr(memory.codec, "now_ms", lambda: NOW_MS + 60_001)
    assert log.tail(5) == (top, [], True)
    assert log.ids == {}
    assert log.read(top, None, 5) == ([], True, None)


def test_two_logs_never_share_a_position() -> None:
    one, other = RoomLog(Window()), RoomLog(Window())
    one.append(append("a"))
    other.append(append("a"))
    assert one.top != other.top
    assert other.read(one.top, None, 5).reason == "epoch"


async def test_rooms_that_nobody_follows_are_bounded_and_followed_ones_stay(monkeypatch) -> None:
    monkeypatch.setattr(memory, "IDLE_ROOMS", 20)
    broker = MemoryBroker()
    from brokers import Listener

    await broker.open(Listener())
    await broker.follow("followed")
    await broker.append("followed", "k", b"x")
    for number in range(200):
        await broker.append(f"room{number}", "k", b"x")
    await settled()
    assert len(broker._logs) <= 25
    assert len((await broker.read("followed")).entries) == 1
    assert len((await broker.read("room199")).entries) == 1
    await broker.close()


async def test_what_the_window_no_longer_holds_is_let_go_in_rooms_that_nobody_follows(monkeypatch) -> None:
    broker = MemoryBroker(window=Window(10, 100))
    from brokers import Listener

    await broker.open(Listener())
    await broker.follow("followed")
    for room in ("followed", "left"):
        await broker.append(room, "k", b"x")
    position = (await broker.append("left", "l", b"y")).position

    async def after(seconds: int) -> None:
        monkeypatch.setattr(memory.codec, "now_ms", lambda: start + seconds * 1000)
        await broker.append(f"another-{seconds}", "k", b"x")
        await settled()

    start = codec.now_ms()
    await after(90)
    assert len(broker._logs["left"].entries) == 2
    await after(150)
    assert len(broker._logs["left"].entries) == 0
    assert (await broker.read("left", after=position)).complete, "it is still known that nothing is missing"
    await after(250)
    assert "left" not in broker._logs
    assert "followed" in broker._logs
    await broker.close()


@pytest.mark.parametrize("url", ["memory://host", "memory:///path", "memory://user:hush@", "memory://:5"])
def test_an_address_makes_no_sense(url) -> None:
    from brokers import BrokerConfigError

    with pytest.raises(BrokerConfigError, match="address"):
        MemoryBroker(url)
