"""Who may enter a room by WebSocket: names, origin, session, and the place in the room's log."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from brokers import BrokerError, Reason, Unavailable

from . import names, origin, protocol, words
from .approach import Approach
from .http import fields_of
from .hub import Hub
from .identity import Identities
from .limits import FULL_SECONDS, counted
from .protocol import User
from .room import PAGE, Room
from .rules import Rules
from .wire import Close


class Admission(msgspec.Struct):
    """What a handshake came to: a place in a room, or the reason to close right after it."""

    user: User
    expires: float
    subprotocol: str | None
    room: Room | None = None
    """Held: whoever has the admission releases it."""
    cursor: int = 0
    resumed: bool | None = None
    began: int = 0
    """When the session did: see `EndedSessions.begin`."""
    address: str = ""
    """As it is counted: see `limits.counted`."""
    seated: bool = False
    """Has a place among the connections: whoever has the admission gives it back by `Door.leave`."""
    reason: Reason | None = None
    close: Close | None = None


class Refusal(Exception):
    """A handshake that is answered with an HTTP status."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


class Door:
    """Reads handshakes. Nothing of a request is kept: an admission is all that is left of it."""

    def __init__(self, hub: Hub, identities: Identities) -> None:
        self.hub = hub
        self._identities = identities

    async def admit(self, room: str, scope: Mapping[str, Any]) -> Admission:
        """Whom this handshake lets into the room. Raise `Refusal`."""
        hub = self.hub
        fields = fields_of(scope)
        query = _query_of(scope)
        try:
            name = names.room_name(room)
        except names.BadName as error:
            raise Refusal(404, str(error)) from None
        way = Approach.of(scope, fields, hub.settings.trusted_proxies)
        if not origin.own(fields, way, hub.settings.allowed_origins):
            raise Refusal(403, "This origin may not connect.")
        session = self._identities.by(scope, fields, hub.sessions, secure=way.secure)
        made_for = query.get("as")
        somebody_else = made_for is not None and (session is None or session.user.id != made_for)
        if session is None and not somebody_else and hub.settings.guests == "deny":
            raise Refusal(401, "Choose a name first." if hub.settings.naming else "Log in first.")
        if hub.draining:
            raise Refusal(503, "This instance is leaving.", **{"Retry-After": "1"})
        if hub.limits.seats.taken >= hub.settings.max_connections:
            raise Refusal(503, "This instance is full.", **{"Retry-After": "5"})
        known, address = (
            session.user.id if session else "",
            counted(way.address, hub.settings.trusted_proxies),
        )
        _wait(hub.limits.join(known, address, hub.now()), "too many connections in a short time")
        v1 = protocol.SUBPROTOCOL in scope.get("subprotocols", ())
        await hub.limits.turn(address, hub.now())
        admission = Admission(
            user=session.user
            if session
            else self._identities.guest(words.liked(fields.get("accept-language"))),
            expires=session.expires if session else float("inf"),
            began=session.began if session else 0,
            subprotocol=protocol.SUBPROTOCOL if v1 else None,
            address=address,
        )
        if somebody_else:
            admission.close = Close(protocol.CLOSE_SESSION, "you are somebody else now, load the page again")
            return admission
        history = self._history(query.get("history"), PAGE if v1 else 0)
        if name not in hub.rooms:
            _wait(hub.limits.open_room(known, address, hub.now()), "too many rooms in a short time")
        if not hub.limits.seat(admission.user.id, address):
            raise _too_much(FULL_SECONDS, "too many connections at the same time")
        admission.seated = True
        try:
            against = (await self._rules(name)).refuses(known, time.time())
            if against:
                admission.close = Close(protocol.CLOSE_POLICY, against)
            else:
                await self._place(admission, name, query.get("since") if v1 else None, history)
        except BaseException:
            self.leave(admission)
            raise
        return admission

    def leave(self, admission: Admission) -> None:
        """Its connection is over, however it ended."""
        if admission.seated:
            admission.seated = False
            self.hub.limits.seats.leave(admission.user.id, admission.address)

    def _history(self, text: str | None, default: int) -> int:
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise Refusal(400, "history is a number of messages.")
        return min(int(text), self.hub.settings.history)

    async def _rules(self, name: str) -> Rules:
        try:
            return await self.hub.rules.asked(name)
        except BrokerError:
            raise _away() from None

    async def _place(self, admission: Admission, name: str, since: str | None, history: int) -> None:
        hub = self.hub
        try:
            admission.room = room = await hub.enter(name)
        except Unavailable:
            raise _away() from None
        try:
            if hub.full(room, admission.user.id):
                hub.limits.room_is_full()
                raise _too_much(FULL_SECONDS, "this room is full")
            if since is None:
                admission.cursor = await room.reach_back(history) if history else room.end
            else:
                found = await room.resume(since)
                admission.resumed = isinstance(found, int)
                if isinstance(found, int):
                    admission.cursor = found
                else:
                    admission.reason = found
        except BaseException as error:
            hub.release(room)
            if isinstance(error, Unavailable):
                raise Refusal(503, "The room's log cannot be read.", **{"Retry-After": "2"}) from None
            raise


def _away() -> Refusal:
    return Refusal(503, "The chat is not connected to its broker.", **{"Retry-After": "2"})


def _too_much(wait: float, detail: str) -> Refusal:
    return Refusal(429, f"Not now: {detail}.", **{"Retry-After": str(math.ceil(wait))})


def _wait(wait: float, detail: str) -> None:
    if wait:
        raise _too_much(wait, detail)


def _query_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The query's fields; of one that is given twice, the first."""
    query = scope["query_string"]
    if not query:
        return {}
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise Refusal(400, "That is not a query.") from None
    return dict(reversed(fields))
