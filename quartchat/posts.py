"""What is posted from pages: an identity, a language, a message, the link into a closed room."""

from __future__ import annotations

import asyncio
import secrets

from quart import Blueprint, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from brokers import BrokerError

from . import form, names, words
from .api import answer
from .form import Trouble
from .hub import Hub
from .moderation import Moderation, Refused
from .pages import READ_SECONDS, Answer, Pages, local_path, path_of
from .rules import TooMany
from .visitors import LANGUAGE, Visitors, somebody_else


class Posts:
    """Every form of the pages. Each looks first at which site it comes from."""

    def __init__(self, hub: Hub, pages: Pages, visitors: Visitors, moderation: Moderation) -> None:
        self._hub = hub
        self._pages = pages
        self._visitors = visitors
        self._moderation = moderation

    def blueprint(self) -> Blueprint:
        posts = Blueprint("posts", __name__)
        posts.add_url_rule("/chat/<room>/enter", view_func=self.enter, methods=["POST"])
        posts.add_url_rule("/chat/<room>/messages", view_func=self.say, methods=["POST"])
        posts.add_url_rule("/language", view_func=self.language, methods=["POST"])
        posts.add_url_rule("/session", view_func=self.begin, methods=["POST"])
        posts.add_url_rule("/session/end", view_func=self.end, methods=["POST"])
        return posts

    async def enter(self, room: str) -> Answer:
        """Come into a closed room by a link, with a name where there is none yet."""
        if not self._visitors.own_origin():
            return await self._pages.error(403)
        try:
            name = names.room_name(room)
        except names.BadName:
            return await self._pages.error(404, self._pages.wrong_room(room))
        fields, known = await request.form, self._visitors.session()
        if somebody_else(fields, known):
            return await self._stale(False)
        typed = fields.get("name", "")
        session = known
        if session is None and not self._hub.settings.naming:
            return await self._pages.closed(name, "closed", self._visitors.say("login_first"))
        if session is None:
            wait = self._visitors.wait(None)
            if wait:
                return await self._pages.closed(name, "closed", self._visitors.say("d429", wait))
            try:
                unnamed = not typed.strip() and self._hub.settings.guests == "allow"
                session = (
                    self._visitors.guest() if unnamed else self._visitors.named(names.person_name(typed))
                )
            except names.BadName:
                return await self._pages.closed(name, "closed", self._pages.wrong_name(typed))
        try:
            # As it was copied: the whole address, or what stands behind its last "=".
            link = fields.get("link", "").strip().rpartition("=")[2]
            await self._moderation.let_in(name, session.user, link)
        except (Refused, TooMany):
            return await self._pages.closed(name, "closed", self._visitors.say("link_over"))
        except BrokerError:
            return await self._pages.error(503)
        entered = redirect(path_of(name), 303)
        if known is None:
            self._visitors.give(entered, session)
        return entered

    async def say(self, room: str) -> Answer:
        """One message, from a page without a script."""
        if not self._visitors.own_origin():
            return await self._pages.error(403)
        try:
            name = names.room_name(room)
        except names.BadName:
            return await self._pages.error(404, self._pages.wrong_room(room))
        fields = await request.form
        text, message_id, guest = fields.get("message", ""), fields.get("id", ""), fields.get("guest")
        known = self._visitors.session()
        if known is None and self._hub.settings.guests != "allow":
            why = "not_sent_guest" if self._hub.settings.naming else "not_sent_login"
            return await self._pages.show(name, 401, error=self._visitors.say(why), message=text)
        # Before there is a cookie, the page's form says whom it is for: sent twice it is still one message.
        session = known or self._visitors.guest(guest)
        if somebody_else(fields, session):
            return await self._pages.show(
                name, 409, error=self._visitors.say("not_sent_session"), message=text
            )
        # Each form without a cookie may be somebody new.
        wait = 0 if known else self._visitors.wait(None)
        trouble: Trouble | None = Trouble("rate_limited", wait)
        if not wait:
            said_as, address = message_id or secrets.token_urlsafe(12), self._visitors.address()
            trouble = await form.deliver(self._hub, name, session.user, said_as, text, address)
        said: Response | WerkzeugResponse
        if trouble is None:
            said = redirect(path_of(name), 303)
        else:
            slip = {"error": self._not_sent(trouble), "message": text}
            if trouble.code not in ("id_conflict", "bad_request"):
                slip["id"] = message_id
            if guest:
                slip["guest"] = guest
            said = await self._pages.show(name, form.STATUS[trouble.code], **slip)
            if trouble.code in ("rate_limited", "unknown"):
                said.headers["Retry-After"] = str(trouble.n)
        if known is None:
            self._visitors.give(said, session)
        return said

    def _not_sent(self, trouble: Trouble) -> str:
        key = f"not_sent_{trouble.code}"
        return self._visitors.say(key if key in self._visitors.words() else "not_sent", trouble.n)

    async def language(self) -> Answer:
        """Remember which language this browser wants."""
        if not self._visitors.own_origin():
            return await self._pages.error(403)
        fields = await request.form
        changed = redirect(local_path(fields.get("next")), 303)
        chosen = fields.get("lang", "")
        if chosen in words.languages():
            self._visitors.remember(changed, LANGUAGE, chosen)
        return changed

    async def begin(self) -> Answer:
        """Give this browser an identity, or another name to the one it has."""
        wants_json = "application/json" in request.headers.get("Accept", "")
        if not self._visitors.own_origin():
            return await self._refused(403, self._visitors.say("d403"), wants_json)
        fields = await request.form
        known, typed, wanted = (
            self._visitors.session(),
            fields.get("name", ""),
            fields.get("room", "").strip(),
        )
        after = fields.get("next")
        if wanted and not wants_json:  # the lobby, without a script
            try:
                after = path_of(names.room_name(wanted))
            except names.BadName:
                return await self._pages.lobby(
                    self._pages.wrong_room(wanted), typed[:100], 400, after, wanted[:100]
                )
        if fields.get("as") and somebody_else(fields, known):
            return await self._stale(wants_json)
        same = known is not None and known.vouched and typed.strip() == known.user.name
        unnamed = same or (not typed.strip() and (known is not None or self._hub.settings.guests == "allow"))
        if not unnamed and (not self._hub.settings.naming if known is None else known.vouched):
            # Who somebody is, and how they are called, is not theirs to say here.
            why = self._visitors.say("login_first" if known is None else "name_vouched")
            if wants_json:
                return await self._refused(403, why, True)
            return await self._pages.lobby(why, "", 403, fields.get("next"), wanted[:100])
        if unnamed and wanted and not wants_json:
            return redirect(after or "/chat/", 303)
        wait = 0 if unnamed and known else self._visitors.wait(known)
        if wait:
            detail, later = self._visitors.say("d429", wait), {"Retry-After": str(wait)}
            if wants_json:
                return answer(429, {"error": detail, "retry_after": wait}, later)
            return await self._pages.lobby(detail, typed[:100], 429, fields.get("next"), wanted[:100], later)
        if unnamed and wants_json:
            # A page without a name of its own yet: who one is, or a name to begin with.
            session = known or self._visitors.guest()
        else:
            try:
                # A form that was made for nobody names somebody new, whoever the browser has become since.
                mine = None if somebody_else(fields, known) else known
                session = self._visitors.named(names.person_name(typed), mine)
            except names.BadName:
                detail = self._pages.wrong_name(typed)
                if wants_json:
                    return await self._refused(400, detail, True)
                return await self._pages.lobby(detail, typed[:100], 400, fields.get("next"), wanted[:100])
        begun: Response | WerkzeugResponse
        if wants_json:
            begun = jsonify(id=session.user.id, name=session.user.name)
        else:
            begun = redirect(local_path(after), 303)
        if session is not known:
            self._visitors.give(begun, session)
        return begun

    async def end(self) -> Answer:
        """Forget this browser's identity, and close its sockets on every instance."""
        if not self._visitors.own_origin():
            return await self._pages.error(403)
        session, fields = self._visitors.session(), await request.form
        if session is not None:
            if somebody_else(fields, session):
                return await self._stale(False)
            ending = self._visitors.end_soon(session)
            # Told to all instances before the answer, where the broker is there; else as soon as it is.
            await asyncio.wait({ending}, timeout=READ_SECONDS)
        ended = redirect(local_path(fields.get("next")), 303)
        self._visitors.forget(ended)
        return ended

    async def _stale(self, wants_json: bool) -> Answer:
        return await self._refused(409, self._visitors.say("d409"), wants_json)

    async def _refused(self, status: int, detail: str, wants_json: bool) -> Answer:
        if wants_json:
            return jsonify(error=detail), status
        return await self._pages.error(status, detail)
