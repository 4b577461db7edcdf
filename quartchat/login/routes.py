"""`GET /login` sends somebody to the provider, `GET /login/callback` is where they come back.

Between the two an instance knows nothing of a login: all of it is in a cookie of the browser.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping

from quart import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as WerkzeugResponse

from .. import origin
from ..http import fields_of
from ..identity import Identities, cookie_of
from ..pages import Pages, local_path
from ..sessions import EndedSessions
from ..settings import Settings
from ..visitors import Visitors
from .pending import COOKIE, SECONDS, SECURE_COOKIE, Pending, Pendings
from .provider import Denied, Provider, Unproved, Unreachable

CALLBACK = "/login/callback"

Answer = Response | WerkzeugResponse


class Strange(Exception):
    """A callback that belongs to no login of this browser, or to one that is too old."""


# What is said of each, and with which status. Nobody's fault of ours: never a 500.
_SAID: Mapping[type[Exception], tuple[int, str]] = {
    Strange: (400, "login_strange"),
    Denied: (403, "login_denied"),
    Unproved: (403, "login_unproved"),
    Unreachable: (503, "login_unreachable"),
}


class Login:
    """The two addresses of a login by OpenID Connect."""

    def __init__(
        self,
        settings: Settings,
        pages: Pages,
        visitors: Visitors,
        identities: Identities,
        ended: EndedSessions,
        provider: Provider,
    ) -> None:
        self._pages = pages
        self._visitors = visitors
        self._identities = identities
        self._ended = ended
        self._provider = provider
        self._pendings = Pendings(settings.secret_key)

    def blueprint(self) -> Blueprint:
        login = Blueprint("login", __name__)
        # By GET alone: the policy of our pages lets no form end at another site, not by a redirect either.
        login.add_url_rule("/login", view_func=self.begin)
        login.add_url_rule(CALLBACK, view_func=self.finish)
        return login

    async def begin(self) -> Answer:
        """To the provider."""
        way = self._visitors.way()
        here = f"{way.scheme}://{way.host}"
        after = local_path(request.args.get("next"))
        if not origin.is_one(here):
            return await self._pages.error(400)
        pending = Pending.new(here + CALLBACK, after)
        try:
            away = redirect(await self._provider.begin(pending), 303)
        except Unreachable as error:
            return await self._failed(error, after)
        name = SECURE_COOKIE if way.secure else COOKIE
        self._set_cookie(away, name, self._pendings.dump(pending), SECONDS)
        return away

    async def finish(self) -> Answer:
        """From the provider: a session, and on to where the login began."""
        pending, said = self._pending(), request.args
        state = said.get("state", "")
        if pending is None or not hmac.compare_digest(state.encode(errors="replace"), pending.state.encode()):
            # The login that this browser may have under way is not touched: anybody can send it here.
            return await self._failed(Strange(), pending.next if pending else "/chat/")
        known = self._visitors.session()
        answer: Answer
        try:
            if "error" in said or any(len(said.getlist(name)) > 1 for name in said):
                raise Denied
            if not said.get("code"):
                raise Unproved
            proof = await self._provider.finish(pending, said["code"], said.get("iss"))
        except (Denied, Unproved, Unreachable) as error:
            answer = await self._failed(error, pending.next)
        else:
            session = self._identities.vouched(proof.issuer, proof.subject, proof.names, self._ended)
            answer = redirect(pending.next, 303)
            self._visitors.give(answer, session, secure=pending.redirect_uri.startswith("https:"))
            if known is not None and not known.vouched:
                # Pages that this browser has open as a guest say that they are over; nobody becomes another.
                self._visitors.end_soon(known)
        # Whatever came of it, this login is over.
        for name in (SECURE_COOKIE, COOKIE):
            if cookie_of(self._cookies(), name) is not None:
                self._set_cookie(answer, name, "", 0)
        return answer

    async def _failed(self, error: Exception, after: str) -> Response:
        status, key = _SAID[type(error)]
        page = await self._pages.login_failed(status, key, after)
        if status == 503:
            page.headers["Retry-After"] = "5"
        return page

    def _cookies(self) -> str:
        return fields_of(request.scope).get("cookie", "")

    def _pending(self) -> Pending | None:
        cookies = self._cookies()
        for name in (SECURE_COOKIE,) if self._visitors.way().secure else (SECURE_COOKIE, COOKIE):
            pending = self._pendings.load(cookie_of(cookies, name))
            if pending is not None:
                return pending
        return None

    def _set_cookie(self, said: Answer, name: str, value: str, age: int) -> None:
        # Lax: it has to come back with the browser from the provider's site.
        said.set_cookie(
            name,
            value,
            max_age=age,
            expires=time.time() + age,
            path="/",
            secure=name == SECURE_COOKIE,
            httponly=True,
            samesite="Lax",
        )
