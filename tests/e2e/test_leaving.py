"""Leaving a session, by word or by time, closes its sockets everywhere, and nothing opens them again."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from quartchat.identity import COOKIE, Identities, Session
from quartchat.protocol import User
from tests.e2e.browsers import Jar, Shown, who
from tests.e2e.places import FORM
from tests.support.client import ChatClient, new_session
from tests.support.instance import SECRET_KEY, Instance
from tests.support.proxy import Proxy
from tests.support.waiting import until

Pair = tuple[Instance, Instance]

PROMISED = 5.0
"""Seconds, of docs/contract.md."""


def lasting(seconds: float) -> tuple[str, float]:
    """A cookie of a session that is over so soon, and when that is."""
    end = int(time.time() + seconds)
    value = Identities((SECRET_KEY,)).dump(Session(User("short-lived-id", "Ada"), end))
    return f"{COOKIE}={value}", float(end)


async def test_an_expired_session_is_over_on_both_instances_within_five_seconds(
    shared_pair: Pair, room: str
) -> None:
    async with (
        # Rooms that are open already: who comes in has no more to wait for, and is in before the end.
        ChatClient(shared_pair[0], room),
        ChatClient(shared_pair[1], f"{room}-2"),
        ChatClient(shared_pair[1], room) as other,
        AsyncExitStack() as stack,
    ):
        cookie, end = lasting(4)
        one = ChatClient(shared_pair[0], room, cookie)
        two = ChatClient(shared_pair[1], room, cookie)
        three = ChatClient(shared_pair[1], f"{room}-2", cookie, subprotocol=None)
        await asyncio.gather(*(stack.enter_async_context(client) for client in (one, two, three)))
        assert one.welcome["you"]["id"] == two.welcome["you"]["id"] == "short-lived-id"
        for client in (one, two, three):
            assert await client.wait_close(4 + PROMISED) == 4401
        assert end - 1 <= time.time() <= end + PROMISED
        await other.say("still here")
    for place in shared_pair:
        assert await who(place, Jar(cookie)) == Shown(None, None)
        async with ChatClient(place, room, cookie) as client:
            assert client.welcome["you"]["id"] != "short-lived-id"


async def test_every_socket_of_a_session_is_closed_in_whatever_room_and_dialect(
    shared_pair: Pair, room: str
) -> None:
    ada, bob = await new_session(shared_pair[0], "Ada"), await new_session(shared_pair[1], "Ada")
    clients = [
        ChatClient(place, f"{room}-{number}", ada.cookie, subprotocol=dialect)
        for place in shared_pair
        for number in range(4)
        for dialect in ("quartchat.v1", None)
    ]
    for client in clients:
        await client.open()
    async with ChatClient(shared_pair[0], f"{room}-0", bob.cookie) as other:
        started = time.monotonic()
        assert (await shared_pair[1].post("/session/end", b"", {**FORM, "Cookie": ada.cookie})).status == 303
        assert {await client.wait_close(PROMISED) for client in clients} == {4401}
        assert time.monotonic() - started < PROMISED
        await other.say("another Ada")


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
async def test_an_instance_that_was_cut_off_hears_of_it_when_it_is_back(
    kind: str, request: pytest.FixtureRequest, room: str
) -> None:
    server: Any = request.getfixturevalue(f"{kind}_server")
    url = f"{server.url}?prefix=left{room}"
    async with Proxy.before(url) as link, Instance(url) as one, Instance(link.through(url)) as two:
        await one.wait_ready()
        await two.wait_ready()
        ada = await new_session(one, "Ada")
        async with ChatClient(two, room, ada.cookie) as client:
            await link.refuse()
            link.cut()
            # Answered once it stands in the log: what comes now, the instance has to look for.
            await one.post("/session/end", b"", {**FORM, "Cookie": ada.cookie})
            assert not client.closed
            await link.heal()
            assert await client.wait_close(30) == 4401


async def test_a_session_that_was_left_long_ago_stays_left(redis_url: str, room: str) -> None:
    """The log of ends is as short as a room's; cookies last for a month."""
    env: dict[str, str | None] = {"QUARTCHAT_HISTORY": "5", "QUARTCHAT_GUESTS": "allow"}
    async with Instance(redis_url, env) as one:
        await one.wait_ready()
        left = [await new_session(one, f"Person {number}") for number in range(30)]
        for each in left:
            await one.post("/session/end", b"", {**FORM, "Cookie": each.cookie})
        async with Instance(redis_url, env) as two:
            await two.wait_ready()

            async def nobody_is_known() -> bool:
                return {await who(two, Jar(each.cookie)) for each in left} == {Shown(None, None)}

            # The other instance says it again within two seconds.
            await until(nobody_is_known, 15, "all thirty are known to have left")
