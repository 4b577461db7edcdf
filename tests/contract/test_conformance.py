"""The public suite, on each of our brokers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import ClassVar

import pytest

from brokers import Durability
from brokers.conformance import (
    BrokerConformance,
    LinkConformance,
    PrivateConformance,
    ServerConformance,
    SharedConformance,
    Site,
)
from brokers.conformance.checks.faulty_links import healed
from brokers.conformance.checks.faulty_servers import ServerChecks
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import Persistence, RedisServer
from tests.support.require import require

NAMESPACE = f"c{secrets.token_hex(4)}"
"""One for all: the suite's own rooms keep its tests apart, and a server keeps its streams."""


class OnRedis:
    @pytest.fixture
    def url(self, redis_server: RedisServer) -> str:
        return f"{redis_server.url}?prefix={NAMESPACE}"


class OnRabbitMQ:
    @pytest.fixture
    def url(self, rabbitmq_server: RabbitMQServer) -> str:
        return f"{rabbitmq_server.url}?prefix={NAMESPACE}"


class TestMemory(BrokerConformance):
    @pytest.fixture
    def url(self) -> str:
        return "memory://"


class TestMemoryIsPrivate(PrivateConformance):
    @pytest.fixture
    def url(self) -> str:
        return "memory://"


class TestRedis(OnRedis, BrokerConformance):
    pass


class TestRedisShared(OnRedis, SharedConformance):
    pass


class TestRedisLink(OnRedis, LinkConformance):
    pass


class OwnRedis(ServerChecks):
    """A server of its own: it is killed, and some come back with less than they had."""

    persistence: ClassVar[Persistence]

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[RedisServer]:
        require(RedisServer)
        with RedisServer(cls.persistence) as server:
            yield server

    @pytest.fixture
    def url(self, server: RedisServer) -> str:
        return server.url


# What a server keeps on disk does not matter to who freezes it: once is enough.
class TestRedisEverySecond(OwnRedis, ServerConformance):
    persistence = "everysec"

    async def test_durability(self, site: Site) -> None:
        await durability_is(site, Durability.CRASH)


class TestRedisAlways(OwnRedis):
    persistence = "always"

    async def test_durability(self, site: Site) -> None:
        await durability_is(site, Durability.POWER)


class TestRedisSnapshots(OwnRedis):
    persistence = "snapshots"

    async def test_durability(self, site: Site) -> None:
        await durability_is(site, Durability.BROKER)

    async def test_a_server_that_comes_back_older_than_it_was(self, site: Site, server: RedisServer) -> None:
        """It would number entries as before the crash: nobody may take them for the old ones."""
        one, two = await site.open(), await site.open()
        room, quiet = site.room(), site.room("quiet")
        await asyncio.gather(one.follow(room, quiet), two.follow(room))
        kept = await one.fill(room, 10)
        await one.fill(quiet, 3)
        await asyncio.to_thread(server.save)
        lost = await one.fill(room, 10, first=11)
        await two.hears(room, [f"k{number}" for number in range(1, 21)])
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await asyncio.gather(healed(one), healed(two))
        stored = await one.deliver(room, [f"new{number}" for number in range(10)])
        fresh = [answer.position for answer in stored.values()]
        assert not {*kept, *lost} & set(fresh), "positions were used again"
        for each in (one, two):
            await each.hears_end(room, fresh, 12)
            assert each[room].resets
            assert "k11" not in each[room].keys
        await one.hears_reset(quiet, 12)
        for position in (*kept, *lost):
            page = await two.read(room, after=position)
            assert (page.complete, page.reason) == (False, "epoch")
        # A key that was acked, and lost, is stored when it comes again.
        again = await one.append(room, "k15", b"k15")
        assert not again.duplicate


class TestRedisWithoutPersistence(OwnRedis):
    persistence = "none"

    async def test_durability(self, site: Site) -> None:
        await durability_is(site, Durability.BROKER)


async def durability_is(site: Site, durability: Durability) -> None:
    one = await site.open()
    await one.append(site.room(), "k1")
    assert one.broker.durability is durability


class TestRabbitMQ(OnRabbitMQ, BrokerConformance):
    pass


class TestRabbitMQShared(OnRabbitMQ, SharedConformance):
    pass


class TestRabbitMQLink(OnRabbitMQ, LinkConformance):
    pass


class TestRabbitMQServer(OnRabbitMQ, ServerConformance):
    @pytest.fixture
    def server(self, rabbitmq_server: RabbitMQServer) -> RabbitMQServer:
        return rabbitmq_server

    async def test_durability(self, site: Site) -> None:
        await durability_is(site, Durability.CRASH)
