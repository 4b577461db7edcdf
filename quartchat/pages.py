"""The pages: the lobby, rooms, and what is said where something did not work."""

from __future__ import annotations

import asyncio
import secrets
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

from quart import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from brokers import BrokerError, Unavailable

from . import names, protocol, words
from .api import answer
from .hub import Hub
from .lobby import Lobby
from .room import PAGE
from .visitors import THEME, Visitors

READ_SECONDS = 2.0
"""For the messages in a page; without them it is sent all the same, and the socket brings them."""

try:
    VERSION = version("quartchat")
except PackageNotFoundError:  # run from a checkout
    VERSION = "0"

Answer = Response | WerkzeugResponse | tuple[Any, int]


class Pages:
    """What is shown. What is posted from here: `posts`."""

    def __init__(self, hub: Hub, lobby: Lobby, visitors: Visitors) -> None:
        self._hub = hub
        self._lobby = lobby
        self._visitors = visitors

    def blueprint(self) -> Blueprint:
        pages = Blueprint("pages", __name__)
        pages.add_url_rule("/", view_func=self.home)
        pages.add_url_rule("/chat/", view_func=self.lobby)
        pages.add_url_rule("/chat/<room>/", view_func=self.room)
        pages.add_url_rule("/api/rooms", view_func=self.rooms)
        pages.add_url_rule("/api/words/owner", view_func=self.owner_words)
        return pages

    async def home(self) -> Answer:
        return redirect("/chat/")

    async def lobby(
        self,
        error: str | None = None,
        name: str = "",
        status: int = 200,
        after: str | None = None,
        to: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`name` and `to`, a room, are what was typed before."""
        wanted = request.args.get("room") if request.method == "GET" else None
        if wanted:
            try:
                return redirect(path_of(names.room_name(wanted.strip())), 303)
            except names.BadName:
                error, status = self.wrong_room(wanted.strip()), 400
        page = await self._page(
            "lobby.html",
            status,
            error=error,
            name=name,
            wanted=wanted or to,
            next=local_path(after),
            busy=self._lobby.rooms(),
        )
        page.headers.update(headers or {})
        return page

    async def rooms(self) -> Response:
        """Rooms with people in them now, as JSON."""
        return answer(200, {"rooms": [{"name": name, "count": n} for name, n in self._lobby.rooms()]})

    async def owner_words(self) -> Response:
        """The words of the owners' tools, as JSON: most people who visit a room never need them."""
        return Response(self._visitors.words().script("owner"), content_type="application/json")

    async def room(self, room: str) -> Answer:
        try:
            name = names.room_name(room)
        except names.BadName:
            return await self.error(404, self.wrong_room(room))
        return await self.show(name)

    async def show(self, name: str, status: int = 200, **slip: Any) -> Response:
        """A room's page; `slip` is what its form for a message holds where one was not taken."""
        messages: list[dict[str, Any]] = []
        up, session = self._hub.broker.connected, self._visitors.session()
        try:
            rules = await self._hub.rules.asked(name)
        except BrokerError:
            up = False
        else:
            against = rules.refuses(session.user.id if session else "", time.time())
            if against:
                return await self.closed(name, against)
        if up:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    lines, _ = await self._hub.read(name, None, None, PAGE, behind=True)
                messages = [protocol.fields(line.position, line.prev, line.message) for line in lines]
            except (Unavailable, TimeoutError):
                up = False
        if session is None and self._hub.settings.guests == "allow":
            guest = self._visitors.guest(slip.get("guest"))
            slip.update(guest=self._visitors.token(guest), as_=guest.user.id)
        return await self._page(
            "room.html",
            status,
            broker_up=up,
            room=name,
            here=path_of(name),
            messages=[each for each in messages if "deletes" not in each],
            position=messages[-1]["position"] if messages else None,
            limits={"message_bytes": self._hub.settings.max_message_bytes},
            slip={"id": secrets.token_urlsafe(12), **slip},
        )

    async def closed(self, name: str, against: str, error: str | None = None) -> Response:
        """For who may not come in: why, and where an invite link goes."""
        return await self._page(
            "closed.html", 403, room=name, against=against, error=error, here=path_of(name)
        )

    async def error(self, status: int, detail: str | None = None) -> Response:
        """What did not work, in words."""
        mine = self._visitors.words()
        shown = status if f"e{status}" in mine else 500
        return await self._page(
            "error.html",
            status,
            title=mine.say(f"e{shown}"),
            detail=detail or mine.say(f"d{shown}"),
            status=status,
        )

    async def login_failed(self, status: int, key: str, after: str) -> Response:
        """Why nobody is logged in (a word's key), and the way to try again."""
        mine = self._visitors.words()
        return await self._page(
            "error.html",
            status,
            title=mine.say("login_failed"),
            detail=mine.say(key),
            status=status,
            here=after,
            again=_to_login(after),
        )

    def wrong_room(self, name: str) -> str:
        """Why a room cannot be called so."""
        long = len(name) > names.ROOM_CHARACTERS or len(name.encode(errors="replace")) > names.ROOM_BYTES
        return self._visitors.say("room_long" if long else "room_characters" if name else "room_empty")

    def wrong_name(self, name: str) -> str:
        """Why a person cannot be called so."""
        if not name.strip():
            return self._visitors.say("name_empty")
        if len(name.strip()) > names.PERSON_CHARACTERS:
            return self._visitors.say("name_long", names.PERSON_CHARACTERS)
        return self._visitors.say("name_characters")

    async def _page(self, template: str, code: int = 200, **context: Any) -> Response:
        session, mine = self._visitors.session(), self._visitors.words()
        theme = self._visitors.liked(THEME)
        context.setdefault("broker_up", self._hub.broker.connected)
        here = context.setdefault("here", quote(request.path) if request.method == "GET" else "/chat/")
        settings = self._hub.settings
        # A page is what takes longest here: who has come meanwhile is served in between.
        await asyncio.sleep(0)
        html = await render_template(
            template,
            me=session and {"id": session.user.id, "name": session.user.name, "vouched": session.vouched},
            login=_to_login(here) if settings.oidc_issuer and not (session and session.vouched) else None,
            naming=settings.naming,
            leaves=not settings.user_header or not (session and session.vouched),
            version=VERSION,
            guests=settings.guests == "allow",
            theme=theme if theme in ("light", "dark") else None,
            lang=mine.language,
            others=[each for each in words.languages().values() if each is not mine],
            say=mine.say,
            script=mine.script,
            **context,
        )
        return Response(html, code, content_type="text/html; charset=utf-8")


def _to_login(after: str) -> str:
    return f"/login?next={quote(after, safe='')}"


def path_of(room: str) -> str:
    """Where a room's page is."""
    return f"/chat/{quote(room, safe='')}/"


def local_path(text: str | None) -> str:
    """A path on this site, or the lobby: where a form may send somebody afterwards."""
    if not text or not text.startswith("/") or len(text) > 2000 or not text.isprintable() or "\\" in text:
        return "/chat/"
    # Two slashes begin another site's name, also for whoever takes dots out of the path before; no path of
    # ours has them. In a query or a fragment they mean nothing.
    path = text.partition("?")[0].partition("#")[0]
    return "/chat/" if "//" in path else text
