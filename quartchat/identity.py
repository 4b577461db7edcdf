"""Who a browser is: a signed cookie, given only in the answer to a POST.

The name in it is a label; the `id` is the identity, unguessable, and made by this program alone. Nothing
else (no header, no frame, no query) says who somebody is.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Container

import msgspec
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.datastructures import Headers
from werkzeug.http import parse_cookie

from .protocol import User

COOKIE = "quartchat"
LIFETIME = 30 * 86400
"""Seconds that an identity lasts after it was given or renamed."""

_ADJECTIVES = ("Amber", "Bright", "Calm", "Clever", "Coral", "Gentle", "Golden", "Happy", "Jolly", "Kind")
_ANIMALS = ("Badger", "Crane", "Deer", "Dolphin", "Falcon", "Finch", "Fox", "Heron", "Koala", "Lark", "Lynx")


class Session(msgspec.Struct, frozen=True):
    """One browser's identity."""

    user: User
    expires: float
    """Seconds since 1970."""


class Identities:
    """Gives sessions and reads them back. Several keys: the first signs, all verify."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        # The library signs with the last key and verifies with all.
        self._signer = URLSafeSerializer(list(reversed(keys)), salt="quartchat session")

    def new(self, name: str, known: Session | None = None) -> Session:
        """A session under this name: the known one renamed, or a new identity."""
        user_id = known.user.id if known else secrets.token_urlsafe(12)
        return Session(User(user_id, name), time.time() + LIFETIME)

    def guest(self) -> User:
        """An identity for one connection, or a name to begin with, for who has none."""
        name = f"{secrets.choice(_ADJECTIVES)} {secrets.choice(_ANIMALS)}"
        return User(secrets.token_urlsafe(12), name)

    def dump(self, session: Session) -> str:
        """The cookie's value."""
        return str(self._signer.dumps([session.user.id, session.user.name, int(session.expires)]))

    def load(self, value: str | None) -> Session | None:
        """The session in a cookie's value; None where it is forged, expired or not there."""
        if not value:
            return None
        try:
            user_id, name, expires = self._signer.loads(value)
            session = Session(User(user_id, name), float(expires))
        except (BadSignature, ValueError, TypeError):
            return None
        return session if session.expires > time.time() else None

    def of(self, headers: Headers, ended: Container[str]) -> Session | None:
        """Who sends these headers; None also where that session was ended (`ended` holds user ids)."""
        session = self.load(cookie_of(headers.get("Cookie")))
        return None if session is None or session.user.id in ended else session


def cookie_of(header: str | None) -> str | None:
    """Our cookie's value in a Cookie header, whatever else other programs on this host have put there."""
    if not header or COOKIE not in header:
        return None
    # Ours is ASCII; whatever is not is somebody else's, and the library would raise on some of it.
    return parse_cookie(header.encode("ascii", "replace").decode()).get(COOKIE)
