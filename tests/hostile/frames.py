"""Frames that break RFC 6455, or try how far it goes."""

from __future__ import annotations

import json
import random
import zlib
from itertools import pairwise

from .inputs import Input, Kind

LIMIT = 6 * 8192 + 1024
"""Characters in a message that the server takes by default."""

FAULT = frozenset({"1002"})
NOT_TEXT = frozenset({"1007"})
TOO_BIG = frozenset({"1009"})
LIVES = frozenset({"lives"})
ANY = frozenset({"lives", "left", "1000", "1001", "1002", "1003", "1005", "1007", "1008", "1009", "ended"})
"""For random bytes: whatever a server may answer to a frame, but no fault of its own (1011)."""

MAY_BE_SENT = [*range(1000, 1004), *range(1007, 1012), 1012, 1013, 3000, 3999, 4000, 4999]


def frame(
    payload: bytes,
    opcode: int = 1,
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x1a\x2b\x3c\x4d",
    length: int | None = None,
    form: int | None = None,
) -> bytes:
    """One frame of a client. `length` may lie; `form` is the number of bytes it is said in (1, 2, 8)."""
    size = len(payload) if length is None else length
    form = form or (1 if size < 126 else 2 if size < 65536 else 8)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0 if mask is None else 0x80
    if form == 1:
        head = bytes((first, flag | size))
    else:
        head = bytes((first, flag | (126 if form == 2 else 127))) + size.to_bytes(form, "big")
    if mask is None:
        return head + payload
    whole = mask * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(whole[: len(payload)], "big")
    return head + mask + number.to_bytes(len(payload), "big")


def send_text(rng: random.Random, message: str = "hello") -> bytes:
    """A good `send`."""
    sent = {"type": "send", "id": f"{rng.getrandbits(60):x}", "message": message}
    return json.dumps(sent).encode()


def _frames(*parts: bytes, allowed: frozenset[str], **more: object) -> Input:
    return Input("frames", b"".join(parts), allowed, **more)  # type: ignore[arg-type]


def _mask(rng: random.Random) -> bytes:
    return rng.randbytes(4)


def reserved_bits(rng: random.Random) -> Input:
    opcode = rng.choice((1, 2, 8, 9, 10))
    body = frame(rng.randbytes(rng.randrange(60)), opcode, rsv=rng.randrange(1, 8), mask=_mask(rng))
    return _frames(body, allowed=FAULT)


def reserved_opcodes(rng: random.Random) -> Input:
    opcode = rng.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15))
    body = frame(rng.randbytes(rng.randrange(60)), opcode, fin=rng.random() < 0.7, mask=_mask(rng))
    return _frames(body, allowed=FAULT)


def unmasked(rng: random.Random) -> Input:
    opcode = rng.choice((1, 2, 8, 9, 10))
    body = frame(b'{"type":"ping"}' if opcode == 1 else b"", opcode, mask=None)
    return _frames(body, allowed=FAULT)


BAD_UTF8 = (
    *(
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88",
    ),
    *(
        b"\x80",
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xc3\x28",
        b"\xf0\x28\x8c\xbc",
        b"\xfe\xff",
        b"\xc1\xbf",
    ),
)


def bad_utf8(rng: random.Random) -> Input:
    text = "한글 ключ 🎉 text".encode()
    text = text + rng.choice(BAD_UTF8)
    if text[-1] < 0x80 or rng.random() < 0.5:
        text += b" after"
    cuts = sorted(rng.sample(range(1, len(text)), rng.randrange(0, 4)))
    edges = [0, *cuts, len(text)]
    parts = [text[a:b] for a, b in pairwise(edges)]
    last = len(parts) - 1
    return _frames(
        *(frame(p, 0 if n else 1, fin=n == last, mask=_mask(rng)) for n, p in enumerate(parts)),
        allowed=NOT_TEXT,
    )


def out_of_turn(rng: random.Random) -> Input:
    if rng.random() < 0.5:
        body = frame(b"x" * rng.randrange(5), 0, fin=rng.random() < 0.5)
    else:
        opener = frame(b'{"type"', rng.choice((1, 2)), fin=False)
        body = opener + frame(b"x", rng.choice((1, 2)), fin=rng.random() < 0.5)
    return _frames(body, allowed=FAULT)


def empty_fragments(rng: random.Random) -> Input:
    count = rng.choice((1, 10, 100, 300, 500, 10_000))
    start = frame(b"", 1, fin=False, mask=_mask(rng))
    between = frame(b"", 0, fin=False, mask=_mask(rng)) * count
    ping = frame(b"", 9) if rng.random() < 0.3 else b""
    end = frame(rng.choice((b"", b'{"type":"pong"}')), 0, mask=_mask(rng))
    return _frames(start, between, ping, end, allowed=LIVES, parts=count)


def one_byte_fragments(rng: random.Random) -> Input:
    text = send_text(rng, "한글 🎉" * rng.choice((1, 3, 200)))
    parts = [
        frame(text[n : n + 1], 0 if n else 1, fin=n == len(text) - 1, mask=_mask(rng))
        for n in range(len(text))
    ]
    return _frames(*parts, allowed=LIVES, parts=len(parts))


def bad_control(rng: random.Random) -> Input:
    opcode = rng.choice((8, 9, 10))
    if rng.random() < 0.5:
        body = frame(rng.randbytes(rng.choice((126, 127, 200, 65535, 70_000))), opcode, mask=_mask(rng))
    else:
        body = frame(b"ab", opcode, fin=False, mask=_mask(rng)) + frame(b"cd", 0)
    return _frames(body, allowed=FAULT)


def ping_flood(rng: random.Random) -> Input:
    ping = frame(rng.randbytes(rng.randrange(126)), rng.choice((9, 9, 10)), mask=_mask(rng))
    count = rng.choice((10, 100, 500, 2000))
    return _frames(ping * count, allowed=LIVES, parts=count)


def huge_lengths(rng: random.Random) -> Input:
    opcode = rng.choice((1, 2))
    if rng.random() < 0.5:
        length = 2**63 + rng.choice((0, 1, 2**62, 2**63 - 1))
        return _frames(frame(b"x" * 8, opcode, length=length, form=8), allowed=FAULT)
    length = rng.choice((2**63 - 1, 2**62, 2**40, 2**32, LIMIT + 100))
    body = frame(b"x" * (LIMIT + 80_000), opcode, length=max(length, LIMIT + 80_000), form=8)
    return _frames(body, allowed=TOO_BIG)


def lengths_in_more_bytes(rng: random.Random) -> Input:
    size = rng.randrange(126)
    form = rng.choice((2, 8))
    if form == 8 and rng.random() < 0.5:
        size = rng.randrange(126, 65536)
    return _frames(frame(b"x" * size, rng.choice((1, 2)), form=form), allowed=FAULT)


def at_the_limit(rng: random.Random) -> Input:
    over = rng.random() < 0.5
    text = b"x" * (LIMIT + over)
    if rng.random() < 0.5:
        body = frame(text, mask=_mask(rng))
    else:
        at = rng.randrange(1, len(text))
        body = frame(text[:at], fin=False) + frame(text[at:], 0, mask=_mask(rng))
    return _frames(body, allowed=TOO_BIG if over else LIVES)


def never_ends(rng: random.Random) -> Input:
    part = rng.choice(("x", "한", "🎉")).encode() * rng.choice((1, 10, 100, 1000))
    if rng.random() < 0.3:  # not even over the limit yet
        return _frames(frame(part, fin=False), allowed=frozenset({"left"}), open_ended=True)
    count = 3 * LIMIT // len(part.decode())
    body = frame(part, 1, fin=False) + frame(part, 0, fin=False) * count
    return _frames(body, allowed=TOO_BIG, parts=count)


def bad_closes(rng: random.Random) -> Input:
    pick = rng.random()
    if pick < 0.2:
        payload = rng.randbytes(1)
    elif pick < 0.4:
        payload = (1000).to_bytes(2, "big") + rng.choice(BAD_UTF8) + b"."
        return _frames(frame(payload, 8, mask=_mask(rng)), allowed=NOT_TEXT)
    else:
        code = rng.choice((0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535))
        payload = code.to_bytes(2, "big") + b"why" * rng.randrange(3)
    return _frames(frame(payload, 8, mask=_mask(rng)), allowed=FAULT)


def after_a_close(rng: random.Random) -> Input:
    code = rng.choice(MAY_BE_SENT)
    payload = rng.choice((b"", code.to_bytes(2, "big"), code.to_bytes(2, "big") + "안녕".encode()))
    after = rng.choice(
        (frame(send_text(rng, "after-close")), frame(b"", 8), rng.randbytes(40), frame(b"x", 9))
    )
    answer = str(code) if payload else "1005"
    return _frames(frame(payload, 8), after, allowed=frozenset({answer}))


def bombs(rng: random.Random) -> Input:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    size = rng.choice((10, 1000, 1 << 20, 8 << 20))
    data = squeeze.compress(b" " * size) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    body = frame(data[:-4], rng.choice((1, 2)), rsv=4, mask=_mask(rng))
    return _frames(body, allowed=FAULT)


def binary(rng: random.Random) -> Input:
    return _frames(frame(rng.randbytes(rng.randrange(300)), 2, mask=_mask(rng)), allowed=frozenset({"1003"}))


def flipped(rng: random.Random) -> Input:
    parts = [frame(send_text(rng)), frame(b"a", 9), frame(b'{"type":', fin=False), frame(b'"ping"}', 0)]
    data = bytearray(b"".join(rng.choices(parts, k=rng.randrange(1, 8))))
    for _ in range(rng.randrange(1, 6)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return _frames(bytes(data), allowed=ANY, open_ended=True)


def noise(rng: random.Random) -> Input:
    return _frames(rng.randbytes(rng.choice((1, 2, 7, 14, 100, 5000))), allowed=ANY, open_ended=True)


def in_pieces(rng: random.Random) -> Input:
    """A good message, or a bad one, byte by byte or cut at random."""
    made = rng.choice((reserved_bits, bad_utf8, out_of_turn, bad_closes, one_byte_fragments, ping_flood))(rng)
    if len(made.data) > 4000:
        return made
    cuts = sorted(rng.sample(range(1, len(made.data)), min(len(made.data) - 1, rng.randrange(1, 12))))
    # Told why and closed on before the last piece was sent, a client may hear only the reset that it caused.
    return made._replace(pieces=tuple(cuts), allowed=made.allowed | {"ended"})


KINDS = [
    Kind("reserved bits", reserved_bits, 3),
    Kind("reserved opcodes", reserved_opcodes, 3),
    Kind("unmasked frames", unmasked, 3),
    Kind("bad UTF-8 split over frames", bad_utf8, 3),
    Kind("continuation without start", out_of_turn, 3),
    Kind("up to 10,000 empty fragments", empty_fragments, 1),
    Kind("one-byte fragments", one_byte_fragments, 1),
    Kind("control frames too long or fragmented", bad_control, 3),
    Kind("ping floods", ping_flood, 1),
    Kind("lengths of 2^63 and near", huge_lengths, 2),
    Kind("lengths in too many bytes", lengths_in_more_bytes, 3),
    Kind("at the limit and one over it", at_the_limit, 2),
    Kind("messages that never end", never_ends, 1),
    Kind("close codes that must not be sent", bad_closes, 3),
    Kind("data after close", after_a_close, 3),
    Kind("deflate bombs, not negotiated", bombs, 1),
    Kind("binary frames", binary, 2),
    Kind("good streams with flipped bits", flipped, 4),
    Kind("random bytes", noise, 3),
    Kind("bad frames in pieces", in_pieces, 2),
]
