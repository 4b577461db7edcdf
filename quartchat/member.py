"""One connection's life in a room, without its socket: frames in, frames out."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from brokers import Append, Appended, Conflict, Outcome, Reason, Refused
from brokers.codec import new_epoch as new_id
from brokers.codec import now_ms

from . import protocol
from .frames import PING
from .protocol import Malformed, Send, User
from .wire import HIGH_WATER, Close, Wire

if TYPE_CHECKING:
    from .hub import Hub
    from .room import Room

IN_FLIGHT = 256
"""Sends without an answer beyond which no more is read from this client."""

HOLD_SECONDS = 0.05
"""For which a client that makes too much noise is held at least: a timer for some frames, not for each."""

NOISE_BYTES = 1024
"""Of what is refused, for which it counts once more: it was decoded all the same."""

STALL_SECONDS = 10.0
"""A client that takes nothing for this long is let go."""

LOOK_SECONDS = 1.0
"""Between two looks whether such a client took something."""

PENDING = 1000
"""Frames that wait for a client that reads too slowly, beside the log; with more it is let go."""

SILENCE_SECONDS = 25.0
"""Of a client, until it is pinged."""

DEAD_SECONDS = 55.0
"""Of a client, until it is let go: two pings went unanswered. Found within sixty, the sweep included."""

RETRY_SECONDS = 1.0
"""After which a client may ask again where the broker did not answer."""

ORDER_SECONDS = 10.0
"""How long the resend of an unanswered message is waited for before newer ones may pass it."""


TOO_FAST, MUTED = "too many messages, slow down", "you are muted in this room"


class Member:
    """One client in one room."""

    __slots__ = (
        "_awaited",
        "_awaited_until",
        "_held",
        "_hub",
        "_in_flight",
        "_returning_until",
        "_room_for_more",
        "_unanswered",
        "address",
        "began",
        "behind",
        "closing",
        "cursor",
        "expires",
        "heard",
        "pending",
        "pinged",
        "room",
        "user",
        "v1",
        "wire",
    )

    def __init__(
        self,
        hub: Hub,
        room: Room,
        wire: Wire,
        user: User,
        *,
        v1: bool,
        cursor: int,
        expires: float,
        returning: bool = False,
        address: str = "",
        began: int = 0,
    ) -> None:
        self._hub = hub
        self.room = room
        self.wire = wire
        self.user = user
        self.v1 = v1
        self.cursor = cursor
        self.expires = expires
        """Seconds since 1970 at which the session ends."""
        self.began = began
        """And when it began: an end concerns those that did so before."""
        self.address = address
        """As `limits.counted` says; empty where it is nobody's."""
        self._held = False
        """It said too much beside messages: nothing more is read for a moment."""
        self.behind = False
        """Reads on from its cursor in a task of its own, until it is up to date again."""
        self.closing: Close | None = None
        self.heard = self.pinged = hub.now()
        self.pending: list[bytes] = []
        """Frames that are not of the log; they go out before what comes next."""
        self._in_flight: dict[str, str] = {}
        self._room_for_more: asyncio.Event | None = None
        self._awaited: dict[str, None] = {}
        """Sends whose fate is unknown, in order: they come again before anything newer passes."""
        self._awaited_until = 0.0
        self._unanswered: dict[str, None] = {}
        """Sends that ended unknown: they may stand in the log."""
        self._returning_until = self.heard + ORDER_SECONDS if returning else 0.0
        """Until then an id may be one that another connection sent before."""

    # In ---------------------------------------------------------------------------------------------------

    def alive(self) -> None:
        """A sign of life that is no frame of ours."""
        self.heard = self._hub.now()

    def receive(self, text: str) -> None:
        """One text frame from the client."""
        self.heard = self._hub.now()
        if not self.v1:
            self._receive_plain(text)
            return
        frame = protocol.decode(text)
        if type(frame) is Send:
            self._send(frame)
        elif type(frame) is Malformed:
            self._refuse(frame, len(text))
        elif type(frame) is protocol.Typing:
            self._hub.typing(self.room, self.user)
            self.noise()
        elif type(frame) is protocol.Ping:
            self.tell(protocol.frame("pong", position=self.room.top))
            self.noise()
        else:
            self.noise()

    def noise(self, cost: float = 1.0) -> None:
        """It sent something beside messages, or what is refused: with too much, it is read more slowly."""
        wait = self._hub.limits.noise(self.user.id, self.address, self._hub.now(), cost)
        if wait and not self._held:
            self._held = True
            self._hub.later(max(wait, HOLD_SECONDS), self._go_on)

    def _go_on(self) -> None:
        self._held = False
        self._may_read_on()

    def _receive_plain(self, text: str) -> None:
        message = protocol.decode_plain(text)
        if isinstance(message, Malformed):
            self.close(protocol.CLOSE_POLICY, message.detail)
            return
        refusal = protocol.refusal_of(message, self._hub.settings.max_message_bytes)
        if refusal is not None:
            self.close(protocol.CLOSE_POLICY, refusal[1])
            return
        if self.muted:
            self.close(protocol.CLOSE_POLICY, MUTED)
            return
        if self._hub.message_wait(self.user.id, self.address, self.room.name):
            self.close(protocol.CLOSE_POLICY, TOO_FAST)
            return
        self._submit(new_id(), message)

    def _refuse(self, frame: Malformed, size: int) -> None:
        self.noise(1 + size / NOISE_BYTES)
        if frame.id is not None:
            self._nack(frame.id, frame.code, frame.detail)
        else:
            self.tell(protocol.frame("error", code=frame.code, detail=frame.detail))

    def _send(self, frame: Send) -> None:
        if frame.id in self._in_flight:
            if self._in_flight[frame.id] != frame.message:
                self._nack(frame.id, "id_conflict", "this id was used for another message")
            self.noise()
            return  # its answer is on the way
        if self._awaited and not self._in_order(frame.id):
            self.noise()
            self._unknown(frame.id, RETRY_SECONDS)
            return
        refusal = protocol.refusal_of(frame.message, self._hub.settings.max_message_bytes)
        if refusal is not None:
            self.noise(1 + len(frame.message) / NOISE_BYTES)
            self._nack(frame.id, *refusal)
        elif frame.id in self._unanswered:
            self._submit(frame.id, frame.message)
        elif self.room.rules.muted and self.muted:
            self._hold_back(frame, ORDER_SECONDS, "forbidden", MUTED)
        elif wait := self._hub.message_wait(self.user.id, self.address, self.room.name):
            self._hold_back(frame, round(wait + 0.05, 2), "rate_limited", TOO_FAST)
        else:
            self._submit(frame.id, frame.message)

    @property
    def muted(self) -> bool:
        """An owner of the room has taken the word from this person, for a time."""
        return self.room.rules.muted_for(self.user.id, time.time()) > 0

    def _hold_back(self, frame: Send, wait: float, code: str, detail: str) -> None:
        self.noise(1 + len(frame.message) / NOISE_BYTES)
        # What is refused never appears: so what may be in the log already is not refused.
        if self.room.holds_message(self.user.id, frame.id):
            self._submit(frame.id, frame.message)
        elif self.heard < self._returning_until:
            self._unknown(frame.id, wait)
        else:
            self._nack(frame.id, code, detail, wait if code == "rate_limited" else None)

    def _unknown(self, message_id: str, retry_after: float) -> None:
        self._hub.counters.unknown += 1
        if not self._awaited:
            self._awaited_until = self._hub.now() + ORDER_SECONDS
        if len(self._awaited) < IN_FLIGHT:
            self._awaited[message_id] = None
        self.tell(protocol.unknown(message_id, retry_after))

    def _in_order(self, message_id: str) -> bool:
        # A message whose fate is unknown must not be passed by a newer one of the same connection.
        now = self._hub.now()
        if now > self._awaited_until:
            self._awaited.clear()
        elif message_id == next(iter(self._awaited)):
            del self._awaited[message_id]
            self._awaited_until = now + ORDER_SECONDS
        else:
            return False
        return True

    def _submit(self, message_id: str, message: str) -> None:
        stamp = now_ms()
        try:
            key, digest, data = protocol.store(message_id, message, self.user, stamp)
        except UnicodeError:  # lone surrogates: what enters the log can always be delivered
            self._nack(message_id, "bad_request", "the message is not valid text")
            return
        self._in_flight[message_id] = message

        def done(outcome: Outcome) -> None:
            self._answer(message_id, outcome)

        self._hub.broker.submit(Append(self.room.name, key, digest, stamp, data, done))

    def _answer(self, message_id: str, outcome: Outcome) -> None:
        self._in_flight.pop(message_id, None)
        self._unanswered.pop(message_id, None)
        self._hub.answered()
        self._may_read_on()
        counters = self._hub.counters
        if isinstance(outcome, Appended):
            counters.acks += 1
            if self.v1:
                self.tell(protocol.ack(message_id, outcome.position))
        elif isinstance(outcome, Conflict):
            self._nack(message_id, "id_conflict", "this id was used for another message")
        elif isinstance(outcome, Refused):
            self._nack(message_id, "bad_request", str(outcome))
        else:
            if not self.v1:
                counters.unknown += 1
                code = protocol.CLOSE_LEAVING if self._hub.draining else protocol.CLOSE_SLOW
                self.close(code, "the last message may be lost")
                return
            self._unanswered[message_id] = None
            self._unknown(message_id, RETRY_SECONDS)

    def _nack(self, message_id: str, code: str, detail: str, retry_after: float | None = None) -> None:
        self._hub.counters.nacks[code] = self._hub.counters.nacks.get(code, 0) + 1
        if self.v1:
            self.tell(protocol.nack(message_id, code, detail, retry_after))
        else:
            self.close(protocol.CLOSE_POLICY, detail)

    @property
    def full(self) -> bool:
        """No more is read from it: too many sends are without an answer, answers not taken, or it is held."""
        return self._held or len(self._in_flight) >= IN_FLIGHT or len(self.pending) >= IN_FLIGHT

    def _may_read_on(self) -> None:
        if self._room_for_more is not None and not self.full:
            self._room_for_more.set()

    async def room_for_more(self) -> None:
        """Return when few enough sends are without an answer to read the next frame."""
        while self.full and self.closing is None:
            self._room_for_more = asyncio.Event()
            await self._room_for_more.wait()
            self._room_for_more = None

    @property
    def in_flight(self) -> int:
        """Sends without an answer."""
        return len(self._in_flight)

    # Out --------------------------------------------------------------------------------------------------

    def tell(self, frame: bytes) -> None:
        """Send a frame that is not of the log, with whatever else goes out in this turn of the loop."""
        if self.closing is None:
            self.pending.append(frame)
            self._hub.soon(self)
            if self.behind and len(self.pending) > PENDING:
                # It asks and asks, and does not take the answers.
                self.pending.clear()
                self.close(protocol.CLOSE_SLOW, "reading too slowly")

    def write(self, data: bytes) -> bool:
        """Write now, what is pending first. False where the client takes nothing: it falls behind."""
        waiting = self.pending
        if waiting:
            if self.wire.write(b"".join((*waiting, data))):
                waiting.clear()
                self._may_read_on()
                return True
        elif not data or self.wire.write(data):
            return True
        self.fall_behind()
        return False

    def flush(self) -> None:
        """Write what is pending, where the client takes it."""
        if self.pending and not self.behind:
            self.write(b"")

    def pump(self) -> None:
        """Write from the cursor on; where that is much, the rest follows as fast as the client takes it."""
        if self.behind:
            return
        found = self.room.chunk(self.cursor, self.v1, HIGH_WATER)
        if found is None:
            self.reset("trimmed")
            return
        data, after = found
        if self.write(data):
            self.cursor = after
            if after < self.room.end:
                self.fall_behind()

    def reset(self, reason: Reason) -> None:
        """Say that what came before cannot be continued, and go on with the retained page."""
        if self.v1:
            self._hub.counters.resets[reason] = self._hub.counters.resets.get(reason, 0) + 1
            self.pending.append(protocol.frame("reset", reason=reason, position=self.room.top))
            self.cursor = self.room.page_start()
        else:
            self.cursor = self.room.end
        self.pump()

    def fall_behind(self) -> None:
        """Read on from the cursor as fast as the client takes it."""
        if not self.behind:
            self.behind = True
            self._hub.spawn(self._catch_up())

    async def _catch_up(self) -> None:
        taken, moved = self.wire.taken(), self._hub.now()
        while self.closing is None:
            stuck = False
            try:
                async with asyncio.timeout(min(LOOK_SECONDS, moved + STALL_SECONDS - self._hub.now())):
                    await self.wire.drained()
            except TimeoutError:
                stuck = True
            now, before = self._hub.now(), taken
            taken = self.wire.taken()
            if taken != before:
                # The buffers are full, so it was read: as good as a word. A ping would wait behind them.
                self.heard = now
            if taken != before or not stuck:
                moved = now
            elif now - moved >= STALL_SECONDS:
                self.close(protocol.CLOSE_SLOW, "reading too slowly")
            if stuck:
                continue
            found = self.room.chunk(self.cursor, self.v1, HIGH_WATER)
            if found is None:
                self.behind = False
                self.reset("trimmed")
                return
            data, after = found
            if self.write(data):
                self.cursor = after
                if after == self.room.end:
                    self.behind = False
                    return
            await asyncio.sleep(0)  # a client that takes everything at once must not hold up the others

    # Life -------------------------------------------------------------------------------------------------

    def check(self, now: float, clock: float) -> None:
        """Look after a quiet client: ping it, or let it go. Called every few seconds."""
        if clock >= self.expires:
            self.close(protocol.CLOSE_SESSION, "the session ended")
            return
        silence = now - self.heard
        if silence >= SILENCE_SECONDS and now - self.pinged >= SILENCE_SECONDS:
            self.pinged = now
            if self.v1:
                self.tell(protocol.frame("ping", position=self.room.top))
            elif self.wire.pings:
                self.tell(PING)  # browsers answer by themselves, the tutorial's page knows nothing of it
        if (self.v1 or self.wire.pings) and silence >= DEAD_SECONDS:
            self.close(protocol.CLOSE_SLOW, "no sign of life")

    def close(self, code: int, reason: str) -> None:
        """End this connection; only the first reason counts."""
        if self.closing is None:
            if self.pending and not self.behind:
                self.write(b"")
            self.closing = Close(code, reason)
            if self._room_for_more is not None:
                self._room_for_more.set()
            self._hub.leave(self)
            self.wire.close(code, reason)
