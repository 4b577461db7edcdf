"""What the owners of a room can do, and how somebody becomes one. The rules themselves: `rules`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from brokers.codec import now_ms

from . import names, protocol
from .hub import Hub
from .links import INVITE, OWNER, Links
from .protocol import User
from .rules import LONGEST, Rules, Sentence

NEW = 200
"""Messages that a room may have and still be new: whoever said the first one may own it."""

ACTS = ("look", "mute", "ban", "pardon", "close", "open", "invite", "revoke", "renew", "delete")

SHORTEST = 60
"""Seconds of a sentence or an invite at the least."""


class Refused(Exception):
    """A request that is answered with an HTTP status and why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


Fields = Mapping[str, str]


class Moderation:
    """Owners, their acts, and who is let into closed rooms. Every refusal is a `Refused`."""

    def __init__(self, hub: Hub, links: Links) -> None:
        self._hub = hub
        self._links = links

    async def claim(self, room: str, user: User) -> str:
        """The owner link of a new room, for who said the first word in it, or comes into an empty one."""
        hub = self._hub
        if hub.limits.open_room(user.id, "", hub.now()):
            raise Refused(429, "Too many rooms in a short time.")
        lines, _ = await hub.read(room, None, None, NEW)
        first = lines[0] if lines else None
        if first is not None and (
            first.prev is not None or first.message is None or first.message.user.id != user.id
        ):
            raise Refused(409, "Somebody else has begun this room.")
        owner = secrets.token_urlsafe(9)

        def owned(rules: Rules) -> Rules:
            if rules.owner:
                raise Refused(409, "Somebody owns this room.")
            return rules.owned(owner)

        await hub.rules.change(room, owned)
        return self._links.sign(OWNER, room, owner)

    async def let_in(self, room: str, user: User, link: str) -> None:
        """Let somebody with an invite or owner link into a closed room, for as long as it is closed."""
        invite, owner = (self._links.read(kind, room, link) for kind in (INVITE, OWNER))

        def let_in(rules: Rules) -> Rules:
            now = time.time()
            owns = bool(owner) and owner == rules.owner
            if not owns and not (invite and rules.admits(invite, now)):
                raise Refused(403, "This link does not count, or no longer.")
            against = rules.refuses(user.id, now)
            if against == "banned":
                raise Refused(403, "Not while you are banned.")
            return rules.let_in(user.id) if against else rules

        await self._hub.rules.change(room, let_in)

    async def act(self, room: str, user: User, fields: Fields) -> dict[str, Any]:
        """What `do` says, for who has the room's owner link (`owner`). Answers what holds then."""
        owner = self._links.read(OWNER, room, fields.get("owner", ""))
        how = self._how(room, user, fields)

        def checked(rules: Rules) -> Rules:
            if not owner or rules.owner != owner:
                raise Refused(403, "This is not the room's owner link, or no longer.")
            return how(rules)

        rules = await self._hub.rules.change(room, checked)
        if fields.get("do") == "delete":
            # After the rules, which take the text away: said again, this is the same entry.
            key, digest, data = protocol.tombstone(fields["position"], user, now_ms())
            await self._hub.broker.append(room, key, data, digest=digest)
        return self._shown(room, rules)

    def _shown(self, room: str, rules: Rules) -> dict[str, Any]:
        now = time.time()
        return {
            "owner": self._links.sign(OWNER, room, rules.owner),
            "closed": rules.closed,
            "invites": [
                {"invite": self._links.sign(INVITE, room, name), "until": until}
                for name, until in rules.invites.items()
                if until > now
            ],
            **{
                what: [
                    {"id": user_id, "name": sentence.name, "until": sentence.until}
                    for user_id, sentence in sentences.items()
                    if sentence.until > now
                ]
                for what, sentences in (("muted", rules.muted), ("banned", rules.banned))
            },
        }

    def _how(self, room: str, user: User, fields: Fields) -> Callable[[Rules], Rules]:
        match fields.get("do"):
            case "look":
                return lambda rules: rules
            case "mute":
                muted, sentence = _person(fields), _sentence(fields)
                return lambda rules: rules.mute(muted, sentence)
            case "ban":
                banned, sentence = _person(fields), _sentence(fields)
                return lambda rules: rules.ban(banned, sentence)
            case "pardon":
                pardoned = _person(fields)
                return lambda rules: rules.pardon(pardoned)
            case "close":
                inside = {user.id, *filter(None, fields.get("inside", "").split(","))}
                if not all(map(protocol.is_id, inside)):
                    raise Refused(400, "inside is ids of people, with commas between them.")
                return lambda rules: rules.close(inside)
            case "open":
                return Rules.open
            case "invite":
                now, name = time.time(), secrets.token_urlsafe(9)
                until = int(now) + _seconds(fields)
                return lambda rules: rules.invite(name, until, now)
            case "revoke":
                revoked = self._links.read(INVITE, room, fields.get("invite", ""))
                if not revoked:
                    raise Refused(400, "invite is an invite link of this room.")
                return lambda rules: rules.revoke(revoked)
            case "renew":
                return lambda rules: rules.owned(secrets.token_urlsafe(9))
            case "delete":
                position = fields.get("position", "")
                if not protocol.is_position(position):
                    raise Refused(400, "position is that of a message.")
                return lambda rules: rules.delete(position)
            case _:
                raise Refused(400, f"do is one of {', '.join(ACTS)}.")


def _person(fields: Fields) -> str:
    user_id = fields.get("user", "")
    if not protocol.is_id(user_id):
        raise Refused(400, "user is somebody's id.")
    return user_id


def _seconds(fields: Fields) -> int:
    text = fields.get("seconds", "")
    if not (text.isascii() and text.isdigit() and len(text) < 9 and SHORTEST <= int(text) <= LONGEST):
        raise Refused(400, f"seconds is a number from {SHORTEST} to {LONGEST}.")
    return int(text)


def _sentence(fields: Fields) -> Sentence:
    try:
        name = names.person_name(fields.get("name", ""))
    except names.BadName:
        name = ""
    return Sentence(name, int(time.time()) + _seconds(fields))
