"""Too much of anything is refused on a real instance, says when to come back, and touches nobody else.

An address counts here as behind a proxy: the header is what the proxy would write.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol
from wsproto.events import TextMessage

from tests.e2e.places import FORM
from tests.e2e.test_http2 import Chat, Link
from tests.support.client import new_session
from tests.support.instance import Answer, Instance
from tests.support.waiting import until

FAR, NEAR = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "203.0.113.9"}

STRICT: dict[str, str | None] = {
    "QUARTCHAT_TRUSTED_PROXIES": "1",
    "QUARTCHAT_MESSAGE_RATE": "2",
    "QUARTCHAT_ADDRESS_SHARE": "2",
    "QUARTCHAT_ROOM_RATE": "5",
    "QUARTCHAT_JOINS_PER_MINUTE": "20",
    "QUARTCHAT_NEW_PER_MINUTE": "10",
    "QUARTCHAT_MAX_CONNECTIONS_PER_SESSION": "3",
    "QUARTCHAT_MAX_CONNECTIONS_PER_ADDRESS": "5",
    "QUARTCHAT_MAX_MEMBERS": "4",
}

WIDE: dict[str, str | None] = {
    "QUARTCHAT_TRUSTED_PROXIES": "1",
    "QUARTCHAT_JOINS_PER_MINUTE": "0",
    "QUARTCHAT_NEW_PER_MINUTE": "0",
}
"""Handshakes, pages and names without a rate, for tests of what is left."""


@contextlib.asynccontextmanager
async def instance(**changed: str) -> AsyncIterator[Instance]:
    """One with limits that are easily reached, but for those given."""
    env = {**STRICT, **{f"QUARTCHAT_{name}": value for name, value in changed.items()}}
    async with Instance("memory://", env) as one:
        yield one


@contextlib.asynccontextmanager
async def socket(
    where: Instance,
    room: str,
    origin: dict[str, str],
    cookie: str | None = None,
    *,
    plain: bool = False,
) -> AsyncIterator[ClientConnection]:
    """A WebSocket that came from this address."""
    link = await connect(
        f"{where.ws_url}/ws/chat/{room}/",
        subprotocols=None if plain else [Subprotocol("quartchat.v1")],
        additional_headers={**origin, **({"Cookie": cookie} if cookie else {})},
        compression=None,
        ping_interval=None,
        proxy=None,
    )
    try:
        yield link
    finally:
        link.transport.abort()  # what was not read would hold up a closing handshake
        await link.wait_closed()


async def refused(where: Instance, room: str, origin: dict[str, str], cookie: str | None = None) -> int:
    """After how many seconds it may come back."""
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with socket(where, room, origin, cookie):
            pass
    answer = caught.value.response
    assert answer.status_code == 429
    assert answer.body
    return int(answer.headers["Retry-After"])


async def answers(link: ClientConnection, count: int) -> list[dict[str, object]]:
    """The next so many acks and nacks."""
    found: list[dict[str, object]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            frame = json.loads(await link.recv())
            if frame["type"] in ("ack", "nack", "unknown"):
                found.append(frame)
    return found


def text_frame(text: bytes) -> bytes:
    return b"\x81" + bytes([0x80 | len(text)]) + b"\0\0\0\0" + text


def send(link: ClientConnection, count: int, name: str = "m") -> None:
    """So many messages in one piece: on a slow machine, too, no time goes by between them."""
    frames = [{"type": "send", "id": f"{name}{number}", "message": "text"} for number in range(count)]
    link.transport.write(b"".join(text_frame(json.dumps(frame).encode()) for frame in frames))


async def say(link: ClientConnection, count: int, name: str = "m") -> list[dict[str, object]]:
    send(link, count, name)
    return await answers(link, count)


def kinds(frames: list[dict[str, object]]) -> list[object]:
    return [frame["type"] for frame in frames]


async def post(where: Instance, path: str, origin: dict[str, str], **fields: str) -> Answer:
    return await where.post(path, urlencode(fields).encode(), {**FORM, **origin})


async def limited(where: Instance) -> dict[str, int]:
    """Refusals by limit."""
    text = (await where.get("/metrics")).text
    found = {}
    for line in text.splitlines():
        if line.startswith("quartchat_limited_total{"):
            found[line.partition('"')[2].partition('"')[0]] = int(float(line.rpartition(" ")[2]))
    return found


# Messages -------------------------------------------------------------------------------------------------


async def test_a_session_that_sends_too_fast_is_told_when_it_may_and_then_it_may(room: str) -> None:
    async with instance() as one, socket(one, room, FAR) as link:
        said = sorted(await say(link, 8), key=lambda frame: str(frame["type"]))
        assert kinds(said) == ["ack"] * 6 + ["nack"] * 2
        nack = said[-1]
        assert nack["code"] == "rate_limited"
        wait = nack["retry_after"]
        assert isinstance(wait, float)
        assert 0.3 < wait <= 0.6
        await asyncio.sleep(wait)  # what the server asked for
        assert kinds(await say(link, 1, "again")) == ["ack"]


async def test_sessions_of_one_address_share_its_rate_and_another_address_has_its_own(room: str) -> None:
    async with instance(ROOM_RATE="0") as one, contextlib.AsyncExitStack() as stack:
        links = [await stack.enter_async_context(socket(one, f"{room}{n}", FAR)) for n in range(4)]
        began = time.monotonic()
        for link in links:
            send(link, 6)
        said = [frame for link in links for frame in await answers(link, 6)]
        acks = kinds(said).count("ack")
        assert 12 <= acks <= 12 + 4 * (time.monotonic() - began)  # a few more as time goes on
        assert all(0 < float(str(f["retry_after"])) < 1 for f in said if f["type"] == "nack")
        async with socket(one, room, NEAR) as other:
            assert kinds(await say(other, 6)) == ["ack"] * 6
        assert (await limited(one))["messages_address"] == 24 - acks


async def test_a_room_has_a_rate_of_its_own_and_other_rooms_go_on(room: str) -> None:
    # One in ten seconds: no other one becomes due while this is looked at.
    async with instance(MESSAGE_RATE="100", ROOM_RATE="0.1", JOINS_PER_MINUTE="0") as one:
        async with socket(one, room, FAR) as loud, socket(one, room, NEAR) as other:
            assert kinds(await say(loud, 20)).count("nack") == 19
            assert kinds(await say(other, 1)) == ["nack"]
        for number in range(3):
            async with socket(one, f"{room}-{number}", NEAR) as elsewhere:
                assert kinds(await say(elsewhere, 1)) == ["ack"]


async def test_the_plain_dialect_is_closed_with_1008_and_a_reason(room: str) -> None:
    async with instance() as one, socket(one, room, FAR, plain=True) as link:
        link.transport.write(text_frame(b'{"message": "text"}') * 8)
        await link.wait_closed()
        assert link.close_code == 1008
        assert link.close_reason


async def test_forms_count_with_the_sockets_and_say_when_to_come_back(room: str) -> None:
    # One in ten seconds: no other one becomes due between the socket's and the form's.
    async with instance(MESSAGE_RATE="0.1") as one:
        session = await new_session(one, "Ada")
        mine = {**FAR, "Cookie": session.cookie}
        async with socket(one, room, FAR, session.cookie) as link:
            assert kinds(await say(link, 1)) == ["ack"]
            answer = await post(one, f"/chat/{room}/messages", mine, message="by form", id="f1")
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 10
        assert "by form" in answer.text


async def test_over_http2_it_is_the_same(room: str) -> None:
    # One in three seconds: no other one becomes due between the first and the last.
    async with instance(MESSAGE_RATE="0.3") as one, Link(one) as link:
        chat = await Chat(link, room).open()
        for number in range(8):
            chat.put(TextMessage(json.dumps({"type": "send", "id": f"m{number}", "message": "text"})))
        await link.wait(lambda: sum(f["type"] in ("ack", "nack") for f in chat.frames) == 8, "answers")
        found = [frame["type"] for frame in chat.frames if frame["type"] in ("ack", "nack")]
        assert sorted(found) == ["ack"] + ["nack"] * 7
        # No proxy wrote an address down: the connection's own counts.
        others = [await Chat(link, f"{room}{number}").open() for number in range(4)]
        last = Chat(link, f"{room}-last")
        assert await last.refused() == 429
        assert last.headers["retry-after"] == "10"
        others[0].cancel()
        await until_seats(one, 4)
        await Chat(link, f"{room}-last").open()


# Connections ----------------------------------------------------------------------------------------------


async def until_seats(where: Instance, count: int) -> None:
    """Until so many are members."""

    async def there() -> bool:
        return f"quartchat_members {float(count)}\n" in (await where.get("/metrics")).text

    await until(there, what=f"{count} members")


async def test_a_session_and_an_address_have_so_many_sockets_and_places_come_back(room: str) -> None:
    async with instance() as one, contextlib.AsyncExitStack() as stack:
        session = await new_session(one, "Ada")
        mine = [await stack.enter_async_context(socket(one, room, FAR, session.cookie)) for _ in range(3)]
        assert await refused(one, room, FAR, session.cookie) == 10
        assert await refused(one, room, NEAR, session.cookie) == 10
        guests = [await stack.enter_async_context(socket(one, f"{room}-b", FAR)) for _ in range(2)]
        assert await refused(one, f"{room}-b", FAR) == 10
        async with socket(one, f"{room}-b", NEAR):
            pass
        await mine[0].close()  # in an orderly way
        guests[0].transport.abort()  # and not
        await until_seats(one, 3)
        await stack.enter_async_context(socket(one, room, FAR, session.cookie))
        await stack.enter_async_context(socket(one, room, FAR))
        assert (await limited(one)).keys() == {"connections_session", "connections_address"}


async def test_places_of_clients_that_were_killed_come_back(room: str) -> None:
    program = (
        "import socket, sys, time\n"
        "head = 'GET /ws/chat/{}/ HTTP/1.1\\r\\nHost: x\\r\\nUpgrade: websocket\\r\\n'\n"
        "head += 'Connection: Upgrade\\r\\n'\n"
        "head += 'Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n'\n"
        "head += 'X-Forwarded-For: 198.51.100.7\\r\\n\\r\\n'\n"
        "links = []\n"
        "for number in range(5):\n"
        "    link = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "    link.sendall(head.format(sys.argv[2]).encode())\n"
        "    assert link.recv(100).startswith(b'HTTP/1.1 101')\n"
        "    links.append(link)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    async with instance(MAX_MEMBERS="0") as one:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(one.port), room, stdout=asyncio.subprocess.PIPE
        )
        assert client.stdout is not None
        assert await client.stdout.readline() == b"ready\n"
        assert await refused(one, room, FAR) == 10
        client.kill()
        await client.wait()
        await until_seats(one, 0)
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(5):
                await stack.enter_async_context(socket(one, room, FAR))


async def test_a_full_room_lets_in_again_who_is_in_it(room: str) -> None:
    async with instance(MAX_CONNECTIONS_PER_ADDRESS="0") as one, contextlib.AsyncExitStack() as stack:
        session = await new_session(one, "Ada")
        await stack.enter_async_context(socket(one, room, FAR, session.cookie))
        guests = [await stack.enter_async_context(socket(one, room, FAR)) for _ in range(3)]
        assert await refused(one, room, NEAR) == 10
        await stack.enter_async_context(socket(one, room, FAR, session.cookie))
        await guests[0].close()
        await until_seats(one, 4)
        await stack.enter_async_context(socket(one, room, NEAR))


# In a minute ----------------------------------------------------------------------------------------------


async def test_an_address_that_comes_again_and_again_is_refused_and_others_are_not(room: str) -> None:
    # Six at once, then one in ten seconds: on a slow machine, too, none becomes due meanwhile.
    async with instance(JOINS_PER_MINUTE="3", NEW_PER_MINUTE="0") as one:
        for _ in range(6):
            async with socket(one, room, FAR):
                pass
        assert 1 <= await refused(one, room, FAR) <= 10
        async with socket(one, room, NEAR):
            pass


async def test_rooms_that_nobody_is_in_can_be_opened_so_many_times_and_others_entered_still(
    room: str,
) -> None:
    async with instance(JOINS_PER_MINUTE="0", NEW_PER_MINUTE="4") as one, socket(one, room, NEAR):
        for number in range(8):
            async with socket(one, f"{room}-{number}", FAR):
                pass
        assert 1 <= await refused(one, f"{room}-more", FAR) <= 8
        async with socket(one, room, FAR):
            pass


async def test_identities_are_made_so_many_times_by_an_address_and_renamed_by_a_session(room: str) -> None:
    async with instance(NEW_PER_MINUTE="3") as one:
        made = [await post(one, "/session", FAR, name=f"Name {number}") for number in range(6)]
        assert [answer.status for answer in made] == [303] * 6
        late = await post(one, "/session", FAR, name="One more")
        assert late.status == 429
        assert 1 <= int(late.headers["Retry-After"]) <= 10
        assert late.headers.get_all("Set-Cookie") is None
        assert "One more" in late.text
        told = await post(one, "/session", {**FAR, "Accept": "application/json"}, name="")
        assert told.status == 429
        assert json.loads(told.body)["retry_after"] == int(told.headers["Retry-After"])
        by_form = await post(one, f"/chat/{room}/messages", FAR, message="hello", id="x")
        assert by_form.status == 429
        cookie = made[0].headers["Set-Cookie"].partition(";")[0]
        renamed = [
            (await post(one, "/session", {**NEAR, "Cookie": cookie}, name=f"N{number}")).status
            for number in range(4)
        ]
        assert renamed == [303, 303, 303, 429]
        assert (await post(one, "/session", NEAR, name="Somebody else")).status == 303


async def test_pages_and_reads_have_a_rate_by_address_and_what_belongs_to_a_page_has_none(room: str) -> None:
    # Four at once, then one in thirty seconds.
    async with instance(JOINS_PER_MINUTE="1") as one:
        for _ in range(4):
            assert (await one.get(f"/chat/{room}/", FAR)).status == 200
        began = time.monotonic()
        page = await one.get("/chat/", {**FAR, "Accept-Language": "ko"})
        assert time.monotonic() - began >= 0.9  # who asks again at once waits
        assert page.status == 429
        assert 1 <= int(page.headers["Retry-After"]) <= 30
        assert "초" in page.text
        assert page.headers["Content-Security-Policy"]
        assert page.headers["Cache-Control"] == "no-store"
        read = await one.get(f"/api/rooms/{room}/messages", FAR)
        assert read.status == 429
        assert json.loads(read.body)["retry_after"] == int(read.headers["Retry-After"])
        for path in ("/static/chat.css", "/healthz", "/readyz", "/metrics"):
            assert (await one.get(path, FAR)).status == 200
        assert (await one.get("/chat/", NEAR)).status == 200


# Noise ----------------------------------------------------------------------------------------------------

PING = b"\x89\x80\0\0\0\0"
PART = b"\x01\x81\0\0\0\0 " + b"\x00\x81\0\0\0\0 " * 200


NOISE = {
    "typing": text_frame(b'{"type":"typing"}') * 200,
    "pings": text_frame(b'{"type":"ping"}') * 200,
    "what is not understood": text_frame(b"[]") * 200,
    "control frames": PING * 200,
    "parts of a message": PART,
}


@pytest.mark.parametrize("what", NOISE)
async def test_noise_is_read_slowly_and_refused_to_nobody(what: str, room: str) -> None:
    """Fifty of each at once, then ten a second: two hundred take some fifteen seconds."""
    async with instance() as one, socket(one, room, FAR) as link, socket(one, room, NEAR) as other:
        began = time.monotonic()
        link.transport.write(NOISE[what])
        # Another client does not wait for it.
        assert kinds(await say(other, 3)) == ["ack"] * 3
        assert time.monotonic() - began < 5
        if what == "parts of a message":
            link.transport.write(b"\x80\x80\0\0\0\0")
        link.transport.write(text_frame(b'{"type":"send","id":"last","message":"x"}'))
        assert kinds(await answers(link, 1)) == ["ack"]
        assert time.monotonic() - began > 8


# Nobody else ----------------------------------------------------------------------------------------------


async def test_a_class_of_two_hundred_on_one_address_enters_and_talks_with_the_defaults(room: str) -> None:
    proxied: dict[str, str | None] = {"QUARTCHAT_TRUSTED_PROXIES": "1"}
    async with Instance("memory://", proxied) as one, contextlib.AsyncExitStack() as stack:

        async def pupil(number: int) -> ClientConnection:
            assert (await one.get(f"/chat/{room}/", FAR)).status == 200
            begun = await post(one, "/session", FAR, name=f"Pupil {number}")
            assert begun.status == 303
            cookie = begun.headers["Set-Cookie"].partition(";")[0]
            return await stack.enter_async_context(socket(one, room, FAR, cookie))

        links: list[ClientConnection] = []
        for start in range(0, 200, 20):
            links += await asyncio.gather(*(pupil(number) for number in range(start, start + 20)))
        said = await asyncio.gather(*(say(link, 2) for link in links))
        assert all(kinds(frames) == ["ack", "ack"] for frames in said)
        assert await limited(one) == {}


async def test_an_instance_leaves_in_time_and_quietly_while_requests_wait_for_their_turn(room: str) -> None:
    ask = f"GET /chat/{room}/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n".encode()
    async with Instance("memory://", {"QUARTCHAT_TRUSTED_PROXIES": "1"}) as one:
        links = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", one.port) for _ in range(400)))
        for _, writer in links:
            writer.write(ask)
        # A hundred are served at once, the others have six seconds to go.
        async with asyncio.timeout(5):
            await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in links[:80]))
        assert await one.terminate() == 0
        for _, writer in links:
            writer.transport.abort()


async def test_without_proxies_what_anybody_writes_counts_for_nothing(room: str) -> None:
    async with instance(TRUSTED_PROXIES="0", MAX_MEMBERS="0") as one, contextlib.AsyncExitStack() as stack:
        for _ in range(10):
            await stack.enter_async_context(socket(one, room, FAR))
        assert await limited(one) == {}


async def test_what_a_client_writes_before_the_proxy_counts_for_nothing(room: str) -> None:
    async with instance(MAX_MEMBERS="0") as one, contextlib.AsyncExitStack() as stack:
        for number in range(5):
            claim = {"X-Forwarded-For": f"10.0.0.{number}, 198.51.100.7"}
            await stack.enter_async_context(socket(one, room, claim))
        assert await refused(one, room, {"X-Forwarded-For": "10.9.9.9, 198.51.100.7"}) == 10
