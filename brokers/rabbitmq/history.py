"""A bucket's log as one process knows it. No network and no clock of its own: bytes in, entries out.

Every process feeds the same messages in the same order and must come to the same log. The rules, each a
function of what stands in the stream alone:

epoch       the writer and count of the message at offset 0, the first one ever. Writers repeat it in every
            batch, so it outlives that message.
void        a batch of another epoch, one that reached the stream after a later one of the same writer, or
            one whose base lies more than `LAG` offsets back. Nothing in it counts. Its writer sees that too,
            and writes the entries again.
duplicate   an entry whose (room, key) also stands between its batch's base and its batch, or earlier in the
            batch. A copy before the base was known to the writer, who would not have written another one.
decidable   a batch whose base lies before the first message that was read cannot be judged. `LAG` bounds how
            far that reaches: only into the first messages of a log that was already trimmed, and the log is
            taken to begin after them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Collection
from itertools import islice
from zlib import crc32

from .. import codec
from ..base import Entry, Page, Reason, Tail, Window
from .scan import CHAIN, DIGEST, DIGEST_BYTES
from .wire import INDEX_BITS, MAX_BATCH_ENTRIES, Batch, Past, unpack_batch

LAG = 512
"""Offsets a base may lie back. A writer has one batch under way, so some hundred of them still fit."""

OVERHEAD = 64
"""Bytes that an entry is taken to cost beside its own, in the stream and here."""

POINT = "0"
"""The proof of a position where no entry stands: before it, the room has none that is worth knowing."""

Verdict = list[Entry | None]
"""For each entry of a batch: as it was stored, or None where it was not."""


class Room:
    """One room's part of a bucket."""

    __slots__ = ("dropped", "entries", "keys", "name", "offsets", "top", "top_offset")

    def __init__(self, name: str) -> None:
        self.name = name
        self.offsets: deque[int] = deque()
        self.entries: deque[Entry] = deque()
        """The window, oldest first; `offsets` beside it."""
        self.keys: dict[str, Entry] = {}
        self.top: str | None = None
        """Position of the last entry, also when the window holds it no longer."""
        self.top_offset = -1
        self.dropped = -1
        """Offset of the last entry that left the window."""

    def pop(self) -> None:
        self.dropped = self.offsets.popleft()
        entry = self.entries.popleft()
        if self.keys.get(entry.key) is entry:
            del self.keys[entry.key]


class _Seen:
    """The keys of one recent batch."""

    __slots__ = ("_set", "keys", "offset")

    def __init__(self, offset: int, keys: list[tuple[str, str]]) -> None:
        self.offset = offset
        self.keys = keys
        self._set: set[tuple[str, str]] | None = None

    def __contains__(self, pair: tuple[str, str]) -> bool:
        # Most batches are never asked: their successor had read them.
        if self._set is None:
            self._set = set(self.keys)
        return pair in self._set


class History:
    """One epoch of one bucket, as far as this process has read it."""

    def __init__(
        self,
        window: Window,
        limit: int,
        pinned: Collection[str] = (),
        now_ms: Callable[[], int] = codec.now_ms,
    ) -> None:
        self.window = window
        self.pinned = pinned
        """Rooms whose top must be remembered: somebody follows them."""
        self.limit = limit
        """Bytes of entries that are kept: as many as the stream keeps."""
        self.epoch: str | None = None
        self.first = -1
        self.last = -1
        """Stream offset of the last message that was read."""
        self.mark = 0
        """Checksum of that message, to know it again."""
        self.foreign = 0
        """Messages that were not ours."""
        self._now_ms = now_ms
        self._rooms: dict[str, Room] = {}
        self._covered = -1
        """Up to here a room that is not known may have had entries."""
        self._order: deque[tuple[int, Room, int]] = deque()
        self._bytes = 0
        self._recent: deque[_Seen] = deque()
        self._writers: dict[str, tuple[int, int]] = {}
        self._chain: list[int] = []
        self._since: list[tuple[int, bytes]] = []
        self._since_bytes = 0

    def feed(self, offset: int, body: bytes) -> tuple[Batch, Verdict | None] | None:
        """Read the next message. None for what is not ours; a verdict of None for a void batch."""
        if self.first < 0:
            self.first = offset
            self._covered = (offset << INDEX_BITS) - 1
        self.last, self.mark = offset, crc32(body)
        try:
            batch = unpack_batch(body)
            blobs = [(room, blob, codec.unpack(blob)) for room, blob in batch.entries]
            if len(blobs) > MAX_BATCH_ENTRIES or any(not room for room, _ in batch.entries):
                raise ValueError("not a batch of ours")
        except ValueError:
            self.foreign += 1
            return None
        if offset == 0:
            self.epoch = f"{batch.who}{batch.seq:x}"
        elif self.epoch is None and batch.entries and batch.epoch and batch.base < offset:
            # Not from a barrier: its writer may not have read this stream yet, and name an older log.
            self.epoch = batch.epoch
        self._remember(offset, body, batch)
        late = self._writers.get(batch.who, (-1, 0))[0] >= batch.seq
        if not late:
            self._writers[batch.who] = (batch.seq, offset)
            if len(self._writers) > LAG:
                self._writers = {w: s for w, s in self._writers.items() if s[1] >= offset - LAG}
        if late or batch.epoch != self.epoch or not offset - LAG <= batch.base < offset:
            return batch, None
        keys = [(room, blob.key) for room, _, blob in blobs]
        known = self._keys_since(batch.base)
        self._recent.append(_Seen(offset, keys))
        while self._recent[0].offset < offset - LAG:
            self._recent.popleft()
        if self.first > 0 and batch.base < self.first - 1:
            self._begin_after(offset)
            return batch, None
        verdict: Verdict = []
        own: set[tuple[str, str]] = set()
        for index, (name, raw, blob) in enumerate(blobs):
            pair = keys[index]
            if pair in own or any(pair in seen for seen in known):
                verdict.append(None)
                continue
            own.add(pair)
            place = offset << INDEX_BITS | index
            position = codec.position(self.epoch, place, codec.proof_of(raw))
            room = self._rooms.get(name)
            if room is None:
                room = self._rooms[name] = Room(name)
            entry = Entry(position, room.top, blob.key, blob.digest, blob.time, blob.data)
            self._add(room, place, entry, len(raw) + OVERHEAD)
            verdict.append(entry)
        return batch, verdict

    def settle(self) -> None:
        """The end was reached: name the epoch, where nobody has named it in what is left."""
        if self.epoch is None:
            self.epoch = f"late{self.first:x}"

    def past(self) -> Past | None:
        """What the next batch carries for those who come late; None where it is not time for that."""
        if len(self._since) < DIGEST:
            return None
        # As it is now: it is packed in a later turn, and more may have come in by then.
        return Past(self._chain, list(self._since) if self._since_bytes <= DIGEST_BYTES else [])

    def find(self, room: str, key: str) -> Entry | None:
        """The entry with this key, where the window still holds it."""
        return self._room(room).keys.get(key)

    def tail(self, name: str, limit: int) -> Tail:
        """The end of a room's log."""
        room = self._room(name)
        held = len(room.entries)
        entries = list(islice(room.entries, max(0, held - limit), held))
        return Tail(room.top or self._empty(), entries, held <= limit)

    def read(self, name: str, after: str | None, before: str | None, limit: int) -> Page:
        """One page, as `Broker.read` says."""
        room = self._room(name)
        held = len(room.entries)
        if after is not None:
            found = self._next(room, after)
            start, reason = (found, None) if isinstance(found, int) else (0, found)
            stop = start + limit
        elif before is not None:
            found = self._next(room, before)
            if isinstance(found, int) and not _is_point(before):
                # `found` comes after the entry itself. None of it left: it has just fallen out.
                found = found - 1 if found else "trimmed"
            if isinstance(found, str):
                return Page([], False, found)
            start, stop, reason = max(0, found - limit), found, None
        else:
            start, stop, reason = max(0, held - limit), held, None
        return Page(list(islice(room.entries, start, stop)), reason is None, reason)

    def forget(self, name: str) -> None:
        """The room is not pinned any more."""
        room = self._rooms.get(name)
        if room and (not self._order or room.top_offset < self._order[0][0]):
            self._remove(room)

    def _remember(self, offset: int, body: bytes, batch: Batch) -> None:
        if batch.past is not None and batch.epoch == self.epoch:
            self._chain = [*self._chain[1 - CHAIN :], offset]
            self._since, self._since_bytes = [], 0
            return
        self._since_bytes += len(body)
        # Of what is too much to be carried only the number counts.
        self._since.append((offset, body if self._since_bytes <= DIGEST_BYTES else b""))

    def _next(self, room: Room, token: str) -> int | Reason:
        """The index of the first entry after a position, or why nothing can be continued from it."""
        place = codec.place(token)
        if place is None:
            return "mismatch"
        if place.epoch != self.epoch:
            return "epoch"
        offset, held = place.offset, len(room.entries)
        gone = max(self._covered, room.dropped)
        if place.proof == POINT:
            if offset > (self.last + 1) << INDEX_BITS:
                return "ahead"
            return bisect_left(room.offsets, offset) if offset > gone else "trimmed"
        if token == (room.entries[0].prev if held else room.top):
            return 0
        if offset > max(room.top_offset, gone):
            return "ahead"
        index = bisect_left(room.offsets, offset)
        if index < held and room.entries[index].position == token:
            return index + 1
        return "trimmed" if offset <= gone else "mismatch"

    def _empty(self) -> str:
        # A point between entries. In a log that is still whole, the same one for everybody.
        offset = 0 if self._covered < 0 else (self.last + 1) << INDEX_BITS
        return codec.position(self.epoch or "none", offset, POINT)

    def _keys_since(self, base: int) -> list[_Seen]:
        found = []
        for seen in reversed(self._recent):
            if seen.offset <= base:
                break
            found.append(seen)
        return found

    def _room(self, name: str) -> Room:
        """The room without what the window has lost since; an empty one where nothing is known."""
        room = self._rooms.get(name)
        if room is None:
            return Room(name)
        oldest = self._now_ms() - int(self.window.seconds * 1000)
        while room.entries and room.entries[0].time < oldest:
            room.pop()
        return room

    def _add(self, room: Room, offset: int, entry: Entry, cost: int) -> None:
        room.offsets.append(offset)
        room.entries.append(entry)
        room.keys[entry.key] = entry
        room.top, room.top_offset = entry.position, offset
        if len(room.entries) > self.window.entries:
            room.pop()
        self._order.append((offset, room, cost))
        self._bytes += cost
        # What the stream has certainly trimmed goes here, too: memory is bounded by the log's own bound.
        while self._bytes > self.limit:
            oldest, room, cost = self._order.popleft()
            self._bytes -= cost
            if room.offsets and room.offsets[0] == oldest:
                room.pop()
            if room.top_offset == oldest and room.name not in self.pinned:
                self._remove(room)

    def _remove(self, room: Room) -> None:
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
            self._covered = max(self._covered, room.top_offset)

    def _begin_after(self, offset: int) -> None:
        """Nothing up to this batch can be judged: the log begins after it."""
        self._rooms.clear()
        self._order.clear()
        self._bytes = 0
        self._covered = (offset + 1 << INDEX_BITS) - 1


def _is_point(token: str) -> bool:
    place = codec.place(token)
    return place is not None and place.proof == POINT
