"""What only RabbitMQ's streams can do to a log."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from itertools import count

import aiormq
import pytest
import pytest_asyncio

from brokers import Appended, Durability, Outcome, Unavailable, Unknown, Window, connect
from brokers.base import CALL_DEADLINE
from brokers.conformance import Proxy, Site, Station
from brokers.rabbitmq.scan import DIGEST, LOOKBACK
from brokers.rabbitmq.wire import Options, options_of
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.waiting import until

SOON = 12.0
"""A chat promises ten seconds; the machine may be busy."""


@pytest_asyncio.fixture
async def site(rabbitmq_url: str) -> AsyncIterator[Site]:
    site = Site(rabbitmq_url, lambda url, window: connect(url, window=window))
    yield site
    await site.close()


@pytest.fixture
def options(rabbitmq_url: str) -> Options:
    return options_of(rabbitmq_url)


def stream_of(options: Options, room: str) -> str:
    return options.bucket_name(options.bucket_of(room))


async def delete(server: RabbitMQServer, *names: str) -> None:
    await asyncio.to_thread(server.delete_queues, list(names))


async def test_two_that_open_an_empty_stream_at_once_agree(site: Site) -> None:
    stations = [await site.open() for _ in range(4)]
    room = site.room()
    await asyncio.gather(*(each.follow(room) for each in stations))
    assert len({each[room].tails[0][0].top for each in stations}) == 1
    await asyncio.gather(*(each.append(room, f"k{n}") for n, each in enumerate(stations)))
    for each in stations:
        await each.hears_count(room, 4)
        assert each[room].log == stations[0][room].log


async def test_a_deleted_stream_is_a_new_epoch(
    site: Site, rabbitmq_server: RabbitMQServer, options: Options
) -> None:
    """Also where nobody writes: the server cancels the consumer."""
    one, two, room = await site.open(), await site.open(), site.room()
    await asyncio.gather(one.follow(room), two.follow(room))
    before = await one.fill(room, 5)
    await two.hears_count(room, 5)
    await delete(rabbitmq_server, stream_of(options, room))
    for each in (one, two):
        await each.hears_reset(room, SOON)
        assert each[room].resets == ["epoch"]
        assert each[room].log == []
    after = await two.fill(room, 5)
    assert not set(before) & set(after)
    for each in (one, two):
        await each.hears(room, [f"k{n}" for n in range(1, 6)])
        assert each[room].positions == after
    assert one[room].tails[-1][0].top == two[room].tails[-1][0].top


async def test_a_stream_that_was_made_again_while_we_were_away(
    site: Site, rabbitmq_server: RabbitMQServer, rabbitmq_url: str, options: Options
) -> None:
    """It has grown past our place, and another one stands there now."""
    async with Proxy.before(rabbitmq_url) as link:
        one, two, room = await site.open(url=link.through(rabbitmq_url)), await site.open(), site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        old = await two.fill(room, 3)
        await one.hears_count(room, 3)
        await link.refuse()
        link.cut()
        await delete(rabbitmq_server, stream_of(options, room))
        for number in range(10):
            await two.deliver(room, [f"new{number}"])
        await link.listen()
        await one.hears_key(room, "new9", SOON)
        await two.hears_key(room, "new9", SOON)
        assert one[room].resets == ["epoch"]
        assert one[room].log == two[room].log
        page = await one.read(room, after=old[0])
        assert (page.complete, page.reason) == (False, "epoch")


@pytest.mark.slow
async def test_kill_9_loses_nothing_that_was_acked(site: Site, rabbitmq_server: RabbitMQServer) -> None:
    one, two, room = await site.open(), await site.open(), site.room()
    await asyncio.gather(one.follow(room), two.follow(room))
    await one.append(room, "first")
    assert one.broker.durability is Durability.CRASH
    acked: dict[str, str] = {}
    enough = asyncio.Event()

    async def talk(station: Station, name: str) -> None:
        for number in count():
            outcome: Outcome = await station.submit(room, f"{name}-{number}")
            if enough.is_set() or not isinstance(outcome, Appended):
                return
            acked[f"{name}-{number}"] = outcome.position

    talks = [asyncio.create_task(talk(each, name)) for each, name in ((one, "a"), (two, "b"))]
    await two.hears_count(room, 200, SOON)
    try:
        await asyncio.to_thread(rabbitmq_server.kill)
    finally:
        await asyncio.to_thread(rabbitmq_server.start)
    enough.set()
    await asyncio.gather(*talks)
    end = (await one.deliver(room, ["end"]))["end"].position
    for each in (one, two):
        await each.hears_end(room, [end], SOON)
        assert each[room].resets == []
    assert one[room].log == two[room].log
    heard = {entry.key: entry.position for entry in one[room].log}
    assert acked.items() <= heard.items()
    assert len(heard) == len(one[room].log)


async def test_the_same_keys_from_two_processes_at_once(site: Site) -> None:
    one, two, room = await site.open(), await site.open(), site.room()
    await asyncio.gather(one.follow(room), two.follow(room))
    for turn in range(30):
        keys = [f"k{turn}-{number}" for number in range(10)]
        here, there = await asyncio.gather(one.appends(room, keys), two.appends(room, keys))
        assert [a.position for a in here] == [b.position for b in there]
        # In one batch each, or one learned from the other: one of the two stored it.
        assert all(a.duplicate != b.duplicate for a, b in zip(here, there, strict=True))
    await one.hears_count(room, 300)
    await two.hears_count(room, 300)
    assert one[room].log == two[room].log
    late = await site.open()
    assert (await late.read_all(room)).entries == one[room].log


@pytest.mark.slow
async def test_a_late_reader_of_a_long_log(site: Site) -> None:
    """It reads by the pasts that batches carry, and comes to the same log as those who saw it all."""
    window = Window(entries=100_000)
    one, two = await site.open(window), await site.open(window)
    rooms = [site.room("a"), site.room("b")]
    # Both in one bucket, so that the batches of both writers cross.
    while one.broker._options.bucket_of(rooms[0]) != one.broker._options.bucket_of(rooms[1]):  # type: ignore[attr-defined]
        rooms[1] = site.room(f"b{secrets.token_hex(2)}")
    await asyncio.gather(one.follow(*rooms), two.follow(*rooms))

    async def talk(station: Station, name: str) -> None:
        for number in range(LOOKBACK + DIGEST):
            await station.append(rooms[number % 2], f"{name}-{number}")
            # Half of them are repeated, at the same moment, by the other.
            await station.append(rooms[number % 2], f"both-{number // 2}")

    await asyncio.gather(talk(one, "one"), talk(two, "two"))
    late = await site.open(window)
    for room in rooms:
        await one.hears_count(room, len((await two.read_all(room)).entries))
        assert one[room].log == (await late.read_all(room)).entries
    stored = await late.append(rooms[0], "one-0")
    assert stored.duplicate


@pytest.mark.slow
async def test_an_alarm_at_the_server(site: Site, rabbitmq_server: RabbitMQServer) -> None:
    """It takes nothing in: appends end `Unknown`, may be stored later, and are one entry then."""
    one, room = await site.open(), site.room()
    await one.follow(room)
    await one.fill(room, 3)
    ctl = rabbitmq_server.ctl
    await asyncio.to_thread(ctl, "set_vm_memory_high_watermark", "0.00001")
    try:
        keys = [f"late{n}" for n in range(3)]
        outcomes = await asyncio.gather(*(one.submit(room, key, key.encode()) for key in keys))
        assert all(isinstance(outcome, Unknown) for outcome in outcomes)
        with pytest.raises(Unavailable):
            await one.broker.probe()
    finally:
        await asyncio.to_thread(ctl, "set_vm_memory_high_watermark", "0.6")
    await one.deliver(room, keys)
    await one.hears(room, ["k1", "k2", "k3", *keys])
    assert one[room].resets == []


async def test_a_queue_of_the_same_name_that_is_no_stream(
    site: Site, rabbitmq_url: str, options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    """Told in one line, and healed by itself when somebody has removed it."""
    room = site.room()
    name = stream_of(options, room)
    connection = await aiormq.connect(rabbitmq_url)
    channel = await connection.channel()
    await channel.queue_declare(name, durable=True)
    one = await site.open()
    with caplog.at_level(logging.WARNING, "brokers.rabbitmq"), pytest.raises(Unavailable):
        await one.broker.follow(room)
    lines = [r.getMessage() for r in caplog.records if r.name == "brokers.rabbitmq"]
    assert len([line for line in lines if "PRECONDITION_FAILED" in line]) == 1, lines
    await channel.queue_delete(name)
    await connection.close()
    await one.follow(room)
    await one.append(room, "k1")


async def test_a_wrong_password_is_told_without_it(
    rabbitmq_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = connect(rabbitmq_url.replace("guest:guest", "guest:hunter2"))
    site = Site("", lambda url, window: broker)
    with caplog.at_level(logging.WARNING):
        one = await site.open()
        with pytest.raises(Unavailable):
            await one.broker.probe()
    await site.close()
    assert [r for r in caplog.records if r.name == "brokers.rabbitmq"]
    assert "hunter2" not in caplog.text


async def test_a_probe_does_not_outlive_its_link(site: Site, rabbitmq_url: str) -> None:
    """What it waits for cannot come any more; it goes on by the next link."""
    async with Proxy.before(rabbitmq_url) as proxy:
        one = await site.open(url=proxy.through(rabbitmq_url))
        await one.broker.probe()
        proxy.stall("down")
        probing = asyncio.create_task(one.broker.probe())
        await until(lambda: one.broker._signals._echoes, 1, "under way")  # type: ignore[attr-defined]
        proxy.cut()
        async with asyncio.timeout(CALL_DEADLINE / 2):
            await probing


async def test_what_others_write_into_our_stream(site: Site, rabbitmq_url: str, options: Options) -> None:
    one, room = await site.open(), site.room()
    await one.follow(room)
    await one.append(room, "k1")
    connection = await aiormq.connect(rabbitmq_url)
    channel = await connection.channel()
    for body in (b"", b"hello", b"\xc1" * 100, b"x" * 300_000):
        await channel.basic_publish(body, routing_key=stream_of(options, room))
        await channel.basic_publish(body, exchange=options.exchange, routing_key=room)
    await connection.close()
    await one.append(room, "k2")
    await one.hears(room, ["k1", "k2"])
    assert one[room].signals == []
    late = await site.open()
    assert [entry.key for entry in (await late.read_all(room)).entries] == ["k1", "k2"]
