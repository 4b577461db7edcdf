"""The pages, and the two forms that give and take an identity."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote, urlsplit

from quart import Blueprint, Response, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from brokers import Unavailable

from . import names, origin, protocol
from .hub import Hub
from .identity import COOKIE, LIFETIME, Identities, Session
from .room import PAGE
from .sessions import EndedSessions

READ_SECONDS = 2.0
"""For the messages in a page; without them it is sent all the same, and the socket brings them."""

try:
    VERSION = version("quartchat")
except PackageNotFoundError:  # run from a checkout
    VERSION = "0"

Answer = Response | WerkzeugResponse | tuple[Any, int]


class Pages:
    """Lobby, rooms, and the session forms."""

    def __init__(self, hub: Hub, identities: Identities, ended: EndedSessions) -> None:
        self._hub = hub
        self._identities = identities
        self._ended = ended

    def blueprint(self) -> Blueprint:
        pages = Blueprint("pages", __name__)
        pages.add_url_rule("/", view_func=self.home)
        pages.add_url_rule("/chat/", view_func=self.lobby)
        pages.add_url_rule("/chat/<room>/", view_func=self.room)
        pages.add_url_rule("/session", view_func=self.begin, methods=["POST"])
        pages.add_url_rule("/session/end", view_func=self.end, methods=["POST"])
        return pages

    def session(self) -> Session | None:
        """Who is asking."""
        return self._identities.of(request.headers, self._ended)

    async def home(self) -> Answer:
        return redirect("/chat/")

    async def lobby(
        self, error: str | None = None, name: str = "", status: int = 200, after: str | None = None
    ) -> Answer:
        wanted = request.args.get("room")
        if wanted:
            try:
                return redirect(f"/chat/{quote(names.room_name(wanted.strip()), safe='')}/", 303)
            except names.BadName as bad:
                error, status = str(bad), 400
        return await self._page("lobby.html", status, error=error, name=name, next=local_path(after))

    async def room(self, room: str) -> Answer:
        try:
            name = names.room_name(room)
        except names.BadName as error:
            return await self.error(404, str(error))
        messages: list[dict[str, Any]] = []
        up = self._hub.broker.connected
        if up:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    lines, _ = await self._hub.read(name, None, None, PAGE)
                messages = [protocol.fields(line.position, line.prev, line.message) for line in lines]
            except (Unavailable, TimeoutError):
                up = False
        return await self._page(
            "room.html",
            broker_up=up,
            room=name,
            messages=messages,
            position=messages[-1]["position"] if messages else None,
            limits={"message_bytes": self._hub.settings.max_message_bytes},
        )

    async def error(self, status: int, detail: str) -> Answer:
        title = {400: "That does not work", 403: "Not from here", 404: "Not found"}.get(
            status, "Something broke"
        )
        return await self._page("error.html", status, title=title, detail=detail, status=status)

    async def begin(self) -> Answer:
        """Give this browser an identity, or another name to the one it has."""
        wants_json = "application/json" in request.headers.get("Accept", "")
        if not self._own_origin():
            return await self._refused(403, "This form was sent from another site.", wants_json)
        form = await request.form
        known, typed = self.session(), form.get("name", "")
        if not typed.strip() and wants_json and (known or self._hub.settings.guests == "allow"):
            # A page without a name of its own yet: who one is, or a name to begin with.
            session = known or self._identities.new(self._identities.guest().name)
        else:
            try:
                session = self._identities.new(names.person_name(typed), known)
            except names.BadName as error:
                if wants_json:
                    return await self._refused(400, str(error), True)
                return await self.lobby(str(error), typed[:100], 400, form.get("next"))
        answer: Response | WerkzeugResponse
        if wants_json:
            answer = jsonify(id=session.user.id, name=session.user.name)
        else:
            answer = redirect(local_path(form.get("next")), 303)
        if session is not known:
            self._set_cookie(answer, self._identities.dump(session), LIFETIME)
        return answer

    async def end(self) -> Answer:
        """Forget this browser's identity, and close its sockets on every instance."""
        if not self._own_origin():
            return await self._refused(403, "This form was sent from another site.", False)
        session = self.session()
        if session is not None:
            ending = self._hub.spawn(self._ended.end(session.user.id))
            # Told to all instances before the answer, where the broker is there; else as soon as it is.
            await asyncio.wait({ending}, timeout=READ_SECONDS)
        form = await request.form
        answer = redirect(local_path(form.get("next")), 303)
        self._set_cookie(answer, "", 0)
        return answer

    def _own_origin(self) -> bool:
        return origin.own(request.headers, self._hub.settings.allowed_origins)

    async def _refused(self, status: int, detail: str, wants_json: bool) -> Answer:
        if wants_json:
            return jsonify(error=detail), status
        return await self.error(status, detail)

    def _set_cookie(self, answer: Response | WerkzeugResponse, value: str, age: int) -> None:
        answer.set_cookie(
            COOKIE,
            value,
            max_age=age,
            expires=time.time() + age,
            path="/",
            secure=request.scheme == "https",
            httponly=True,
            samesite="Lax",
        )

    async def _page(self, template: str, code: int = 200, **context: Any) -> Answer:
        session = self.session()
        context.setdefault("broker_up", self._hub.broker.connected)
        html = await render_template(
            template,
            me=None if session is None else {"id": session.user.id, "name": session.user.name},
            version=VERSION,
            guests=self._hub.settings.guests == "allow",
            lang="en",
            **context,
        )
        return Response(html, code, content_type="text/html; charset=utf-8")


def local_path(text: str | None) -> str:
    """A path on this site, or the lobby: where a form may send somebody afterwards."""
    if not text or not text.startswith("/") or any(c in text for c in "\\\r\n\t") or len(text) > 2000:
        return "/chat/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/chat/"
    # "//host/" and "/\host" are other sites to a browser.
    return "/chat/" if parts.netloc or parts.scheme or text.startswith("//") else text
