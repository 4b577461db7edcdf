"""Requests that are answered before Quart looks at them."""

from __future__ import annotations

from typing import Any

from quart.asgi import ASGIHTTPConnection

NOT_ASCII = "\ufffd"
"""Stands in a header's value where its bytes could not be read: see `hypercorn`."""


def understandable(scope: Any) -> bool:
    """Whether Quart can make a request of this: it raises on absolute targets that are no URLs."""
    return scope["path"].startswith("/") and NOT_ASCII not in scope.get("subprotocols", ())


class HttpConnection(ASGIHTTPConnection):
    """Quart's documented hook `asgi_http_class`."""

    async def __call__(self, receive: Any, send: Any) -> None:
        if understandable(self.scope):
            await super().__call__(receive, send)
            return
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
