"""What somebody who can write to the broker, but not as this program does, may leave there."""

from __future__ import annotations

import json
import random

import msgspec

from brokers import codec

from . import texts
from .inputs import PLANTED

_pack = msgspec.msgpack.encode

EVIL = PLANTED["a payload at the broker"]
"""Stands in every payload that could be shown: none of it may reach anybody."""


def message(rng: random.Random) -> bytes:
    """JSON that is nearly a stored message."""
    user: dict[str, object] = {"id": "u-evil", "name": EVIL}
    whole: dict[str, object] = {"id": "m1", "message": EVIL, "user": user, "time": "2026-01-01T00:00:00.000Z"}
    what = rng.randrange(6)
    if what == 0:
        del whole[rng.choice(sorted(whole))]
    elif what == 1:
        whole[rng.choice(sorted(whole))] = rng.choice([*texts.WORDS[:6], [], {}, {"a": EVIL}])
    elif what == 2:
        user["name"] = rng.choice(("", EVIL + "\x00", "\u202e" + EVIL, "\n" + EVIL, EVIL * 99, 5))
    elif what == 3:
        whole["time"] = rng.choice(("", "now", "9999", "2026-01-01", "<b>", "2026-01-01T00:00:00.000Z\n"))
    elif what == 4:
        user["id"] = rng.choice(("", "a b", "<script>", "é", "u" * 65, "u\x00"))
    else:
        whole["id"] = rng.choice(("", "a b", "<script>", "é", "i" * 65, "../x"))
    return json.dumps(whole).encode()


def blob(rng: random.Random) -> bytes:
    """Bytes that are nearly an entry."""
    what = rng.randrange(8)
    if what == 0:
        return rng.randbytes(rng.choice((0, 1, 5, 300)))
    if what == 1:
        return b"\x91" * rng.choice((10, 100_000))
    if what == 2:
        return _pack(["k", b"d" * 17, 1, b"x"])
    if what == 3:
        return _pack(["k", b"d", rng.choice((-1, 2**60, 1.5)), b"x"])
    if what == 4:
        return _pack([b"k", "d", 1, "x"])
    if what == 5:
        return b"\x94\xa2\xff\xfe\xc4\x01d\x01\xc4\x01x"  # a key that is not UTF-8
    data = (
        message(rng) if what == 6 else rng.choice((b"\xff", b'{"id":"\\ud800"}', b"[" * 90_000, b"NaN", b""))
    )
    return codec.pack("u-evil:m1", b"d" * 8, codec.now_ms(), data)


def notice(rng: random.Random) -> bytes:
    """Bytes that are nearly a signal."""
    people: object = rng.choice(
        (
            *(
                [["", EVIL]],
                [["a b", EVIL]],
                [["u", "\u202e" + EVIL]],
                [["u", EVIL * 99]],
                [["u"]],
                "people",
                5,
            ),
            *([["u", EVIL]] * 500, {"u": EVIL}, [[1, 2]], [["u", b"\xff"]]),
        )
    )
    made: list[object] = [rng.choice("ptp"), "evil-instance", rng.choice((1, 2)), people]
    if rng.random() < 0.4:
        made[rng.randrange(3)] = rng.choice((None, -1, 2**40, "", "x" * 500, [], EVIL * 30))
        if made[:3] == ["p", "evil-instance", -1]:
            made[3] = None
    if rng.random() < 0.2:
        return rng.randbytes(rng.randrange(200))
    return _pack(made)
