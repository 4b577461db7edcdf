"""A bucket's log: whoever reads it, from wherever, comes to the same entries."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("aiormq")

from brokers import Window, codec
from brokers.errors import BrokerConfigError
from brokers.rabbitmq.history import LAG, History
from brokers.rabbitmq.wire import INDEX_BITS, Batch, options_of, pack_batch

NOW = 1_700_000_000_000
WHOLE = Window(100_000, 1e9)


def history(window: Window = WHOLE, limit: int = 1 << 30, now: int = NOW) -> History:
    return History(window, limit, now_ms=lambda: now)


def body(
    log: History,
    entries: list[tuple[str, str]],
    *,
    who: str = "w",
    seq: int,
    base: int | None = None,
    epoch: str | None = None,
    time: int = NOW,
) -> bytes:
    blobs = [(room, codec.pack(key, b"d", time, key.encode())) for room, key in entries]
    name = (log.epoch or "") if epoch is None else epoch
    return pack_batch(Batch(name, log.last if base is None else base, who, seq, blobs, log.past()))


def begun(**more: object) -> History:
    """A log with its first message, a barrier."""
    log = history(**more)  # type: ignore[arg-type]
    log.feed(0, pack_batch(Batch("", -1, "first", 1, [])))
    return log


def keys(log: History, room: str = "r") -> list[str]:
    return [entry.key for entry in log.read(room, None, None, 10**6).entries]


def test_a_barrier_of_an_older_log_does_not_name_this_one() -> None:
    """Its writer was away while the stream was deleted and made again, and has read nothing of it yet."""
    log = begun()
    stale = pack_batch(Batch("gone1", 0, "away", 7, []))
    log.feed(1, stale)
    new = body(log, [("r", "a")], seq=1)
    late = history()
    late.feed(1, stale)
    late.feed(2, new)
    assert late.epoch == log.epoch
    assert keys(late) == ["a"]


def test_the_first_message_names_the_epoch() -> None:
    log = begun()
    log.feed(1, pack_batch(Batch("", -1, "second", 1, [])))
    assert log.epoch == "first1"
    late = history()
    late.feed(1, pack_batch(Batch("", -1, "second", 1, [])))
    assert late.epoch is None
    late.feed(2, body(log, [("r", "a")], seq=1))
    assert late.epoch == "first1"


def test_a_copy_since_the_base_makes_a_duplicate() -> None:
    log = begun()
    one = body(log, [("r", "a"), ("s", "a"), ("r", "a")], who="one", seq=1)
    two = body(log, [("r", "b"), ("r", "a")], who="two", seq=1)
    log.feed(1, one)
    log.feed(2, two)
    assert keys(log) == ["a", "b"]
    assert keys(log, "s") == ["a"]


def test_a_late_batch_of_a_writer_is_void() -> None:
    """It was given up, and its entries were written again behind it."""
    log = begun()
    given_up = body(log, [("r", "a")], seq=1)
    log.feed(1, pack_batch(Batch(log.epoch or "", 0, "w", 2, [])))
    log.feed(2, body(log, [("r", "b")], seq=3))
    found = log.feed(3, given_up)
    assert found is not None
    assert found[1] is None
    assert keys(log) == ["b"]


@pytest.mark.parametrize("base", [-LAG, 5, 10**6], ids=["old", "own", "ahead"])
def test_a_base_that_cannot_be_is_void(base: int) -> None:
    log = begun()
    for offset in range(1, 5):
        log.feed(offset, body(log, [("r", f"k{offset}")], seq=offset))
    found = log.feed(5, body(log, [("r", "x")], seq=9, base=base))
    assert found is not None
    assert found[1] is None


def test_what_is_not_ours_is_counted_and_skipped() -> None:
    log = begun()
    for offset, text in enumerate((b"", b"\xc1", b"hello", b"\x95\x01\x02\x03\x04\x05"), 1):
        assert log.feed(offset, text) is None
    log.feed(9, pack_batch(Batch(log.epoch or "", 4, "w", 1, [("r", b"no blob")])))
    assert log.foreign == 5
    assert keys(log) == []


def test_the_window_and_positions_around_it() -> None:
    log = begun(window=Window(3, 1e9))
    empty = log.tail("r", 9).top
    for offset in range(1, 7):
        log.feed(offset, body(log, [("r", f"k{offset}")], seq=offset))
    entries = log.read("r", None, None, 9).entries
    assert [entry.key for entry in entries] == ["k4", "k5", "k6"]
    before = entries[0].prev
    assert before is not None
    assert log.read("r", before, None, 9).complete
    assert log.read("r", None, before, 9).reason == "trimmed"
    assert log.read("r", empty, None, 9).reason == "trimmed"
    assert log.read("r", entries[1].position, None, 9).entries == entries[2:]
    assert log.read("r", None, entries[1].position, 9).entries == entries[:1]
    epoch = log.epoch or ""
    place = codec.place(entries[1].position)
    assert place is not None
    assert log.read("r", codec.position(epoch, place.offset, "00000000"), None, 9).reason == "mismatch"
    assert log.read("r", codec.position(epoch, 99 << INDEX_BITS, "00000000"), None, 9).reason == "ahead"
    assert log.read("r", codec.position("other", 1, "00000000"), None, 9).reason == "epoch"
    assert log.read("r", "nonsense", None, 9).reason == "mismatch"


def test_the_window_in_time() -> None:
    log = begun(window=Window(100, 60))
    for offset in range(1, 5):
        log.feed(offset, body(log, [("r", f"k{offset}")], seq=offset, time=NOW - 100_000 + 20_000 * offset))
    assert keys(log) == ["k2", "k3", "k4"]
    assert log.find("r", "k1") is None


def test_memory_is_bounded_and_the_gap_is_told() -> None:
    log = begun(limit=2000)
    first = None
    for offset in range(1, 200):
        log.feed(offset, body(log, [("r" if offset < 3 else f"x{offset % 5}", f"k{offset}")], seq=offset))
        if offset == 1:
            first = log.tail("r", 9).top
    assert keys(log) == []
    assert first is not None
    assert log.read("r", first, None, 9).reason == "trimmed"
    assert sum(len(room.entries) for room in log._rooms.values()) < 50
    # Whoever comes now can go on from what it is given.
    top = log.tail("r", 9).top
    log.feed(200, body(log, [("r", "new")], seq=200))
    page = log.read("r", top, None, 9)
    assert page.complete
    assert [entry.key for entry in page.entries] == ["new"]


@pytest.mark.parametrize("seed", range(10))
def test_every_reader_comes_to_the_same_log(seed: int) -> None:
    """Writers that lag, repeat themselves and are given up; readers that begin anywhere."""
    chance = random.Random(seed)
    early = begun()
    stream = [pack_batch(Batch("", -1, "first", 1, []))]
    writers = [history() for _ in range(4)]
    for writer in writers:
        writer.feed(0, stream[0])
    held: list[bytes] = []
    for step in range(1, 400):
        number = chance.randrange(len(writers))
        writer = writers[number]
        # It reads on, mostly to the end, and writes what it does not know.
        end = len(stream) if chance.random() < 0.7 else chance.randrange(writer.last, len(stream)) + 1
        for offset in range(writer.last + 1, end):
            writer.feed(offset, stream[offset])
        wanted = {(f"r{chance.randrange(2)}", f"k{chance.randrange(step // 3 + 3)}") for _ in range(3)}
        new = [(room, key) for room, key in sorted(wanted) if writer.find(room, key) is None]
        text = body(writer, new, who=f"w{number}", seq=step)
        if chance.random() < 0.1:
            held.append(text)  # stuck on a dead link
            continue
        if held and chance.random() < 0.1:
            stream.append(held.pop(0))
        stream.append(text)
    for offset, text in enumerate(stream[1:], 1):
        early.feed(offset, text)
    for room in ("r0", "r1"):
        found = keys(early, room)
        assert len(found) == len(set(found)), "a key twice"
    assert early._chain
    for first in (1, 2, 50, 200, len(stream) - 30):
        late = history()
        for offset in range(first, len(stream)):
            late.feed(offset, stream[offset])
        assert late.epoch == early.epoch
        for room in ("r0", "r1"):
            here = late.read(room, None, None, 10**6).entries
            there = early.read(room, None, None, 10**6).entries
            assert [e.position for e in here] == [e.position for e in there][len(there) - len(here) :]
            known = [e for e in there if (codec.place(e.position) or ("", 0))[1] > late._covered]
            assert len(here) == len(known)


@pytest.mark.parametrize(
    "query", ["prefix=a.b", "prefix=", "buckets=0", "buckets=x", "bucket_bytes=1", "heartbeat=0"]
)
def test_options_that_cannot_be_used(query: str) -> None:
    with pytest.raises(BrokerConfigError) as raised:
        options_of(f"amqp://user:secret@host/?{query}")
    assert "secret" not in str(raised.value)


def test_options() -> None:
    options = options_of("amqp://u:p@host:1234/vhost?prefix=x&buckets=4&heartbeat=5&name=n")
    assert options.url == "amqp://u:p@host:1234/vhost?name=n&heartbeat=5"
    assert options.bucket_name(3) == "x.1.log.4.3"
    assert {options.bucket_of(f"room{n}") for n in range(50)} == {0, 1, 2, 3}
