"""Instances and brokers die, freeze and come back, while people talk."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any, cast

import pytest
from websockets import InvalidStatus

from tests.e2e.checker import wrong_with
from tests.e2e.people import crowd, read_all
from tests.e2e.places import ROOMY, instances
from tests.support.client import ChatClient
from tests.support.instance import Answer, Instance
from tests.support.ports import free_port
from tests.support.proxy import Proxy
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

Server = RedisServer | RabbitMQServer


@pytest.fixture(params=["redis", "rabbitmq"])
def server(request: pytest.FixtureRequest) -> Server:
    """The brokers that live outside of the instances."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture
def url(server: Server, namespace: str) -> str:
    return f"{server.url}?prefix={namespace}"


async def say_until_acked(client: ChatClient, text: str, id: str) -> dict[str, Any]:
    """Send until it is stored, as a client does that is told `unknown`."""

    async def acked() -> dict[str, Any] | None:
        before = len(client.frames)

        def answers() -> list[dict[str, Any]]:
            return [frame for frame in client.frames[before:] if frame.get("id") == id]

        await client.send(text, id)
        await client.wait(lambda: any(f["type"] in ("ack", "unknown") for f in answers()))
        return next((frame for frame in answers() if frame["type"] == "ack"), None)

    return cast("dict[str, Any]", await until(acked, 20, f"{text} is acked"))


async def test_an_instance_is_killed_and_its_people_go_on_at_the_other(url: str, room: str) -> None:
    async with instances(2, url) as places, crowd(places, room) as people:
        await people.more(100)
        places[0].kill()
        await people.more(200)
        await people.judge()
        assert people.resets == []
        late = await read_all(places[1], room)
        assert wrong_with(people.said, {"a late reader": late, "one from the start": people.seen}) == []


async def test_instances_are_killed_in_turn_and_come_back(url: str, room: str) -> None:
    async with instances(2, url) as places, crowd(places, room) as people:
        for number in (0, 1, 0):
            await people.more(60)
            places[number].kill()
            await people.more(60)
            await places[number].start(ready=True)
        await people.more(60)
        await people.judge()
        assert people.resets == []


@pytest.mark.timeout(180)
async def test_the_broker_is_killed_and_restarted_and_nothing_is_lost(
    server: Server, url: str, room: str
) -> None:
    async with instances(2, url) as places, crowd(places, room) as people:
        await people.more(100)
        server.kill()
        for place in places:
            assert (await place.get("/healthz")).status == 200
            assert (await place.get("/chat/")).status == 200
        assert (await places[0].get("/readyz")).status == 503
        await asyncio.to_thread(server.start)
        back = time.monotonic()
        await people.more(40)
        for place in places:
            await place.wait_ready(10)
        assert time.monotonic() - back < 10
        await people.more(100)
        await people.judge()
        assert people.resets == []


async def test_a_message_is_answered_within_ten_seconds_while_the_broker_is_away(
    server: Server, url: str, room: str
) -> None:
    async with instances(1, url) as places, ChatClient(places[0], room) as client:
        await client.say("before")
        server.freeze()
        try:
            started = time.monotonic()
            ids = [await client.send(f"m{number}") for number in range(3)]
            answers = [await client.expect("unknown", timeout=11, id=one) for one in ids]
            assert time.monotonic() - started < 10
            assert all(answer["retry_after"] > 0 for answer in answers)
        finally:
            server.thaw()

        for number, one in enumerate(ids):
            await say_until_acked(client, f"m{number}", one)
        await client.wait_texts(["before", "m0", "m1", "m2"])


async def test_a_frozen_instance_goes_on_where_it_was(url: str, room: str) -> None:
    async with instances(2, url) as places, crowd(places, room) as people:
        await people.more(50)
        places[0].freeze()
        heard = people.listeners["listener on 1"].count
        await people.listeners["listener on 1"].reaches(heard + 60)
        places[0].thaw()
        await people.more(50)
        await people.judge()
        assert people.resets == []


async def test_a_wiped_log_is_a_reset_for_everybody_within_ten_seconds(
    server: Server, url: str, namespace: str, room: str
) -> None:
    async with instances(2, url) as places, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(ChatClient(place, room)) for place in places]
        for number in range(5):
            await clients[0].say(f"m{number}")
        for client in clients:  # an ack may come before the message itself
            await client.wait(lambda client=client: len(client.messages) == 5, what="5 messages")
        since = clients[0].messages[2]["position"]
        if isinstance(server, RabbitMQServer):
            await asyncio.to_thread(server.wipe, namespace)
        else:
            keys = server.command("EVAL", WIPE, "0", namespace)
            assert not keys.startswith(b"-"), keys
        for client in clients:
            assert (await client.expect("reset", timeout=10))["reason"] == "epoch"
        ack = await say_until_acked(clients[0], "after", "after")
        for client in clients:
            message = await client.expect("message", message="after")
            assert message["position"] == ack["position"]
        async with ChatClient(places[1], room, since=since) as late:
            assert late.welcome["resumed"] is False
            assert (await late.expect("reset"))["reason"] == "epoch"
            await late.wait_texts(["after"])


WIPE = "for _, k in ipairs(redis.call('KEYS', '*' .. ARGV[1] .. '*')) do redis.call('DEL', k) end"


async def test_a_log_that_went_back_in_time_is_noticed(room: str) -> None:
    """Redis with snapshots alone: killed, it forgets the newest messages and uses their numbers again."""
    with RedisServer("snapshots") as server:
        async with Instance(server.url, ROOMY) as one:
            await one.wait_ready()
            async with ChatClient(one, room) as client:
                assert client.welcome["durability"] == "D1"
                for number in range(3):
                    await client.say(f"m{number}")
                await asyncio.to_thread(server.save)
                for number in range(3, 6):
                    await client.say(f"m{number}")
                # An ack may come before the message itself.
                await client.wait(lambda: len(client.messages) == 6, what="6 messages")
                positions = [message["position"] for message in client.messages]
                server.kill()
                await asyncio.to_thread(server.start)
                assert (await client.expect("reset", timeout=10))["reason"] in ("ahead", "epoch")
                await one.wait_ready()
            async with ChatClient(one, room, since=positions[5]) as client:
                assert client.welcome["resumed"] is False
                await client.expect("reset")
                await client.wait(lambda: client.texts[:3] == ["m0", "m1", "m2"], what="what is left")
            async with ChatClient(one, room) as client:
                for number in range(5):
                    await client.say(f"n{number}")
            async with ChatClient(one, room, since=positions[5]) as client:
                assert client.welcome["resumed"] is False
                await client.expect("reset")
                expected = ["m0", "m1", "m2", *(f"n{number}" for number in range(5))]
                await client.wait_texts(expected)


async def test_a_client_that_stops_reading_holds_nobody_up(room: str) -> None:
    env = {"QUARTCHAT_MESSAGE_RATE": "0", "QUARTCHAT_HISTORY": "20000"}
    async with (
        Instance("memory://", env) as one,
        ChatClient(one, room) as speaker,
        ChatClient(one, room) as reader,
        ChatClient(one, room) as stuck,
    ):
        stuck.socket.transport.pause_reading()
        text = "x" * 8000
        for _ in range(2000):  # 16 MB: more than all the buffers on the way
            await speaker.send(text)
        await reader.wait(lambda: len(reader.messages) == 2000, 30, "all of them")
        assert (await one.get("/readyz")).status == 200


async def test_with_the_broker_down_at_the_start_the_chat_says_so_and_heals(
    server: Server, url: str, room: str
) -> None:
    link = Proxy("127.0.0.1", server.port, port=free_port())  # nobody listens there yet
    async with Instance(url.replace(str(server.port), str(link.port))) as one:
        assert (await one.get("/healthz")).status == 200
        assert (await one.get("/chat/")).status == 200
        assert (await one.get(f"/chat/{room}/")).status == 200
        ready, api, socket = await asyncio.gather(
            one.get("/readyz"),
            one.get(f"/api/rooms/{room}/messages"),
            ChatClient(one, room).open(),
            return_exceptions=True,
        )
        assert isinstance(ready, Answer)
        assert ready.status == 503
        assert json.loads(ready.body)["status"]
        assert isinstance(api, Answer)
        assert api.status == 503
        assert api.headers["Retry-After"]
        assert isinstance(socket, InvalidStatus)
        assert socket.response.status_code == 503
        assert socket.response.headers["Retry-After"]
        async with link:
            await one.wait_ready(10)
            async with ChatClient(one, room) as client:
                await client.say("healed")
                await client.wait_texts(["healed"])


async def test_whoever_is_cut_off_again_and_again_misses_nothing(url: str, room: str) -> None:
    """Everybody is cut off at once, again and again, while two people talk."""
    async with instances(1, url) as places, crowd(places, room, speakers=2) as people:
        for _ in range(5):
            await people.more(30)
            for one in [*people.speakers, *(there.client for there in people.listeners.values())]:
                one.cut()
        await people.more(30)
        await people.judge()
        assert people.resets == []
