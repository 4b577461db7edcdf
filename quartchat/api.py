"""Rooms as JSON: their logs, and what their owners do."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from quart import Blueprint, Response, request

from brokers import BrokerError, Unavailable

from . import names, protocol
from .hub import Hub
from .identity import Session
from .moderation import Moderation, Refused
from .protocol import User
from .rules import TooMany

MOST = 200
"""Messages in one answer."""


class BadRequest(ValueError):
    """A parameter that cannot be used."""


class Api:
    """`GET /api/rooms/<room>/messages`, and `POST` of `owner`, `enter` and `rules`.

    `who` says who is asking, `own` whether they do so from a page of this site, or none.
    """

    def __init__(
        self, hub: Hub, moderation: Moderation, who: Callable[[], Session | None], own: Callable[[], bool]
    ) -> None:
        self._hub = hub
        self._moderation = moderation
        self._who = who
        self._own = own

    def blueprint(self) -> Blueprint:
        api = Blueprint("api", __name__)
        api.add_url_rule("/api/rooms/<room>/messages", view_func=self.messages)
        for name, view in (("owner", self.claim), ("enter", self.enter), ("rules", self.act)):
            api.add_url_rule(f"/api/rooms/<room>/{name}", name, self._asked(view), methods=["POST"])
        return api

    async def messages(self, room: str) -> Response:
        session = self._who()
        try:
            name = names.room_name(room)
            rules = await self._hub.rules.asked(name)
        except names.BadName as error:
            return answer(404, {"error": str(error)})
        except BrokerError:
            return answer(503, {"error": "the room's log cannot be read now"}, {"Retry-After": "2"})
        against = rules.refuses(session.user.id if session else "", time.time())
        if against:
            return answer(403, {"error": against})
        after, before = request.args.get("after"), request.args.get("before")
        try:
            limit = _limit(request.args.get("limit"))
            if after is not None and before is not None:
                raise BadRequest("after or before, not both")
        except BadRequest as error:
            return answer(400, {"error": str(error)})
        try:
            lines, complete = await self._hub.read(name, after, before, limit)
        except Unavailable:
            return answer(503, {"error": "the room's log cannot be read now"}, {"Retry-After": "2"})
        messages = [protocol.fields(line.position, line.prev, line.message) for line in lines]
        return answer(200, {"messages": messages, "complete": complete})

    def _asked(
        self, view: Callable[[str, User], Awaitable[Response]]
    ) -> Callable[[str], Awaitable[Response]]:
        async def asked(room: str) -> Response:
            if not self._own():
                return answer(403, {"error": "This origin may not ask."})
            session = self._who()
            try:
                name = names.room_name(room)
                if session is None:
                    raise Refused(401, "Choose a name first.")
                return await view(name, session.user)
            except names.BadName as error:
                return answer(404, {"error": str(error)})
            except Refused as refused:
                return answer(refused.status, {"error": str(refused)})
            except TooMany as error:
                return answer(409, {"error": f"Not possible: {error}."})
            except BrokerError:
                again = {"error": "The broker did not answer: ask again.", "retry_after": 2}
                return answer(503, again, {"Retry-After": "2"})

        return asked

    async def claim(self, room: str, user: User) -> Response:
        """Own a new room."""
        return answer(201, {"owner": await self._moderation.claim(room, user)})

    async def enter(self, room: str, user: User) -> Response:
        """Come into a closed room by a `link`."""
        await self._moderation.let_in(room, user, (await request.form).get("link", ""))
        return answer(200, {})

    async def act(self, room: str, user: User) -> Response:
        """Do something as an owner, or just look."""
        return answer(200, await self._moderation.act(room, user, await request.form))


def _limit(text: str | None) -> int:
    if text is None:
        return 50
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST):
        raise BadRequest(f"limit is a number from 1 to {MOST}")
    return int(text)


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, headers, content_type="application/json")
