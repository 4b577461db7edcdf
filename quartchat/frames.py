"""WebSocket text frames as bytes (RFC 6455, section 5.2): made once for a message, written to many.

Only what a server sends: unmasked, whole, without extensions. Reading, control frames and closing are the
server's (Hypercorn's) work.
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
