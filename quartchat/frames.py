"""WebSocket text frames as bytes (RFC 6455, section 5.2): made once for a message, written to many.

What a server sends is unmasked, whole, without extensions. Of what clients send, `text_at` reads the plain
case alone; all else, and every doubt, is the server's (Hypercorn's, wsproto's) work.
"""

from __future__ import annotations

from collections.abc import Iterator

TEXT = 0x81  # FIN and opcode 1
PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """One text frame that holds `payload`, which is UTF-8."""
    size = len(payload)
    if size < 126:
        return bytes((TEXT, size)) + payload
    if size < 0x10000:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def payloads(frames: bytes) -> Iterator[bytes]:
    """The payloads of joined frames that `text_frame` made; pings are left out."""
    at = 0
    while at < len(frames):
        size, body = frames[at + 1], at + 2
        if size == 126:
            size, body = int.from_bytes(frames[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, body = int.from_bytes(frames[at + 2 : at + 10], "big"), at + 10
        if frames[at] == TEXT:
            yield frames[body : body + size]
        at = body + size


def text_at(data: bytes, at: int) -> tuple[str, int] | None:
    """The text of a client's frame that begins at a place, and the place after it.

    None for all but a whole, final, masked text frame of at most 65,535 bytes of UTF-8.
    """
    size, body = len(data) - at, at + 6
    if size < 6 or data[at] != TEXT:
        return None
    length = data[at + 1] - 0x80
    if length == 126:
        length, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 8
        if length < 126:  # to be said in one byte: a fault
            return None
    elif not 0 <= length < 126:
        return None
    end = body + length
    if end > len(data):
        return None
    mask = data[body - 4 : body] * (length // 4 + 1)
    plain = int.from_bytes(data[body:end], "big") ^ int.from_bytes(mask[:length], "big")
    try:
        return plain.to_bytes(length, "big").decode(), end
    except UnicodeDecodeError:
        return None
