"""HTTP requests before Quart looks at them, and their answers on the way out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from typing import Any

from quart.asgi import ASGIHTTPConnection

from . import headers, words
from .approach import Approach
from .limits import Limits, counted

NOT_ASCII = "\ufffd"
"""Stands in a header's value where its bytes could not be read: see `hypercorn`."""

FREE = ("/static/", "/healthz", "/readyz", "/metrics")
"""What is not counted: it costs little, belongs to a page that was, or is asked for by machines."""

JOINED = {
    "cookie": "; ",
    "x-forwarded-for": ", ",
    "x-forwarded-host": ", ",
    "x-forwarded-proto": ", ",
}
"""Headers that may come in several parts, and what stands between these. Cookies do so over HTTP/2 (RFC 9113,
section 8.2.3); of what proxies add, the part that a client sent must not hide the rest."""


def understandable(scope: Any) -> bool:
    """Whether Quart can make a request of this: it raises on absolute targets that are no URLs."""
    hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
    return (
        scope["path"].startswith("/")
        and NOT_ASCII not in scope.get("subprotocols", ())
        and all(map(_names_a_host, hosts))
    )


def _names_a_host(value: bytes) -> bool:
    # As Quart's URL map reads it, which raises where no handler of errors is yet.
    try:
        value.decode("latin-1").partition(":")[0].encode("idna")
    except UnicodeError:
        return False
    return True


def _too_many(path: str, fields: dict[str, str], seconds: int) -> Iterator[dict[str, Any]]:
    """The answer to one request too many, made without Quart: it would cost as much as what it refuses."""
    said = words.languages()[words.liked(fields.get("accept-language"))].say("d429", seconds)
    kind, body = "text/plain; charset=utf-8", f"{said}\n".encode()
    if path.startswith("/api/") or "application/json" in fields.get("accept", ""):
        kind, body = "application/json", json.dumps({"error": said, "retry_after": seconds}).encode()
    told = {"content-type": kind, "content-length": str(len(body)), "retry-after": str(seconds)}
    lines = [(name.encode(), value.encode()) for name, value in told.items()]
    yield {"type": "http.response.start", "status": 429, "headers": lines}
    yield {"type": "http.response.body", "body": body, "more_body": False}


def fields_of(scope: Any) -> dict[str, str]:
    """A request's headers by their names in small letters; of one that is given twice, the first."""
    fields: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        if name not in fields:
            fields[name] = text
        elif name in JOINED:
            fields[name] += JOINED[name] + text
    return fields


def connection_class(proxies: int, limits: Limits) -> type[ASGIHTTPConnection]:
    """Quart's documented hook `asgi_http_class`, behind so many proxies."""

    class Connection(ASGIHTTPConnection):
        """Every answer passes here, also those that Quart makes when something failed in it."""

        async def __call__(self, receive: Any, send: Any) -> None:
            fields = fields_of(self.scope)
            way = Approach.of(self.scope, fields, proxies)
            secure, path = way.secure, self.scope["path"]

            async def send_completed(event: Any) -> None:
                if event["type"] == "http.response.start":
                    event["headers"] = headers.complete(event.get("headers", ()), secure=secure)
                await send(event)

            if not understandable(self.scope):
                refusal = [(b"content-length", b"0"), (b"connection", b"close")]
                await send_completed({"type": "http.response.start", "status": 400, "headers": refusal})
                await send_completed({"type": "http.response.body", "body": b"", "more_body": False})
                return
            wait = 0.0
            if not path.startswith(FREE):
                address = counted(way.address, proxies)
                wait = limits.request(address, time.monotonic())
                if not wait:
                    await limits.turn(address, time.monotonic())
            if not wait:
                await super().__call__(receive, send_completed)
                return
            await limits.linger()
            for event in _too_many(path, fields, math.ceil(wait)):
                await send_completed(event)

    return Connection
