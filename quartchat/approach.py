"""By which way a request came: the scheme and host that its sender asked for, and the sender's address.

Behind a proxy all three are the proxy's, and what the sender used stands in `X-Forwarded-…` headers, where
anybody can write. So they count only behind a configured number of proxies, each of which added one item at
the right end: of n proxies the first is the n-th from the right, and what stands left of it was there before.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Scheme = Literal["http", "https"]

_SCHEMES: dict[str, Scheme] = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


class Approach(msgspec.Struct, frozen=True):
    """What is known of the way from a browser to here. Pages, sockets, cookies and limits ask this alone."""

    scheme: Scheme
    host: str
    """As in a Host header, unchecked; empty where none was named."""
    address: str
    """The IP address of who asks; empty where there is none (a Unix socket)."""
    known: bool
    """Whether the scheme is sure. With no proxy configured, http may be what an unknown one made of https."""

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @classmethod
    def of(cls, scope: Mapping[str, Any], fields: Mapping[str, str], proxies: int) -> Approach:
        """Read an ASGI scope and its headers (`fields`: see `http.fields_of`) behind so many proxies."""
        scheme = _SCHEMES.get(scope.get("scheme", "http"), "http")
        host, peer = fields.get("host", ""), (scope.get("client") or ("",))[0]
        if proxies:
            told = _passed_on(fields.get("x-forwarded-proto"), proxies)
            return cls(
                _SCHEMES.get(told.lower(), scheme),
                _passed_on(fields.get("x-forwarded-host"), proxies) or host,
                _address(_added(fields.get("x-forwarded-for"), proxies)) or peer,
                True,
            )
        # A browser's own word, which no page can make it say: it asked by https, and a proxy that nobody
        # told us of ended that. Whoever makes it up binds only the cookie that they get.
        if fields.get("sec-fetch-site") == "same-origin" and fields.get("origin", "").startswith("https://"):
            scheme = "https"
        return cls(scheme, host, peer, scheme == "https")


def _items(header: str | None) -> list[str]:
    return [] if header is None else [item.strip() for item in header.split(",")]


def _added(header: str | None, proxies: int) -> str:
    """What the first of the proxies added; nothing where not all of them did."""
    items = _items(header)
    return items[-proxies] if len(items) >= proxies else ""


def _passed_on(header: str | None, proxies: int) -> str:
    """The same, but where there are fewer items, the first: proxies pass on what the one before has set."""
    items = _items(header)
    return items[-proxies] if len(items) >= proxies else items[0] if items else ""


def _address(text: str) -> str:
    """An address in one form, without a port; empty where it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
