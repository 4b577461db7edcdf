"""An OpenID provider: where people are sent, and what its answers prove.

OpenID Connect Core 1.0, the authorization code flow with PKCE (RFC 7636), set up by discovery. What comes
over the wire is decoded with types and within bounds; requests, claims and signatures are Authlib's and
joserfc's to make and to check.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from authlib.integrations.base_client import OAuthError  # type: ignore[import-untyped]
from authlib.integrations.httpx_client import AsyncOAuth2Client  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry

from .pending import Pending

log = logging.getLogger("quartchat")

ANSWER_SECONDS = 5.0
"""For one answer of the provider."""

SECONDS = 12.0
"""For all of them that a step needs: somebody waits in front of a blank page."""

AT_ONCE = 20
"""Steps that wait for the provider; more are told to come back, so that a slow one holds no more of us."""

KEPT_SECONDS = 600.0
"""How long its description and keys are kept: a key that it withdrew counts for so long at the most."""

AGAIN_SECONDS = 30.0
"""Between two looks for a key that is not known: anybody can name one."""

MOST_BYTES = 512 * 1024
"""Of one answer. Large providers' keys have 30 kB."""

LEEWAY = 60
"""Seconds by which the provider's clock may differ."""

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)
"""Of signatures: with the provider's own keys alone. `none` is no signature, and HS… one by the secret that
may stand in other programs of the same client."""


class Unreachable(Exception):
    """The provider is down, slow, or answers something else than one does. It may be better soon."""


class Unproved(Exception):
    """What came back proves nobody: refused by the provider, or not made by it, for us, for this login."""


class Denied(Exception):
    """The provider sent the browser back without a code: somebody cancelled, or may not come in."""


class Description(msgspec.Struct):
    """What a provider says of itself (OpenID Connect Discovery 1.0, section 3; RFC 9207)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Published(msgspec.Struct):
    """Its keys (RFC 7517, section 5)."""

    keys: list[dict[str, Any]]


class Proof(msgspec.Struct):
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    names: list[object]
    """What it calls them, the best first."""


# All that its answers can raise in the libraries. Anything else is a fault of ours, and told as one.
_RUBBISH = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    msgspec.MsgspecError,
    ssl.SSLError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RecursionError,
    TimeoutError,
)


# All that a token or key can raise in them.
_FALSE = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Provider:
    """One provider. Keeps its description and keys, and nothing of anybody's login."""

    def __init__(self, issuer: str, client_id: str, client_secret: str, scopes: str) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._description: Description | None = None
        self._keys: KeySet | None = None
        self._described = self._looked = 0.0
        self._busy = 0
        self._trust: ssl.SSLContext | None = None

    async def begin(self, pending: Pending) -> str:
        """Where to send the browser. Raise `Unreachable`."""
        async with self._step("description"):
            here = await self._describe()
            async with self._client(here, pending.redirect_uri) as client:
                url, _ = client.create_authorization_url(
                    here.authorization_endpoint,
                    state=pending.state,
                    nonce=pending.nonce,
                    code_verifier=pending.verifier,
                )
            return str(url)

    async def finish(self, pending: Pending, code: str, issuer: str | None) -> Proof:
        """Who came back with this code; `issuer` is the `iss` that the browser brought, if any (RFC 9207).

        Raise `Unreachable`, `Unproved`.
        """
        async with self._step("answer"):
            here = await self._describe()
            if issuer is None and here.authorization_response_iss_parameter_supported:
                raise Unproved("no issuer came back")
            if issuer is not None and issuer != here.issuer:
                raise Unproved("another issuer's answer")
            async with self._client(here, pending.redirect_uri) as client:
                token = await self._exchange(client, here, pending, code)
                claims = await self._claims(client, here, token, pending)
                proof = Proof(here.issuer, claims["sub"], _names(claims))
                if not any(proof.names) and here.userinfo_endpoint:
                    proof.names = await self._asked(client, here.userinfo_endpoint, proof.subject)
                return proof

    @asynccontextmanager
    async def _step(self, what: str) -> AsyncIterator[None]:
        """Bounds in time and number, and one word for all that can go wrong at the provider."""
        if self._busy >= AT_ONCE:
            raise Unreachable("too many logins wait for the provider")
        self._busy += 1
        try:
            async with asyncio.timeout(SECONDS):
                yield
        except (Unreachable, Unproved):
            raise
        except _RUBBISH as error:
            # Neither texts nor tracebacks: what they repeat may be a code or a token.
            log.warning("the login provider's %s cannot be used: %s", what, type(error).__name__)
            raise Unreachable(what) from None
        finally:
            self._busy -= 1

    def _client(self, here: Description | None = None, redirect_uri: str = "") -> Any:
        """A client of its own for each step: Authlib's keeps the token that it got."""
        if self._trust is None:
            self._trust = httpx2.create_ssl_context()
        known = here.token_endpoint_auth_methods_supported if here else ()
        post = "client_secret_post" in known and "client_secret_basic" not in known
        return AsyncOAuth2Client(
            self._client_id,
            self._client_secret,
            token_endpoint_auth_method="client_secret_post" if post else "client_secret_basic",
            scope=self._scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            verify=self._trust,
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            event_hooks={"response": [_bounded]},
        )

    async def _describe(self) -> Description:
        if self._description is not None and time.monotonic() - self._described < KEPT_SECONDS:
            return self._description
        async with self._client() as client:
            url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            here: Description = await _get(client, url, Description)
        if here.issuer.rstrip("/") != self._issuer.rstrip("/"):
            log.warning("the login provider calls itself by another name than QUARTCHAT_OIDC_ISSUER")
            raise Unreachable("another issuer")
        for each in (here.authorization_endpoint, here.token_endpoint, here.jwks_uri, here.userinfo_endpoint):
            if each and urlsplit(each).scheme not in ("https", urlsplit(self._issuer).scheme):
                raise ValueError("an endpoint that is not safe")
        self._description, self._described, self._keys = here, time.monotonic(), None
        return here

    async def _exchange(
        self, client: Any, here: Description, pending: Pending, code: str
    ) -> dict[str, object]:
        try:
            token: dict[str, object] = await client.fetch_token(
                here.token_endpoint,
                grant_type="authorization_code",
                code=code,
                redirect_uri=pending.redirect_uri,
                code_verifier=pending.verifier,
            )
        except OAuthError as error:
            # A code is refused when it was used or is old. The rest is a matter of the configuration.
            why = str(error.error)
            shown = why if re.fullmatch("[a-z_]{1,40}", why) else "an error"
            log.warning("the login provider refused a code: %s", shown)
            raise Unproved("refused") from None
        return token

    async def _claims(
        self, client: Any, here: Description, token: dict[str, object], pending: Pending
    ) -> dict[str, Any]:
        """What the ID token says, once all of it is proved (Core, section 3.1.3.7)."""
        written = token.get("id_token")
        if not isinstance(written, str):
            raise TypeError("no ID token")
        algorithms = [each for each in ALGORITHMS if each in here.id_token_signing_alg_values_supported]
        registry = JWSRegistry(algorithms=algorithms or ["RS256"], strict_check_header=False)
        keys = await self._key_set(client, here)
        if _of_another_key(written, keys, registry):
            keys = await self._key_set(client, here, anew=True)
        try:
            read = jwt.decode(written, keys, registry=registry)
            claims = CodeIDToken(
                read.claims,
                read.header,
                {
                    "iss": {"essential": True, "value": here.issuer},
                    "sub": {"essential": True},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {
                    "nonce": pending.nonce,
                    "client_id": self._client_id,
                    "access_token": token.get("access_token"),
                },
            )
            claims.validate(leeway=LEEWAY)
        except _FALSE as error:
            log.warning("an ID token was refused: %s", type(error).__name__)
            raise Unproved("the ID token") from None
        return dict(claims)

    async def _key_set(self, client: Any, here: Description, *, anew: bool = False) -> KeySet:
        now = time.monotonic()
        if self._keys is None or (anew and now - self._looked >= AGAIN_SECONDS):
            self._looked = now
            found: Published = await _get(client, here.jwks_uri, Published)
            self._keys = KeySet([key for each in found.keys for key in _signing(each)])
        return self._keys

    async def _asked(self, client: Any, url: str, subject: str) -> list[object]:
        """Names that are not in the token. A login does not fail for want of one."""
        try:
            response = await client.get(url)
            response.raise_for_status()
            said = msgspec.json.decode(response.content, type=dict[str, Any])
        except _RUBBISH as error:
            log.warning("the login provider does not say how somebody is called: %s", type(error).__name__)
            return []
        # It has to be about the same person (Core, section 5.3.2).
        return _names(said) if said.get("sub") == subject else []


def _signing(key: dict[str, Any]) -> list[Key]:
    """A published key; none where it is for something else, or of a kind that is not known here."""
    if key.get("use", "sig") != "sig":
        return []
    try:
        return list(KeySet.import_key_set({"keys": [key]}).keys)
    except _FALSE:
        return []


def _of_another_key(written: str, keys: KeySet, registry: JWSRegistry) -> bool:
    """Whether a token may have been signed by a key that is published only now."""
    try:
        jwt.decode(written, keys, registry=registry)
    except (InvalidKeyIdError, BadSignatureError):
        return True
    except _FALSE:
        return False  # said once more, and told, where it is read
    return False


def _names(claims: dict[str, Any]) -> list[object]:
    return [claims.get("name"), claims.get("preferred_username")]


async def _get(client: Any, url: str, kind: Any) -> Any:
    response = await client.request("GET", url, withhold_token=True)
    response.raise_for_status()
    return msgspec.json.decode(response.content, type=kind)


async def _bounded(response: httpx2.Response) -> None:
    """Before an answer is read: no more of it than `MOST_BYTES`, and nothing packed."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("packed")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for part in self._inner:
            left -= len(part)
            if left < 0:
                raise ValueError("too long")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()
