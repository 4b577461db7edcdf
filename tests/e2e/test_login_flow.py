"""A login as a browser goes through it, on two instances, with a provider of its own process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import pytest
import websockets

from tests.e2e.browsers import Jar, Shown, shown, who
from tests.e2e.places import FORM, ROOMY
from tests.support.client import ChatClient, new_session
from tests.support.instance import Answer, Instance, request
from tests.support.openid import MockProvider, OpenIdProvider, Said, environ, mock_provider
from tests.support.waiting import until

PROMISED = 5.0
"""Seconds until a session that ended has no socket left: docs/contract.md."""


class Site(NamedTuple):
    """Two instances of one chat (in memory, one that is both), and who says who people are."""

    one: Instance
    two: Instance
    provider: MockProvider
    url: str
    env: dict[str, str | None]


@pytest.fixture(scope="session")
def provider() -> Iterator[MockProvider]:
    with mock_provider() as running:
        running.person("ada@example.org", name="Ada Lovelace")
        running.person("bob", preferred_username="bob")
        yield running


@pytest.fixture
async def site(provider: MockProvider, broker_kind: str, broker_url: str) -> AsyncIterator[Site]:
    env = {**ROOMY, **environ(provider.issuer), "QUARTCHAT_GUESTS": "deny", "QUARTCHAT_HISTORY": "8"}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Instance(broker_url, env))
        await one.wait_ready()
        two = one
        if broker_kind != "memory":
            two = await stack.enter_async_context(Instance(broker_url, env))
            await two.wait_ready()
        yield Site(one, two, provider, broker_url, env)


async def go(where: Instance, path: str, jar: Jar) -> Answer:
    """A browser follows a link."""
    answer = await where.get(path, jar.headers)
    jar.take(answer.headers.get_all("Set-Cookie") or [])
    return answer


async def whole_answer(where: Instance, path: str) -> bytes:
    """Without a thread, of which there are few: as many at the same time as one likes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", where.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{where.port}\r\nConnection: close\r\n\r\n".encode())
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


async def log_in(begins: Instance, ends: Instance, jar: Jar, subject: str, after: str = "/chat/") -> Answer:
    """From the button to the page behind it; a balancer may choose another instance meanwhile."""
    away = await go(begins, f"/login?next={quote(after)}", jar)
    assert away.status == 303, away.text
    agreed = await request(away.headers["Location"], "POST", f"sub={quote(subject)}".encode(), FORM)
    assert agreed.status == 302, agreed.text
    back = urlsplit(agreed.headers["Location"])
    assert back.path == "/login/callback"
    return await go(ends, f"{back.path}?{back.query}", jar)


async def log_out(where: Instance, jar: Jar) -> None:
    ended = await where.post("/session/end", b"", {**FORM, **jar.headers})
    assert ended.status == 303
    jar.take(ended.headers.get_all("Set-Cookie") or [])


async def test_a_login_is_the_same_person_on_every_instance(site: Site, room: str) -> None:
    for instance in (site.one, site.two):
        page = (await instance.get(f"/chat/{room}/")).text
        assert shown(page) == Shown(None, None)
        assert re.search(r'<a href="/login\?next=%2Fchat%2F' + re.escape(room), page)
        assert 'id="composer"' not in page
        with pytest.raises(websockets.InvalidStatus) as refused:
            await ChatClient(instance, room).open()
        assert refused.value.response.status_code == 401
    ada, again, bob = Jar(), Jar(), Jar()
    answer = await log_in(site.one, site.two, ada, "ada@example.org", f"/chat/{room}/")
    assert (answer.status, answer.headers["Location"]) == (303, f"/chat/{room}/")
    await log_in(site.two, site.one, again, "ada@example.org")
    await log_in(site.two, site.two, bob, "bob")
    found = {await who(place, jar) for place in (site.one, site.two) for jar in (ada, again)}
    assert {each.name for each in found} == {"Ada Lovelace"}
    assert len(found) == 1
    assert (await who(site.one, bob)).name == "bob"
    async with (
        ChatClient(site.one, room, ada.header) as first,
        ChatClient(site.two, room, again.header) as second,
        ChatClient(site.two, room, bob.header) as other,
    ):
        assert first.welcome["you"] == second.welcome["you"]
        assert first.welcome["you"]["id"] == (await who(site.one, ada)).user_id
        assert other.welcome["you"]["id"] != first.welcome["you"]["id"]
        await first.say("hello")
        message = await other.expect("message", message="hello")
        assert message["user"] == {key: first.welcome["you"][key] for key in ("id", "name")}
    # Nothing that is shown to others tells how somebody is called at the provider.
    assert "example.org" not in (await site.one.get(f"/chat/{room}/", bob.headers)).text


async def test_who_logged_out_is_out_everywhere_and_can_log_in_again(site: Site, room: str) -> None:
    jar = Jar()
    for turn in range(4):
        begins, ends = (site.one, site.two) if turn % 2 else (site.two, site.one)
        assert (await log_in(begins, ends, jar, "ada@example.org")).status == 303
        async with (
            ChatClient(site.one, room, jar.header) as one,
            ChatClient(site.two, room, jar.header) as two,
        ):
            await one.say(f"turn {turn}")
            stolen = Jar(jar.header)
            await log_out(begins, jar)
            assert {await client.wait_close(PROMISED) for client in (one, two)} == {4401}

        async def out(stolen: Jar = stolen) -> bool:
            return {await who(place, stolen) for place in (site.one, site.two)} == {Shown(None, None)}

        await until(out, PROMISED, "the cookie of before is worth nothing anywhere")


async def test_an_old_end_that_is_said_again_closes_no_newer_socket(site: Site, room: str) -> None:
    """Ends are said again for thirty days, also to instances that start later."""
    jar = Jar()
    await log_in(site.one, site.one, jar, "ada@example.org")
    old = Jar(jar.header)
    await log_out(site.one, jar)

    async def over() -> bool:
        return await who(site.two, old) == Shown(None, None)

    # Only where the end is known, a session of the same second begins after it.
    await until(over, PROMISED, "the other instance knows the end")
    await log_in(site.one, site.two, jar, "ada@example.org")
    async with ChatClient(site.one, room, jar.header) as one, ChatClient(site.two, room, jar.header) as two:
        # More than the log holds, so that it has to be said again.
        for _ in range(12):
            other = Jar()
            await log_in(site.one, site.one, other, "bob")
            await log_out(site.one, other)
        # An instance that starts now hears of it; in memory, the rounds below are all there is.
        async with AsyncExitStack() as stack:
            places = [site.one, site.two]
            if site.one is not site.two:
                late = await stack.enter_async_context(Instance(site.url, site.env))
                await late.wait_ready()
                places.append(late)

            async def known() -> bool:
                return {await who(place, old) for place in places} == {Shown(None, None)}

            await until(known, 20, "every instance knows the old end")
            for place in places:
                async with ChatClient(place, room, jar.header) as client:
                    await client.say("still here")
        assert not one.closed
        assert not two.closed
        assert (await one.say("and here"))["type"] == "ack"


async def test_a_callback_that_is_sent_to_another_browser_logs_nobody_in(site: Site) -> None:
    attacker, victim = Jar(), Jar()
    away = await go(site.one, "/login", attacker)
    agreed = await request(away.headers["Location"], "POST", b"sub=mallory", FORM)
    back = urlsplit(agreed.headers["Location"])
    answer = await go(site.two, f"{back.path}?{back.query}", victim)
    assert answer.status == 400
    assert "You are not logged in" in answer.text
    assert victim.cookies == {}
    # The code was not even shown to the provider: whom it belongs to may still use it, once.
    assert (await go(site.two, f"{back.path}?{back.query}", Jar(attacker.header))).status == 303
    assert (await go(site.one, f"{back.path}?{back.query}", Jar(attacker.header))).status == 403


async def test_pages_that_are_open_as_a_guest_are_over_when_their_browser_logs_in(
    provider: MockProvider, room: str
) -> None:
    """Else a tab would go on writing as somebody that this browser is not any more."""
    async with Instance("memory://", {**ROOMY, **environ(provider.issuer)}) as one:
        guest = await new_session(one, "Ada")
        jar = Jar(guest.cookie)
        async with ChatClient(one, room, guest.cookie) as tab, ChatClient(one, room) as other:
            await log_in(one, one, jar, "ada@example.org")
            assert await tab.wait_close(PROMISED) == 4401
            await other.say("nobody else")
        assert (await who(one, jar)).name == "Ada Lovelace"
        # A second login of the same person ends nothing.
        async with ChatClient(one, room, jar.header) as tab:
            before = jar.header
            await log_in(one, one, jar, "ada@example.org")
            await tab.say("still here")
            assert (await who(one, Jar(before))) == (await who(one, jar))


async def test_a_provider_that_is_slow_or_away_holds_up_nobody_else(room: str) -> None:
    with OpenIdProvider() as provider:
        provider.said["/.well-known/openid-configuration"] = Said(200, b"{}", seconds=60)
        async with Instance("memory://", {**provider.environ}) as one:
            logins = [asyncio.create_task(whole_answer(one, "/login")) for _ in range(30)]
            await until(lambda: provider.asked, what="the provider is asked")
            ada = await new_session(one, "Ada")
            async with ChatClient(one, room, ada.cookie) as client:
                assert (await client.say("hello"))["type"] == "ack"
            answers = await asyncio.gather(*logins)
            assert {answer.split()[1] for answer in answers} == {b"503"}
            assert all(b"retry-after:" in answer.lower() for answer in answers)
