"""RFC 6455 text frames, made once and joined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import Event, TextMessage
from wsproto.frame_protocol import FrameProtocol, Opcode

from quartchat.frames import PING, payloads, text_at, text_frame
from tests.unit.links import client_frame


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "8100"),
        (1, "8101"),
        (125, "817d"),
        (126, "817e007e"),
        (127, "817e007f"),
        (65535, "817effff"),
        (65536, "817f0000000000010000"),
        (1_000_000, "817f00000000000f4240"),
    ],
)
def test_the_shortest_form_of_the_length_is_used(size, header) -> None:
    frame = text_frame(b"x" * size)
    assert frame == bytes.fromhex(header) + b"x" * size


def understood(data: bytes) -> list[tuple[Opcode, str]]:
    """What a client's library makes of it."""
    reader = FrameProtocol(client=True, extensions=[])
    reader.receive_bytes(data)
    parts: list[tuple[Opcode, str]] = []
    whole = ""
    for frame in reader.received_frames():
        whole += frame.payload if isinstance(frame.payload, str) else bytes(frame.payload).decode()
        if frame.frame_finished and frame.message_finished:
            parts.append((frame.opcode, whole))
            whole = ""
    return parts


SIZES = [0, 1, 125, 126, 127, 65535, 65536, 70000]


@pytest.mark.parametrize("size", SIZES)
def test_another_library_reads_the_same_text(size) -> None:
    assert understood(text_frame(b"x" * size)) == [(Opcode.TEXT, "x" * size)]


def test_joined_frames_come_apart_again_and_pings_are_left_out() -> None:
    texts = [b"y" * size for size in SIZES]
    joined = PING + PING.join(text_frame(text) for text in texts) + PING
    assert list(payloads(joined)) == texts


def test_a_ping_is_an_empty_ping_frame() -> None:
    assert understood(PING) == [(Opcode.PING, "")]


def test_no_frames_hold_no_payloads() -> None:
    assert list(payloads(b"")) == []


@given(st.lists(st.text(max_size=300)))
def test_every_text_comes_through(texts) -> None:
    encoded = [text.encode("utf-8", "replace") for text in texts]
    assert list(payloads(b"".join(map(text_frame, encoded)))) == encoded


# What clients send ------------------------------------------------------------------------------------------


def reference(data: bytes) -> list[Event]:
    """What the server's library makes of it."""
    server = Connection(ConnectionType.SERVER)
    server.receive_data(data)
    return list(server.events())


@pytest.mark.parametrize("mask", [bytes(4), b"\xff" * 4, b"\x00\x00\x00\x01", b"abcd"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 125, 126, 127, 128, 65534, 65535])
def test_a_client_s_text_is_read_whatever_its_length_and_mask(size, mask) -> None:
    text = ("0123456789" * 6554)[:size]
    frame = client_frame(text.encode(), mask=mask)
    assert text_at(frame, 0) == (text, len(frame))


@pytest.mark.parametrize("text", ["é", "한국어", "🎉👩‍👩‍👧", "\x00", "\ufeff", "\U0010ffff", "a\u202eb"])
def test_a_client_s_text_may_be_of_any_script(text) -> None:
    frame = client_frame(text.encode())
    assert text_at(frame, 0) == (text, len(frame))


def test_the_frames_of_one_segment_are_read_one_after_the_other() -> None:
    texts = ["a", "", "b" * 200, "한", "c" * 65535, "d"]
    data, at, found = b"".join(client_frame(text.encode()) for text in texts), 0, []
    while (next_one := text_at(data, at)) is not None:
        text, at = next_one
        found.append(text)
    assert found == texts
    assert at == len(data)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 300])
def test_a_frame_that_is_not_there_as_a_whole_is_left_to_the_server(size) -> None:
    frame = client_frame(b"x" * size)
    assert [at for at in range(len(frame)) if text_at(frame[:at], 0) is not None] == []
    assert text_at(b"before" + frame[:-1], 6) is None


@pytest.mark.parametrize(
    "frame",
    [
        client_frame(b"x", 2),
        client_frame(b"x", 0),
        client_frame(b"x", fin=False),
        client_frame(b"x", 0, fin=False),
        client_frame(b"", 9),
        client_frame(b"", 10),
        client_frame(b"\x03\xe8", 8),
        client_frame(b"x", 3),
        client_frame(b"x", 11),
        client_frame(b"x" * 50, mask=None),
        client_frame(b"x" * 200, mask=None),
        *(client_frame(b"x", rsv=rsv) for rsv in range(1, 8)),
        client_frame(b"x", form=2),
        client_frame(b"x" * 125, form=2),
        client_frame(b"x", form=8),
        client_frame(b"x" * 200, form=8),
        client_frame(b"x" * 65536),
        client_frame(b"\xff"),
        client_frame(b"\xc3"),
        client_frame(b"\xed\xa0\x80"),
        client_frame(b"\xc0\x80"),
        client_frame(b"\xf4\x90\x80\x80"),
    ],
    ids=lambda frame: frame[:12].hex(),
)
def test_what_is_not_plain_is_left_to_the_server(frame) -> None:
    assert text_at(frame + client_frame(b"after"), 0) is None


MASKS = st.one_of(st.just(bytes(4)), st.binary(min_size=4, max_size=4))
PAYLOADS = st.one_of(
    st.sampled_from([0, 1, 125, 126, 127, 65535, 65536]).map(lambda size: b"y" * size),
    st.text(max_size=140).map(lambda text: text.encode("utf-8", "replace")),
    st.binary(max_size=140),
)
FRAMES = st.builds(
    client_frame,
    PAYLOADS,
    st.sampled_from([1, 1, 1, 1, 0, 2, 8, 9, 10, 3]),
    fin=st.sampled_from([True, True, True, False]),
    mask=st.one_of(MASKS, MASKS, MASKS, st.none()),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 2, 4]),
    form=st.sampled_from([0, 0, 0, 2, 8]),
)


@given(frames=st.lists(FRAMES, min_size=1, max_size=6), data=st.data())
def test_where_it_answers_the_server_s_library_reads_the_same(frames, data) -> None:
    whole = b"".join(frames)
    ends = [sum(map(len, frames[:number])) for number in range(len(frames) + 1)]
    cut = whole[: data.draw(st.one_of(st.sampled_from(ends), st.integers(0, len(whole))))]
    anywhere = data.draw(st.lists(st.integers(0, len(whole) + 20), max_size=8))
    for at in [*ends, *anywhere]:
        found = text_at(cut, at)
        if found is not None:
            text, end = found
            assert at < end <= len(cut)
            assert reference(cut[at:end]) == [TextMessage(text, frame_finished=True, message_finished=True)]
            # And it is whole there: a byte less, and there is no message yet.
            assert all(not event.message_finished for event in reference(cut[at : end - 1]))  # type: ignore[attr-defined]


@given(text=st.text(max_size=300), mask=MASKS, before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_every_plain_text_is_read(text, mask, before, after) -> None:
    payload = text.encode("utf-8", "replace")
    frame = client_frame(payload, mask=mask)
    assert text_at(before + frame + after, len(before)) == (payload.decode(), len(before) + len(frame))


@given(st.binary(max_size=40), st.integers(0, 45))
def test_noise_never_raises(noise, at) -> None:
    found = text_at(noise, at)
    assert found is None or reference(noise[at : found[1]]) == [TextMessage(found[0])]
