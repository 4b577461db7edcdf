"""Under another ASGI server: slower, with the same behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from websockets import InvalidStatus
from websockets.asyncio.client import connect

from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until


@pytest.fixture(params=["websockets-sansio", "wsproto"])
async def other(request: pytest.FixtureRequest) -> AsyncIterator[Instance]:
    async with Instance("memory://", server="uvicorn", options=("--ws", request.param)) as instance:
        yield instance


async def test_a_conversation_is_the_same_for_everyone(other: Instance, room: str) -> None:
    async with ChatClient(other, room) as ada, ChatClient(other, room) as ben:
        for number in range(30):
            assert (await (ada, ben)[number % 2].say(f"line {number}"))["type"] == "ack"
        told = [f"line {number}" for number in range(30)]
        await ada.wait_texts(told)
        await ben.wait_texts(told)
        position = ada.position
        await ben.say("after")
    async with ChatClient(other, room, since=position) as back:
        assert back.welcome["resumed"] is True
        await back.wait_texts(["after"])


async def test_who_is_refused_is_told_by_a_status(other: Instance) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with ChatClient(other, "x" * 101):
            pass
    assert refused.value.response.status_code == 404


async def test_a_socket_of_somebody_else_is_closed_with_4401(other: Instance, room: str) -> None:
    session = await new_session(other, "ada")
    url = f"{other.ws_url}/ws/chat/{room}/?as=somebody"
    async with connect(url, additional_headers={"Cookie": session.cookie}, proxy=None) as socket:
        await socket.wait_closed()
        assert socket.close_code == 4401


async def test_binary_frames_are_refused_with_1003_and_nobody_is_left(other: Instance, room: str) -> None:
    async with ChatClient(other, room) as client:
        await client.send_frame(b"bytes")
        assert await client.wait_close() == 1003

    async def nobody() -> bool:
        return "quartchat_members 0" in (await other.get("/metrics")).text

    await until(nobody, 5, "no member is left")
