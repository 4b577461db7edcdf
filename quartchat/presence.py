"""Who is in a room, over all instances, without a store.

Each instance tells the others which people are in the room by way of it: when that changes, when asked, and
every few seconds. What was not heard of for a while is dropped, so an instance that was killed leaves ghosts
for `FORGET_SECONDS` at the most.
"""

from __future__ import annotations

import re

import msgspec

from . import protocol

HEARTBEAT_SECONDS = 7.0
FORGET_SECONDS = 20.0
LISTED = 200
"""People up to whom a room's members are listed; above, only counted."""


INSTANCES = 1000
"""Whose part is remembered of one room."""

MOST = 1_000_000
"""People that one instance can have: it has not so many sockets."""

_KINDS = frozenset("pqt")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class Notice(msgspec.Struct, array_like=True, gc=False):
    """What instances tell each other about one room."""

    kind: str
    """p: these people are here by way of me. q: who is there? t: somebody is typing."""
    instance: str
    count: int = 0
    people: list[tuple[str, str]] | None = None
    """Ids and names; None where they are too many to list."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Notice).decode


def encode(notice: Notice) -> bytes:
    return _encode(notice)


def decode(data: bytes) -> Notice | None:
    """A notice, or None for bytes that are none."""
    try:
        notice = _decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    known = notice.kind in _KINDS and _ID(notice.instance) and 0 <= notice.count <= MOST
    people = notice.people or ()
    if not known or len(people) > LISTED or len(people) > notice.count:
        return None
    if not all(_ID(user_id) and protocol.shows(name) for user_id, name in people):
        return None
    return notice


class Share(msgspec.Struct, gc=False):
    """One instance's part of a room's people."""

    heard: float
    count: int
    people: dict[str, str]


class Change(msgspec.Struct, gc=False):
    """What members are told."""

    count: int
    joined: list[tuple[str, str]]
    left: list[tuple[str, str]]


class Presence:
    """The people of one room, as this instance knows them."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._sockets: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._others: dict[str, Share] = {}
        self._told: dict[str, str] = {}
        self._told_count = 0
        self.own_changed = False

    def join(self, user_id: str, name: str) -> None:
        """One more socket of this person at this instance."""
        self._sockets[user_id] = self._sockets.get(user_id, 0) + 1
        if self._names.get(user_id) != name:
            self._names[user_id] = name
            self.own_changed = True

    def leave(self, user_id: str) -> None:
        left = self._sockets[user_id] = self._sockets[user_id] - 1
        if not left:
            del self._sockets[user_id], self._names[user_id]
            self.own_changed = True

    def hear(self, notice: Notice, now: float) -> bool:
        """Another instance's part. Answers whether something may have changed."""
        if notice.instance == self._instance:
            return False
        people = dict(notice.people or [])
        before = self._others.get(notice.instance)
        if notice.count == 0:
            return self._others.pop(notice.instance, None) is not None
        if before is None and len(self._others) >= INSTANCES:
            return False
        self._others[notice.instance] = Share(now, notice.count, people)
        return before is None or before.people != people or before.count != notice.count

    def forget(self, now: float) -> bool:
        """Drop instances not heard of for a while. Answers whether there were any."""
        silent = [name for name, share in self._others.items() if now - share.heard > FORGET_SECONDS]
        for name in silent:
            del self._others[name]
        return bool(silent)

    def own(self) -> Notice:
        """This instance's part, to tell the others."""
        self.own_changed = False
        names = self._names
        listed = list(names.items()) if len(names) <= LISTED else None
        return Notice("p", self._instance, len(names), listed)

    @property
    def most(self) -> int:
        """How many people there are at the most: who is here by way of two instances counts twice."""
        return len(self._sockets) + sum(share.count for share in self._others.values())

    def knows(self, user_id: str) -> bool:
        """Whether this person is here, as far as people are listed."""
        return user_id in self._sockets or any(user_id in share.people for share in self._others.values())

    def people(self) -> tuple[int, dict[str, str]]:
        """How many people are here, and who, as far as they are listed."""
        people = dict(self._names)
        hidden = 0
        for share in self._others.values():
            people.update(share.people)
            if not share.people:
                hidden += share.count
        return len(people) + hidden, people

    def change(self) -> Change | None:
        """What changed since the last call, or None."""
        count, people = self.people()
        if people == self._told and count == self._told_count:
            return None
        # Above the limit nobody is listed; who is there when it shrinks again is told anew.
        told = self._told if self._told_count <= LISTED else {}
        self._told, self._told_count = people, count
        if count > LISTED:
            return Change(count, [], [])
        joined = [(i, name) for i, name in people.items() if told.get(i) != name]
        left = [(i, name) for i, name in told.items() if i not in people]
        return Change(count, joined, left)
