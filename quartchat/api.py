"""The room's log as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from quart import Blueprint, Response, request

from brokers import Unavailable

from . import names, protocol
from .hub import Hub

MOST = 200
"""Messages in one answer."""


class BadRequest(ValueError):
    """A parameter that cannot be used."""


class Api:
    """`GET /api/rooms/<room>/messages`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def blueprint(self) -> Blueprint:
        api = Blueprint("api", __name__)
        api.add_url_rule("/api/rooms/<room>/messages", view_func=self.messages)
        return api

    async def messages(self, room: str) -> Response:
        try:
            name = names.room_name(room)
        except names.BadName as error:
            return answer(404, {"error": str(error)})
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


def _limit(text: str | None) -> int:
    if text is None:
        return 50
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST):
        raise BadRequest(f"limit is a number from 1 to {MOST}")
    return int(text)


def answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(body), status, headers, content_type="application/json")
