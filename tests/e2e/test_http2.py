"""Chats over HTTP/2 (RFC 8441): many on one connection, and none in the way of another."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import h2.events
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.events import Event as SocketEvent

from tests.e2e.places import FORM, ROOMY, kept
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until

PATIENCE = 10.0
"""Seconds that something expected may take."""

Frame = dict[str, Any]


class Link:
    """One HTTP/2 connection without TLS, and the streams on it."""

    def __init__(self, where: Instance) -> None:
        self.port = where.port
        self.http2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.streams: dict[int, Chat] = {}
        self.settled = False
        self.closed = False
        self._changed = asyncio.Condition()
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._reading: asyncio.Task[None]

    @property
    def transport(self) -> asyncio.WriteTransport:
        return self._writer.transport

    def flush(self) -> None:
        data = self.http2.data_to_send()
        if data and not self._writer.is_closing():
            self._writer.write(data)

    async def wait(self, predicate: Callable[[], Any], what: str, timeout: float = PATIENCE) -> None:  # noqa: ASYNC109
        """Until it is true; looked at whenever something came."""
        async with self._changed:
            try:
                async with asyncio.timeout(timeout):
                    await self._changed.wait_for(lambda: predicate() or self.closed)
            except TimeoutError:
                pass
        assert predicate(), f"not within {timeout} s ({self.closed=}): {what}"

    async def wait_closed(self, timeout: float = PATIENCE) -> None:  # noqa: ASYNC109
        await self.wait(lambda: self.closed, "the connection is closed", timeout)

    async def changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.http2.initiate_connection()
        self.flush()
        self._reading = asyncio.create_task(self._read())
        await self.wait(lambda: self.settled, "the server's settings")
        assert self.http2.remote_settings.enable_connect_protocol == 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.abort()
        self._reading.cancel()
        await asyncio.wait([self._reading])
        if not self._reading.cancelled():
            self._reading.result()

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(65536):
                for event in self.http2.receive_data(data):
                    self._take(event)
                for stream in self.streams.values():
                    stream.flow()
                self.flush()
                await self.changed()
        except OSError:
            pass
        finally:
            self.closed = True
            await self.changed()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settled = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            assert event.error_code == 0, event
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        if isinstance(event, h2.events.DataReceived):
            # What one stream does not take must not use up the window of the whole connection.
            size = event.flow_controlled_length
            assert size is not None
            if size:
                self.http2.increment_flow_control_window(size)
        if stream is not None:
            stream.take(event)


class Chat:
    """One WebSocket on one stream. Every frame is kept in `frames`."""

    def __init__(
        self,
        link: Link,
        room: str,
        cookie: str | None = None,
        *,
        path: str | None = None,
        plain: bool = False,
        origin: str | None = None,
        extensions: str | None = None,
        **query: Any,
    ) -> None:
        self.link = link
        self.path = path or f"/ws/chat/{room}/" + (f"?{urlencode(query)}" if query else "")
        self.plain = plain
        optional = {
            "sec-websocket-protocol": None if plain else "quartchat.v1",
            "sec-websocket-extensions": extensions,
            "cookie": cookie,
            "origin": origin,
        }
        self._more = [(name, value) for name, value in optional.items() if value is not None]
        self.id = 0
        self.frames: list[Frame] = []
        self.pongs: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.close_code: int | None = None
        self.ended = False
        """The server ended its half of the stream."""
        self.reset: int | None = None
        """Or it reset the stream, with this code."""
        self.reading = True
        self._owed = 0
        self._outbox = bytearray()
        self._text = ""
        self.socket = Connection(ConnectionType.CLIENT)

    @property
    def texts(self) -> list[str]:
        return [frame["message"] for frame in self.frames if self.plain or frame["type"] == "message"]

    @property
    def done(self) -> bool:
        return self.ended or self.reset is not None

    def begin(self, *, end: bool = False, first: bytes = b"") -> None:
        """Ask for the WebSocket, and wait for nothing."""
        self.id = self.link.http2.get_next_available_stream_id()
        self.link.streams[self.id] = self
        headers = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", self.path),
            (":authority", f"127.0.0.1:{self.link.port}"),
            ("sec-websocket-version", "13"),
        ]
        self.link.http2.send_headers(self.id, headers + self._more, end_stream=end)
        if first:
            self.link.http2.send_data(self.id, first)
        self.link.flush()

    async def open(self) -> Self:
        self.begin()
        await self.link.wait(lambda: self.headers or self.done, "an answer to the handshake")
        if self.headers.get(":status") == "200" and not self.plain:
            await self.expect("welcome")
        return self

    async def refused(self) -> int:
        """The status of a handshake that must not succeed."""
        await self.open()
        await self.link.wait(lambda: self.done, "the end of the refusal")
        return int(self.headers[":status"])

    def take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ResponseReceived):
            assert event.headers is not None
            self.headers = {str(name): str(value) for name, value in event.headers}
        elif isinstance(event, h2.events.DataReceived):
            assert event.data is not None
            self._owed += event.flow_controlled_length or 0
            if self.reading:
                self._give_back()
            if event.data and self.headers.get(":status") == "200":
                self.socket.receive_data(event.data)
                for told in self.socket.events():
                    self._told(told)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True
        elif isinstance(event, h2.events.StreamReset):
            self.reset = int(event.error_code)

    def _give_back(self) -> None:
        owed, self._owed = self._owed, 0
        if owed and not self.done:
            self.link.http2.increment_flow_control_window(owed, self.id)

    def _told(self, event: SocketEvent) -> None:
        if isinstance(event, Message):
            assert isinstance(event, TextMessage)
            self._text += event.data
            if event.message_finished:
                self.frames.append(json.loads(self._text))
                self._text = ""
        elif isinstance(event, Pong):
            self.pongs.append(bytes(event.payload))
            self.frames.append({"type": "PONG", "payload": bytes(event.payload).decode()})
        elif isinstance(event, Ping):
            self.put(event.response())
        elif isinstance(event, CloseConnection):
            self.close_code = event.code
            if self.socket.state.name == "REMOTE_CLOSING":
                self.put(event.response())

    def stop_reading(self) -> None:
        """Give nothing back to the stream's window: soon it is closed."""
        self.reading = False

    def read_on(self) -> None:
        self.reading = True
        self._give_back()
        self.link.flush()

    def put(self, event: SocketEvent) -> None:
        self.put_bytes(self.socket.send(event))

    def put_bytes(self, data: bytes) -> None:
        """Anything; it leaves as the server's windows allow."""
        self._outbox += data
        self.flow()

    def flow(self) -> None:
        http2 = self.link.http2
        while self._outbox and not self.done:
            size = min(16384, len(self._outbox), http2.local_flow_control_window(self.id))
            if size <= 0:
                break
            http2.send_data(self.id, bytes(self._outbox[:size]))
            del self._outbox[:size]
        self.link.flush()

    async def pour(self, data: bytes) -> None:
        """Until the server took it, or ended the stream."""
        self.put_bytes(data)
        await self.link.wait(lambda: self.done or not self._outbox, "the server takes it")

    def end(self) -> None:
        """End this half of the stream, without a close frame."""
        self.link.http2.end_stream(self.id)
        self.link.flush()

    def cancel(self) -> None:
        """Reset the stream."""
        self.link.http2.reset_stream(self.id, 8)
        self.link.flush()

    def send(self, text: str) -> str:
        sent = secrets.token_urlsafe(12)
        frame = {"message": text} if self.plain else {"type": "send", "id": sent, "message": text}
        self.put(TextMessage(json.dumps(frame)))
        return sent

    async def say(self, text: str) -> None:
        await self.expect("ack", id=self.send(text))

    async def expect(self, type: str, **fields: Any) -> Frame:
        """The first frame like this, come or to come."""

        def found() -> list[Frame]:
            return [f for f in self.frames if f["type"] == type and fields.items() <= f.items()]

        await self.link.wait(found, f"{type} {fields}, {self.close_code=}, last: {self.frames[-3:]}")
        return found()[0]

    async def wait_texts(self, texts: list[str], timeout: float = PATIENCE) -> None:  # noqa: ASYNC109
        await self.link.wait(lambda: len(self.texts) >= len(texts), f"{len(texts)} messages", timeout)
        assert self.texts == texts

    async def wait_done(self, timeout: float = PATIENCE) -> int | None:  # noqa: ASYNC109
        """Until the server is done with the stream; the code of its close frame."""
        await self.link.wait(lambda: self.done, "the end of the stream", timeout)
        return self.close_code

    async def alive(self) -> None:
        """It still takes and gives."""
        before = len(self.pongs)
        self.put(Ping(b"alive?"))
        await self.link.wait(lambda: len(self.pongs) > before, "a pong")


async def gauge(where: Instance, name: str) -> float:
    found = re.search(rf"^quartchat_{name} (\S+)$", (await where.get("/metrics")).text, re.MULTILINE)
    assert found
    return float(found[1])


async def members(where: Instance, count: int) -> None:
    async def right() -> bool:
        return await gauge(where, "members") == count

    await until(right, PATIENCE, f"{count} members")


@pytest.fixture(scope="module")
def wide() -> Iterator[Instance]:
    """An instance that keeps much more than a window holds."""
    with kept("memory://", {**ROOMY, "QUARTCHAT_HISTORY": "3000"}) as instance:
        yield instance


def big(number: int) -> str:
    return f"{number}:" + "x" * 8000


# Both ways ----------------------------------------------------------------------------------------


async def test_people_on_http2_and_http1_talk_with_each_other(lone: Instance, room: str) -> None:
    async with Link(lone) as link, ChatClient(lone, room) as old:
        new = await Chat(link, room).open()
        plain = await Chat(link, room, plain=True).open()
        await old.say("grüße 🎉")
        await new.say("hello")
        plain.send("from long ago")
        expected = ["grüße 🎉", "hello", "from long ago"]
        await old.wait_texts(expected)
        await new.wait_texts(expected)
        await plain.wait_texts(expected)


async def test_two_rooms_on_one_connection_get_only_their_own(wide: Instance, room: str) -> None:
    async with Link(wide) as link:
        one = await Chat(link, room + "-one").open()
        two = await Chat(link, room + "-two").open()
        said: dict[str, list[str]] = {"one": [], "two": []}
        for number in range(50):
            for name, chat in (("one", one), ("two", two)):
                said[name].append(f"{name} {number} " + "y" * (number * 40))
                chat.send(said[name][-1])
        await one.wait_texts(said["one"])
        await two.wait_texts(said["two"])


async def test_frames_longer_than_one_of_http2_arrive_whole(wide: Instance, room: str) -> None:
    async with Link(wide) as link, ChatClient(wide, room) as speaker:
        for number in range(40):
            await speaker.send(big(number))
        await speaker.wait_texts([big(number) for number in range(40)])
        late = await Chat(link, room).open()  # 320 kB of history at once
        await late.wait_texts([big(number) for number in range(40)])


async def test_a_chat_goes_on_after_where_it_was(lone: Instance, room: str) -> None:
    async with Link(lone) as link:
        first = await Chat(link, room).open()
        await first.say("1")
        position = (await first.expect("message"))["position"]
        first.cancel()
        second = await Chat(link, room).open()
        await second.say("2")
        third = await Chat(link, room, since=position).open()
        await third.wait_texts(["2"])


async def test_pongs_come_between_whole_frames(wide: Instance, room: str) -> None:
    """What the server says by itself and what the chat writes do not tear each other."""
    async with Link(wide) as link:
        chat = await Chat(link, room).open()
        for number in range(60):
            chat.send(f"{number} " + "z" * 500)
            chat.put(Ping(b"%d" % number))
        await link.wait(lambda: len(chat.texts) == 60 and len(chat.pongs) == 60, "all texts and pongs")
        assert chat.pongs == [b"%d" % number for number in range(60)]
        assert chat.texts == [f"{number} " + "z" * 500 for number in range(60)]


# Handshakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room_name", "origin", "status"),
    [("x" * 101, None, 404), ("fine", "http://evil.example", 403)],
)
async def test_a_refused_handshake_leaves_the_others_alone(
    lone: Instance, room: str, room_name: str, origin: str | None, status: int
) -> None:
    async with Link(lone) as link:
        other = await Chat(link, room).open()
        assert await Chat(link, room_name, origin=origin).refused() == status
        await other.alive()


async def test_compression_is_not_negotiated(lone: Instance, room: str) -> None:
    async with Link(lone) as link:
        chat = await Chat(link, room, extensions="permessage-deflate; client_max_window_bits").open()
        assert chat.headers[":status"] == "200"
        assert chat.headers["sec-websocket-protocol"] == "quartchat.v1"
        assert "sec-websocket-extensions" not in chat.headers


async def test_who_speaks_before_the_answer_is_no_member(room: str) -> None:
    async with Instance("memory://") as lone, Link(lone) as link:
        other = await Chat(link, room).open()
        hasty = Chat(link, room, plain=True)
        hasty.begin(first=hasty.socket.send(TextMessage("{}")))
        await hasty.wait_done()
        await other.alive()
        await members(lone, 1)


async def test_who_ends_the_stream_with_the_handshake_is_no_member(room: str) -> None:
    async with Instance("memory://") as lone, Link(lone) as link:
        other = await Chat(link, room).open()
        gone = Chat(link, room, plain=True)
        gone.begin(end=True)
        await gone.wait_done()
        await other.alive()
        await members(lone, 1)


# A client that does not read ----------------------------------------------------------------------


async def test_a_stream_that_is_not_read_falls_behind_alone_and_catches_up_without_loss(
    wide: Instance, room: str
) -> None:
    async with Link(wide) as link, ChatClient(wide, room) as speaker:
        stuck = await Chat(link, room).open()
        sibling = await Chat(link, room).open()
        stuck.stop_reading()
        texts = [big(number) for number in range(100)]
        for text in texts:
            await speaker.send(text)
        await sibling.wait_texts(texts)
        await speaker.wait_texts(texts)
        assert await gauge(wide, "members_behind") == 1
        assert len(stuck.texts) < 20
        sibling.send("one more")
        await sibling.wait_texts([*texts, "one more"])
        stuck.read_on()
        await stuck.wait_texts([*texts, "one more"])

        async def caught_up() -> bool:
            return await gauge(wide, "members_behind") == 0

        await until(caught_up, PATIENCE, "nobody is behind")
        await speaker.say("live again")
        await stuck.wait_texts([*texts, "one more", "live again"])
        await stuck.alive()


async def test_a_stream_that_is_read_slowly_gets_everything(wide: Instance, room: str) -> None:
    async with Link(wide) as link, ChatClient(wide, room) as speaker:
        slow = await Chat(link, room).open()
        slow.stop_reading()
        texts = [big(number) for number in range(60)]
        for text in texts:
            await speaker.send(text)
        await speaker.wait_texts(texts)
        seen = -1
        while len(slow.texts) < 60:
            seen = len(slow.texts)
            slow.read_on()
            slow.stop_reading()
            await link.wait(lambda seen=seen: len(slow.texts) > seen, "the next ones")
        assert slow.texts == texts


@contextmanager
def at_most_more(where: Instance, kilobytes: int) -> Iterator[None]:
    def resident() -> int:
        status = Path(f"/proc/{where.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])

    before = resident()
    yield
    grown = resident() - before
    assert grown < kilobytes, f"{grown} kB more"


async def test_streams_that_are_not_read_cost_no_more_than_their_buffers(room: str) -> None:
    env = {**ROOMY, "QUARTCHAT_HISTORY": "10"}
    async with Instance("memory://", env) as small, Link(small) as link, ChatClient(small, room) as speaker:
        stuck = [await Chat(link, room).open() for _ in range(20)]
        for number in range(20):
            await speaker.say(big(number))
        with at_most_more(small, 20_000):
            for chat in stuck:
                chat.stop_reading()
            for number in range(600):  # 96 MB for all of them
                await speaker.say(big(number))
        assert await gauge(small, "members_behind") == 20


async def test_pings_on_a_stream_that_is_not_read_cost_no_more_than_its_buffer(room: str) -> None:
    async with Instance("memory://", ROOMY) as small, Link(small) as link:
        stuck = await Chat(link, room, plain=True).open()
        other = await Chat(link, room).open()
        stuck.stop_reading()
        ping = stuck.socket.send(Ping(b"x" * 125))
        with at_most_more(small, 4_000):
            for _ in range(100):
                await stuck.pour(ping * 800)  # 10 MB of pongs
            await other.alive()


async def test_a_client_that_does_not_read_its_close_loses_the_stream_and_no_other(
    wide: Instance, room: str
) -> None:
    ada = await new_session(wide, "Ada")
    async with Link(wide) as link, ChatClient(wide, room) as speaker:
        stuck = await Chat(link, room, ada.cookie).open()
        sibling = await Chat(link, room).open()
        stuck.stop_reading()
        for number in range(40):
            await speaker.say(big(number))
        await wide.post("/session/end", b"", {**FORM, "Cookie": ada.cookie})
        await stuck.wait_done(4)
        assert stuck.reset is not None
        await sibling.wait_texts([big(number) for number in range(40)])
        await sibling.alive()


async def test_a_connection_that_is_not_read_at_all_holds_up_nobody_else(wide: Instance, room: str) -> None:
    async with Link(wide) as frozen, Link(wide) as link, ChatClient(wide, room) as speaker:
        for _ in range(3):
            await Chat(frozen, room).open()
        other = await Chat(link, room).open()
        frozen.transport.pause_reading()  # type: ignore[attr-defined]
        texts = [big(number) for number in range(200)]
        for text in texts:
            await speaker.send(text)
        await other.wait_texts(texts)
        await other.alive()


# Ends ---------------------------------------------------------------------------------------------

FAULTS = {
    "a binary message": (BytesMessage(b"x"), {1003}),
    "text that is not UTF-8": (b"\x81\x82\0\0\0\0\xff\xfe", {1007}),
    "a frame that is not masked": (b"\x81\x02{}", {1002}),
    "a reserved bit": (b"\xc1\x82\0\0\0\0{}", {1002}),
    "an unknown opcode": (b"\x83\x82\0\0\0\0{}", {1002}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_client_that_breaks_the_rules_is_told_so_and_only_its_stream_ends(
    lone: Instance, room: str, fault: str
) -> None:
    what, codes = FAULTS[fault]
    async with Link(lone) as link:
        bad = await Chat(link, room).open()
        good = await Chat(link, room).open()
        if isinstance(what, bytes):
            bad.put_bytes(what)
        else:
            bad.put(what)
        assert await bad.wait_done() in codes
        await good.say("still here")


async def test_a_message_too_big_ends_with_1009_and_only_its_stream_ends(lone: Instance, room: str) -> None:
    async with Link(lone) as link:
        bad = await Chat(link, room).open()
        good = await Chat(link, room).open()
        await bad.pour(bad.socket.send(TextMessage("x" * 200_000)))
        assert await bad.wait_done() == 1009
        await good.say("still here")


async def test_a_message_that_never_ends_is_cut_off_and_only_its_stream_ends(
    lone: Instance, room: str
) -> None:
    async with Link(lone) as link:
        bad = await Chat(link, room).open()
        good = await Chat(link, room).open()
        more = bad.socket.send(TextMessage("x" * 10_000, message_finished=False))
        bad.socket = Connection(ConnectionType.CLIENT)
        while not bad.done:
            await bad.pour(more)
            more = b"\x00" + more[1:]  # a continuation
        assert bad.close_code == 1009
        await good.say("still here")


async def test_an_ended_session_closes_its_streams_with_4401_and_no_others(lone: Instance, room: str) -> None:
    ada = await new_session(lone, "Ada")
    async with Link(lone) as link:
        one = await Chat(link, room, ada.cookie).open()
        two = await Chat(link, room + "-b", ada.cookie).open()
        other = await Chat(link, room).open()
        await lone.post("/session/end", b"", {**FORM, "Cookie": ada.cookie})
        assert await one.wait_done() == 4401
        assert await two.wait_done() == 4401
        # Their answers to the close frames come for streams that the server has let go of.
        await other.say("still here")


async def test_a_page_made_for_somebody_else_is_told_with_4401(lone: Instance, room: str) -> None:
    async with Link(lone) as link:
        other = await Chat(link, room).open()
        wrong = Chat(link, room, as_="x", path=f"/ws/chat/{room}/?as=nobody")
        wrong.begin()
        assert await wrong.wait_done() == 4401
        await other.say("still here")


async def test_a_refused_plain_message_closes_with_1008(lone: Instance, room: str) -> None:
    async with Link(lone) as link:
        other = await Chat(link, room).open()
        bad = await Chat(link, room, plain=True).open()
        bad.put(TextMessage("no json"))
        assert await bad.wait_done() == 1008
        await other.say("still here")


LEAVE: dict[str, Callable[[Chat], None]] = {
    "close frame": lambda chat: chat.put(CloseConnection(1000)),
    "end of the stream": Chat.end,
    "reset": Chat.cancel,
}


@pytest.mark.parametrize("way", LEAVE)
async def test_a_client_that_leaves_is_gone_and_the_next_stream_goes_on(room: str, way: str) -> None:
    async with Instance("memory://") as lone, Link(lone) as link:
        other = await Chat(link, room).open()
        leaver = await Chat(link, room, plain=True).open()
        await members(lone, 2)
        LEAVE[way](leaver)
        await members(lone, 1)
        if way != "reset":
            await leaver.wait_done()
        await other.say("still here")


@pytest.mark.parametrize("way", LEAVE)
async def test_streams_that_ended_make_room_for_new_ones(wide: Instance, room: str, way: str) -> None:
    """Hypercorn allows a hundred at once."""
    async with Link(wide) as link:
        for number in range(150):
            chat = await Chat(link, room).open()
            await chat.say(str(number))
            LEAVE[way](chat)
            if way != "reset":
                await chat.wait_done()
            if way == "close frame":
                chat.end()


async def test_a_client_that_never_ends_its_half_cannot_keep_the_stream(lone: Instance, room: str) -> None:
    async with Link(lone) as link:
        chat = await Chat(link, room, plain=True).open()
        chat.put(TextMessage("no json"))
        await link.wait(lambda: chat.reset is not None, "the reset")
        assert chat.close_code == 1008


@pytest.mark.parametrize("way", ["goaway", "fin", "rst"])
async def test_a_connection_that_ends_ends_all_its_members(room: str, way: str) -> None:
    async with Instance("memory://") as lone, Link(lone) as link, ChatClient(lone, room) as other:
        for number in range(5):
            await Chat(link, f"{room}-{number % 2}").open()
        await members(lone, 6)
        if way == "goaway":
            link.http2.close_connection()
            link.flush()
        elif way == "fin":
            link.transport.write_eof()
        else:
            link.transport.abort()
        await members(lone, 1)
        await other.say("still here")


async def test_a_socket_outlives_a_thousand_requests_on_its_connection(room: str) -> None:
    """Hypercorn ends a connection after a thousand; what is open on it would be broken silently."""
    async with Instance("memory://") as lone, Link(lone) as link:
        chat = await Chat(link, room).open()
        for _ in range(1010):
            refused = Chat(link, "x" * 101)
            assert await refused.refused() == 404
            refused.end()
            del link.streams[refused.id]
        await chat.say("still here")


@pytest.mark.parametrize("workers", [0, 1])
async def test_everyone_is_sent_on_with_1012_and_the_instance_is_gone(workers: int, room: str) -> None:
    async with (
        Instance("memory://", ROOMY, workers=workers) as one,
        Link(one) as link,
        Link(one) as frozen,
        Link(one) as empty,
        ChatClient(one, room) as speaker,
    ):
        chats = [await Chat(link, f"{room}-{number}").open() for number in range(3)]
        stuck = await Chat(link, room).open()
        stuck.stop_reading()
        await Chat(frozen, room).open()
        frozen.transport.pause_reading()  # type: ignore[attr-defined]
        left = await Chat(empty, room).open()
        left.cancel()
        for number in range(100):
            await speaker.send(big(number))
        await speaker.wait(lambda: len(speaker.texts) == 100, what="all")
        started = time.monotonic()
        os.kill(one.pid, signal.SIGTERM)
        for chat in chats:
            assert await chat.wait_done(2) == 1012
        assert await speaker.wait_close(2) == 1012
        assert await one.wait_exit(10) == 0
        assert time.monotonic() - started < 5
