"""The proxy itself: each fault does what its name says, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from brokers.conformance import Proxy
from tests.support.waiting import until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def received() -> list[bytes]:
    """What reached the server."""
    return []


@pytest.fixture
async def proxy(received: list[bytes]) -> AsyncIterator[Proxy]:
    """In front of a server that echoes."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                received.append(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


async def connect(proxy: Proxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def echoes(streams: Streams, data: bytes) -> None:
    reader, writer = streams
    writer.write(data)
    async with asyncio.timeout(5):
        assert await reader.readexactly(len(data)) == data


async def silent(streams: Streams) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await streams[0].read(1)


async def ends(streams: Streams) -> bytes:
    """What still comes before the reset."""
    got = b""
    async with asyncio.timeout(5):
        try:
            while data := await streams[0].read(1):
                got += data
        except ConnectionResetError:
            streams[1].close()
            return got
    raise AssertionError("ended without a reset")


async def test_it_carries_both_ways(proxy: Proxy) -> None:
    streams = [await connect(proxy) for _ in range(3)]
    for number, each in enumerate(streams):
        await echoes(each, bytes([number]) * 300_000)
    assert proxy.connections == proxy.accepted == 3
    for _, writer in streams:
        writer.close()


async def test_an_end_of_input_is_carried_too(proxy: Proxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"last words")
    writer.write_eof()
    async with asyncio.timeout(5):
        assert await reader.read() == b"last words"
    writer.close()


async def test_cut_resets_all_connections(proxy: Proxy) -> None:
    streams = [await connect(proxy) for _ in range(3)]
    for each in streams:
        await echoes(each, b"a")
    proxy.cut()
    for each in streams:
        assert await ends(each) == b""
    again = await connect(proxy)
    await echoes(again, b"b")
    again[1].close()


async def test_a_black_hole_holds_back_and_delivers_late(proxy: Proxy, received: list[bytes]) -> None:
    streams = await connect(proxy)
    await echoes(streams, b"a")
    proxy.black_hole()
    streams[1].write(b"b")
    newcomer = await connect(proxy)
    newcomer[1].write(b"c")
    await silent(streams)
    await silent(newcomer)
    assert received == [b"a"]
    await proxy.heal()
    async with asyncio.timeout(5):
        assert await streams[0].readexactly(1) == b"b"
        assert await newcomer[0].readexactly(1) == b"c"
    streams[1].close()
    newcomer[1].close()


@pytest.mark.parametrize(("direction", "arrives"), [("up", False), ("down", True)])
async def test_a_black_hole_one_way(
    proxy: Proxy, received: list[bytes], direction: str, arrives: bool
) -> None:
    streams = await connect(proxy)
    await echoes(streams, b"a")
    proxy.black_hole("up" if direction == "up" else "down")
    streams[1].write(b"b")
    if arrives:
        await until(lambda: b"b" in received, 5, "the other way is open")
    await silent(streams)
    assert (b"b" in received) is arrives
    proxy.cut()
    await ends(streams)


async def test_what_was_sent_before_a_leave_arrives_after_the_hole(
    proxy: Proxy, received: list[bytes]
) -> None:
    """As in a network: a command that its sender gave up is still carried out."""
    streams = await connect(proxy)
    await echoes(streams, b"a")
    proxy.black_hole()
    streams[1].write(b"late")
    await silent(streams)
    streams[1].close()
    await proxy.heal()
    async with asyncio.timeout(5):
        while b"late" not in received:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_stall_silences_those_of_now(proxy: Proxy) -> None:
    streams = await connect(proxy)
    await echoes(streams, b"a")
    proxy.stall()
    streams[1].write(b"b")
    newcomer = await connect(proxy)
    await echoes(newcomer, b"c")
    await silent(streams)
    streams[1].close()
    newcomer[1].close()


async def test_cut_after_cuts_in_the_middle(proxy: Proxy, received: list[bytes]) -> None:
    streams = await connect(proxy)
    await echoes(streams, b"a")
    proxy.cut_after(5)
    streams[1].write(b"0123456789")
    await ends(streams)
    async with asyncio.timeout(5):
        while b"".join(received) != b"a01234":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    again = await connect(proxy)
    await echoes(again, b"b" * 100)
    again[1].close()


async def test_delay_holds_everything_that_long(proxy: Proxy) -> None:
    streams = await connect(proxy)
    await echoes(streams, b"a")
    proxy.delay(0.05)
    began = asyncio.get_running_loop().time()
    await echoes(streams, b"b")
    assert asyncio.get_running_loop().time() - began >= 0.1
    # A delay is no brake: what follows at once is as late, not later.
    for _ in range(20):
        streams[1].write(b"c")
        await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await streams[0].readexactly(20)
    await proxy.heal()
    streams[1].close()


async def test_nobody_else_is_given_the_port_of_one_that_refuses(proxy: Proxy) -> None:
    """Outgoing connections take theirs from the same range: it could not listen again."""
    await proxy.refuse()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", proxy.port))
    await proxy.listen()
    streams = await connect(proxy)
    await echoes(streams, b"a")
    streams[1].close()


async def test_refuse_and_listen(proxy: Proxy) -> None:
    streams = await connect(proxy)
    port = proxy.port
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    await echoes(streams, b"a")
    await proxy.listen()
    assert proxy.port == port
    again = await connect(proxy)
    await echoes(again, b"b")
    streams[1].close()
    again[1].close()


@pytest.mark.parametrize("turns", range(6))
async def test_who_comes_as_the_door_is_closed_is_served_or_reset(proxy: Proxy, turns: int) -> None:
    """Never forgotten: whatever turn of the loop it is in, its connection has an end."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as newcomer:
        for _ in range(turns):
            await asyncio.sleep(0)
        await proxy.refuse()
        streams = await asyncio.open_connection(sock=newcomer)
        try:
            await echoes(streams, b"a")
            proxy.cut()
        except ConnectionResetError:
            streams[1].close()
        else:
            assert await ends(streams) == b""


async def test_nothing_is_left_behind(proxy: Proxy) -> None:
    before = asyncio.all_tasks()
    streams = [await connect(proxy) for _ in range(3)]
    for each in streams:
        await echoes(each, b"a")
    proxy.black_hole()
    await proxy.close()
    for each in streams:
        await ends(each)
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() - before if "echo" not in repr(task)]
    assert left == []


def test_urls_by_way_of_the_proxy() -> None:
    proxy = Proxy.before("amqp://user:p%40ss@broker.example:5673/vhost?heartbeat=10")
    assert proxy.target == ("broker.example", 5673)
    proxy.port = 4711
    through = proxy.through("amqp://user:p%40ss@broker.example:5673/vhost?heartbeat=10")
    assert through == "amqp://user:p%40ss@127.0.0.1:4711/vhost?heartbeat=10"
    assert Proxy.before("redis://h/0").target == ("h", 6379)
    with pytest.raises(ValueError, match="host"):
        Proxy.before("memory://")
