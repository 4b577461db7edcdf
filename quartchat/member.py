"""One connection's life in a room, without its socket: frames in, frames out."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, NamedTuple

from brokers import Append, Appended, Conflict, Outcome, Reason, Refused
from brokers.codec import now_ms

from . import protocol
from .frames import PING
from .protocol import Malformed, Send, User
from .wire import HIGH_WATER, Wire

if TYPE_CHECKING:
    from .hub import Hub
    from .room import Room

IN_FLIGHT = 256
"""Sends without an answer beyond which no more is read from this client."""

STALL_SECONDS = 10.0
"""A client that takes nothing for this long is let go."""

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


class Close(NamedTuple):
    """Why a connection has to end."""

    code: int
    reason: str


class Member:
    """One client in one room."""

    __slots__ = (
        "_awaited",
        "_awaited_until",
        "_hub",
        "_in_flight",
        "_pending",
        "_returning_until",
        "_room_for_more",
        "_unanswered",
        "behind",
        "closing",
        "cursor",
        "expires",
        "heard",
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
    ) -> None:
        self._hub = hub
        self.room = room
        self.wire = wire
        self.user = user
        self.v1 = v1
        self.cursor = cursor
        self.expires = expires
        """Seconds since 1970 at which the session ends."""
        self.behind = False
        """Reads on from its cursor in a task of its own, until it is up to date again."""
        self.closing: Close | None = None
        self.heard = self.pinged = hub.now()
        self._pending: list[bytes] = []
        self._in_flight: dict[str, str] = {}
        self._room_for_more: asyncio.Event | None = None
        self._awaited: str | None = None
        self._awaited_until = 0.0
        self._unanswered: set[str] = set()
        """Sends that ended unknown: they may stand in the log."""
        self._returning_until = self.heard + ORDER_SECONDS if returning else 0.0
        """Until then an id may be one that another connection sent before."""

    # In ---------------------------------------------------------------------------------------------------

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
            self._refuse(frame)
        elif type(frame) is protocol.Typing:
            self._hub.typing(self.room, self.user)
        elif type(frame) is protocol.Ping:
            self.tell(protocol.frame("pong", position=self.room.top))

    def _receive_plain(self, text: str) -> None:
        message = protocol.decode_plain(text)
        if isinstance(message, Malformed):
            self.close(protocol.CLOSE_POLICY, message.detail)
            return
        refusal = protocol.refusal_of(message, self._hub.settings.max_message_bytes)
        if refusal is not None:
            self.close(protocol.CLOSE_POLICY, refusal[1])
            return
        if self._hub.rates.take(self.user.id, self.heard):
            self.close(protocol.CLOSE_POLICY, "too many messages, slow down")
            return
        self._submit(secrets.token_urlsafe(12), message)

    def _refuse(self, frame: Malformed) -> None:
        if frame.id is not None:
            self._nack(frame.id, frame.code, frame.detail)
        else:
            self.tell(protocol.frame("error", code=frame.code, detail=frame.detail))

    def _send(self, frame: Send) -> None:
        if frame.id in self._in_flight:
            if self._in_flight[frame.id] != frame.message:
                self._nack(frame.id, "id_conflict", "this id was used for another message")
            return  # its answer is on the way
        if self._awaited is not None and not self._in_order(frame.id):
            self._unknown(frame.id, RETRY_SECONDS)
            return
        refusal = protocol.refusal_of(frame.message, self._hub.settings.max_message_bytes)
        if refusal is not None:
            self._nack(frame.id, *refusal)
        elif wait := 0.0 if frame.id in self._unanswered else self._hub.rates.take(self.user.id, self.heard):
            self._too_fast(frame, round(wait + 0.05, 2))
        else:
            self._submit(frame.id, frame.message)

    def _too_fast(self, frame: Send, wait: float) -> None:
        # What is refused never appears: so what may be in the log already is not refused.
        if self.room.holds_message(self.user.id, frame.id):
            self._submit(frame.id, frame.message)
        elif self.heard < self._returning_until:
            self._unknown(frame.id, wait)
        else:
            self._nack(frame.id, "rate_limited", "too many messages, slow down", wait)

    def _unknown(self, message_id: str, retry_after: float) -> None:
        self._hub.counters.unknown += 1
        if self._awaited is None:
            self._awaited, self._awaited_until = message_id, self._hub.now() + ORDER_SECONDS
        self.tell(protocol.unknown(message_id, retry_after))

    def _in_order(self, message_id: str) -> bool:
        # A message whose fate is unknown must not be passed by a newer one of the same connection.
        if message_id == self._awaited or self._hub.now() > self._awaited_until:
            self._awaited = None
        return self._awaited is None

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
        self._unanswered.discard(message_id)
        self._hub.answered()
        if self._room_for_more is not None and len(self._in_flight) < IN_FLIGHT:
            self._room_for_more.set()
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
                self.close(protocol.CLOSE_SLOW, "the last message may be lost")
                return
            self._unanswered.add(message_id)
            self._unknown(message_id, RETRY_SECONDS)

    def _nack(self, message_id: str, code: str, detail: str, retry_after: float | None = None) -> None:
        self._hub.counters.nacks[code] = self._hub.counters.nacks.get(code, 0) + 1
        if self.v1:
            self.tell(protocol.nack(message_id, code, detail, retry_after))
        else:
            self.close(protocol.CLOSE_POLICY, detail)

    async def room_for_more(self) -> None:
        """Return when few enough sends are without an answer to read the next frame."""
        if len(self._in_flight) >= IN_FLIGHT:
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
            self._pending.append(frame)
            self._hub.soon(self)
            if self.behind and len(self._pending) > PENDING:
                # It asks and asks, and does not take the answers.
                self._pending.clear()
                self.close(protocol.CLOSE_SLOW, "reading too slowly")

    def write(self, data: bytes) -> None:
        """Write now, what is pending first."""
        if self._pending:
            self._pending.append(data)
            data = b"".join(self._pending)
            self._pending.clear()
        if data:
            self.wire.write(data)
            if self.wire.buffered() > HIGH_WATER and not self.behind:
                self._fall_behind()

    def flush(self) -> None:
        """Write what is pending, where the client takes it."""
        if self._pending and not self.behind:
            self.write(b"")

    def pump(self) -> None:
        """Write from the cursor on; where that is much, the rest follows as fast as the client takes it."""
        if self.behind:
            return
        found = self.room.chunk(self.cursor, self.v1, HIGH_WATER)
        if found is None:
            self.reset("trimmed")
            return
        data, self.cursor = found
        self.write(data)
        if self.cursor < self.room.end and not self.behind:
            self._fall_behind()

    def reset(self, reason: Reason) -> None:
        """Say that what came before cannot be continued, and go on with the retained page."""
        if self.v1:
            self._hub.counters.resets[reason] = self._hub.counters.resets.get(reason, 0) + 1
            self._pending.append(protocol.frame("reset", reason=reason, position=self.room.top))
            self.cursor = self.room.page_start()
        else:
            self.cursor = self.room.end
        self.pump()

    def _fall_behind(self) -> None:
        self.behind = True
        self._hub.spawn(self._catch_up())

    async def _catch_up(self) -> None:
        while self.closing is None:
            left = self.wire.buffered()
            try:
                async with asyncio.timeout(STALL_SECONDS):
                    await self.wire.drained()
            except TimeoutError:
                if self.wire.buffered() >= left:
                    self.close(protocol.CLOSE_SLOW, "reading too slowly")
                continue
            if self._pending:
                self.write(b"")
            found = self.room.chunk(self.cursor, self.v1, HIGH_WATER)
            if found is None:
                self.behind = False
                self.reset("trimmed")
                return
            data, self.cursor = found
            if not data:
                self.behind = False
                self.flush()
                return
            self.write(data)
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
            else:
                # The tutorial's clients answer by themselves; a dead link shows to the kernel.
                self.tell(PING)
        if self.v1 and silence >= DEAD_SECONDS:
            self.close(protocol.CLOSE_SLOW, "no sign of life")

    def close(self, code: int, reason: str) -> None:
        """End this connection; only the first reason counts."""
        if self.closing is None:
            if self._pending and not self.behind:
                self.write(b"")
            self.closing = Close(code, reason)
            if self._room_for_more is not None:
                self._room_for_more.set()
            self._hub.leave(self)
            self.wire.close(code, reason)
