"""Whose pages may open sockets and post forms: the table."""

from __future__ import annotations

import pytest

from quartchat.approach import Approach
from quartchat.origin import allowed

HERE = "chat.example.org"
PASS, STOP = True, False


def way(host: str, scheme: str | None = None) -> Approach:
    """How it came; without a scheme: by http, as far as this side can see."""
    return Approach(scheme or "http", host, "", scheme is not None)


@pytest.mark.parametrize(
    ("origin", "site", "host", "expected"),
    [
        # Not from a browser.
        (None, None, HERE, PASS),
        (None, None, "", PASS),
        # Sec-Fetch-Site alone.
        (None, "same-origin", HERE, PASS),
        (None, "none", HERE, PASS),
        (None, "same-site", HERE, STOP),
        (None, "cross-site", HERE, STOP),
        (None, "", HERE, STOP),
        (None, "Same-Origin, cross-site", HERE, STOP),
        # The same host.
        ("https://chat.example.org", None, HERE, PASS),
        ("http://chat.example.org", None, HERE, PASS),
        ("https://CHAT.example.ORG", None, HERE, PASS),
        ("https://chat.example.org", None, "Chat.Example.Org", PASS),
        ("https://chat.example.org:443", None, HERE, PASS),
        ("https://chat.example.org", None, "chat.example.org:443", PASS),
        ("http://chat.example.org:80", None, HERE, PASS),
        ("http://localhost:8000", None, "localhost:8000", PASS),
        ("http://127.0.0.1:8000", "same-origin", "127.0.0.1:8000", PASS),
        ("http://[::1]:8000", None, "[::1]:8000", PASS),
        # Another port is another site.
        ("http://localhost:8001", None, "localhost:8000", STOP),
        ("http://localhost", None, "localhost:8000", STOP),
        ("https://chat.example.org:8443", None, HERE, STOP),
        ("https://chat.example.org:80", None, HERE, STOP),
        ("http://localhost:8000", None, "127.0.0.1:8000", STOP),
        # Another host, and what only looks like ours.
        ("https://evil.example", None, HERE, STOP),
        ("https://chat.example.org.evil.example", None, HERE, STOP),
        ("https://evil.example/chat.example.org", None, HERE, STOP),
        ("https://example.org", None, HERE, STOP),
        ("https://xchat.example.org", None, HERE, STOP),
        ("https://chat-example.org", None, HERE, STOP),
        ("https://chat.example.org@evil.example", None, HERE, STOP),
        ("https://evil.example@chat.example.org", None, HERE, STOP),
        ("https://evil.example\\@chat.example.org", None, HERE, STOP),
        ("https://evil.example#chat.example.org", None, HERE, STOP),
        ("https://evil.example?chat.example.org", None, HERE, STOP),
        # Not an origin of a page over HTTP at all.
        ("null", None, HERE, STOP),
        ("", None, HERE, STOP),
        ("chat.example.org", None, HERE, STOP),
        ("//chat.example.org", None, HERE, STOP),
        ("file://", None, HERE, STOP),
        ("file://chat.example.org", None, HERE, STOP),
        ("chrome-extension://abcdef", None, HERE, STOP),
        ("ws://chat.example.org", None, HERE, STOP),
        ("https://chat.example.org/", None, HERE, STOP),
        # Not as a browser writes it.
        ("https://chat.example.org.", None, HERE, STOP),
        ("https://chat.example.org.", None, "chat.example.org.", PASS),
        ("https://.chat.example.org", None, HERE, STOP),
        (" https://chat.example.org", None, HERE, STOP),
        ("https://chat.exa\tmple.org", None, HERE, STOP),
        ("https://chat.exa\nmple.org", None, HERE, STOP),
        ("\x00https://chat.example.org", None, HERE, STOP),
        ("https://chat%2eexample.org", None, HERE, STOP),
        ("https://chat.example.org:", None, HERE, STOP),
        ("https://chat.example.org:0443", None, HERE, STOP),
        ("https://chat.example.org:+443", None, HERE, STOP),
        ("https:chat.example.org", None, HERE, STOP),
        ("https:///chat.example.org", None, HERE, STOP),
        ("https:\\\\chat.example.org", None, HERE, STOP),
        ("blob:https://chat.example.org", None, HERE, STOP),
        # Other scripts: Punycode is a name like any other, letters that fold into ours are not ours.
        ("https://xn--hq1bm8jm9l.example", None, "xn--hq1bm8jm9l.example", PASS),
        ("https://xn--chat-xyz.example.org", None, HERE, STOP),
        ("https://chat.example。org", None, HERE, STOP),
        ("https://ｃhat.example.org", None, HERE, STOP),
        ("https://\u212aelvin.example", None, "kelvin.example", STOP),
        ("https://chät.example", None, "chät.example", STOP),
        # Addresses.
        ("http://[::1]:8000", None, "[::1]:8001", STOP),
        ("http://[::1]", None, "[::1]", PASS),
        ("http://::1", None, "[::1]", STOP),
        ("http://[::ffff:127.0.0.1]", None, "127.0.0.1", STOP),
        ("http://0x7f.1", None, "127.0.0.1", STOP),
        ("http://2130706433", None, "127.0.0.1", STOP),
        ("https://", None, HERE, STOP),
        ("https://[::1", None, HERE, STOP),
        ("https://chat.example.org:99999", None, HERE, STOP),
        ("https://chat.example.org:x", None, HERE, STOP),
        ("https://chat.example.org, https://chat.example.org", None, HERE, STOP),
        ("\ufffd", None, HERE, STOP),
        # A browser that says it is another site, whatever the origin.
        ("https://chat.example.org", "cross-site", HERE, STOP),
        ("https://chat.example.org", "same-site", HERE, STOP),
        # A host that is none.
        ("https://chat.example.org", None, "", STOP),
        ("https://chat.example.org", None, "evil@chat.example.org", STOP),
        ("https://chat.example.org", None, "chat.example.org/x", STOP),
        ("https://chat.example.org", None, "chat.example.org:x", STOP),
        ("https://chat.example.org", None, "[", STOP),
    ],
)
def test_without_a_list_only_the_host_that_was_asked_may_come(origin, site, host, expected) -> None:
    assert allowed(origin, site, way(host), frozenset()) is expected


LISTED = frozenset({"https://chat.example.org", "http://localhost:8000", "https://app.example:8443"})


@pytest.mark.parametrize(
    ("origin", "site", "host", "expected"),
    [
        ("https://chat.example.org", None, "backend:8000", PASS),
        ("https://chat.example.org:443", "same-site", "backend:8000", PASS),
        ("https://CHAT.EXAMPLE.ORG", "cross-site", "backend:8000", PASS),
        ("http://localhost:8000", None, "backend:8000", PASS),
        ("https://app.example:8443", None, "backend:8000", PASS),
        (None, None, "backend:8000", PASS),
        ("http://backend:8000", "same-origin", "backend:8000", STOP),
        ("http://chat.example.org", None, "backend:8000", STOP),
        ("https://app.example", None, "backend:8000", STOP),
        ("https://localhost:8000", None, "backend:8000", STOP),
        ("https://x.chat.example.org", None, "backend:8000", STOP),
        ("null", None, "backend:8000", STOP),
        (None, "cross-site", "backend:8000", STOP),
    ],
)
def test_with_a_list_only_the_listed_ones_may(origin, site, host, expected) -> None:
    assert allowed(origin, site, way(host), LISTED) is expected


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "expected"),
    [
        ("https://chat.example.org", "https", HERE, PASS),
        ("https://chat.example.org:443", "https", HERE, PASS),
        ("https://chat.example.org", "https", "chat.example.org:443", PASS),
        ("http://chat.example.org", "http", HERE, PASS),
        ("http://chat.example.org", "https", HERE, STOP),
        ("http://chat.example.org:443", "https", HERE, STOP),
        ("https://chat.example.org", "http", HERE, STOP),
        ("https://chat.example.org:80", "http", HERE, STOP),
    ],
)
def test_where_the_scheme_is_known_it_has_to_be_the_same(origin, scheme, host, expected) -> None:
    assert allowed(origin, None, way(host, scheme), frozenset()) is expected
    assert allowed(origin, "same-origin", way(host, scheme), frozenset()) is expected
    assert allowed(origin, "cross-site", way(host, scheme), frozenset()) is STOP
