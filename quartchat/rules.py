"""What holds in one room, as a value: who owns it, who may come in, who may speak, what was removed."""

from __future__ import annotations

from typing import Any

import msgspec

PEOPLE = 1000
"""Who can be let into one closed room."""

SENTENCES = 200
"""People who can be muted, and as many banned, in one room at the same time; the oldest give way."""

INVITES = 20
"""Invite links of one room that can be open at the same time."""

DELETED = 1000
"""Removed messages that are remembered; of a longer history than that, the newest."""

LONGEST = 30 * 86400
"""Seconds for which somebody can be muted or banned, or an invite link be open, at the most: a session lasts
no longer."""


class TooMany(ValueError):
    """There is no room for one more; the text says of what."""


class Sentence(msgspec.Struct, frozen=True):
    """For how long somebody is muted or banned."""

    name: str
    """As they were called, for the owners' list."""
    until: int
    """Seconds since 1970."""


class Rules(msgspec.Struct, frozen=True, omit_defaults=True):
    """One room's rules. Nothing is set in a room that nobody owns."""

    turn: int = 0
    """How often they were changed: of two, the later one holds."""
    by: str = ""
    """Names the change, so that who made it knows that it was theirs."""
    until: int = 0
    """Seconds since 1970, from which on the room is nobody's again."""
    owner: str = ""
    """Which owner links count; none where it is empty."""
    closed: bool = False
    inside: frozenset[str] = frozenset()
    """Ids of those who may come in while it is closed."""
    invites: dict[str, int] = {}
    """Invite links that count, and until when, in seconds since 1970."""
    muted: dict[str, Sentence] = {}
    banned: dict[str, Sentence] = {}
    deleted: tuple[str, ...] = ()
    """Positions of messages that were removed."""

    # Asked ------------------------------------------------------------------------------------------------

    def refuses(self, user_id: str, now: float) -> str:
        """Why somebody may not be here: `banned`, `closed`, or nothing. The id is empty for who has none."""
        sentence = self.banned.get(user_id)
        if sentence is not None and sentence.until > now:
            return "banned"
        return "closed" if self.closed and user_id not in self.inside else ""

    def muted_for(self, user_id: str, now: float) -> float:
        """Seconds for which somebody may not speak."""
        sentence = self.muted.get(user_id)
        return 0.0 if sentence is None else max(0.0, sentence.until - now)

    def admits(self, invite: str, now: float) -> bool:
        """Whether an invite link still counts."""
        return self.invites.get(invite, 0) > now

    @property
    def bare(self) -> bool:
        """Somebody owns the room, and that is all."""
        return self == Rules(self.turn, self.by, self.until, self.owner)

    # Changed ----------------------------------------------------------------------------------------------

    def owned(self, owner: str) -> Rules:
        """Only the links of this name count from now on."""
        return self._with(owner=owner)

    def mute(self, user_id: str, sentence: Sentence) -> Rules:
        return self._with(muted=_sentenced(self.muted, user_id, sentence))

    def ban(self, user_id: str, sentence: Sentence) -> Rules:
        """Also out of those who may come in while it is closed."""
        banned = _sentenced(self.banned, user_id, sentence)
        return self._with(banned=banned, inside=self.inside - {user_id})

    def pardon(self, user_id: str) -> Rules:
        """Neither muted nor banned any more."""
        muted = {who: sentence for who, sentence in self.muted.items() if who != user_id}
        banned = {who: sentence for who, sentence in self.banned.items() if who != user_id}
        return self._with(muted=muted, banned=banned)

    def close(self, inside: set[str]) -> Rules:
        """Nobody comes in but these, those who were let in before, and who has an invite link."""
        if self.closed:
            return self
        inside = inside | self.inside
        if len(inside) > PEOPLE:
            raise TooMany(f"a closed room takes at most {PEOPLE} people")
        return self._with(closed=True, inside=frozenset(inside))

    def open(self) -> Rules:
        """Everybody may come in. Who was let in is forgotten: the next closing begins with who is there."""
        return self._with(closed=False, inside=frozenset())

    def let_in(self, user_id: str) -> Rules:
        if len(self.inside) >= PEOPLE and user_id not in self.inside:
            raise TooMany(f"a closed room takes at most {PEOPLE} people")
        return self._with(inside=self.inside | {user_id})

    def invite(self, invite: str, until: int, now: float) -> Rules:
        """One more invite link; those whose time is over are forgotten."""
        open_ = {each: end for each, end in self.invites.items() if end > now}
        if len(open_) >= INVITES:
            raise TooMany(f"a room has at most {INVITES} open invite links")
        return self._with(invites={**open_, invite: until})

    def revoke(self, invite: str) -> Rules:
        """Who came in by this link stays."""
        return self._with(invites={each: end for each, end in self.invites.items() if each != invite})

    def delete(self, position: str) -> Rules:
        if position in self.deleted:
            return self
        return self._with(deleted=(*self.deleted, position)[-DELETED:])

    def _with(self, **changes: Any) -> Rules:
        return msgspec.structs.replace(self, **changes)


NONE = Rules()


def _sentenced(sentences: dict[str, Sentence], user_id: str, sentence: Sentence) -> dict[str, Sentence]:
    others = {who: each for who, each in sentences.items() if who != user_id}
    return {**dict(list(others.items())[-(SENTENCES - 1) :]), user_id: sentence}
