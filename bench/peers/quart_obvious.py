"""The chat that Quart's documentation leads to: a set of queues for each room, a task for each socket."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict

from quart import Quart, websocket

app = Quart(__name__)
rooms: defaultdict[str, set[asyncio.Queue[str]]] = defaultdict(set)


async def tell(queue: asyncio.Queue[str]) -> None:
    while True:
        await websocket.send(await queue.get())


@app.websocket("/ws/chat/<room>/")
async def chat(room: str) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    rooms[room].add(queue)
    task = asyncio.create_task(tell(queue))
    try:
        while True:
            text = json.dumps({"message": json.loads(await websocket.receive())["message"]})
            for other in rooms[room]:
                other.put_nowait(text)
    finally:
        task.cancel()
        rooms[room].discard(queue)
