"""Instances to test on, and how they are set."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping

from tests.support.instance import Instance

FULL = bool(os.environ.get("E2E_FULL"))
"""Everything, also what takes minutes: all of the real conversations, with a reader in a browser."""

HISTORY = 300
"""The window of the shared instances."""

ROOMY: dict[str, str | None] = {"QUARTCHAT_MESSAGE_RATE": "0", "QUARTCHAT_HISTORY": str(HISTORY)}

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextlib.contextmanager
def kept(url: str, env: Mapping[str, str | None] | None = None) -> Iterator[Instance]:
    """An instance for several tests, each of which has an event loop of its own."""
    instance = Instance(url, env)
    asyncio.run(instance.start(ready=True))
    try:
        yield instance
    finally:
        asyncio.run(instance.__aexit__(None, None, None))


@contextlib.asynccontextmanager
async def instances(count: int, url: str, workers: int = 0) -> AsyncIterator[list[Instance]]:
    """Instances of the test's own on one broker, which keep more than a test can say."""
    env = {**ROOMY, "QUARTCHAT_HISTORY": "20000"}
    made = [Instance(url, env, workers=workers) for _ in range(count)]
    async with contextlib.AsyncExitStack() as stack:
        for instance in made:
            stack.push_async_exit(instance.__aexit__)
        await asyncio.gather(*(instance.start(ready=True) for instance in made))
        yield made
