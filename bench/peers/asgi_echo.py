"""The platform's floor: a bare ASGI application that tells each text to everybody at the same path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

rooms: dict[str, set[Callable[[Any], Awaitable[None]]]] = {}


async def app(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        room = rooms.setdefault(scope["path"], set())
        room.add(send)
        try:
            while (event := await receive())["type"] == "websocket.receive":
                for other in list(room):
                    await other({"type": "websocket.send", "text": event["text"]})
        finally:
            room.discard(send)


async def live(receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
