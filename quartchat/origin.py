"""Whether a request comes from our own pages. Browsers send a cookie along from anywhere: this stops them."""

from __future__ import annotations

from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

_PORTS = {"http": 80, "https": 443}


def allowed(origin: str | None, fetch_site: str | None, host: str, listed: frozenset[str]) -> bool:
    """Whether a handshake or form post may pass.

    A request that carries neither header does not come from a browser. `listed` are the configured origins;
    without any, the origin's host and port have to be those that were asked.
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
    scheme, name, port = parts
    # Behind a proxy that ends TLS the scheme we see is not the browser's: the origin's own decides what a
    # Host without a port means.
    asked = _split(f"{scheme}://{host}")
    return asked is not None and (name, port) == asked[1:]


def own(headers: Headers, listed: frozenset[str]) -> bool:
    """Whether a request with these headers comes from where it may: see `allowed`."""
    return allowed(headers.get("Origin"), headers.get("Sec-Fetch-Site"), headers.get("Host", ""), listed)


def _split(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path or parts.query or parts.fragment:
        return None
    if "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, _PORTS[parts.scheme] if port is None else port
