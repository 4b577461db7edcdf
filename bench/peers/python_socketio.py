"""python-socketio's asyncio server; over Redis or RabbitMQ where BENCH_REDIS or BENCH_AMQP is set."""

from __future__ import annotations

import os
from typing import Any

import socketio

REDIS = os.environ.get("BENCH_REDIS")  # noqa: TID251 - the chat's settings are none of a peer's business
AMQP = os.environ.get("BENCH_AMQP")  # noqa: TID251


def manager() -> socketio.AsyncManager:
    if REDIS:
        return socketio.AsyncRedisManager(REDIS)
    return socketio.AsyncAioPikaManager(AMQP) if AMQP else socketio.AsyncManager()


server = socketio.AsyncServer(async_mode="asgi", client_manager=manager())


@server.event
async def join(sid: str, room: str) -> None:
    await server.enter_room(sid, room)
    await server.save_session(sid, {"room": room})
    await server.emit("joined", {}, to=sid)


@server.event
async def message(sid: str, data: Any) -> None:
    session = await server.get_session(sid)
    await server.emit("message", {"message": data["message"]}, room=session["room"])


app = socketio.ASGIApp(server)
