"""What every answer tells the browser to guard against, whoever made it: a page, an error, a refusal."""

from __future__ import annotations

from collections.abc import Iterable

Header = tuple[bytes, bytes]

CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    b" font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline runs, so neither nonces nor hashes are needed; what pages hold for scripts is JSON."""

# Room names stand in addresses: no other site is told them. The features are those that every browser knows;
# some warn of others.
ALWAYS: tuple[Header, ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(),"
        b" microphone=(), midi=(), payment=(), usb=()",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

HSTS: Header = (b"strict-transport-security", b"max-age=31536000")
"""A year of https alone, for this host; what others run on names below it is not ours to decide."""

UNKEPT: Header = (b"cache-control", b"no-store")
"""What depends on who asks is never kept by anybody in between,"""

VARY = (b"Accept-Language", b"Cookie")
"""nor given to another."""


def complete(headers: Iterable[Header], *, secure: bool) -> list[Header]:
    """These headers with what they lack; `secure`: the browser asked by https."""
    done = [(name.lower(), value) for name, value in headers]
    there = {name for name, _ in done}
    done += [header for header in ALWAYS if header[0] not in there]
    if b"cache-control" not in there:
        # Quart 0.23 names the cookie by itself, and nothing else.
        named = [each.strip() for name, value in done if name == b"vary" for each in value.split(b",")]
        done = [header for header in done if header[0] != b"vary"]
        done += [UNKEPT, (b"vary", b", ".join(dict.fromkeys([*VARY, *named])))]
    if secure and HSTS[0] not in there:
        done.append(HSTS)
    return done
