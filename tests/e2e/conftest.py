"""Instances that several tests share. Whoever hurts an instance starts one of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.places import ROOMY, kept
from tests.support.instance import Instance


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
