"""Instances that several tests share. Whoever hurts an instance starts one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.support.instance import Instance

HISTORY = 300
"""The window of the shared instances."""

ROOMY: dict[str, str | None] = {"QUARTCHAT_MESSAGE_RATE": "0", "QUARTCHAT_HISTORY": str(HISTORY)}


@contextmanager
def kept(url: str, env: Mapping[str, str | None] | None = None) -> Iterator[Instance]:
    """An instance for several tests, each of which has an event loop of its own."""
    instance = Instance(url, env)
    asyncio.run(instance.start(ready=True))
    try:
        yield instance
    finally:
        asyncio.run(instance.__aexit__(None, None, None))


@pytest.fixture(scope="session", params=["memory", "redis", "rabbitmq"])
def place(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """One instance on each broker in turn, with no limit on the rate."""
    url = "memory://"
    if request.param != "memory":
        server = request.getfixturevalue(f"{request.param}_server")
        url = f"{server.url}?prefix=place{secrets.token_hex(3)}"
    with kept(url, ROOMY) as instance:
        yield instance


@pytest.fixture(scope="session")
def lone() -> Iterator[Instance]:
    """One instance on the memory broker, with every setting at its default."""
    with kept("memory://") as instance:
        yield instance


@pytest.fixture(scope="session", params=["redis", "rabbitmq"])
def shared_pair(request: pytest.FixtureRequest) -> Iterator[tuple[Instance, Instance]]:
    """Two instances on one broker, for tests that do them no harm."""
    server = request.getfixturevalue(f"{request.param}_server")
    url = f"{server.url}?prefix=pair{secrets.token_hex(3)}"
    with kept(url, ROOMY) as one, kept(url, ROOMY) as two:
        yield one, two


@pytest.fixture
def room() -> str:
    """A room that nobody else uses."""
    return f"room-{secrets.token_hex(6)}"


@contextlib.asynccontextmanager
async def instances(count: int, url: str, **env: str) -> AsyncIterator[list[Instance]]:
    """Instances of the test's own, on one broker, started together."""
    made = [Instance(url, {**ROOMY, **env}) for _ in range(count)]
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.gather(*(instance.start() for instance in made))
        for instance in made:
            stack.push_async_exit(instance.__aexit__)
        await asyncio.gather(*(instance.wait_ready() for instance in made))
        yield made
