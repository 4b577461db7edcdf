"""An instance is told to go: its people are sent to another one, and it is gone in time."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest
from websockets import InvalidStatus

from tests.e2e.people import crowd
from tests.e2e.places import instances
from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

GONE = 5.0
"""Seconds in which an instance that was told to leave is gone, whatever a client does."""


async def ended(one: Instance) -> float:
    """Seconds until the process is gone."""
    started = time.monotonic()
    await one.wait_exit(GONE + 5)
    return time.monotonic() - started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("workers", [0, 1])
async def test_everyone_is_sent_on_with_1012_and_the_instance_is_gone(
    workers: int, number: int, room: str
) -> None:
    async with (
        Instance("memory://", workers=workers) as one,
        ChatClient(one, room) as client,
        ChatClient(one, room, subprotocol=None) as plain,
        ChatClient(one, room) as stuck,
    ):
        stuck.socket.transport.pause_reading()
        await client.say("last words")
        os.kill(one.pid, number)
        leaving = asyncio.create_task(ended(one))
        assert await client.wait_close(2) == 1012
        assert await plain.wait_close(2) == 1012
        assert client.socket.close_reason
        assert await leaving < GONE
        assert one.returncode == 0


@pytest.mark.parametrize("workers", [0, 1])
async def test_a_signal_for_the_whole_group_does_no_harm(workers: int, room: str) -> None:
    """Ctrl-C in a terminal reaches the worker as well as its parent."""
    async with Instance("memory://", workers=workers) as one, ChatClient(one, room) as client:
        one.signal(signal.SIGINT)
        leaving = asyncio.create_task(ended(one))
        assert await client.wait_close(2) == 1012
        assert await leaving < GONE


async def test_a_worker_whose_parent_was_killed_leaves(room: str) -> None:
    async with Instance("memory://", workers=1) as one, ChatClient(one, room) as client:
        os.kill(one.pid, signal.SIGKILL)
        assert await client.wait_close(GONE) == 1012

        async def gone() -> bool:
            try:
                await one.get("/healthz")
            except OSError:
                return True
            return False

        await until(gone, GONE, "the worker is gone")


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
@pytest.mark.parametrize("workers", [0, 1])
async def test_people_of_an_instance_that_leaves_go_on_at_the_other(
    broker: str, workers: int, room: str, namespace: str, request: pytest.FixtureRequest
) -> None:
    url = f"{request.getfixturevalue(f'{broker}_server').url}?prefix={namespace}"
    async with instances(2, url, workers) as places, crowd(places, room) as people:
        await people.more(100)
        os.kill(places[0].pid, signal.SIGTERM)
        assert await ended(places[0]) < GONE
        await people.more(100)
        await people.judge()
        assert people.resets == []


async def test_an_instance_that_leaves_takes_nobody_new_and_answers_what_is_under_way(
    room: str,
) -> None:
    with RedisServer("everysec") as server:
        async with Instance(server.url) as one:
            await one.wait_ready()
            async with ChatClient(one, room) as client:
                await client.say("before")
                server.freeze()
                sent = await client.send("under way")
                await client.send_frame({"type": "ping"})
                await client.expect("pong")
                os.kill(one.pid, signal.SIGTERM)
                leaving = asyncio.create_task(ended(one))

                async def refused() -> bool:
                    answer = await one.get("/readyz")
                    return answer.status == 503 and "draining" in answer.text

                await until(refused, 1, "it says that it is leaving")
                with pytest.raises(InvalidStatus) as caught:
                    await ChatClient(one, room).open()
                assert caught.value.response.status_code == 503
                assert int(caught.value.response.headers["Retry-After"]) >= 1
                server.thaw()
                await client.expect("ack", id=sent)
                assert await client.wait_close(2) == 1012
                assert await leaving < GONE


async def test_leaving_does_not_wait_for_a_broker_that_is_away(room: str) -> None:
    with RedisServer("everysec") as server:
        async with Instance(server.url) as one:
            await one.wait_ready()
            async with ChatClient(one, room) as client:
                await client.say("before")
                server.freeze()
                try:
                    sent = await client.send("never answered")
                    await client.send_frame({"type": "ping"})
                    await client.expect("pong")
                    os.kill(one.pid, signal.SIGTERM)
                    leaving = asyncio.create_task(ended(one))
                    assert await client.wait_close(2) == 1012
                    assert not [f for f in client.frames if f["type"] == "ack" and f["id"] == sent]
                    assert await leaving < GONE
                finally:
                    server.thaw()


async def test_it_is_gone_in_time_under_load(room: str) -> None:
    async with instances(1, "memory://") as places, crowd(places, room, speakers=8) as people:
        await people.more(100)
        os.kill(places[0].pid, signal.SIGTERM)
        assert await ended(places[0]) < GONE
        people.leave()
