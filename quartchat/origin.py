"""Whether a request comes from our own pages. Browsers send a cookie along from anywhere: this stops them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .approach import Approach

_PORTS = {"http": 80, "https": 443}

# As browsers write it: in ASCII (names in other scripts are in Punycode), without a user, a path, or a zero
# in front of a port. Whatever is written otherwise comes from somewhere else.
_origin = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9_~-][a-z0-9._~-]*)(?::([1-9][0-9]{0,4}))?", re.ASCII
).fullmatch


def allowed(origin: str | None, fetch_site: str | None, way: Approach, listed: frozenset[str]) -> bool:
    """Whether a handshake or form post that came by this way may pass.

    A request that carries neither header does not come from a browser. `listed` are the configured origins;
    without any, the origin has to be the one that was asked: host and port, and the scheme where it is known.
    """
    if origin is None:
        return fetch_site in (None, "same-origin", "none")
    parts = _split(origin)
    if parts is None:
        return False
    if listed:
        return any(_split(item) == parts for item in listed)
    if fetch_site not in (None, "same-origin", "none"):
        return False
    # Where a proxy that we know nothing of may have ended TLS, the origin's own scheme decides what a Host
    # without a port means.
    scheme = way.scheme if way.known else parts[0]
    return _split(f"{scheme}://{way.host}") == parts


def own(fields: Mapping[str, str], way: Approach, listed: frozenset[str]) -> bool:
    """Whether a request with these headers comes from where it may: see `allowed`."""
    return allowed(fields.get("origin"), fields.get("sec-fetch-site"), way, listed)


def is_one(text: str) -> bool:
    """Whether this is an origin as browsers write them."""
    return _split(text) is not None


def _split(origin: str) -> tuple[str, str, int] | None:
    # In ASCII alone: other scripts have letters that become ours in small letters.
    found = _origin(origin.lower()) if origin.isascii() else None
    if found is None:
        return None
    scheme, host, digits = found.groups()
    port = int(digits) if digits else _PORTS[scheme]
    return (scheme, host, port) if port < 65536 else None
