"""Positions and entries as bytes: what every broker of ours writes, and how it reads it back.

Whatever comes back from a server is checked here: a blob that is not ours raises `ValueError` and is
counted and skipped by the broker, never delivered.
"""

from __future__ import annotations

import random
import time
from hashlib import blake2b
from typing import Annotated, NamedTuple
from zlib import crc32

import msgspec


class Blob(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An entry as it is stored (MessagePack): everything but its place."""

    key: str
    digest: Annotated[bytes, msgspec.Meta(max_length=16)]
    time: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    """Milliseconds; a number that every program can read exactly."""
    data: bytes


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Blob).decode


def pack(key: str, digest: bytes, time_ms: int, data: bytes) -> bytes:
    """One entry as bytes to store."""
    return _pack(Blob(key, digest, time_ms, data))


def unpack(blob: bytes) -> Blob:
    """The entry in stored bytes. Raise `ValueError` for anything else."""
    try:
        return _unpack(blob)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("not an entry") from error


class Place(NamedTuple):
    """A position taken apart."""

    epoch: str
    offset: int
    proof: str


def proof_of(blob: bytes) -> str:
    """Eight hex digits that tell one entry from another at the same offset.

    Guards against accidents (a server that came back with an older log and used offsets again), not
    against forgers: a client that invents a position only misleads itself.
    """
    return f"{crc32(blob):08x}"


def position(epoch: str, offset: int, proof: str) -> str:
    """The token that clients see."""
    return f"{epoch}.{offset:x}.{proof}"


def place(token: str) -> Place | None:
    """The parts of a position, or None where the text never was one."""
    parts = token.split(".")
    if len(token) > 64 or len(parts) != 3 or not all(parts):
        return None
    epoch, offset, proof = parts
    try:
        number = int(offset, 16)
    except ValueError:
        return None
    # int() is generous ("+1", "1_0", "０"): only the form that we write ourselves is a position. Servers
    # count in 64 bits.
    return Place(epoch, number, proof) if 0 <= number < 2**63 and f"{number:x}" == offset else None


def new_epoch() -> str:
    """Fifteen random characters (60 bits): two epochs of one room never meet.

    They need not be secret, only different: this generator is seeded by the system (again after a fork), and
    asks it no more. A batch for a hundred rooms takes a hundred of them.
    """
    return f"{random.getrandbits(60):015x}"


def digest_of(data: bytes) -> bytes:
    """Eight bytes that stand for the content."""
    return blake2b(data, digest_size=8).digest()


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
