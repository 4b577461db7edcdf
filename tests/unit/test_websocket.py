"""A connection between the handshake and its place in the room."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from quartchat.door import Door
from quartchat.identity import COOKIE, Identities, Session
from quartchat.member import DEAD_SECONDS
from quartchat.protocol import User
from quartchat.websocket import Socket, answer
from tests.unit.clock import later, settled
from tests.unit.doubles import ROOM, World

KEYS = ("made up",)


class Browser:
    """One handshake over plain ASGI, with a cookie of Ann's."""

    def __init__(self, w: World, lasts: float = 1000.0) -> None:
        self.ended = w.hub.sessions
        identities = Identities(KEYS)
        self.door = Door(w.hub, identities)
        token = identities.dump(Session(User("ann-id", "Ann"), time.time() + lasts))
        self.scope: dict[str, Any] = {
            "path": f"/ws/chat/{ROOM}/",
            "headers": [(b"cookie", f"{COOKIE}={token}".encode())],
            "query_string": b"",
            "subprotocols": ["quartchat.v1"],
        }
        self.got: list[dict[str, Any]] = []

    async def send(self, event: dict[str, Any]) -> None:
        self.got.append(event)

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def come(self) -> None:
        admission = await answer(self.door, self.scope, self.send)
        assert admission is not None
        await Socket(self.door.hub, admission).live(self.receive, self.send)


async def test_a_session_that_ended_while_the_broker_was_asked_gets_no_place(w: World) -> None:
    browser = Browser(w)
    w.broker.follow_gate = asyncio.Event()
    coming = asyncio.create_task(browser.come())
    await settled()
    await browser.ended.end("ann-id")
    assert not coming.done()
    w.broker.follow_gate.set()
    await coming
    assert browser.got[-1] == {"type": "websocket.close", "code": 4401, "reason": "the session ended"}
    assert not [event for event in browser.got if event["type"] == "websocket.send"]
    assert not w.hub.members
    assert all(not room.holds and not room.members for room in w.hub.rooms.values())


async def test_who_is_read_slowly_is_not_taken_for_dead(w: World) -> None:
    """Thousands of parts of a message come in one by one, for longer than a silent client is waited for."""
    browser = Browser(w)
    admission = await answer(browser.door, browser.scope, browser.send)
    assert admission is not None
    socket = Socket(w.hub, admission)
    living = asyncio.create_task(socket.live(browser.receive, browser.send))
    await settled()
    (member,) = w.room.members
    for _ in range(4):
        await later(DEAD_SECONDS / 2)
        await socket.part()
        member.check(w.hub.now(), 0)
    assert not living.done()
    await later(DEAD_SECONDS)
    member.check(w.hub.now(), 0)
    await living
