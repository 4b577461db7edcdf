"""Litestar's channels plugin, as its documentation shows it; over Redis where BENCH_REDIS is set."""

from __future__ import annotations

import json
import os

from litestar import Litestar, WebSocket, websocket
from litestar.channels import ChannelsPlugin
from litestar.channels.backends.base import ChannelsBackend
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.channels.backends.redis import RedisChannelsPubSubBackend
from litestar.exceptions import WebSocketDisconnect
from redis.asyncio import Redis

REDIS = os.environ.get("BENCH_REDIS")  # noqa: TID251 - the chat's settings are none of a peer's business


def backend() -> ChannelsBackend:
    return RedisChannelsPubSubBackend(redis=Redis.from_url(REDIS)) if REDIS else MemoryChannelsBackend()


@websocket("/ws/chat/{room:str}/")
async def chat(socket: WebSocket, room: str, channels: ChannelsPlugin) -> None:
    await socket.accept()
    async with (
        channels.start_subscription([room]) as subscriber,
        subscriber.run_in_background(socket.send_text),
    ):
        while True:
            try:
                text = await socket.receive_text()
            except WebSocketDisconnect:
                return
            channels.publish({"message": json.loads(text)["message"]}, room)


app = Litestar([chat], plugins=[ChannelsPlugin(backend(), arbitrary_channels_allowed=True)])
