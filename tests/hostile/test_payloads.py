"""A thousand hostile payloads at each broker: none delivered, none fatal, all seen in the metrics."""

from __future__ import annotations

import json
import random
import re
from zlib import crc32

import aiormq
import msgspec
import pytest

from brokers import codec
from brokers.rabbitmq.wire import options_of
from tests.hostile import payloads
from tests.hostile.page import leaks
from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(240)

SEED = 20_261_123
COUNT = 1000


def is_entry(blob: bytes) -> bool:
    """Whether the broker's own form is kept. Published under the right head that costs a reset, as it stands in
    no log; it is shown to nobody all the same."""
    try:
        codec.unpack(blob)
    except ValueError:
        return False
    return True


async def rejected(where: Instance) -> int:
    found = re.search(
        r"^quartchat_rejected_entries_total ([0-9.e+]+)$", (await where.get("/metrics")).text, re.M
    )
    assert found
    return int(float(found[1]))


async def all_is_well(where: Instance, room: str, client: ChatClient, said: list[str]) -> None:
    """Nothing hostile was seen, nothing good is missing, live, for who comes, and by the API."""
    said.append(f"and on {len(said)}")
    await client.say(said[-1])
    await client.wait_texts(said)
    assert not any(payloads.EVIL in json.dumps(frame) for frame in client.frames), "seen by a member"
    assert not [frame for frame in client.frames if frame["type"] == "reset"]
    async with ChatClient(where, room, history=200) as late:
        await late.wait_texts(said)
        assert payloads.EVIL not in json.dumps(late.frames)
    body = json.loads((await where.get(f"/api/rooms/{room}/messages")).body)
    assert [message["message"] for message in body["messages"]] == said


def redis_command(server: RedisServer, *words: bytes) -> bytes:
    """One command, in bytes."""
    import socket

    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words))
        return link.recv(65536)


async def test_a_thousand_payloads_in_redis(redis_server: RedisServer, namespace: str, room: str) -> None:
    url = f"{redis_server.url}?prefix={namespace}"
    rng = random.Random(SEED)
    channel = f"{namespace}:{{{room}}}".encode()
    log = channel + b":log"
    async with Instance(url) as one, ChatClient(one, room) as client:
        said: list[str] = []
        await all_is_well(one, room, client, said)
        for number in range(COUNT):
            what = number % 5
            epoch, _, proof = client.messages[-1]["position"].split(".")
            top = len(said)
            raw = payloads.blob(rng)
            framed = len(raw).to_bytes(4, "big") + raw
            if what == 0:
                redis_command(redis_server, b"PUBLISH", channel, b"S" + payloads.notice(rng))
            elif what == 1 and not is_entry(raw):  # with the right head: only what it holds is wrong
                head = f"E{epoch} {top + 1} {proof}\n".encode()
                redis_command(redis_server, b"PUBLISH", channel, head + framed)
            elif what == 2:
                head = rng.choice(
                    (b"E", b"E x y z\n", b"Eabc 9999 00000000\n", b"E\xff 1 \xff\n", b"", b"X" * 999)
                )
                redis_command(redis_server, b"PUBLISH", channel, head + framed[: rng.randrange(9)])
            elif what == 3:  # behind the last entry, with its right proof, or at a place of its own
                name = rng.choice((f"{top + 1}-0", f"{top}-{number + 1}", "*", f"{top + 9}-0")).encode()
                mark = codec.proof_of(raw).encode()
                redis_command(
                    redis_server, b"XADD", log, name, b"b", raw, b"p", rng.choice((mark, b"\xff", b"0"))
                )
            else:
                redis_command(
                    redis_server, b"XADD", log, b"*", rng.choice((b"x", b"b", b"p")), rng.randbytes(20)
                )
            if number % 100 == 99:
                await all_is_well(one, room, client, said)

        async def counted() -> bool:
            return await rejected(one) >= COUNT // 2

        await until(counted, 10, "half of them are counted")
        assert (await one.get("/readyz")).status == 200
        assert not leaks(one.log)


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("meta", [b"SET", b"?", b"evil"]),
        ("log", [b"SET", b"?", b"evil"]),
        ("ids0", [b"SET", b"?", b"evil"]),
        ("meta", [b"HSET", b"?", b"n", b"1e400"]),
        ("meta", [b"HSET", b"?", b"n", b"\xff", b"e", b"\xff\xfe"]),
        ("meta", [b"HSET", b"?", b"p", b"\xff\xfe"]),
        ("meta", [b"HDEL", b"?", b"p", b"t"]),
    ],
)
async def test_a_key_that_others_spoiled_is_a_reset_and_the_room_goes_on(
    redis_server: RedisServer, namespace: str, room: str, key: str, command: list[bytes]
) -> None:
    async with (
        Instance(f"{redis_server.url}?prefix={namespace}") as one,
        ChatClient(one, room) as client,
        ChatClient(one, room + "2") as neighbour,
    ):
        await client.say("before")
        name = f"{namespace}:{{{room}}}:{key}".encode()
        if command[0] == b"SET":
            redis_command(redis_server, b"DEL", name)
        redis_command(redis_server, *(name if word == b"?" else word for word in command))
        await neighbour.say("unmoved")
        await client.say("after")
        await client.expect("message", message="after")
        async with ChatClient(one, room) as late:
            await late.expect("message", message="after")
        assert (await one.get("/readyz")).status == 200


async def test_a_thousand_payloads_in_rabbitmq(rabbitmq_url: str, room: str) -> None:
    rng = random.Random(SEED)
    options = options_of(rabbitmq_url)
    stream = options.bucket_name(options.bucket_of(room))
    async with Instance(rabbitmq_url) as one, ChatClient(one, room) as client:
        said: list[str] = []
        await all_is_well(one, room, client, said)
        connection = await aiormq.connect(options.url)
        channel = await connection.channel()
        for number in range(COUNT):
            what = number % 5
            raw = payloads.blob(rng)
            headers = rng.choice(
                (None, {"x-stream-offset": 5}, {"x-stream-offset": "x"}, {"x-stream-offset": -1})
            )
            properties = aiormq.spec.Basic.Properties(headers=headers)
            if what == 0:
                body = rng.choice((payloads.notice(rng), msgspec.msgpack.encode([payloads.notice(rng)])))
                await channel.basic_publish(body, exchange=options.exchange, routing_key=room)
                continue
            epoch = client.messages[-1]["position"].split(".")[0]
            word = f"{crc32(raw):x}"
            body = rng.choice(
                (
                    raw,
                    msgspec.msgpack.encode([epoch, 0, word, 1, [[room, raw]]]),
                    msgspec.msgpack.encode([epoch, -5, word, -1, [["", raw]]]),
                    msgspec.msgpack.encode([epoch, 2**62, word, 2**62, [[room, b"x"]]]),
                    msgspec.msgpack.encode(["EVIL", 0, "../", 0, []]),
                    msgspec.msgpack.encode([epoch, 0, word, 1, [], [[5, 3, 2**60], [[2**60, b"x"]]]]),
                    msgspec.msgpack.encode([epoch, "0", 1, word, room]),
                )
            )
            await channel.basic_publish(body, routing_key=stream, properties=properties)
            if number % 100 == 99:
                await all_is_well(one, room, client, said)
        await connection.close()

        async def counted() -> bool:
            return await rejected(one) >= COUNT // 2

        await until(counted, 10, "half of them are counted")
        assert (await one.get("/readyz")).status == 200
        assert not leaks(one.log)
        # One that reads the log from its start comes to the same.
        async with Instance(rabbitmq_url) as two:
            await two.wait_ready()
            async with ChatClient(two, room, history=200) as late:
                await late.wait_texts(said)
