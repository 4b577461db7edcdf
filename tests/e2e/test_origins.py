"""Whose pages may open sockets and post forms, over a real connection and behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.places import FORM, kept
from tests.e2e.routes import forms
from tests.e2e.tables import SITE, SITE_ORIGINS
from tests.e2e.test_headers import UPGRADE
from tests.support.client import ChatClient
from tests.support.instance import Instance, request

PROXY = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "chat.example.org",
}


@pytest.fixture(scope="session")
def site() -> Iterator[Instance]:
    """What stands behind the proxy of `SITE`, which each test plays."""
    with kept("memory://", {"QUARTCHAT_TRUSTED_PROXIES": "1", "QUARTCHAT_MESSAGE_RATE": "0"}) as instance:
        yield instance


@pytest.fixture(scope="session")
def listed() -> Iterator[Instance]:
    """The same site by a list of origins, behind a proxy that says nothing."""
    with kept("memory://", {"QUARTCHAT_ALLOWED_ORIGINS": SITE, "QUARTCHAT_MESSAGE_RATE": "0"}) as instance:
        yield instance


def test_the_table_has_forty_rows_and_more() -> None:
    assert len(SITE_ORIGINS) >= 40
    assert len({str(headers) for headers, _ in SITE_ORIGINS}) == len(SITE_ORIGINS)


async def status_of_socket(where: Instance, headers: dict[str, str]) -> int:
    return (await request(f"{where.url}/ws/chat/lobby/", headers={**UPGRADE, **headers})).status


@pytest.mark.parametrize(("headers", "good"), SITE_ORIGINS, ids=lambda value: ascii(value))
async def test_a_socket(site: Instance, headers: dict[str, str], good: bool) -> None:
    sent = {name: text.replace("{port}", str(site.port)) for name, text in headers.items()}
    if good:
        reply = await status_101(site, {**PROXY, **sent})
        assert reply == 101
    else:
        assert await status_of_socket(site, {**PROXY, **sent}) == 403


async def status_101(where: Instance, headers: dict[str, str]) -> int:
    """The status of a handshake that may be accepted: nothing is read after it."""
    return (await request(f"{where.url}/ws/chat/lobby/", headers={**UPGRADE, **headers}, timeout=10)).status


@pytest.mark.parametrize(("headers", "good"), SITE_ORIGINS, ids=lambda value: ascii(value))
@pytest.mark.parametrize("path", forms())
async def test_every_form(site: Instance, path: str, headers: dict[str, str], good: bool) -> None:
    sent = {name: text.replace("{port}", str(site.port)) for name, text in headers.items()}
    answer = await site.post(path, b"name=Ada&lang=ko&message=hi&id=a", {**FORM, **PROXY, **sent})
    # No link to this room is a good one: then it says so, in a page of its own.
    without_a_link = path.endswith("/enter") and 'name="link"' in answer.text
    assert (answer.status == 403 and not without_a_link) is not good
    if not good:
        assert not answer.headers.get_all("Set-Cookie")


async def test_what_the_proxy_did_not_say_is_not_believed(lone: Instance) -> None:
    """Without a configured proxy, nobody's word of another host makes theirs ours."""
    evil = {
        "Origin": "https://evil.example",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
    }
    assert await status_of_socket(lone, evil) == 403
    assert (await lone.post("/session", b"name=Ada", {**FORM, **evil})).status == 403


async def test_an_item_in_front_of_the_proxy_s_is_not_believed(site: Instance) -> None:
    spoofed = {
        **PROXY,
        "X-Forwarded-Host": "evil.example, chat.example.org",
        "Origin": "https://evil.example",
    }
    assert await status_of_socket(site, spoofed) == 403
    assert (await site.post("/session", b"name=Ada", {**FORM, **spoofed})).status == 403


async def test_a_list_says_who_may_whatever_host_was_asked(listed: Instance, room: str) -> None:
    async with ChatClient(listed, room, origin=SITE) as client:
        await client.say("hello")
    for origin in (
        f"http://127.0.0.1:{listed.port}",
        "http://chat.example.org",
        "null",
        "https://evil.example",
    ):
        assert await status_of_socket(listed, {"Origin": origin}) == 403
        for path in forms():
            assert (await listed.post(path, b"", {**FORM, "Origin": origin})).status == 403
