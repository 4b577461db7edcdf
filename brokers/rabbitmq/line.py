"""What this process appends to one bucket: a line, and the one batch that is under way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context

from .. import codec
from ..base import APPEND_DEADLINE, Append, Appended, Entry, Outcome
from ..errors import Conflict, Refused, Unknown
from .history import OVERHEAD, History, Verdict
from .wire import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, MAX_ENTRY_BYTES

MAX_WAITING = 50_000
"""Appends in line; beyond that they end `Unknown` at once instead of in eight seconds."""


class Flight:
    """The one batch that is under way."""

    __slots__ = ("confirmed", "entries", "repeats", "seen", "seq", "slots", "timer", "verdict")

    def __init__(
        self,
        seq: int,
        entries: list[tuple[str, bytes]],
        slots: list[list[Append]],
        repeats: list[Append],
    ) -> None:
        self.seq = seq
        self.entries = entries
        self.slots = slots
        """For each entry, the appends that wait for it: more than one where a key was repeated."""
        self.repeats = repeats
        """Appends whose key stands in the log as we know it: once the batch is seen, it still is that log."""
        self.confirmed = False
        self.seen = False
        self.verdict: Verdict | None = None
        self.timer: asyncio.TimerHandle | None = None

    def left(self) -> list[Append]:
        """The appends that have no answer, in the order in which they came.

        A repeated key moves up to its first copy: they are one entry, so nothing overtakes anything.
        """
        return [*self.repeats, *(append for slot in self.slots for append in slot)]


class Line:
    """Appends in the order in which they came. Each is answered once, by its deadline."""

    def __init__(self, context: Context, ready: Callable[[], None]) -> None:
        self.flight: Flight | None = None
        self._ready = ready
        """Called when something waits and nothing is under way."""
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Append] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    def submit(self, append: Append) -> None:
        """Put an entry in line."""
        if len(append.data) + len(append.key) > MAX_ENTRY_BYTES:
            append.done(Refused(f"an entry takes at most {MAX_ENTRY_BYTES} bytes"))
        elif len(self._waiting) >= MAX_WAITING:
            append.done(Unknown("too many appends wait for the server"))
        else:
            append.deadline = self._loop.time() + APPEND_DEADLINE
            self._waiting.append(append)
            if self._alarm is None:
                self._set_alarm(append.deadline)
            if self.flight is None:
                self._ready()

    def close(self) -> None:
        """Everything in line ends `Unknown`."""
        if self._alarm is not None:
            self._alarm.cancel()
        self.turn_back()
        while self._waiting:
            self._waiting.popleft().done(Unknown("the broker was closed"))

    def take_off(self, history: History, seq: int) -> Flight | None:
        """All that waits, or as much as fits, as one batch. None where nothing is left to send."""
        size = 0
        entries: list[tuple[str, bytes]] = []
        slots: list[list[Append]] = []
        repeats: list[Append] = []
        here: dict[tuple[str, str], list[Append]] = {}
        while self._waiting and len(slots) < MAX_BATCH_ENTRIES and size < MAX_BATCH_BYTES:
            append = self._waiting.popleft()
            pair = append.room, append.key
            if history.find(*pair) is not None:
                repeats.append(append)
            elif pair in here:
                here[pair].append(append)
            else:
                blob = codec.pack(append.key, append.digest, append.time, append.data)
                entries.append((append.room, blob))
                here[pair] = [append]
                slots.append(here[pair])
                size += len(blob) + OVERHEAD
        if entries or repeats:
            self.flight = Flight(seq, entries, slots, repeats)
        return self.flight

    def land(self, history: History) -> None:
        """The batch is confirmed, and was seen in the log: answer, or send again what did not count."""
        flight = self.flight
        if flight is None or flight.verdict is None:
            self.turn_back()
            return
        self._end_flight()
        again: list[Append] = []
        for slot, stored in ((flight.repeats, None), *zip(flight.slots, flight.verdict, strict=True)):
            if stored is not None and slot:
                slot.pop(0).done(Appended(stored.position, False))
            for append in slot:
                known = stored or history.find(append.room, append.key)
                if known is None:
                    again.append(append)  # the copy has left the window in the meantime
                else:
                    append.done(_answer(append, known))
        self._waiting.extendleft(reversed(again))

    def turn_back(self) -> None:
        """What is under way counts no more: it goes back to the head of the line."""
        if self.flight is not None:
            self._waiting.extendleft(reversed(self.flight.left()))
            self._end_flight()

    def _end_flight(self) -> None:
        if self.flight is not None and self.flight.timer is not None:
            self.flight.timer.cancel()
        self.flight = None

    def _set_alarm(self, when: float) -> None:
        self._alarm = self._loop.call_at(when, self._expire, context=self._context)

    def _expire(self) -> None:
        """Answer `Unknown` where it is time to, and to all that wait behind such a one in its room."""
        self._alarm = None
        now, dead, late = self._loop.time(), set[str](), list[Append]()

        def keep(append: Append) -> bool:
            if append.deadline > now and append.room not in dead:
                return True
            dead.add(append.room)
            late.append(append)
            return False

        # What is under way stays so: it may be stored, and what comes after it must not overtake it.
        for slot in (self.flight.repeats, *self.flight.slots) if self.flight else ():
            slot[:] = filter(keep, slot)
        self._waiting = deque(filter(keep, self._waiting))
        left = [*(self.flight.left() if self.flight else ()), *self._waiting]
        if left:
            self._set_alarm(min(append.deadline for append in left))
        for append in late:
            append.done(Unknown("no answer from RabbitMQ in time"))


def _answer(append: Append, known: Entry) -> Outcome:
    if append.digest == known.digest:
        return Appended(known.position, True)
    return Conflict("this key was used for another entry")
