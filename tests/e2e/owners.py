"""Somebody at a room's tools: what a page or a program would post."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

from tests.e2e.places import FORM
from tests.support.client import Session
from tests.support.instance import Answer, Instance, request


async def ask(where: Instance, room: str, what: str, who: Session | None, **fields: str) -> Answer:
    """Post `fields` to `/api/rooms/<room>/<what>`."""
    url = f"{where.url}/api/rooms/{quote(room, safe='')}/{what}"
    cookie = {"Cookie": who.cookie} if who else {}
    return await request(url, "POST", urlencode(fields).encode(), {**FORM, **cookie})


class Owner:
    """Who has a room's owner link. Every act is answered with what holds then."""

    def __init__(self, where: Instance, room: str, who: Session, link: str) -> None:
        self.where = where
        self.room = room
        self.who = who
        self.link = link

    @classmethod
    async def of(cls, where: Instance, room: str, who: Session) -> Owner:
        """Who claims a new room."""
        answer = await ask(where, room, "owner", who)
        assert answer.status == 201, answer.text
        return cls(where, room, who, json.loads(answer.body)["owner"])

    async def does(self, do: str, **fields: str) -> dict[str, Any]:
        answer = await ask(self.where, self.room, "rules", self.who, owner=self.link, do=do, **fields)
        assert answer.status == 200, answer.text
        found: dict[str, Any] = json.loads(answer.body)
        return found

    async def tries(self, do: str, **fields: str) -> int:
        """The status alone."""
        return (await ask(self.where, self.room, "rules", self.who, owner=self.link, do=do, **fields)).status
