"""The chat of the Django Channels tutorial, its asynchronous part. BENCH_LAYER: memory, redis or pubsub.

The capacity is far above the default of 100: with that, these loads would measure how fast it drops messages.
"""

from __future__ import annotations

import json
import os
from typing import Any

import django
from django.conf import settings

# redis-py 8 has 100 connections in a pool, and refuses more at once; channels-redis was made for no limit.
HOST = {"max_connections": 20_000}
REDIS = os.environ.get("BENCH_REDIS")  # noqa: TID251 - the chat's settings are none of a peer's business
LAYER = os.environ.get("BENCH_LAYER", "memory")  # noqa: TID251
BACKENDS: dict[str, dict[str, Any]] = {
    "memory": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 20_000}},
    "redis": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS, **HOST}], "capacity": 20_000},
    },
    "pubsub": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS, **HOST}]},
    },
}

settings.configure(
    SECRET_KEY="made up",  # noqa: S106
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": BACKENDS[LAYER]},
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
)
django.setup()
urlpatterns: list[Any] = []

# Django wants its settings first.
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402


class ChatConsumer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.group = f"chat_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str) -> None:
        message = json.loads(text_data)["message"]
        await self.channel_layer.group_send(self.group, {"type": "chat.message", "message": message})

    async def chat_message(self, event: Any) -> None:
        await self.send(text_data=json.dumps({"message": event["message"]}))


app = URLRouter([re_path(r"ws/chat/(?P<room>\w+)/$", ChatConsumer.as_asgi())])
