"""By which way a request came: what proxies say counts as far as there are proxies, and no further."""

from __future__ import annotations

import pytest

from quartchat.approach import Approach
from quartchat.http import fields_of

PEER = "10.0.0.9"
SPOOFED = "6.6.6.6"


def come(
    proxies: int, *headers: tuple[str, str], scheme: str = "http", client: tuple[str, int] | None = (PEER, 5)
) -> Approach:
    sent = [("Host", "inside:8000"), *headers]
    raw = [(name.encode(), text.encode("latin-1")) for name, text in sent]
    scope = {"scheme": scheme, "client": client, "headers": raw}
    return Approach.of(scope, fields_of(scope), proxies)


def test_without_a_proxy_nothing_counts_but_the_connection_itself() -> None:
    found = come(
        0,
        ("X-Forwarded-For", SPOOFED),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", f"for={SPOOFED};proto=https;host=evil.example"),
        ("X-Real-IP", SPOOFED),
        ("X-Forwarded-Ssl", "on"),
        ("Front-End-Https", "on"),
    )
    assert found == Approach("http", "inside:8000", PEER, False)


@pytest.mark.parametrize(
    ("scheme", "expected"), [("http", "http"), ("ws", "http"), ("https", "https"), ("wss", "https")]
)
def test_a_socket_s_scheme_is_the_page_s(scheme: str, expected: str) -> None:
    for proxies in (0, 1):
        assert come(proxies, scheme=scheme).scheme == expected


def test_behind_one_proxy_it_is_believed() -> None:
    found = come(
        1,
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "chat.example.org"),
    )
    assert found == Approach("https", "chat.example.org", "203.0.113.7", True)


@pytest.mark.parametrize("proxies", [1, 2, 3])
@pytest.mark.parametrize(
    "spoofed", [[], [SPOOFED], [SPOOFED, "127.0.0.1"], [""], ["x" * 500], [SPOOFED] * 50]
)
@pytest.mark.parametrize("lines", ["one", "many"])
def test_what_a_client_writes_in_front_never_counts(proxies: int, spoofed: list[str], lines: str) -> None:
    added = ["203.0.113.7", "10.0.0.1", "10.0.0.2"][:proxies]
    schemes = ["https", "http", "http"][:proxies]
    hosts = ["chat.example.org", "one.internal", "two.internal"][:proxies]
    headers: list[tuple[str, str]] = []
    for name, front, items in (
        ("X-Forwarded-For", spoofed, added),
        ("X-Forwarded-Proto", ["http" for _ in spoofed], schemes),
        ("X-Forwarded-Host", ["evil.example" for _ in spoofed], hosts),
    ):
        whole = [*front, *items]
        headers += [(name, item) for item in whole] if lines == "many" else [(name, ", ".join(whole))]
    assert come(proxies, *headers) == Approach("https", "chat.example.org", "203.0.113.7", True)


def test_an_address_that_not_all_proxies_wrote_down_is_nobody_s() -> None:
    """Somebody came by another way, and what stands there may be theirs."""
    assert come(2, ("X-Forwarded-For", SPOOFED)).address == PEER
    assert come(1).address == PEER


def test_a_scheme_and_host_that_the_first_set_and_the_next_passed_on_count() -> None:
    found = come(2, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "chat.example.org"))
    assert (found.scheme, found.host) == ("https", "chat.example.org")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7:51000", "203.0.113.7"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("unknown", PEER),
        ("_hidden", PEER),
        ("", PEER),
        (",", PEER),
        ("203.0.113.7 203.0.113.8", PEER),
        ("203.0.113.07", PEER),
        ("1" * 5000, PEER),
        ("\xff", PEER),
    ],
)
def test_an_address_is_kept_in_one_form_or_not_at_all(text: str, expected: str) -> None:
    assert come(1, ("X-Forwarded-For", text)).address == expected


@pytest.mark.parametrize("text", ["", "ftp", "javascript", "https://", "httpss", "\xff", "https;x"])
def test_a_scheme_that_is_none_leaves_the_connection_s(text: str) -> None:
    assert come(1, ("X-Forwarded-Proto", text)).scheme == "http"
    assert come(1, ("X-Forwarded-Proto", text), scheme="https").scheme == "https"


def test_a_unix_socket_has_no_address() -> None:
    assert come(0, client=None).address == ""


def test_a_browser_that_asked_by_https_says_so_where_no_proxy_was_configured() -> None:
    own = ("Origin", "https://chat.example.org"), ("Sec-Fetch-Site", "same-origin")
    assert come(0, *own).secure
    assert come(0, own[0]).secure is False  # an old browser: not sure
    assert come(0, own[1]).secure is False
    assert come(0, own[0], ("Sec-Fetch-Site", "cross-site")).secure is False
    assert come(0, ("Origin", "http://chat.example.org"), own[1]).secure is False
    # Who configured a proxy is told by that.
    assert come(1, *own, ("X-Forwarded-Proto", "http")).secure is False
