"""The cookie that says who a browser is: its name, what protects it, and which one counts."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest

from tests.e2e.browsers import Jar, Shown, shown, who
from tests.e2e.places import FORM, kept
from tests.support.client import ChatClient
from tests.support.instance import Answer, Instance

PLAIN, SECURE = "quartchat", "__Host-quartchat"

HTTPS = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "chat.example.org",
}
HTTP = {**HTTPS, "X-Forwarded-Proto": "http"}


@pytest.fixture(scope="session")
def site() -> Iterator[Instance]:
    """What stands behind one proxy, which each test plays."""
    with kept("memory://", {"QUARTCHAT_TRUSTED_PROXIES": "1"}) as instance:
        yield instance


def given(answer: Answer) -> dict[str, Any]:
    """Every cookie that an answer sets, with its attributes."""
    return dict(SimpleCookie("\n".join(answer.headers.get_all("Set-Cookie") or [])))


async def log_in(where: Instance, headers: dict[str, str], name: str = "Ada") -> Answer:
    answer = await where.post("/session", f"name={name}".encode(), {**FORM, **headers})
    assert answer.status == 303
    return answer


def cookie_of(answer: Answer) -> str:
    jar = Jar()
    jar.take(answer.headers.get_all("Set-Cookie") or [])
    return jar.header


async def test_over_https_no_neighbour_and_nobody_in_between_can_set_it(site: Instance) -> None:
    cookies = given(await log_in(site, HTTPS))
    assert set(cookies) == {SECURE}
    found = cookies[SECURE]
    assert (found["secure"], found["httponly"], found["samesite"]) == (True, True, "Lax")
    # What the name's prefix asks for: browsers drop it otherwise.
    assert (found["path"], found["domain"]) == ("/", "")


@pytest.mark.parametrize("headers", [{}, HTTP], ids=["no word of a proxy", "http"])
async def test_over_http_it_has_its_plain_name(site: Instance, headers: dict[str, str]) -> None:
    cookies = given(await log_in(site, headers))
    assert set(cookies) == {PLAIN}
    assert (cookies[PLAIN]["secure"], cookies[PLAIN]["httponly"], cookies[PLAIN]["samesite"]) == (
        "",
        True,
        "Lax",
    )


async def test_without_a_configured_proxy_nobody_s_word_changes_that(lone: Instance) -> None:
    cookies = given(await log_in(lone, {**HTTPS, "Forwarded": "proto=https", "X-Forwarded-Ssl": "on"}))
    assert set(cookies) == {PLAIN}
    assert cookies[PLAIN]["secure"] == ""


async def test_what_a_client_wrote_in_front_changes_nothing(site: Instance) -> None:
    spoofed = {**HTTP, "X-Forwarded-Proto": "https, http", "X-Forwarded-For": "6.6.6.6, 203.0.113.7"}
    assert set(given(await log_in(site, spoofed))) == {PLAIN}
    spoofed = {**HTTPS, "X-Forwarded-Proto": "http, https"}
    assert set(given(await log_in(site, spoofed))) == {SECURE}


async def test_over_https_the_plain_cookie_is_nobody(site: Instance, room: str) -> None:
    """A page of a neighbour can set it for the whole domain: people would write as somebody else."""
    evil = cookie_of(await log_in(site, HTTP, "Mallory"))
    assert evil.startswith(f"{PLAIN}=")
    page = (await site.get(f"/chat/{room}/", {**HTTPS, "Cookie": evil})).text
    assert shown(page) == Shown(None, None)
    own = cookie_of(await log_in(site, HTTPS, "Ada"))
    for both in (f"{evil}; {own}", f"{own}; {evil}"):
        page = (await site.get(f"/chat/{room}/", {**HTTPS, "Cookie": both})).text
        assert shown(page).name == "Ada"


async def test_a_socket_reads_the_same_cookie_as_the_page(site: Instance, room: str) -> None:
    own = cookie_of(await log_in(site, HTTPS, "Ada"))
    async with ChatClient(site, room, own) as client:
        assert client.welcome["you"]["name"] == "Ada"
    evil = cookie_of(await log_in(site, HTTP, "Mallory"))
    client = ChatClient(site, room, evil)
    client._headers.update(HTTPS)
    async with client:
        assert client.welcome["you"]["name"] != "Mallory"


async def test_another_name_and_the_end_are_for_the_cookie_that_counts(site: Instance) -> None:
    jar = Jar(cookie_of(await log_in(site, HTTPS, "Ada")))
    renamed = await log_in(site, {**HTTPS, **jar.headers}, "Countess")
    assert set(given(renamed)) == {SECURE}
    jar.take(renamed.headers.get_all("Set-Cookie") or [])
    page = (await site.get("/chat/lobby/", {**HTTPS, **jar.headers})).text
    assert shown(page).name == "Countess"
    ended = await site.post("/session/end", b"", {**FORM, **HTTPS, **jar.headers})
    cookies = given(ended)
    assert cookies[SECURE].value == ""
    assert cookies[SECURE]["secure"] is True
    jar.take(ended.headers.get_all("Set-Cookie") or [])
    assert jar.cookies == {}


async def test_the_language_is_secure_where_the_way_is(site: Instance) -> None:
    for headers, secure in ((HTTPS, True), (HTTP, "")):
        answer = await site.post("/language", b"lang=ko", {**FORM, **headers})
        assert given(answer)["quartchat_lang"]["secure"] == secure


async def test_behind_a_proxy_that_nobody_told_us_of_a_browser_s_own_word_is_enough(lone: Instance) -> None:
    """Browsers say where a form comes from; one that was sent by https came by it."""
    own = {"Origin": f"https://127.0.0.1:{lone.port}", "Sec-Fetch-Site": "same-origin"}
    answer = await log_in(lone, own, "Ada")
    assert set(given(answer)) == {SECURE}
    jar = Jar(cookie_of(answer))
    # Reading a page, it does not say so: the cookie does.
    assert (await who(lone, jar)).name == "Ada"
    evil = cookie_of(await log_in(lone, {}, "Mallory"))
    assert (await who(lone, Jar(f"{evil}; {jar.header}"))).name == "Ada"
    # An old browser, that says nothing, is not left with two of them.
    renamed = await log_in(lone, jar.headers, "Countess")
    assert set(given(renamed)) == {SECURE}
    jar.take(renamed.headers.get_all("Set-Cookie") or [])
    assert (await who(lone, jar)).name == "Countess"
    ended = await lone.post("/session/end", b"", {**FORM, **jar.headers})
    jar.take(ended.headers.get_all("Set-Cookie") or [])
    assert jar.cookies == {}


async def test_a_secure_cookie_of_another_program_leaves_ours_alone(lone: Instance) -> None:
    own = cookie_of(await log_in(lone, {}, "Ada"))
    for value in ("x", "", "a.b.c"):
        assert (await who(lone, Jar(f"{SECURE}={value}; {own}"))).name == "Ada"
