"""An OpenID provider that lies when it is told to, and one from the registry that does not."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from .ports import free_port
from .process import Process

CLIENT_ID, CLIENT_SECRET = "chat", "made-up-secret-of-the-chat"

Claims = dict[str, Any]


class Said(NamedTuple):
    """An answer that stands in for the provider's own."""

    status: int
    body: bytes
    kind: str = "application/json"
    packed: str = ""
    """Its Content-Encoding."""
    seconds: float = 0
    """Until it is given; a provider that is told to end gives it at once."""


class OpenIdProvider:
    """Keeps to the specification, and insists on it, but for what a test changes.

    `claims` changes those of the next ID tokens, `sign` how they are made of claims; `said` has answers
    by path that stand in for its own.
    """

    def __init__(self, secret: str = CLIENT_SECRET) -> None:
        self.secret = secret
        """What the chat proves with that it is the chat."""
        self.key = _first_key()
        self.claims: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        self.said: dict[str, Said] = {}
        self.described: Claims = {}
        """What its description says beside, or instead of, what it is."""
        self.people: dict[str, Claims] = {}
        """What `/userinfo` says, by subject."""
        self.asked: list[str] = []
        """Paths, in order."""
        self.tokens: dict[str, str] = {}
        """Who stands behind each access token."""
        self._codes: dict[str, tuple[dict[str, str], Claims]] = {}
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environ(self) -> dict[str, str]:
        """What makes the chat use it."""
        return environ(self.issuer, self.secret)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def signed(self, claims: Claims) -> str:
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def allow(self, location: str, subject: str = "ada-at-home", **claims: object) -> str:
        """Somebody agreed at the address to which the chat sent them: where they are sent now."""
        asked = dict(parse_qsl(urlsplit(location).query))
        assert location.startswith(f"{self.issuer}/authorize?")
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 32
        code, now = secrets.token_urlsafe(16), int(time.time())
        self._codes[code] = (
            asked,
            {
                "iss": self.issuer,
                "sub": subject,
                "aud": CLIENT_ID,
                "iat": now,
                "exp": now + 300,
                "nonce": asked["nonce"],
                **claims,
            },
        )
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def answer(self, method: str, path: str, head: Any, body: bytes) -> Said:
        self.asked.append(path)
        if path in self.said:
            said = self.said[path]
            self._ended.wait(said.seconds)
            return said
        if path == "/.well-known/openid-configuration":
            return _json(200, self._description())
        if path == "/jwks":
            return _json(200, KeySet([self.key]).as_dict(private=False))
        if path == "/token" and method == "POST":
            return self._exchange(head, {name: texts[0] for name, texts in parse_qs(body.decode()).items()})
        if path == "/userinfo":
            subject = self.tokens.get(head.get("Authorization", "").removeprefix("Bearer "))
            known = subject is not None
            return (
                _json(200, {"sub": subject, **self.people.get(subject or "", {})})
                if known
                else _json(401, {})
            )
        return _json(404, {})

    def _description(self) -> Claims:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.described,
        }

    def _exchange(self, head: Any, form: dict[str, str]) -> Said:
        # As Authlib writes it.
        wanted = base64.b64encode(f"{CLIENT_ID}:{self.secret}".encode("latin-1")).decode()
        if head.get("Authorization") != f"Basic {wanted}":
            return _json(401, {"error": "invalid_client"})
        asked, claims = self._codes.pop(form.get("code", ""), ({}, {}))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            not asked
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return _json(400, {"error": "invalid_grant", "error_description": "no such code"})
        access = secrets.token_urlsafe(16)
        self.tokens[access] = claims["sub"]
        written = self.sign(self.claims(claims))
        return _json(
            200, {"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": written}
        )


@cache
def _first_key() -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)


def environ(issuer: str, secret: str = CLIENT_SECRET) -> dict[str, str]:
    return {
        "QUARTCHAT_OIDC_ISSUER": issuer,
        "QUARTCHAT_OIDC_CLIENT_ID": CLIENT_ID,
        "QUARTCHAT_OIDC_CLIENT_SECRET": secret,
    }


def _json(status: int, content: object) -> Said:
    return Said(status, json.dumps(content).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    provider: OpenIdProvider


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = self.server.provider.answer(self.command, urlsplit(self.path).path, self.headers, body)
        try:
            self.send_response(said.status)
            self.send_header("Content-Type", said.kind)
            self.send_header("Content-Length", str(len(said.body)))
            if said.packed:
                self.send_header("Content-Encoding", said.packed)
            self.end_headers()
            self.wfile.write(said.body)
        except OSError:  # whoever asked has gone
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class MockProvider:
    """`oidc_provider_mock` in a process of its own. It asks whoever comes who they want to be."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        # The library that it uses warns of its own parts.
        command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--require-nonce", "true"]
        command += ["--port", str(self.port)]
        self.process = Process(command, log=folder / "log", env=dict(os.environ), cwd=folder)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def person(self, subject: str, **claims: str) -> None:
        """Make somebody known."""
        body, kind = json.dumps(claims).encode(), {"Content-Type": "application/json"}
        address = f"{self.issuer}/users/{quote(subject, safe='')}"
        with urlopen(Request(address, body, kind, method="PUT"), timeout=10) as answer:
            assert answer.status in (200, 201, 204)


@contextmanager
def mock_provider() -> Iterator[MockProvider]:
    with tempfile.TemporaryDirectory(prefix="quartchat-openid-") as folder:
        provider = MockProvider(Path(folder))
        provider.process.start()
        try:
            end = time.monotonic() + 20
            while True:
                try:
                    urlopen(f"{provider.issuer}/.well-known/openid-configuration", timeout=5).close()
                    break
                except OSError:
                    assert provider.process.running, provider.process.log
                    assert time.monotonic() < end, "the provider does not answer"
                    threading.Event().wait(0.05)
            yield provider
        finally:
            provider.process.kill()
