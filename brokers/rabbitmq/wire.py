"""What this broker reads and writes: names on the server, options in the URL, batches as bytes."""

from __future__ import annotations

from typing import Annotated, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit
from zlib import crc32

import msgspec

from ..errors import BrokerConfigError

SCHEMA = 1
"""Version of the layout. It stands in all names: queue arguments cannot be changed later."""

INDEX_BITS = 12
"""An entry's offset is its batch's offset in the stream, times 4,096, plus its index in the batch."""

MAX_BATCH_ENTRIES = 1 << INDEX_BITS
MAX_BATCH_BYTES = 256 << 10
"""A batch is closed above this; one entry alone may be bigger."""

MAX_ENTRY_BYTES = 1 << 20
"""Above this an entry is `Refused`: it would push everybody else's out of the bucket."""

Word = Annotated[str, msgspec.Meta(max_length=40, pattern="^[a-z0-9]*$")]


class Past(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a batch carries along for those who come late, see `scan`."""

    chain: list[int]
    """Offsets of the last batches that carried one, rising."""
    messages: list[tuple[int, bytes]]
    """What stands from there up to `base`; empty where that is too big to be repeated."""


class Batch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One message in a bucket's stream (MessagePack)."""

    epoch: Word
    """Of the bucket's history; empty from a writer that does not know it yet."""
    base: int
    """The highest stream offset that the writer had read when it wrote this."""
    who: Word
    """The writer, and its own count of messages to this bucket: always rising."""
    seq: int
    entries: list[tuple[str, bytes]]
    """(room, blob) each. None at all in a barrier."""
    past: Past | None = None


pack_batch = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Batch).decode


def unpack_batch(body: bytes) -> Batch:
    """The batch in a message. Raise `ValueError` for anything else."""
    try:
        return _unpack(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("not a batch") from error


class Options(NamedTuple):
    """A URL taken apart."""

    url: str
    """For the driver: without the options that are ours."""
    prefix: str
    buckets: int
    bucket_bytes: int

    def bucket_of(self, room: str) -> int:
        return crc32(room.encode("utf-8", "surrogatepass")) % self.buckets

    def bucket_name(self, number: int) -> str:
        # The count is part of the name: with another one, rooms stand in other buckets.
        return f"{self.prefix}.{SCHEMA}.log.{self.buckets}.{number}"

    @property
    def kept_bytes(self) -> int:
        """What a process keeps of a bucket: what is left of the stream without its pasts."""
        return self.bucket_bytes // 2

    @property
    def exchange(self) -> str:
        return f"{self.prefix}.{SCHEMA}.signals"

    @property
    def stream_arguments(self) -> dict[str, str | int]:
        # Retention is by whole segments, so they are a sixteenth of the log.
        return {
            "x-queue-type": "stream",
            "x-max-length-bytes": self.bucket_bytes,
            "x-stream-max-segment-size-bytes": self.bucket_bytes // 16,
        }


def options_of(url: str) -> Options:
    """Read `prefix`, `buckets` and `bucket_bytes` from the URL's query, with `heartbeat` for the driver."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BrokerConfigError("not a usable RabbitMQ URL") from None
    if not parts.hostname or port == 0:
        raise BrokerConfigError("a RabbitMQ URL needs a host: amqp://user:password@host:5672/vhost")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    prefix = query.pop("prefix", "quartchat")
    if not prefix.isascii() or not prefix.replace("-", "").replace("_", "").isalnum():
        raise BrokerConfigError("the option prefix takes letters, digits, - and _")
    if len(prefix) > 100:
        raise BrokerConfigError("the option prefix takes at most 100 characters")
    buckets = _number(query, "buckets", 4, 1, 256)
    bucket_bytes = _number(query, "bucket_bytes", 32 << 20, 1 << 20, 1 << 30)
    if query.keys() - _DRIVER - {"heartbeat"}:
        # Not named: behind a ? that stands in a password it is the rest of that.
        raise BrokerConfigError("an unknown option in the URL (in a user or password, write ? as %3F)")
    query["heartbeat"] = str(_number(query, "heartbeat", 10, 1, 3600))
    rest = parts._replace(query=urlencode(query), fragment="").geturl()
    return Options(rest, prefix, buckets, bucket_bytes)


_DRIVER = frozenset(
    {"auth", "cadata", "cafile", "capath", "certfile", "channel_max", "connection_timeout", "frame_max"}
    | {"keyfile", "locale", "name", "no_verify_ssl"}
)
"""Options of the driver's own (aiormq), handed on."""


def _number(query: dict[str, str], name: str, default: int, low: int, high: int) -> int:
    text = query.pop(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
        raise BrokerConfigError(f"the option {name} takes a number from {low} to {high}")
    return int(text)
