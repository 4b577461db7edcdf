"""The way out over HTTP/2: Hypercorn's own protocol, without a network."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest import mock

import h2.events
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, RawData, Updated
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.typing import ConnectionState
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from quartchat import hypercorn
from quartchat.frames import text_frame
from quartchat.hypercorn import http2
from quartchat.hypercorn.connection import Connection as TCPConnection
from quartchat.hypercorn.http2 import StreamWire
from quartchat.hypercorn.transport import CLOSE_SECONDS
from quartchat.wire import HIGH_WATER
from tests.unit.clock import later, settled

WINDOW = 65535


class Transport(asyncio.Transport):
    """Takes everything; so many bytes before that are still `held`."""

    def __init__(self, arrive: Callable[[bytes], None]) -> None:
        super().__init__()
        self.write = arrive  # type: ignore[method-assign,assignment]
        self.aborted = False
        self.held = 0

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self.held


class Stream:
    """What the client got on a stream, and what the application has there."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.got = bytearray()
        self.ended = False
        self.reset: int | None = None
        self.wire: Any = None
        self.disconnected = False
        self.closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()

    @property
    def events(self) -> list[Any]:
        socket = Connection(ConnectionType.CLIENT)
        socket.receive_data(bytes(self.got))
        return list(socket.events())


class Place:
    """A connection with an HTTP/2 client at its other end."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.streams: dict[int, Stream] = {}
        self.transport = Transport(self.arrive)
        self.send_lock = asyncio.Lock() if at_once else None
        self.gate = asyncio.Event()
        self.gate.set()
        self.writer = mock.create_autospec(asyncio.StreamWriter, instance=True)
        self.writer.transport = self.transport
        self.writer.get_extra_info.return_value = None
        self.client = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.client.initiate_connection()
        self.client.increment_flow_control_window(100_000_000)
        self.idle: bool | None = None
        self.closed = False

    async def serve(self, ready: asyncio.Event, done: asyncio.Event) -> None:
        async with TaskGroup(asyncio.get_running_loop()) as group:
            self.protocol = H2Protocol(
                self.app,  # type: ignore[arg-type]
                Config(),
                WorkerContext(None),
                group,
                ConnectionState({}),
                False,
                None,
                None,
                self.protocol_send,
            )
            await self.protocol.initiate()
            await self.tell()
            ready.set()
            await done.wait()
            await self.protocol.handle(Closed())

    async def protocol_send(self, event: Any) -> None:
        """As `TCPServer.protocol_send`."""
        if isinstance(event, RawData):
            async with self.send_lock or contextlib.nullcontext():
                await self.gate.wait()
                self.transport.write(event.data)
        elif isinstance(event, Updated):
            self.idle = event.idle
        elif isinstance(event, Closed):
            self.closed = True

    def arrive(self, data: bytes) -> None:
        for event in self.client.receive_data(data):
            self.take(event)

    def take(self, event: h2.events.Event) -> None:
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.DataReceived):
            stream.got += event.data or b""
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code)

    async def tell(self) -> None:
        """Hand what the client has to say to the server."""
        await self.protocol.handle(RawData(self.client.data_to_send()))
        await settled()

    async def app(self, scope: Any, receive: Any, send: Any, *_: Any) -> None:
        hypercorn.prepare(send)
        stream = self.streams[send.__self__.stream_id]
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        stream.wire = hypercorn.ready_wire(send, lambda *why: stream.closing.set_result(why), mock.Mock())
        receiving = asyncio.ensure_future(receive())
        await asyncio.wait([receiving, stream.closing], return_when=asyncio.FIRST_COMPLETED)
        if stream.closing.done():
            receiving.cancel()
            code, reason = stream.closing.result()
            await send({"type": "websocket.close", "code": code, "reason": reason})
        else:
            stream.disconnected = receiving.result()["type"] == "websocket.disconnect"

    async def open(self) -> Stream:
        stream = Stream(self.client.get_next_available_stream_id())
        self.streams[stream.id] = stream
        headers = {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": "http",
            ":path": "/",
            ":authority": "here",
            "sec-websocket-version": "13",
        }
        self.client.send_headers(stream.id, list(headers.items()))
        await self.tell()
        return stream

    async def read(self, stream: Stream, size: int) -> None:
        self.client.increment_flow_control_window(size, stream.id)
        await self.tell()


@pytest.fixture(params=["at once", "by the task"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    made, ready, done = Place(at_once=request.param == "at once"), asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(made.serve(ready, done))
    await ready.wait()
    yield made
    done.set()
    await serving


# No work for each member --------------------------------------------------------------------------


async def test_a_frame_is_encoded_for_nobody_and_no_task_is_made(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [await place.open() for _ in range(50)]
    calls: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def counted(*args: Any, **more: Any) -> Any:
            calls[name] += 1
            return real(*args, **more)

        monkeypatch.setattr(owner, name, counted)

    count(Connection, "send")
    count(WSStream, "app_send")
    count(WSStream, "_send_wsproto_event")
    count(asyncio.get_running_loop(), "create_task")
    count(StreamBuffer, "push")
    count(H2Connection, "send_data")
    frames = b"".join(text_frame(b"%d" % number) for number in range(20))
    for stream in streams:
        stream.wire.write(frames)
    await settled()
    assert calls == ({"send_data": 50} if place.send_lock else {"push": 50, "send_data": 50})
    assert all(bytes(stream.got) == frames for stream in streams)


async def test_what_flows_is_sent_before_the_turn_ends_and_never_copied_to_a_buffer(place: Place) -> None:
    stream = await place.open()
    stream.wire.write(text_frame(b"x"))
    assert stream.wire.buffered() == (0 if place.send_lock else 3)
    assert bytes(stream.got) == (b"\x81\x01x" if place.send_lock else b"")


# Backpressure -------------------------------------------------------------------------------------


async def test_what_a_closed_window_holds_back_is_counted(place: Place) -> None:
    stream = await place.open()
    assert stream.wire.buffered() == 0
    stream.wire.write(b"x" * (WINDOW + 100))
    assert stream.wire.buffered() == WINDOW + 100
    await settled()
    assert stream.wire.buffered() == 100
    stream.wire.write(b"y" * 40_000)  # beyond the mark at which Hypercorn's own `push` waits
    stream.wire.write(b"z" * 40_000)
    await settled()
    assert stream.wire.buffered() == 80_100
    await place.read(stream, 80_099)
    assert stream.wire.buffered() == 1
    await place.read(stream, 1)
    assert stream.wire.buffered() == 0
    assert bytes(stream.got) == b"x" * (WINDOW + 100) + b"y" * 40_000 + b"z" * 40_000


async def test_drained_waits_for_the_client_and_for_nothing_else(place: Place) -> None:
    stream = await place.open()
    await stream.wire.drained()
    stream.wire.write(b"x" * (WINDOW + 100))
    draining = asyncio.create_task(stream.wire.drained())
    await later(60)
    assert not draining.done()
    await place.read(stream, 100)
    assert draining.done()
    await stream.wire.drained()


async def test_what_the_client_takes_is_seen_and_nothing_else(place: Place, monkeypatch) -> None:
    kernel = [b"0"]
    monkeypatch.setattr(http2, "acked", lambda _: kernel[-1])
    stuck, other = await place.open(), await place.open()
    stuck.wire.write(b"x" * (WINDOW + 1000))
    await settled()
    before = stuck.wire.taken()
    other.wire.write(b"x" * 1000)
    kernel.append(b"1")  # acknowledged was what the other stream had to say
    await settled()
    assert stuck.wire.taken() == before
    await place.read(stuck, 1)
    assert stuck.wire.taken() != before


async def test_a_link_that_is_slow_is_seen_to_move_though_nothing_leaves_the_stream(
    place: Place, monkeypatch
) -> None:
    kernel = [b"0"]
    monkeypatch.setattr(http2, "acked", lambda _: kernel[-1])
    stream = await place.open()
    place.gate.clear()
    stream.wire.write(b"x" * (WINDOW - 1))
    await settled()
    before = stream.wire.taken()
    await later(60)
    assert stream.wire.taken() == before
    kernel.append(b"1")
    assert stream.wire.taken() != before
    place.gate.set()
    await settled()
    place.client.reset_stream(stream.id)
    await place.tell()
    stream.wire.taken()  # a stream that is gone has no window, and that is no fault


async def test_a_stuck_stream_holds_up_no_other(place: Place) -> None:
    stuck, other = await place.open(), await place.open()
    stuck.wire.write(b"x" * (WINDOW + HIGH_WATER))
    await settled()
    other.wire.write(b"y" * 1000)
    await settled()
    assert bytes(other.got) == b"y" * 1000
    assert stuck.wire.buffered() == HIGH_WATER


@pytest.mark.parametrize("way", ["reset", "connection"])
async def test_a_client_that_is_gone_keeps_nobody_waiting(place: Place, way: str) -> None:
    stream = await place.open()
    stream.wire.write(b"x" * (WINDOW + 100))
    draining = asyncio.create_task(stream.wire.drained())
    await settled()
    if way == "reset":
        place.client.reset_stream(stream.id)
        await place.tell()
    else:
        await place.protocol.handle(Closed())
        await settled()
    assert draining.done()
    assert stream.disconnected
    stream.wire.write(b"more")
    assert stream.wire.buffered() == 0
    assert stream.id not in place.protocol.stream_buffers or way == "connection"


# Order --------------------------------------------------------------------------------------------


async def test_pongs_stand_between_whole_frames_in_their_turn(place: Place) -> None:
    stream = await place.open()
    socket = Connection(ConnectionType.CLIENT)
    for number in range(3):
        stream.wire.write(text_frame(b"before %d" % number))
        place.client.send_data(stream.id, socket.send(Ping(b"%d" % number)))
        await place.tell()
    stream.wire.write(text_frame(b"after"))
    await settled()
    assert [event.payload if isinstance(event, Pong) else event.data for event in stream.events] == [
        *("before 0", b"0", "before 1", b"1", "before 2", b"2", "after")
    ]


async def test_what_fits_into_a_frame_does_not_pass_what_does_not(place: Place) -> None:
    stream = await place.open()
    texts = ["x" * 20_000, "y", "z" * 40_000, "-"]
    for text in texts:
        stream.wire.write(text_frame(text.encode()))
    await place.read(stream, 1_000_000)
    assert "".join(event.data for event in stream.events) == "".join(texts)


async def test_nothing_passes_what_was_written_before(place: Place) -> None:
    """Hypercorn's task took the first from the buffer, and is held up on its way to the transport."""
    stream = await place.open()
    place.gate.clear()
    place.transport.held = 1
    stream.wire.write(text_frame(b"1"))
    await settled()
    assert stream.wire.buffered() == 0
    place.transport.held = 0
    stream.wire.write(text_frame(b"2"))
    assert not stream.got
    place.gate.set()
    # The one that held the lock has let go of it, and who waited for it did not run yet.
    stream.wire.write(text_frame(b"3"))
    await settled()
    stream.wire.write(text_frame(b"4"))
    await settled()
    assert [event.data for event in stream.events] == ["1", "2", "3", "4"]


async def test_nothing_passes_a_frame_that_only_awaits_its_turn(place: Place) -> None:
    one, two = await place.open(), await place.open()
    place.gate.clear()
    place.transport.held = 1
    one.wire.write(text_frame(b"1"))
    await settled()
    socket = Connection(ConnectionType.CLIENT)
    place.client.send_data(two.id, socket.send(Ping(b"1")))
    reading = asyncio.create_task(place.tell())
    await settled()
    place.transport.held = 0
    place.gate.set()
    for number in range(20):
        two.wire.write(text_frame(b"%d" % number))
        await asyncio.sleep(0)
    await reading
    await settled()
    pong, *texts = two.events
    assert isinstance(pong, Pong)
    assert [event.data for event in texts] == [str(number) for number in range(20)]


async def test_pings_of_a_client_that_takes_nothing_are_not_answered(place: Place) -> None:
    stream = await place.open()
    socket = Connection(ConnectionType.CLIENT)
    stream.wire.write(text_frame(b"x" * (WINDOW + HIGH_WATER)))
    await settled()
    held = stream.wire.buffered()
    for _ in range(100):
        place.client.send_data(stream.id, socket.send(Ping(b"x" * 125)))
        await place.tell()
    assert stream.wire.buffered() == held
    await place.read(stream, 1_000_000)
    place.client.send_data(stream.id, socket.send(Ping(b"now")))
    await place.tell()
    assert [event.payload for event in stream.events if isinstance(event, Pong)] == [b"now"]


async def test_the_close_frame_is_the_last_and_the_stream_ends(place: Place) -> None:
    stream = await place.open()
    stream.wire.write(text_frame(b"before"))
    stream.wire.close(4401, "over")
    stream.wire.write(text_frame(b"after"))
    stream.wire.close(1008, "again")
    await settled()
    text, close = stream.events
    assert isinstance(text, TextMessage)
    assert text.data == "before"
    assert (close.code, close.reason) == (4401, "over")
    assert stream.ended


# Ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["server", "client"])
async def test_a_client_that_does_not_take_its_close_is_cut_off(place: Place, who: str) -> None:
    stuck, other = await place.open(), await place.open()
    stuck.wire.write(b"x" * (WINDOW + HIGH_WATER))
    if who == "server":
        stuck.wire.close(1013, "reading too slowly")
    else:
        close_frame(place, stuck)
        await place.tell()
    await later(CLOSE_SECONDS / 2)
    assert stuck.reset is None
    await later(CLOSE_SECONDS)
    assert stuck.reset is not None
    assert stuck.wire.buffered() == 0
    assert list(place.protocol.stream_buffers) == list(place.protocol.streams) == [other.id]
    assert not place.transport.aborted
    other.wire.write(b"y")
    await settled()
    assert other.got == b"y"


@pytest.mark.parametrize("held", [0, 1])
async def test_a_link_that_takes_nothing_is_cut_with_its_last_stream(place: Place, held: int) -> None:
    one, two = await place.open(), await place.open()
    place.transport.held = held
    one.wire.close(1012, "leaving")
    await later(2 * CLOSE_SECONDS)
    assert not place.transport.aborted
    two.wire.close(1012, "leaving")
    await later(2 * CLOSE_SECONDS)
    assert place.transport.aborted == bool(held)


def close_frame(place: Place, stream: Stream) -> None:
    place.client.send_data(stream.id, Connection(ConnectionType.CLIENT).send(CloseConnection(1000)))


LEAVE: dict[str, Callable[[Place, Stream], None]] = {
    "close frame": close_frame,
    "end": lambda place, stream: place.client.end_stream(stream.id),
    "reset": lambda place, stream: place.client.reset_stream(stream.id),
}


@pytest.mark.parametrize("way", LEAVE)
async def test_nothing_is_left_of_a_client_that_left(place: Place, way: str) -> None:
    stream = await place.open()
    assert place.idle is False
    LEAVE[way](place, stream)
    await place.tell()
    assert stream.disconnected
    assert stream.ended == (way != "reset")
    await later(2 * CLOSE_SECONDS)
    assert not place.protocol.streams
    assert not place.protocol.stream_buffers
    assert place.client.open_outbound_streams == 0
    assert place.protocol.connection.open_inbound_streams == 0
    assert place.idle is True


async def test_an_answer_to_the_close_of_a_stream_that_ended_hurts_nobody(place: Place) -> None:
    one, two = await place.open(), await place.open()
    one.wire.close(1008, "enough")
    await settled()
    assert one.ended
    close_frame(place, one)
    await place.tell()
    place.client.end_stream(one.id)
    await place.tell()
    two.wire.write(b"y")
    await settled()
    assert two.got == b"y"
    assert one.reset is None


# Where it is not as it was ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["_handle_events", "_window_updated", "stream_buffers", "streams", "closed"])
async def test_without_a_part_of_hypercorn_there_is_no_wire(place: Place, name: str) -> None:
    stream = await place.open()
    assert isinstance(stream.wire, StreamWire)
    send = place.protocol.streams[stream.id].app_send  # type: ignore[union-attr]

    class Later(H2Protocol):
        """Of a version that has this no more."""

        def __getattribute__(self, wanted: str) -> Any:
            if wanted == name:
                raise AttributeError(wanted)
            return super().__getattribute__(wanted)

    place.protocol.__class__ = Later
    try:
        assert hypercorn.ready_wire(send, mock.Mock(), mock.Mock()) is None
    finally:
        place.protocol.__class__ = H2Protocol


async def test_under_another_server_there_is_no_wire() -> None:
    async def send(_: Any) -> None:
        raise AssertionError

    hypercorn.prepare(send)
    assert hypercorn.ready_wire(send, mock.Mock(), mock.Mock()) is None


async def test_a_client_that_is_gone_before_its_goodbye_is_no_error() -> None:
    """uvloop says "not connected" then, which Hypercorn does not know."""
    gone, reader = mock.Mock(), asyncio.StreamReader()
    gone.get_extra_info.return_value = None
    gone.wait_closed = mock.AsyncMock(side_effect=OSError(errno.ENOTCONN, "not connected"))
    loop = asyncio.get_running_loop()
    reader.feed_data(b"read ahead")
    connection = TCPConnection(mock.Mock(), loop, Config(), WorkerContext(None), {}, reader, gone)
    await connection._close()
    gone.wait_closed.assert_awaited_once()
    assert not reader._buffer
