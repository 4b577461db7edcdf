"""A login under way, as its browser carries it: any instance can finish what another one began."""

from __future__ import annotations

import secrets

import msgspec
from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE = "quartchat_login"
SECURE_COOKIE = "__Host-quartchat_login"
"""Over https: see `identity.SECURE_COOKIE`."""

SECONDS = 600
"""From the beginning of a login to its end: somebody types a password, and looks for a telephone."""

MOST = 3500
"""Characters of the cookie's value: browsers drop cookies above 4096 bytes, silently."""


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """What only this browser knows of its login."""

    state: str
    """Comes back from the provider: the answer belongs to this browser, and not to one that sent it here."""
    nonce: str
    """Stands in the ID token: the token was made for this login."""
    verifier: str
    """PKCE (RFC 7636): the code is worth nothing without it."""
    redirect_uri: str
    next: str

    @classmethod
    def new(cls, redirect_uri: str, next: str) -> Pending:
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
        return cls(state, nonce, verifier, redirect_uri, next)


class Pendings:
    """Makes cookies of logins, and logins of cookies. Several keys: the first signs, all verify."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        # The library signs with the last key and verifies with all.
        self._signer = URLSafeTimedSerializer(list(reversed(keys)), salt="quartchat login")

    def dump(self, pending: Pending) -> str:
        """The cookie's value. Where `next` makes it too long for a cookie, it leads to the lobby."""
        value = str(self._signer.dumps(msgspec.structs.astuple(pending)))
        if len(value) > MOST:
            value = self.dump(msgspec.structs.replace(pending, next="/chat/"))
        return value

    def load(self, value: str | None) -> Pending | None:
        """None where it is forged, too old or not there."""
        if not value:
            return None
        try:
            return msgspec.convert(self._signer.loads(value, max_age=SECONDS), Pending)
        except (BadSignature, msgspec.ValidationError, ValueError, TypeError, RecursionError):
            return None
