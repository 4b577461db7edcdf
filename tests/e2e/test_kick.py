"""Whoever runs the chat can end somebody's sessions, from a terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.client import ChatClient, new_session
from tests.support.instance import SECRET_KEY, Instance

CHECKOUT = Path(__file__).resolve().parents[2]

PROMISED = 5.0
"""Seconds, of docs/contract.md."""


async def kick(url: str, *people: str) -> tuple[int, str]:
    """The command's status, and what it said."""
    told = {"QUARTCHAT_BROKER": url, "QUARTCHAT_SECRET_KEY": SECRET_KEY}
    env = {name: value for name, value in os.environ.items() if not name.startswith("QUARTCHAT_")} | told
    command = [sys.executable, "-m", "quartchat.kick", *people]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=CHECKOUT, env=env, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, (out + err).decode()


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
async def test_who_is_kicked_is_gone_from_every_instance_and_cannot_come_back(
    broker: str, room: str, namespace: str, request: pytest.FixtureRequest
) -> None:
    url = f"{request.getfixturevalue(f'{broker}_server').url}?prefix={namespace}"
    async with Instance(url) as one, Instance(url) as two:
        await one.wait_ready()
        await two.wait_ready()
        eve, ada = await new_session(one, "Eve"), await new_session(one, "Ada")
        async with (
            ChatClient(one, room, eve.cookie) as here,
            ChatClient(two, f"{room}-2", eve.cookie) as there,
            ChatClient(two, room, ada.cookie) as other,
        ):
            assert await kick(url, eve.user_id) == (0, "")
            for client in (here, there):
                assert await client.wait_close(PROMISED) == 4401
            await other.say("still here")
        async with ChatClient(two, room, eve.cookie) as stranger:
            assert stranger.welcome["you"]["id"] != eve.user_id


@pytest.mark.parametrize("people", [[], ["a b"], ["ok", "é"], [""]])
async def test_what_is_nobody_s_id_is_told_in_one_line(redis_url: str, people: list[str]) -> None:
    status, said = await kick(redis_url, *people)
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith("kick: ")


async def test_in_the_memory_of_another_process_nobody_can_be_reached() -> None:
    status, said = await kick("memory://", "somebody")
    assert (status, said.count("\n")) == (2, 1)


async def test_a_broker_that_is_away_is_told_in_one_line() -> None:
    status, said = await kick("redis://127.0.0.1:1/", "somebody")
    assert (status, said.splitlines()[-1]) == (1, "kick: the broker did not answer")
    assert "Traceback" not in said
