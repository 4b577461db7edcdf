"""Who a browser is: a signed cookie, given only in the answer to a POST, or at the end of a login.

The name in it is a label; the `id` is the identity, unguessable, and made by this program alone. Nothing
else (no header, no frame, no query) says who somebody is; but where it is so configured, one header of a
trusted proxy does, in place of the cookie.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.http import parse_cookie

from .login import person
from .protocol import User
from .sessions import LIFETIME, EndedSessions
from .settings import Settings

COOKIE = "quartchat"
SECURE_COOKIE = "__Host-quartchat"
"""Its name over https. Browsers take it from this very host alone: neither a neighbour (another name of the
domain) nor anybody in between over http can put one there."""

# By language; whoever asks for another one gets the first.
_GUESTS = {
    "en": (
        ("Amber", "Bright", "Calm", "Clever", "Coral", "Gentle", "Golden", "Happy", "Jolly", "Kind"),
        ("Badger", "Crane", "Deer", "Dolphin", "Falcon", "Finch", "Fox", "Heron", "Koala", "Lark", "Lynx"),
    ),
    "ko": (
        (
            "다정한",
            "반짝이는",
            "느긋한",
            "씩씩한",
            "포근한",
            "산뜻한",
            "슬기로운",
            "명랑한",
            "든든한",
            "수줍은",
        ),
        (
            "수달",
            "두루미",
            "여우",
            "고라니",
            "너구리",
            "다람쥐",
            "돌고래",
            "종달새",
            "올빼미",
            "고슴도치",
            "토끼",
        ),
    ),
}


class Session(msgspec.Struct, frozen=True):
    """One browser's identity."""

    user: User
    expires: float
    """Seconds since 1970."""
    began: int = 0
    """The same, as `EndedSessions.begin` counts them. Cookies of earlier versions do not say it."""
    vouched: bool = False
    """A provider or proxy says who this is: neither identity nor name are chosen here."""


class Identities:
    """Gives sessions and reads them back. Several keys: the first signs, all verify."""

    def __init__(self, keys: tuple[str, ...], settings: Settings | None = None) -> None:
        """`settings` say who vouches for people, if anybody does, and whether others are let in."""
        # The library signs with the last key and verifies with all.
        self._signer = URLSafeSerializer(list(reversed(keys)), salt="quartchat session")
        settings = settings or Settings()
        self._id_key = settings.id_key or keys[0]
        self._header = settings.user_header.lower().encode()
        self._name_header = settings.name_header.lower().encode()
        self._login, self._naming = bool(settings.oidc_issuer), settings.naming

    def new(self, name: str, known: Session | None = None) -> Session:
        """A session under this name: the known one renamed, or a new identity."""
        now = time.time()
        if known is None:
            return Session(User(secrets.token_urlsafe(12), name), now + LIFETIME, int(now))
        return Session(User(known.user.id, name), now + LIFETIME, known.began)

    def vouched(self, source: str, subject: str, said: list[object], ended: EndedSessions) -> Session:
        """A session of somebody for whom `source` vouches; `said` is what it calls them, the best first.

        It begins after all that ended of the same person, who has the same `user.id` each time.
        """
        user_id = person.user_id(self._id_key, source, subject)
        name = person.shown_name(*said) or _called("en", int.from_bytes(user_id.encode()))
        return Session(User(user_id, name), time.time() + LIFETIME, ended.begin(user_id), vouched=True)

    def guest(self, language: str = "en") -> User:
        """An identity for one connection, or a name to begin with, for who has none."""
        return User(secrets.token_urlsafe(12), _called(language, secrets.randbits(64)))

    def dump(self, session: Session) -> str:
        """The cookie's value."""
        user = session.user
        said = [user.id, user.name, int(session.expires), session.began]
        return str(self._signer.dumps([*said, 1] if session.vouched else said))

    def load(self, value: str | None) -> Session | None:
        """The session in a cookie's value; None where it is forged, expired or not there."""
        if not value:
            return None
        try:
            user_id, name, expires, *more = self._signer.loads(value)
            began, vouched = [*more, 0, 0][:2]
            session = Session(User(user_id, name), float(expires), int(began), bool(vouched))
        except (BadSignature, ValueError, TypeError):
            return None
        return session if session.expires > time.time() else None

    def by(
        self, scope: Mapping[str, Any], fields: Mapping[str, str], ended: EndedSessions, *, secure: bool
    ) -> Session | None:
        """Who sends this request (an ASGI scope, and its headers as of `http.fields_of`); None for nobody.

        None also where the session was ended. Where the request came by https (`secure`), only the cookie
        that https protects counts.
        """
        if self._header:
            said = _lines(scope, self._header)
            if said:
                return self._introduced(said, _lines(scope, self._name_header), ended)
        for name in (SECURE_COOKIE,) if secure else (SECURE_COOKIE, COOKIE):
            session = self.load(cookie_of(fields.get("cookie"), name))
            if session is not None:
                # What somebody chose to be called, where that is not enough any more; a login that was.
                if not (self._login if session.vouched else self._naming):
                    return None
                return None if ended.over(session.user.id, session.began) else session
        return None

    def _introduced(self, said: list[bytes], called: list[bytes], ended: EndedSessions) -> Session | None:
        """Who comes with the proxy's header; nobody where it does not say one thing.

        A comma is what somebody in between makes of two lines: one of them may be the client's own.
        """
        subject = _text(said)
        if not subject or "," in subject:
            return None
        session = self.vouched("header", subject, [_text(called), subject], ended)
        # For as long as the proxy says so; what it says anew with each request does not expire.
        return msgspec.structs.replace(session, expires=float("inf"))


def cookie_of(header: str | None, name: str = COOKIE) -> str | None:
    """One cookie's value in a Cookie header, whatever else other programs on this host have put there."""
    if not header or name not in header:
        return None
    # Ours is ASCII; whatever is not is somebody else's, and the library would raise on some of it.
    return parse_cookie(header.encode("ascii", "replace").decode()).get(name)


def _called(language: str, number: int) -> str:
    """A name for who has none."""
    how, who = _GUESTS.get(language, _GUESTS["en"])
    return f"{how[number % len(how)]} {who[number // len(how) % len(who)]}"


def _lines(scope: Mapping[str, Any], header: bytes) -> list[bytes]:
    """All lines of a header, also of one that `http.fields_of` takes the first of."""
    return [value for name, value in scope["headers"] if name.lower() == header] if header else []


def _text(lines: list[bytes]) -> str:
    """What one line says; empty where there are several, or it is not UTF-8."""
    try:
        return lines[0].decode().strip() if len(lines) == 1 else ""
    except UnicodeDecodeError:
        return ""
