"""Many messages of several people at once: `python -m tests.browser.flood URL ROOM COUNT`."""

from __future__ import annotations

import asyncio
import sys

from tests.support.client import ChatClient

SENDERS = 5
AT_ONCE, PAUSE = 2, 0.008
"""Each sends so many, and then none for so many seconds: of five 1,250 a second, for as long as one types."""


async def flood(url: str, room: str, count: int) -> None:
    """Return when everybody has heard of everything."""

    async def send(client: ChatClient) -> None:
        for n in range(count // SENDERS):
            await client.send(f"flood {n}")
            if n % AT_ONCE == 0:
                await asyncio.sleep(PAUSE)
        await client.wait(
            lambda: len(client.frames) > count + count // SENDERS and len(client.messages) >= count, 90
        )

    clients = [await ChatClient(url, room, history=0).open() for _ in range(SENDERS)]
    try:
        await asyncio.gather(*(send(client) for client in clients))
    finally:
        for client in clients:
            await client.close()


if __name__ == "__main__":
    asyncio.run(flood(sys.argv[1], sys.argv[2], int(sys.argv[3])))
