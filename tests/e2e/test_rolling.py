"""Two instances are restarted in turn, again and again, while people talk: a rollout that nobody notices."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.e2e.people import Crowd, crowd
from tests.e2e.places import instances

ROUNDS = 10

BACK = 5.0
"""Seconds from the order to leave until everybody is connected again, and heard."""


async def everyone(people: Crowd) -> None:
    """Until everybody is connected, every speaker got an answer, and every listener heard something new."""
    for person in [*people.speakers, *(listener.client for listener in people.listeners.values())]:
        await person.connected()
    start = len(people.said)
    heard = {listener: len(listener.seen) for listener in people.listeners.values()}
    wanted = {speaker.user_id for speaker in people.speakers}
    while not wanted <= {said.user_id for said in people.said[start:]}:
        await people.more(1)
    for listener, count in heard.items():
        await listener.reaches(count + 1)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
async def test_a_rolling_restart_loses_nothing_and_keeps_nobody_away(
    broker: str, room: str, namespace: str, request: pytest.FixtureRequest
) -> None:
    url = f"{request.getfixturevalue(f'{broker}_server').url}?prefix={namespace}"
    away = []
    async with instances(2, url) as places, crowd(places, room) as people:
        for _ in range(ROUNDS):
            for place in places:
                told = time.monotonic()
                assert await place.terminate() == 0
                async with asyncio.timeout(told + BACK - time.monotonic()):
                    await everyone(people)
                away.append(time.monotonic() - told)
                await place.start(ready=True)
        await people.judge()
        assert people.resets == []
        print(f"{broker}: {len(people.said)} messages, away at most {max(away):.2f} s: {away}")
