"""Instances that several tests share. Whoever hurts an instance starts one of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import pytest_asyncio

from tests.e2e.places import ROOMY, kept
from tests.support.instance import Instance


@pytest.fixture(scope="session", params=["memory", "redis", "rabbitmq"])
def kept_place(request: pytest.FixtureRequest) -> Iterator[Instance]:
    url = "memory://"
    if request.param != "memory":
        server = request.getfixturevalue(f"{request.param}_server")
        url = f"{server.url}?prefix=place{secrets.token_hex(3)}"
    with kept(url, ROOMY) as instance:
        yield instance


@pytest_asyncio.fixture
async def place(kept_place: Instance) -> Instance:
    """One instance on each broker in turn, with no limit on the rate."""
    # Its server may have been frozen by the test before: then it comes back by and by.
    await kept_place.wait_ready()
    return kept_place


@pytest.fixture(scope="session")
def lone() -> Iterator[Instance]:
    """One instance on the memory broker, with every setting at its default."""
    with kept("memory://") as instance:
        yield instance


@pytest.fixture(scope="session", params=["redis", "rabbitmq"])
def kept_pair(request: pytest.FixtureRequest) -> Iterator[tuple[Instance, Instance]]:
    server = request.getfixturevalue(f"{request.param}_server")
    url = f"{server.url}?prefix=pair{secrets.token_hex(3)}"
    with kept(url, ROOMY) as one, kept(url, ROOMY) as two:
        yield one, two


@pytest_asyncio.fixture
async def shared_pair(kept_pair: tuple[Instance, Instance]) -> tuple[Instance, Instance]:
    """Two instances on one broker, for tests that do them no harm."""
    for instance in kept_pair:
        await instance.wait_ready()
    return kept_pair


@pytest.fixture
def room() -> str:
    """A room that nobody else uses."""
    return f"room-{secrets.token_hex(6)}"
