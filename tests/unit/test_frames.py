"""RFC 6455 text frames, made once and joined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from quartchat.frames import PING, payloads, text_frame


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
