"""The log as JSON: what was acknowledged anywhere is in every read that begins later."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from brokers import Unavailable
from quartchat.api import Api
from quartchat.links import Links
from quartchat.moderation import Moderation
from tests.unit.doubles import ANN, ROOM, World


async def get(w: World, query: str = "") -> tuple[int, dict[str, Any]]:
    """Status and JSON."""
    app = Quart(__name__)
    moderation = Moderation(w.hub, Links(("a key that is long enough",)))
    app.register_blueprint(Api(w.hub, moderation, who=lambda: None, own=lambda: True).blueprint())
    response = await app.test_client().get(f"/api/rooms/{ROOM}/messages{query}")
    return response.status_code, await response.get_json()


def positions(answer: dict[str, Any]) -> list[str]:
    return [message["position"] for message in answer["messages"]]


@pytest.fixture
async def stored(w: World) -> list[str]:
    """Somebody is in the room; of three messages the last one was not heard here yet."""
    await w.enter(ANN)
    entries = w.broker.put(2)
    w.broker.lagging = True
    entries += w.broker.put()
    assert len(w.room.lines) == 2
    w.broker.reads.clear()
    return [entry.position for entry in entries]


async def test_what_was_not_heard_here_yet_is_read(w: World, stored: list[str]) -> None:
    status, answer = await get(w)
    assert (status, answer["complete"]) == (200, True)
    assert positions(answer) == stored
    status, answer = await get(w, f"?after={stored[0]}")
    assert (status, answer["complete"]) == (200, True)
    assert positions(answer) == stored[1:]


async def test_where_the_broker_does_not_answer_no_older_log_is_given(w: World, stored: list[str]) -> None:
    w.broker.read_error = Unavailable("down")
    for query in ("", f"?after={stored[0]}"):
        status, answer = await get(w, query)
        assert status == 503
        assert set(answer) == {"error"}


async def test_what_stands_before_a_position_is_given_from_memory(w: World, stored: list[str]) -> None:
    w.broker.read_error = Unavailable("down")
    status, answer = await get(w, f"?before={stored[1]}&limit=1")
    assert status == 200
    assert positions(answer) == stored[:1]
    assert w.broker.reads == []
