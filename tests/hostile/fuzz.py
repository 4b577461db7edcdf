"""The pure decoders, each as a function of bytes that raises only for a fault of ours.

    python -m tests.hostile.fuzz [SECONDS]     each target for so long (20), guided by coverage; needs atheris

What is taken in must be fit to go out: strict UTF-8, no lone surrogates, finite numbers.
"""

from __future__ import annotations

import contextlib
import gc
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType

from brokers import codec
from brokers.rabbitmq.wire import Batch, Past, pack_batch, unpack_batch
from brokers.redis.follower import unpack_batch as unpack_published
from quartchat import frames, names, presence, protocol

from .frames import frame as client_frame
from .link import strict

USER = protocol.User("u", "name")


def _text(data: bytes) -> str:
    """A text, with lone surrogates where the bytes hold them."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def _v1(data: bytes) -> None:
    text = _text(data)
    found = protocol.decode(text)
    if isinstance(found, protocol.Send):
        _sent(found.id, found.message)


def _plain(data: bytes) -> None:
    found = protocol.decode_plain(data.decode("utf-8", "replace"))
    if isinstance(found, str):
        _sent("id", found)


def _sent(message_id: str, text: str) -> None:
    """What becomes of a message: stored, read back, framed for both dialects."""
    if protocol.refusal_of(text, 8192):
        return
    key, _, stored = protocol.store(message_id, text, USER, 1)
    message = protocol.load(key, stored)
    for frame in (protocol.message_frame("p", None, message), protocol.plain_frame(message)):
        for payload in frames.payloads(frame):
            assert strict(payload)["message"] == text


def _stored(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        message = protocol.load(KEY, data)
        for payload in frames.payloads(protocol.message_frame("p", None, message)):
            strict(payload)


def _entry(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        blob = codec.unpack(data)
        assert codec.unpack(codec.pack(*(getattr(blob, name) for name in blob.__struct_fields__))) == blob


def _batch(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        unpack_batch(data)


def _published(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        unpack_published(b"E" + data)


def _notice(data: bytes) -> None:
    found = presence.decode(data)
    if found is not None:
        for user_id, name in found.people or ():
            for payload in frames.payloads(protocol.frame("typing", user=protocol.User(user_id, name))):
                strict(payload)


def _frame(data: bytes) -> None:
    at = 0
    while (found := frames.text_at(data, at)) is not None:
        found[0].encode()
        assert found[1] > at
        at = found[1]


def _name(data: bytes) -> None:
    text = _text(data)
    for rule in (names.room_name, names.person_name):
        with contextlib.suppress(names.BadName):
            name = rule(text)
            name.encode()
            assert rule(name) == name


def _position(data: bytes) -> None:
    codec.place(data.decode("utf-8", "replace"))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "v1": _v1,
    "plain": _plain,
    "stored": _stored,
    "entry": _entry,
    "batch": _batch,
    "published": _published,
    "notice": _notice,
    "frame": _frame,
    "name": _name,
    "position": _position,
}

KEY, DIGEST, STORED = protocol.store("i", "hello", USER, 1)
BLOB = codec.pack(KEY, DIGEST, 1, STORED)

SEEDS: dict[str, list[bytes]] = {
    "v1": [b'{"type":"send","id":"i","message":"hello"}', b'{"type":"typing"}', b'{"type":"ping"}'],
    "plain": [b'{"message":"hello"}'],
    "stored": [STORED],
    "entry": [BLOB],
    "batch": [pack_batch(Batch("e", 1, "w", 2, [("room", BLOB)], Past([0], [(0, b"body")])))],
    "published": [b"poch 1 proof\n" + struct.pack(">I", len(BLOB)) + BLOB],
    "notice": [presence.encode(presence.Notice("p", "i", 1, [("u", "name")]))],
    "frame": [client_frame(b"hello"), client_frame(b"x" * 200)],
    "name": ["방 2".encode(), b"a-b_c.d"],
    "position": [codec.position("e", 255, codec.proof_of(BLOB)).encode()],
}
"""What is taken: from bytes alone the fuzzer does not find a whole one, as C code gives it no hints."""


def _guided(name: str, seconds: str) -> None:
    import atheris

    # Ours alone: all there are take minutes.
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and (each.__module__ or "").startswith(("brokers", "quartchat")):
            atheris.instrument_func(each)
    with tempfile.TemporaryDirectory(prefix="quartchat-fuzz-") as corpus:
        for number, seed in enumerate(SEEDS[name]):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, corpus], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _guided(sys.argv[2], sys.argv[1])
    else:
        wait = sys.argv[1] if len(sys.argv) > 1 else "20"
        for each in TARGETS:
            print(f"--- {each}", flush=True)
            subprocess.run([sys.executable, "-m", "tests.hostile.fuzz", wait, each], check=True)
