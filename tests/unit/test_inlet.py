"""The short way in over HTTP/1.1: what takes it, what does not, and that nobody can tell by the texts."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.events import CloseConnection, Pong

from quartchat import hypercorn
from quartchat.frames import text_frame
from quartchat.hypercorn.inlet import Inlet
from quartchat.hypercorn.stream import GULP
from quartchat.hypercorn.transport import CLOSE_SECONDS
from quartchat.member import IN_FLIGHT
from tests.unit.clock import ClockLoop, later, settled
from tests.unit.doubles import send
from tests.unit.links import V1, Client, Link, chat, client_frame, handshake, serving

LIMIT = 300


class Place:
    """An application that takes texts as the chat does, and says by which way they came."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str | None]] = []
        """The way, and the text; None for a binary message."""
        self.gate = asyncio.Event()
        """While it is shut, nothing is taken: a full member."""
        self.gate.set()
        self.refusals: Iterator[bool] = iter(())
        self.dally = 0
        """Turns that the usual way takes for each message."""
        self.begin = asyncio.Event()
        self.begin.set()
        self.accepted = False
        self.gone = asyncio.Event()
        self.wire: Any = None
        self.client: Client
        self.without = ""
        """A private part of wsproto that is not there, by its way from the connection."""

    async def app(self, scope: Any, receive: Any, send: Any, *_: Any) -> None:
        hypercorn.prepare(send)
        await receive()
        await self.begin.wait()
        assert hypercorn.feed(send, self.hear, mock.Mock())
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        if hypercorn.closed(send):
            self.gone.set()
        else:
            self.accepted = True
            with self.missing(send.__self__):
                self.wire = hypercorn.ready_wire(send, lambda *_: self.gone.set(), self.take)
        await self.gone.wait()

    @contextmanager
    def missing(self, stream: Any) -> Iterator[None]:
        if not self.without:
            yield
            return
        *way, name = self.without.split(".")
        owner = functools.reduce(getattr, way, stream.connection)
        known = type(owner)

        class Later(known):  # type: ignore[misc,valid-type]
            def __getattribute__(self, wanted: str) -> Any:
                if wanted == name:
                    raise AttributeError(wanted)
                return super().__getattribute__(wanted)

        owner.__class__ = Later
        yield
        owner.__class__ = known

    async def hear(self, event: Any) -> None:
        if event["type"] == "websocket.receive":
            for _ in range(self.dally):
                await asyncio.sleep(0)
            await self.gate.wait()
            self.heard.append(("usual", event["text"]))
        else:
            self.gone.set()

    def take(self, text: str) -> bool:
        if not self.gate.is_set() or next(self.refusals, False):
            return False
        self.heard.append(("direct", text))
        return True

    @property
    def texts(self) -> list[str | None]:
        return [text for _, text in self.heard]

    @property
    def link(self) -> Link:
        return self.client.link


@asynccontextmanager
async def place(*, without: str = "", **config: Any) -> AsyncIterator[Place]:
    made = Place()
    made.without = without
    async with serving(made.app, **{"websocket_max_message_size": LIMIT, **config}) as server:
        made.client = server.client()
        await made.client.open()
        yield made


def text(of: str) -> bytes:
    return client_frame(of.encode())


def cut(data: bytes, *places: int) -> list[bytes]:
    ends = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends)]


# Which way ------------------------------------------------------------------------------------------------


async def test_whole_frames_are_taken_before_the_transport_s_call_returns() -> None:
    async with place() as p:
        p.link.say(text("one"))
        assert p.heard == [("direct", "one")]
        p.link.say(text("two") + text("") + text("한" * 100), text("four"))
        assert p.heard[1:] == [("direct", "two"), ("direct", ""), ("direct", "한" * 100), ("direct", "four")]


PARTS: dict[str, list[bytes]] = {
    "a frame in two parts": cut(text("in parts"), 5),
    "a frame's head alone": cut(text("in parts"), 1),
    "a frame and a half": cut(text("whole") + text("half"), len(text("whole")) + 7),
    "fragments": [client_frame(b"frag", fin=False), client_frame(b"ments", 0)],
    "fragments in one segment": [client_frame(b"frag", fin=False) + client_frame(b"ments", 0)],
    "fragments around a ping": [
        client_frame(b"frag", fin=False),
        client_frame(b"", 9) + client_frame(b"m", 0),
    ],
    "a ping": [client_frame(b"?", 9)],
    "a pong": [client_frame(b"?", 10)],
    "a ping in two parts": cut(client_frame(b"question", 9), 4),
    "binary": [client_frame(b"\x00", 2)],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
async def test_what_is_not_whole_and_plain_goes_the_usual_way_and_what_follows_waits_for_it(
    parts: list[bytes],
) -> None:
    async with place() as p:
        p.dally = 3
        p.link.say(*parts, text("next"), text("last"))
        waiting = [item for item in p.heard if item[0] == "direct"]
        assert all(item == ("direct", "whole") for item in waiting)
        await settled()
        assert p.heard[-2:] == [("usual", "next"), ("usual", "last")]
        # All worked off: the short way is open again.
        p.link.say(text("again"))
        assert p.heard[-1] == ("direct", "again")


@pytest.mark.parametrize("opcode", [2, 9, 10])
@pytest.mark.parametrize("form", [0, 2])
async def test_what_looks_like_a_text_within_another_frame_is_none_wherever_it_is_cut(
    opcode: int, form: int
) -> None:
    """A frame within a frame, to be believed by whoever lost count."""
    inner = text("smuggled")
    if form:
        inner *= 10 if opcode == 2 else 8
    outer = client_frame(inner, opcode, mask=bytes(4))
    for at in range(1, len(outer)):
        async with place() as p:
            p.link.say(outer[:at])
            await settled()
            p.link.say(outer[at:] + text("next"))
            await settled()
            assert p.texts == ([None, "next"] if opcode == 2 else ["next"])


async def test_between_the_fragments_of_a_message_no_text_takes_the_short_way() -> None:
    async with place() as p:
        p.link.say(client_frame(b"begun", fin=False))
        await settled()
        p.link.say(text("a fault: a new message within another"))
        await settled()
        assert p.heard == []
        assert p.client.close_code == 1002


async def test_nothing_is_taken_after_a_close_frame() -> None:
    async with place() as p:
        p.link.say(text("before") + client_frame(b"\x03\xe8", 8) + text("after"), text("and later"))
        await settled()
        assert p.texts == ["before"]
        assert p.client.close_code == 1000
        assert p.gone.is_set()
        assert p.link.closing


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (client_frame(b"\xff"), 1007),
        (client_frame(b"x", mask=None), 1002),
        (client_frame(b"x", rsv=1), 1002),
        (client_frame(b"x", form=2), 1002),
        (client_frame(b"x", 0), 1002),
        (client_frame(b"x", 5), 1002),
        (client_frame(b"x", 8), 1002),
    ],
    ids=["utf-8", "no mask", "reserved bit", "length", "continuation", "opcode", "close of one byte"],
)
async def test_a_fault_is_told_and_nothing_is_taken_after_it(fault: bytes, code: int) -> None:
    async with place() as p:
        p.link.say(text("before") + fault + text("after"))
        p.link.say(text("later"))
        await settled()
        p.link.say(text("much later"))
        await settled()
        assert p.texts == ["before"]
        assert p.client.close_code == code


# Nobody can tell ------------------------------------------------------------------------------------------

SMALL = st.one_of(
    st.text(max_size=20).map(lambda found: found.encode("utf-8", "replace")),
    st.sampled_from([0, 1, 125, 126, 127, LIMIT, LIMIT + 1]).map(lambda size: b"y" * size),
    st.sampled_from([b"\xff", "한".encode()[:2]]),
)
WHOLE = st.builds(client_frame, SMALL, mask=st.binary(min_size=4, max_size=4))
CONTROL = st.builds(client_frame, st.binary(max_size=20), st.sampled_from([9, 10]))
FRAGMENTS = st.builds(
    lambda parts, between: b"".join(
        client_frame(part, 0 if number else 1, fin=number == len(parts) - 1) + between
        for number, part in enumerate(parts)
    ),
    st.lists(st.binary(max_size=3) | st.just(b"z" * 120), min_size=2, max_size=4),
    st.sampled_from([b"", client_frame(b"ping", 9)]),
)
ODD = st.builds(
    client_frame,
    SMALL,
    st.sampled_from([0, 1, 2, 3, 8, 9]),
    fin=st.booleans(),
    mask=st.sampled_from([b"abcd", bytes(4), None]),
    rsv=st.sampled_from([0, 0, 1]),
    form=st.sampled_from([0, 0, 2]),
)
SAID = st.lists(st.one_of(WHOLE, WHOLE, WHOLE, CONTROL, FRAGMENTS, ODD), min_size=1, max_size=8).map(b"".join)


async def outcome(
    chunks: list[bytes], pauses: list[int], refusals: list[bool], dally: int
) -> tuple[list[str | None], list[bytes], bool, int]:
    """The texts in order, answers to pings, whether the server closed; and how many came the short way."""
    async with place() as p:
        p.refusals, p.dally = iter(refusals), dally
        for chunk, pause in zip(chunks, pauses, strict=True):
            p.link.say(chunk)
            for _ in range(pause):
                await asyncio.sleep(0)
        await settled()
        events = p.client.events
        pongs = [bytes(event.payload) for event in events if isinstance(event, Pong)]
        closes = [event for event in events if isinstance(event, CloseConnection)]
        assert closes in ([], events[-1:])
        return p.texts, pongs, bool(closes), sum(way == "direct" for way, _ in p.heard)


def run(*given: Any) -> Any:
    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        return runner.run(outcome(*given))


@given(said=SAID, data=st.data())
def test_however_it_is_cut_the_same_comes_in_the_same_order_as_byte_by_byte(
    said: bytes, data: st.DataObject
) -> None:
    chunks = [part for part in cut(said, *data.draw(st.lists(st.integers(0, len(said)), max_size=6))) if part]
    pauses = data.draw(st.lists(st.integers(0, 4), min_size=len(chunks), max_size=len(chunks)))
    refusals = data.draw(st.lists(st.booleans(), max_size=5))
    found = run(chunks, pauses, refusals, data.draw(st.integers(0, 3)))
    expected = run([said[at : at + 1] for at in range(len(said))], [0] * len(said), [], 0)
    assert expected[3] == 0, "no frame is of one byte"
    assert found[:3] == expected[:3]


# A full member --------------------------------------------------------------------------------------------


async def test_what_is_refused_comes_later_in_order_and_then_the_short_way_is_open_again() -> None:
    async with place() as p:
        p.gate.clear()
        p.link.say(text("a") + text("b"), text("c"))
        await settled()
        p.link.say(text("d"))
        await settled()
        assert p.heard == []
        p.gate.set()
        # Now `take` would, but what was refused comes first.
        p.link.say(text("e"))
        assert p.heard == []
        await settled()
        assert p.heard == [("usual", name) for name in "abcde"]
        p.link.say(text("f"))
        assert p.heard[-1] == ("direct", "f")


async def test_a_client_that_says_too_much_is_not_read_on_until_there_is_room() -> None:
    async with place() as p:
        texts = [f"{number:05} " + "x" * 200 for number in range(4000)]
        said = b"".join(map(text, texts))
        p.gate.clear()
        p.link.say(*(said[at : at + 65536] for at in range(0, len(said), 65536)))
        await settled()
        assert not p.link.reading
        assert p.link.unread > len(said) / 2
        assert p.heard == []
        p.gate.set()
        await settled()
        assert p.link.reading
        assert p.texts == texts
        p.link.say(text("short"))
        assert p.heard[-1] == ("direct", "short")


@pytest.mark.parametrize("opcode", [9, 10])
async def test_a_ping_or_a_pong_is_a_sign_of_life(opcode: int) -> None:
    async with chat() as (hub, server):
        client = server.client()
        await client.open("/ws/chat/lobby/")
        (member,) = hub.members
        await later(10)
        assert hub.now() - member.heard >= 10
        client.link.say(client_frame(b"", opcode))
        await settled()
        assert hub.now() - member.heard < 1


async def test_a_full_member_s_texts_are_all_answered_in_order() -> None:
    async with chat() as (hub, server):
        client = server.client()
        await client.open("/ws/chat/lobby/", V1)
        count = 3 * IN_FLIGHT
        names = [f"m{number}" for number in range(count)]
        # In segments that are small enough to be taken at one go.
        segments = [names[at : at + 32] for at in range(0, count, 32)]
        client.link.say(*(b"".join(text(send(name, name)) for name in segment) for segment in segments))
        (member,) = hub.members
        assert member.in_flight == IN_FLIGHT
        await settled()
        messages = [found for found in client.texts if '"message"' in found and '"prev"' in found]
        assert [name for name in names if any(f'"id":"{name}"' in found for found in messages)] == names
        assert [found.split('"id":"')[1].split('"')[0] for found in messages] == names
        assert sum('"ack"' in found for found in client.texts) == count


# Too long -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 2, 7])
async def test_a_message_too_long_is_1009_once_and_nothing_follows_the_close_frame(parts: int) -> None:
    async with place() as p:
        data = text("before") + text("x" * (LIMIT + 1))
        size = len(data) // parts + 1
        p.link.say(*(data[at : at + size] for at in range(0, len(data), size)))
        p.link.say(text("after") + text("y" * (LIMIT + 1)))
        await settled()
        p.link.say(text("later"))
        p.wire.write(text_frame(b"to a client that was told to go"))
        await settled()
        assert p.texts == ["before"]
        (event,) = p.client.events
        assert event.code == 1009
        assert not p.link.closing
        await later(CLOSE_SECONDS)
        assert p.link.aborted
        assert p.gone.is_set()


async def test_a_client_that_was_told_1009_is_not_heard_any_more() -> None:
    async with place() as p:
        p.link.say(text("x" * (LIMIT + 1)))
        await settled()
        assert p.client.close_code == 1009
        assert not p.link.closing
        p.link.say(text("unmoved"))
        await settled()
        p.link.say(text("still"))
        await settled()
        assert p.heard == []
        assert p.client.close_code == 1009


async def test_the_longest_message_takes_the_short_way() -> None:
    async with place() as p:
        p.link.say(text("한" * (LIMIT // 3)))
        assert p.heard == [("direct", "한" * (LIMIT // 3))]


@pytest.mark.parametrize("whole", [True, False])
async def test_the_limit_is_in_bytes_however_a_message_comes(whole: bool) -> None:
    too_long = "한" * (LIMIT // 3) + "x"
    async with place() as p:
        if whole:
            p.link.say(text(too_long))
        else:
            first = client_frame(too_long[:50].encode(), fin=False)
            p.link.say(first + client_frame(too_long[50:].encode(), 0))
        await settled()
        assert p.heard == []
        assert p.client.close_code == 1009


# Before the accept ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["in one segment", "right after", "while the door thinks"])
async def test_a_client_that_speaks_before_it_is_accepted_is_400_and_the_application_is_told(
    when: str,
) -> None:
    made = Place()
    if when == "while the door thinks":
        made.begin.clear()
    async with serving(made.app) as server:
        client = server.client()
        await settled()
        if when == "in one segment":
            client.link.say(handshake() + text("early"))
        else:
            client.link.say(handshake())
            if when != "right after":
                await settled()
            client.link.say(text("early"))
        await settled()
        made.begin.set()
        await settled()
        assert client.status == 400
        assert made.gone.is_set()
        assert not made.accepted
        assert made.heard == []


async def test_an_application_that_only_receives_is_told_of_a_client_that_spoke_too_early() -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any, *_: Any) -> None:
        told.append((await receive())["type"])
        told.append((await receive())["type"])

    async with serving(app) as server:
        client = server.client()
        await settled()
        client.link.say(handshake() + text("early"))
        await settled()
        assert client.status == 400
        assert told == ["websocket.connect", "websocket.disconnect"]


@pytest.mark.parametrize(
    "frame", [text("{}"), text(""), client_frame(b"", 9), b"x", text("x" * 70_000)[:9000]]
)
async def test_a_client_that_speaks_too_early_leaves_no_member_and_no_hold(frame: bytes) -> None:
    async with chat() as (hub, server):
        client = server.client()
        await settled()
        client.link.say(handshake("/ws/chat/lobby/") + frame)
        await settled()
        assert client.status == 400
        assert not hub.members
        assert all(not room.members and not room.holds for room in hub.rooms.values())
        # Others are served.
        other = server.client()
        await other.open("/ws/chat/lobby/")
        other.link.say(text('{"message": "hello"}'))
        await settled()
        assert other.texts == ['{"message":"hello"}']


# Where there is no short way ------------------------------------------------------------------------------


async def test_with_a_time_limit_for_reading_all_goes_the_usual_way() -> None:
    async with place(read_timeout=60) as p:
        assert not isinstance(p.link.get_protocol(), Inlet)
        p.link.say(text("a") + text("b"), *cut(text("c"), 3))
        await settled()
        assert p.heard == [("usual", "a"), ("usual", "b"), ("usual", "c")]


async def test_a_client_that_says_nothing_is_cut_off_at_the_time_limit_and_one_that_speaks_is_not() -> None:
    async with place(read_timeout=60) as p:
        for number in range(4):
            await later(50)
            p.link.say(text(f"{number}"))
        await settled()
        assert p.texts == ["0", "1", "2", "3"]
        assert not p.link.closing
        await later(61)
        assert p.link.closing


@pytest.mark.parametrize(
    "name",
    [
        "_proto",
        "_proto._frame_decoder",
        "_proto._frame_decoder.buffer",
        "_proto._frame_decoder.header",
        "_proto._message_decoder",
        "_proto._message_decoder.opcode",
    ],
)
async def test_with_another_wsproto_all_goes_the_usual_way(name: str) -> None:
    async with place(without=name) as p:
        assert not isinstance(p.link.get_protocol(), Inlet)
        assert p.wire is not None
        p.link.say(text("a") + text("b"), *cut(text("c"), 3))
        await settled()
        assert p.heard == [("usual", "a"), ("usual", "b"), ("usual", "c")]


async def test_the_short_way_is_there_with_this_wsproto_and_hypercorn() -> None:
    async with place() as p:
        assert isinstance(p.link.get_protocol(), Inlet)


# The end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["end of file", "reset"])
async def test_the_end_of_a_link_is_told(way: str) -> None:
    async with place() as p:
        p.link.say(text("last"))
        if way == "reset":
            p.link.abort()
        else:
            p.link.leave()
        await settled()
        assert p.texts == ["last"]
        assert p.gone.is_set()
        assert p.link.closing


async def test_of_a_flood_in_one_segment_only_so_much_is_taken_before_others_get_their_turn() -> None:
    stream = mock.Mock(clear=True, **{"buffer.max_length": 100})
    inner, taken = mock.Mock(), list[str]()

    def take(given: str) -> bool:
        taken.append(given)
        return True

    flood = [text(str(number)) for number in range(1000)]
    Inlet(inner, stream, take).data_received(b"".join(flood))
    assert taken == [str(number) for number in range(GULP)]
    rest = b"".join(flood[GULP:])
    stream.expect.assert_called_once_with(len(rest))
    inner.data_received.assert_called_once_with(rest)
