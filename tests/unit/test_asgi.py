"""The way out under any ASGI server."""

from __future__ import annotations

import asyncio

import pytest

from quartchat.asgi import AsgiWire
from quartchat.frames import PING, text_frame
from tests.unit.clock import settled


class Server:
    """An ASGI `send` that a slow client can block."""

    def __init__(self) -> None:
        self.events: list[dict] = []
        self.closed: list[tuple[int, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.wire = AsgiWire(self.send, lambda code, reason: self.closed.append((code, reason)))

    async def send(self, event):
        await self.gate.wait()
        self.events.append(event)

    @property
    def texts(self) -> list[str]:
        return [event["text"] for event in self.events]


@pytest.fixture
async def server():
    made = Server()
    running = asyncio.create_task(made.wire.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


async def test_joined_frames_arrive_one_by_one_in_order_and_pings_are_the_server_s_work(
    server: Server,
) -> None:
    server.wire.write(text_frame(b"1") + PING + text_frame("zwei 🎉".encode()))
    server.wire.write(text_frame(b"x" * 70_000))
    await settled()
    assert server.texts == ["1", "zwei 🎉", "x" * 70_000]
    assert {event["type"] for event in server.events} == {"websocket.send"}


async def test_what_the_server_has_not_taken_is_counted(server: Server) -> None:
    server.gate.clear()
    for _ in range(3):
        server.wire.write(text_frame(b"x" * 100))
    await settled()
    assert server.wire.buffered() == 306
    server.gate.set()
    await settled()
    assert server.wire.buffered() == 0


async def test_drained_waits_for_the_server(server: Server) -> None:
    await server.wire.drained()
    server.gate.clear()
    server.wire.write(text_frame(b"x"))
    draining = asyncio.create_task(server.wire.drained())
    await settled()
    server.wire.write(text_frame(b"y"))
    assert not draining.done()
    server.gate.set()
    await settled()
    assert draining.done()
    assert server.texts == ["x", "y"]


async def test_nothing_is_written_after_the_close_but_what_came_before_arrives(server: Server) -> None:
    server.wire.write(text_frame(b"before"))
    server.wire.close(1012, "leaving")
    server.wire.write(text_frame(b"after"))
    server.wire.close(1008, "again")
    await settled()
    assert server.texts == ["before"]
    assert server.closed == [(1012, "leaving")]


async def test_what_is_written_to_a_client_that_is_gone_is_dropped_and_nothing_waits_for_it() -> None:
    async def broken(event: dict) -> None:
        raise OSError("the client is gone")

    closed: list[tuple[int, str]] = []
    wire = AsgiWire(broken, lambda code, reason: closed.append((code, reason)))
    wire.write(text_frame(b"1"))
    await wire.run()
    assert wire.write(text_frame(b"2"))
    assert wire.buffered() == 0
    await wire.drained()
    wire.close(1012, "leaving")
    assert closed == [(1012, "leaving")]
