"""An instance whose way to the broker takes everything and brings nothing notices, says so, and acts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import aiormq
import pytest
from websockets import InvalidStatus

from brokers.rabbitmq.wire import options_of
from tests.e2e.places import ROOMY
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.proxy import Proxy
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

Server = RedisServer | RabbitMQServer

NOTICED = 10.0
"""Seconds within which an instance knows that it is deaf; healing has as many."""

MOVED = 25.0
"""And sends its people on, where it cannot help itself."""


class Pair(NamedTuple):
    """Two instances on one broker: one behind a link that can be hurt, one without."""

    one: Instance
    two: Instance
    link: Proxy


@pytest.fixture(params=["redis", "rabbitmq"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@contextlib.asynccontextmanager
async def pair(url: str, link: Proxy | None = None) -> AsyncIterator[Pair]:
    async with contextlib.AsyncExitStack() as stack:
        link = await stack.enter_async_context(link or Proxy.before(url))
        one, two = Instance(link.through(url), ROOMY), Instance(url, ROOMY)
        for instance in (one, two):
            stack.push_async_exit(instance.__aexit__)
        await asyncio.gather(one.start(ready=True), two.start(ready=True))
        yield Pair(one, two, link)


def url_of(server: Server, namespace: str) -> str:
    return f"{server.url}?prefix={namespace}"


async def ready(instance: Instance) -> bool:
    return (await instance.get("/readyz")).status == 200


async def not_ready(instance: Instance) -> bool:
    return (await instance.get("/readyz")).status == 503


def told(client: ChatClient, connected: bool) -> Callable[[], bool]:
    """Whether the last `status` said so."""
    return lambda: (
        [frame["connected"] for frame in client.frames if frame["type"] == "status"][-1:] == [connected]
    )


async def hears(client: ChatClient, texts: list[str], within: float = NOTICED) -> None:
    """Exactly these messages since it came, each in its place, without a reset."""
    await client.wait(lambda: len(client.texts) >= len(texts), within, f"{texts}")
    assert client.texts == texts
    before = [message["position"] for message in client.messages[:-1]]
    assert [message["prev"] for message in client.messages[1:]] == before
    assert not [frame for frame in client.frames if frame["type"] == "reset"]


async def settle(answers: Awaitable[Any], began: float) -> Any:
    """An answer that the contract wants within ten seconds."""
    found = await answers
    assert time.monotonic() - began < 10
    return found


async def test_whoever_is_on_an_instance_that_hears_nothing_is_sent_on(
    server: Server, namespace: str, room: str
) -> None:
    """Half a black hole: what it writes arrives, and nothing comes back."""
    async with contextlib.AsyncExitStack() as stack:
        one, two, link = await stack.enter_async_context(pair(url_of(server, namespace)))
        session = await new_session(one, "Ada")
        ada = await stack.enter_async_context(ChatClient(one, room, session.cookie))
        plain = await stack.enter_async_context(ChatClient(one, room, subprotocol=None))
        bob = await stack.enter_async_context(ChatClient(two, room))
        await bob.say("m0")
        await hears(ada, ["m0"])
        link.black_hole("down")
        began = time.monotonic()
        sent = await ada.send("mine")
        await bob.say("m1")
        await until(lambda: not_ready(one), NOTICED, "the deaf instance is not ready")
        assert await ready(two)
        await ada.wait(told(ada, connected=False), NOTICED, "ada is told")
        await ada.expect("unknown", timeout=began + NOTICED - time.monotonic(), id=sent)
        assert await ada.wait_close(began + MOVED - time.monotonic()) == 1012
        assert await plain.wait_close(1) == 1012
        assert time.monotonic() - began > NOTICED, "a short fault is sat out"
        assert not await ready(one)
        with pytest.raises(InvalidStatus) as refused:
            await ChatClient(one, room).open()
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"]
        assert await ready(two)
        async with ChatClient(two, room, session.cookie, since=ada.position) as elsewhere:
            # Stored already, or not: it had no answer, and is one message now.
            await elsewhere.say("mine", sent)
            await bob.wait(lambda: len(bob.texts) == 3, NOTICED, "three messages")
            assert sorted(bob.texts) == ["m0", "m1", "mine"]
            missed = bob.texts[1:]
            await hears(elsewhere, missed)

        await link.heal()
        await one.wait_ready(NOTICED)
        await until(lambda: enters(one, room), NOTICED, "the healed instance takes people")
        async with ChatClient(one, room, session.cookie, since=ada.position) as back:
            assert back.welcome["resumed"] is True
            await back.say("m2")
            await bob.say("m3")
            await hears(back, [*missed, "m2", "m3"])
            await hears(bob, ["m0", *missed, "m2", "m3"])


async def enters(instance: Instance, room: str) -> bool:
    try:
        async with ChatClient(instance, room):
            return True
    except InvalidStatus:
        return False


async def test_a_short_fault_is_told_and_sat_out(server: Server, namespace: str, room: str) -> None:
    """The other half: nothing that it writes arrives."""
    async with (
        pair(url_of(server, namespace)) as (one, two, link),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await bob.say("m0")
        await hears(ada, ["m0"])
        link.black_hole("up")
        await bob.say("m1")
        async with asyncio.timeout(NOTICED):
            await asyncio.gather(
                until(lambda: not_ready(one), NOTICED, "the deaf instance is not ready"),
                ada.wait(told(ada, connected=False), NOTICED, "ada is told"),
            )
        assert await ready(two)
        await bob.say("m2")
        await link.heal()
        async with asyncio.timeout(NOTICED):
            await ada.wait(told(ada, connected=True), NOTICED, "ada is told that it is over")
            await one.wait_ready(NOTICED)
            await hears(ada, ["m0", "m1", "m2"])
        await ada.say("m3")
        await hears(bob, ["m0", "m1", "m2", "m3"])
        await hears(ada, ["m0", "m1", "m2", "m3"])


async def test_connections_that_died_in_silence_are_made_again(
    server: Server, namespace: str, room: str
) -> None:
    """New ones are fine: the instance helps itself within ten seconds, and nobody has to move."""
    async with (
        pair(url_of(server, namespace)) as (one, two, link),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await bob.say("m0")
        await hears(ada, ["m0"])
        link.stall("down")
        await bob.say("m1")
        await hears(ada, ["m0", "m1"], NOTICED)
        await one.wait_ready(NOTICED)
        await bob.say("m2")
        await settle(ada.say("m3"), time.monotonic())
        await hears(ada, ["m0", "m1", "m2", "m3"])
        await hears(bob, ["m0", "m1", "m2", "m3"])
        assert not ada.closed


def redis_clients(server: RedisServer, link: Proxy) -> dict[str, Any]:
    """The link's connections by what they do last: "subscribe", "evalsha" (append), "hmget" (compare)..."""
    ports = {one.far.get_extra_info("sockname")[1]: one for one in link._links}
    found = {}
    for line in server.command("CLIENT", "LIST").decode().splitlines():
        fields = dict(part.partition("=")[::2] for part in line.split() if "=" in part)
        port = int(fields.get("addr", ":0").rpartition(":")[2])
        if port in ports:
            found["subscribe" if fields["sub"] != "0" else fields["cmd"]] = ports[port]
    return found


async def test_only_the_listening_connection_to_redis_is_deaf(
    redis_server: RedisServer, namespace: str, room: str
) -> None:
    """Commands work all the time; still it is not ready, and mends that."""
    async with (
        pair(url_of(redis_server, namespace)) as (one, two, link),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await ada.say("m0")
        await hears(ada, ["m0"])
        redis_clients(redis_server, link)["subscribe"].stalled.add("down")
        await until(lambda: not_ready(one), NOTICED, "the deaf instance is not ready")
        assert await ready(two)
        await ada.say("m1")
        await bob.say("m2")
        await hears(ada, ["m0", "m1", "m2"], NOTICED)
        await one.wait_ready(NOTICED)
        await hears(bob, ["m0", "m1", "m2"])


async def test_redis_ends_our_connections(redis_server: RedisServer, namespace: str, room: str) -> None:
    async with (
        pair(url_of(redis_server, namespace)) as (one, two, _),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await ada.say("m0")
        said = ["m0"]
        for number, kinds in enumerate((["pubsub"], ["normal"], ["pubsub", "normal"]), 1):
            for kind in kinds:
                redis_server.command("CLIENT", "KILL", "TYPE", kind)
            await bob.say(f"b{number}")
            await ada.say(f"a{number}")
            said += [f"b{number}", f"a{number}"]
            await hears(ada, said)
            await hears(bob, said)
            await asyncio.gather(one.wait_ready(NOTICED), two.wait_ready(NOTICED))


async def test_redis_pauses_everybody(redis_server: RedisServer, namespace: str, room: str) -> None:
    async with (
        pair(url_of(redis_server, namespace)) as (one, two, _),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await ada.say("m0")
        redis_server.command("CLIENT", "PAUSE", "4000", "ALL")
        began = time.monotonic()
        sent = await ada.send("m1")
        await until(lambda: not_ready(one), NOTICED, "a paused broker is no ready one")
        await settle(ada.expect("ack", id=sent), began)
        await hears(bob, ["m0", "m1"], NOTICED)
        await hears(ada, ["m0", "m1"], NOTICED)
        await asyncio.gather(one.wait_ready(NOTICED), two.wait_ready(NOTICED))


class DeafConsumers(Proxy):
    """Speaks enough AMQP to keep messages from the consumers of a moment."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.kept_back = 0
        self._rest: dict[Any, bytes] = {}
        self._silenced: set[tuple[Any, int, bytes]] = set()
        self._tags: dict[tuple[Any, int, bytes], bool] = {}
        """Who was sent something, and whether by a stream."""
        self._dropping: set[tuple[Any, int]] = set()

    def make_deaf(self, *, streams: bool) -> None:
        """The consumers of now are sent no message of streams any more, or no signal; all else goes on."""
        self._silenced = {tag for tag, of_stream in self._tags.items() if of_stream is streams}

    async def _deliver(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        near = any(link.near is writer for link in self._links)
        await super()._deliver(writer, self._passing(writer, data) if near else data)

    def _passing(self, writer: Any, data: bytes) -> bytes:
        data, passed = self._rest.get(writer, b"") + data, []
        while len(data) >= 7 and len(data) >= (end := 8 + int.from_bytes(data[3:7])):
            frame, data = data[:end], data[end:]
            if not self._keeps(writer, frame):
                passed.append(frame)
        self._rest[writer] = data
        return b"".join(passed)

    def _keeps(self, writer: Any, frame: bytes) -> bool:
        channel = int.from_bytes(frame[1:3])
        if frame[0] != 1:  # a method is followed by the header and body that belong to it
            return frame[0] in (2, 3) and (writer, channel) in self._dropping
        self._dropping.discard((writer, channel))
        if frame[7:11] != b"\0\x3c\0\x3c":  # Basic.Deliver
            return False
        tag = frame[12 : 12 + frame[11]]
        # Behind the tag: delivery tag, redelivered, exchange; a stream's messages are of the nameless one.
        self._tags[writer, channel, tag] = frame[12 + frame[11] + 9] == 0
        if (writer, channel, tag) not in self._silenced:
            return False
        self._dropping.add((writer, channel))
        self.kept_back += 1
        return True


async def test_only_the_consumer_of_the_stream_is_deaf(
    rabbitmq_server: RabbitMQServer, namespace: str, room: str
) -> None:
    """The connection is fine, signals make their round, questions are answered."""
    url = f"{url_of(rabbitmq_server, namespace)}&buckets=1"
    link = DeafConsumers("127.0.0.1", rabbitmq_server.port)
    async with (
        pair(url, link) as (one, two, _),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await ada.say("m0")
        await hears(ada, ["m0"])
        link.make_deaf(streams=True)
        accepted = link.accepted
        await bob.say("m1")
        await hears(ada, ["m0", "m1"], NOTICED)
        assert link.kept_back > 0
        assert link.accepted == accepted, "the connection was good, and the others on it are left alone"
        await settle(ada.say("m2"), time.monotonic())
        await hears(bob, ["m0", "m1", "m2"])
        await hears(ada, ["m0", "m1", "m2"])
        await one.wait_ready(NOTICED)


async def test_only_the_consumer_of_signals_is_deaf(
    rabbitmq_server: RabbitMQServer, namespace: str, room: str
) -> None:
    """Messages come all the time; still it is not ready, and mends that."""
    link = DeafConsumers("127.0.0.1", rabbitmq_server.port)
    async with (
        pair(url_of(rabbitmq_server, namespace), link) as (one, two, _),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await ada.say("m0")
        link.make_deaf(streams=False)
        await until(lambda: not_ready(one), NOTICED, "the deaf instance is not ready")
        assert await ready(two)
        await until(lambda: types(bob, ada), NOTICED, "signals are heard again")
        assert link.kept_back > 0
        await one.wait_ready(NOTICED)
        await bob.say("m1")
        await hears(ada, ["m0", "m1"])


async def types(one: ChatClient, other: ChatClient) -> bool:
    """Type; whether the other one has seen it yet."""
    await one.send_frame({"type": "typing"})
    return any(frame["type"] == "typing" for frame in other.frames)


async def test_the_server_takes_a_signal_queue_away(
    rabbitmq_server: RabbitMQServer, namespace: str, room: str
) -> None:
    async with (
        pair(url_of(rabbitmq_server, namespace)) as (one, two, _),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await ada.say("m0")
        await asyncio.to_thread(rabbitmq_server.ctl, "eval", DELETE_EXCLUSIVE)
        await bob.say("m1")
        await hears(ada, ["m0", "m1"], NOTICED)
        await until(lambda: types(bob, ada), NOTICED, "signals are heard again")
        await asyncio.gather(one.wait_ready(NOTICED), two.wait_ready(NOTICED))
        await ada.say("m2")
        await hears(bob, ["m0", "m1", "m2"])


DELETE_EXCLUSIVE = """
[rabbit_amqqueue:delete(Q, false, false, <<"test">>) || Q <- rabbit_amqqueue:list(),
 amqqueue:get_exclusive_owner(Q) =/= none].
"""


async def test_the_server_ends_all_connections(
    rabbitmq_server: RabbitMQServer, namespace: str, room: str
) -> None:
    async with (
        pair(url_of(rabbitmq_server, namespace)) as (one, two, _),
        ChatClient(one, room) as ada,
        ChatClient(two, room) as bob,
    ):
        await ada.say("m0")
        await asyncio.to_thread(rabbitmq_server.ctl, "close_all_connections", "test")
        await settle(bob.say("m1"), time.monotonic())
        await hears(ada, ["m0", "m1"], NOTICED)
        await settle(ada.say("m2"), time.monotonic())
        await hears(bob, ["m0", "m1", "m2"], NOTICED)
        await asyncio.gather(one.wait_ready(NOTICED), two.wait_ready(NOTICED))


async def test_a_stream_that_cannot_be_read_is_told_though_the_link_is_good(
    rabbitmq_server: RabbitMQServer, namespace: str, room: str
) -> None:
    """Its consumer is cancelled, and what then has its name is no stream."""
    url = f"{url_of(rabbitmq_server, namespace)}&buckets=1"
    name = options_of(url).bucket_name(0)
    async with pair(url) as (one, _, _), ChatClient(one, room) as ada:
        await ada.say("m0")
        connection = await aiormq.connect(rabbitmq_server.url)
        try:
            channel = await connection.channel()

            async def replaced() -> bool:
                nonlocal channel
                # The instances make it again at once, too: whoever is first has it.
                await channel.queue_delete(name)
                try:
                    await channel.queue_declare(name, durable=True)
                except aiormq.exceptions.ChannelPreconditionFailed:
                    channel = await connection.channel()
                    return False
                return True

            await until(replaced, 10, "a queue of that name which is no stream")
            async with asyncio.timeout(NOTICED):
                await until(lambda: not_ready(one), NOTICED, "not ready")
                await ada.wait(told(ada, connected=False), NOTICED, "ada is told")
            assert not ada.closed, "it is the same for every instance"
            await channel.queue_delete(name)
        finally:
            await connection.close()
        async with asyncio.timeout(NOTICED):
            await one.wait_ready(NOTICED)
            await ada.wait(told(ada, connected=True), NOTICED, "ada is told that it is over")
            assert (await ada.expect("reset"))["reason"] == "epoch"
