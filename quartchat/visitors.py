"""Who is asking, and what their browser is given to remember."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping

from quart import Response, request
from werkzeug.wrappers import Response as WerkzeugResponse

from . import origin, words
from .approach import Approach
from .http import fields_of
from .hub import Hub
from .identity import COOKIE, SECURE_COOKIE, Identities, Session, cookie_of
from .limits import counted
from .sessions import LIFETIME
from .words import Words

LANGUAGE, THEME = "quartchat_lang", "quartchat_theme"
"""Cookies of what somebody likes to see; they say nothing of who it is."""

LIKED_SECONDS = 365 * 86400


class Visitors:
    """Answers for the request that is being answered; keeps nothing of any."""

    def __init__(self, hub: Hub, identities: Identities) -> None:
        self._hub = hub
        self._identities = identities

    def session(self) -> Session | None:
        """Who is asking."""
        fields, secure = fields_of(request.scope), self.way().secure
        return self._identities.by(request.scope, fields, self._hub.sessions, secure=secure)

    def way(self) -> Approach:
        """By which way this request came."""
        scope = request.scope
        return Approach.of(scope, fields_of(scope), self._hub.settings.trusted_proxies)

    def address(self) -> str:
        """Whose this request is counted as."""
        return counted(self.way().address, self._hub.settings.trusted_proxies)

    def own_origin(self) -> bool:
        """Whether the request comes from a page of this site, or from none."""
        return origin.own(fields_of(request.scope), self.way(), self._hub.settings.allowed_origins)

    def words(self) -> Words:
        """The language that was chosen here, or is liked best of those there are."""
        known = words.languages()
        chosen = self.liked(LANGUAGE)
        return known.get(chosen) or known[words.liked(request.headers.get("Accept-Language"))]

    def say(self, key: str, n: int | None = None) -> str:
        """A sentence in that language."""
        return self.words().say(key, n)

    def liked(self, cookie: str) -> str:
        """What a browser remembers of its likes, or nothing."""
        return cookie_of(fields_of(request.scope).get("cookie"), cookie) or ""

    def wait(self, known: Session | None) -> int:
        """0 where one more identity may be made, or this one renamed; else the seconds until it may."""
        session = known.user.id if known else ""
        return math.ceil(self._hub.limits.identity(session, self.address(), self._hub.now()))

    def named(self, name: str, known: Session | None = None) -> Session:
        """A session under this name: the known one renamed, or somebody new."""
        return self._identities.new(name, known)

    def guest(self, token: str | None = None) -> Session:
        """A new session with a friendly name, or the one in a form's token."""
        session = self._identities.load(token)
        if session is None or self._hub.sessions.over(session.user.id, session.began):
            session = self._identities.new(self._identities.guest(self.words().language).name)
        return session

    def token(self, session: Session) -> str:
        """A session as a form carries it, for who has no cookie yet."""
        return self._identities.dump(session)

    def give(self, said: Response | WerkzeugResponse, session: Session, *, secure: bool = False) -> None:
        """Set the cookie of a session; `secure`: it is sure that the browser came by https."""
        # Who has a cookie of https has it from here: under the other name, the new one would stand behind it.
        held = self._identities.load(cookie_of(fields_of(request.scope).get("cookie"), SECURE_COOKIE))
        secure = secure or self.way().secure or held is not None
        name = SECURE_COOKIE if secure else COOKIE
        _set_cookie(said, name, self._identities.dump(session), LIFETIME, secure)

    def remember(self, said: Response | WerkzeugResponse, cookie: str, value: str) -> None:
        """Have the browser remember what somebody likes."""
        _set_cookie(said, cookie, value, LIKED_SECONDS, self.way().secure)

    def forget(self, said: Response | WerkzeugResponse) -> None:
        """Take the cookies of a session away."""
        carried, secure = fields_of(request.scope).get("cookie", ""), self.way().secure
        if SECURE_COOKIE in carried or secure:
            _set_cookie(said, SECURE_COOKIE, "", 0, True)
        if cookie_of(carried) is not None or not secure:
            _set_cookie(said, COOKIE, "", 0, secure)

    def end_soon(self, session: Session) -> asyncio.Task[None]:
        """End it here at once, and in a task everywhere."""
        return self._hub.spawn(self._hub.sessions.end(session.user.id, session.began))


def somebody_else(fields: Mapping[str, str], session: Session | None) -> bool:
    """Whether the page that this form stood on was made for somebody else than who posts it.

    The tabs of a browser share one cookie: another one may have changed it meanwhile. `as` is the id that
    the page was made for, empty for nobody; a form without it (a program's) means whoever posts it.
    """
    mine = session.user.id if session else ""
    return fields.get("as", mine) != mine


def _set_cookie(said: Response | WerkzeugResponse, name: str, value: str, age: int, secure: bool) -> None:
    said.set_cookie(
        name,
        value,
        max_age=age,
        expires=time.time() + age,
        path="/",
        secure=secure,
        httponly=True,
        samesite="Lax",
    )
