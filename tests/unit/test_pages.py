"""Where a form may send somebody afterwards."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest

from quartchat.pages import local_path

LOBBY = "/chat/"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/chat/",
        "/chat/lobby/",
        "/chat/a%2Fb/",
        "/chat/Ünïcödé/",
        "/chat/x/?history=5#last",
        "/a?next=//b",
    ],
)
def test_a_path_of_this_site_is_kept(path) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "chat/",
        "?x",
        "#x",
        ".",
        "//evil.example",
        "//evil.example/chat/",
        "///evil.example",
        "////evil.example",
        "//",
        "//\\evil.example",
        "/\\evil.example",
        "/\\/evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\n/evil.example",
        "/chat/\r\nSet-Cookie: quartchat=x",
        "\t//evil.example",
        " //evil.example",
        " /chat/",
        "\x00//evil.example",
        "https://evil.example",
        "HTTPS://evil.example",
        "https:evil.example",
        "http:///evil.example",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "//[::1",
        "//evil.example:x",
        "//user@evil.example",
        "//evil。example",
        "/" + "x" * 5000,
    ],
)
def test_everything_else_leads_to_the_lobby(text) -> None:
    assert local_path(text) == LOBBY


def to_a_browser(base: str, location: str) -> str:
    """As the URL standard has it: backslashes are slashes, tabs and newlines are not there."""
    cleaned = "".join(c for c in location.strip(" \x00\x1f") if c not in "\t\r\n").replace("\\", "/")
    return urlsplit(urljoin(base, cleaned)).netloc


@pytest.mark.parametrize("head", ["/", "//", "/\\", "\\", "/\t/", "/./", "/.//", "/..//", "/;/", "/%2f", ""])
@pytest.mark.parametrize("tail", ["evil.example", "/evil.example", "@evil.example", ":80", "\\evil.example"])
def test_no_combination_leaves_the_site(head, tail) -> None:
    assert to_a_browser("https://chat.example.org/session", local_path(head + tail)) == "chat.example.org"
