"""The rooms that have people in them now, over all instances, without a store.

Each instance tells the others its fullest rooms: when they change, when somebody new is heard, and every few
seconds. It tells of each room what it knows of the whole of it (`Hub.people`), so counts are not added up but
the highest holds: somebody who is in a room by way of two instances counts once.
"""

from __future__ import annotations

import heapq
from typing import Annotated

import msgspec

from . import names, presence, sessions
from .hub import Hub

ROOM = sessions.LOG
"""Whose signals these are: every instance follows it anyhow."""

LISTED = 30
"""Rooms that are shown. As many of each instance's are enough: a room that is among the fullest of all is so
at an instance that has people in it."""

Count = tuple[str, int]


class Fullest(msgspec.Struct, array_like=True, gc=False):
    """What instances tell each other."""

    instance: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    rooms: list[Count]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Fullest).decode

INSTANCES = 1000
"""Whose rooms are remembered."""


class Lobby:
    """Hears and tells; a hub calls it. Nothing is followed or read for who looks."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._others: dict[str, tuple[float, list[Count]]] = {}
        self._told: list[Count] = []
        self._asked = False
        hub.hears[ROOM] = self.hear
        hub.beats.append(self.beat)

    def rooms(self) -> list[Count]:
        """Rooms and how many people each has, the fullest first."""
        found = dict(self._own())
        for _, rooms in self._others.values():
            for room, count in rooms:
                found[room] = max(count, found.get(room, 0))
        # Who may not come in need not know of it, and who may does.
        return _fullest({room: count for room, count in found.items() if not self._hub.rules.of(room).closed})

    def beat(self, regular: bool) -> None:
        """Called every two seconds; now and then it is time to tell, changed or not."""
        now = self._hub.now()
        for instance in [
            name for name, (at, _) in self._others.items() if now - at > presence.FORGET_SECONDS
        ]:
            del self._others[instance]
        own = [] if self._hub.draining else self._own()
        if regular or self._asked or own != self._told:
            self._told, self._asked = own, False
            self._hub.broker.signal(ROOM, _encode(Fullest(self._hub.instance, own)))

    def hear(self, data: bytes) -> None:
        """Another instance's rooms."""
        try:
            told = _decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            self._hub.rejected(ROOM, 1)
            return
        if told.instance == self._hub.instance:
            return
        if not all(0 <= count <= presence.MOST and _is_room(room) for room, count in told.rooms[:LISTED]):
            self._hub.rejected(ROOM, 1)
            return
        if told.instance not in self._others and len(self._others) >= INSTANCES:
            return
        # Who is new has not heard of us either.
        self._asked = self._asked or told.instance not in self._others
        self._others[told.instance] = (self._hub.now(), [each for each in told.rooms[:LISTED] if each[1] > 0])

    def _own(self) -> list[Count]:
        return _fullest(self._hub.people)


def _is_room(name: str) -> bool:
    try:
        return names.room_name(name) == name
    except names.BadName:
        return False


def _fullest(counts: dict[str, int]) -> list[Count]:
    return heapq.nsmallest(LISTED, counts.items(), key=lambda each: (-each[1], each[0]))
