"""Where a form may send somebody afterwards, and what a guest is called."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest

from quartchat.application import create_app
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
        "/%2f/evil.example",
        "/%2f%2fevil.example",
        "/%5c/evil.example",
        "/%09/evil.example",
        "/evil.example",
        "/@evil.example",
        "/:80",
        "/https:evil.example",
        "/／evil.example",
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
        "/.//evil.example",
        "/..//evil.example",
        "/chat/..//evil.example/",
        "/chat//evil.example",
        "/\x0b/evil.example",
        "/\x0c/evil.example",
        "/\x00/evil.example",
        "/\x1f/evil.example",
        "/\x7f/evil.example",
        "/\x85/evil.example",
        "/\u2028/evil.example",
        "/\u202e/evil.example",
        "/\u3000/evil.example",
        "/\ufeff/evil.example",
        "/chat/\\..\\..\\evil.example",
        "\u2215/evil.example",
        "／/evil.example",
        "/\ud800",
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


@pytest.mark.parametrize(
    ("headers", "script"),
    [
        ({}, "[A-Za-z ]+"),
        ({"Accept-Language": "ko-KR"}, "[가-힣 ]+"),
        ({"Accept-Language": "ko-KR", "Cookie": "quartchat_lang=en"}, "[A-Za-z ]+"),
        ({"Cookie": "quartchat_lang=ko"}, "[가-힣 ]+"),
    ],
)
async def test_a_guest_has_a_friendly_name_in_the_language_of_the_page(headers, script) -> None:
    client = create_app({}).test_client()
    asked = {"Accept": "application/json", **headers}
    answer = await client.post("/session", headers=asked, form={"name": ""})
    assert re.fullmatch(script, (await answer.get_json())["name"])
