"""The rules of all rooms, known to every instance.

They stand in a log of their own (`ledger`): each change says the whole of one room's rules. Two changes at
the same time are both made from the same turn; the first in the log holds, and whoever made the other one
makes it again from there. So there is no lock, and no change is lost.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator

import msgspec

from brokers import Broker, Entry, Unavailable

from .ledger import Ledger
from .names import BadName, room_name
from .rules import LONGEST, NONE, Rules, TooMany

LOG = " rules"
"""The log's name at the broker. No room can have it: rooms do not begin with a space."""

ROOMS = 10_000
"""Rooms that can be owned at the same time."""

KNOWN_SECONDS = 3.0
"""How long somebody who comes in waits until an instance that has just started knows the rules."""

HEARD_SECONDS = 5.0
"""How long a change that is stored may take to come back."""

TRIES = 20
"""Changes of others that one change gives way to."""

TOGETHER = 60_000
"""Bytes of rules that are said again in one entry, about."""

log = logging.getLogger("quartchat")


class Said(msgspec.Struct, omit_defaults=True):
    """One entry of the log."""

    rules: dict[str, Rules]
    """By room."""
    again: bool = False
    """They held before: who says so has seen which of two came first."""


_decode = msgspec.json.Decoder(Said).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class Rulebook:
    """What holds in each room.

    `changed` is told of each room whose rules are others now. `used` names the rooms that have people in
    them: they stay owned.
    """

    def __init__(
        self, broker: Broker, changed: Callable[[str, Rules], None], used: Callable[[], Iterable[str]]
    ) -> None:
        self.ledger = Ledger(broker, LOG, self._hear, self._facts)
        self._broker = broker
        self._changed = changed
        self._open = used
        self._rules: dict[str, Rules] = {}
        self._used: set[str] = set()
        """Rooms that somebody came into since all was said again."""
        self._heard = asyncio.Event()

    def of(self, room: str) -> Rules:
        """What holds in a room, as far as it is known here."""
        rules = self._rules.get(room)
        return NONE if rules is None or rules.until <= time.time() else rules

    async def asked(self, room: str) -> Rules:
        """What holds in a room that somebody comes into. Raise `Unavailable` where that is not known."""
        if not self.ledger.known:
            try:
                async with asyncio.timeout(KNOWN_SECONDS):
                    await self.ledger.learn()
            except TimeoutError:
                raise Unavailable("the rules are not known yet") from None
        rules = self.of(room)
        if rules is not NONE:
            self._used.add(room)
        return rules

    async def change(self, room: str, how: Callable[[Rules], Rules]) -> Rules:
        """Make a change, and return what holds when every instance has it on its way.

        `how` makes the new rules of the old ones, maybe more than once; what it raises is raised. Raise
        `Unknown` or `Unavailable` where the broker does not answer (the change may have been made: make it
        again), `TooMany` where too many rooms are owned.
        """
        await self.asked(room)
        for _ in range(TRIES):
            known = self.of(room)
            wanted = how(known)
            if wanted is known:
                return known
            if room not in self._rules and len(self._rules) >= ROOMS:
                self._forget(time.time())
                if len(self._rules) >= ROOMS:
                    raise TooMany(f"at most {ROOMS} rooms are owned at the same time")
            wanted = msgspec.structs.replace(
                wanted, turn=known.turn + 1, by=secrets.token_urlsafe(9), until=self._lease(wanted)
            )
            await self._broker.append(LOG, wanted.by, _encode(Said({room: wanted})))
            if (await self._turn(room, wanted.turn)).by == wanted.by:
                return wanted
        raise Unavailable("too many changes at the same time")

    def _lease(self, rules: Rules) -> int:
        """Until when rules count that are made or used now. A room that was taken and left is free soon."""
        seconds = max(86400, 2 * self._broker.window.seconds) if rules.bare else LONGEST
        return int(time.time() + seconds)

    async def _turn(self, room: str, turn: int) -> Rules:
        try:
            async with asyncio.timeout(HEARD_SECONDS):
                while (found := self.of(room)).turn < turn:
                    await self._heard.wait()
        except TimeoutError:
            raise Unavailable("the change was not heard of") from None
        return found

    def _hear(self, entry: Entry) -> int:
        try:
            said = _decode(entry.data)
            rooms = {room: rules for room, rules in said.rules.items() if room_name(room) == room}
        except (msgspec.MsgspecError, UnicodeError, RecursionError, BadName):
            log.warning("an entry of the log of rules that is not ours: skipped")
            return 0
        new = sum(self._held(room, rules, said.again) for room, rules in rooms.items())
        self._heard.set()
        self._heard = asyncio.Event()
        return new

    def _held(self, room: str, rules: Rules, again: bool) -> bool:
        known = self.of(room)
        if rules.turn < known.turn or rules.until <= time.time():
            return False
        if rules.turn == known.turn and rules.by != known.by and not again:
            return False  # the other one came first
        if rules.by == known.by:
            rules = msgspec.structs.replace(rules, until=max(rules.until, known.until))
        self._rules[room] = rules
        if rules.by == known.by:
            return False
        self._changed(room, rules)
        return True

    def _forget(self, now: float) -> None:
        self._rules = {room: rules for room, rules in self._rules.items() if rules.until > now}

    def _facts(self, entries: int) -> Iterator[bytes]:
        for room in self._rules.keys() & {*self._used, *self._open()}:
            rules = self._rules[room]
            self._rules[room] = msgspec.structs.replace(rules, until=self._lease(rules))
        self._used.clear()
        self._forget(time.time())
        known = sorted(self._rules.items())
        size = {room: len(_encode(rules)) for room, rules in known}
        together = max(TOGETHER, sum(size.values()) // entries + 1)
        part: dict[str, Rules] = {}
        full = 0
        for room, rules in known:
            part[room] = rules
            full += size[room]
            if full >= together:
                yield _encode(Said(part, again=True))
                part, full = {}, 0
        if part:
            yield _encode(Said(part, again=True))
