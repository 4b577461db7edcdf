"""The frames of both dialects, in and out, as functions of text and bytes. No sockets, no Quart."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from brokers.codec import digest_of

from .frames import text_frame
from .skeleton import look

SUBPROTOCOL = "quartchat.v1"

# What closes a connection, and whether to come back (docs/protocol.md).
CLOSE_BINARY = 1003
CLOSE_POLICY = 1008
CLOSE_FAULT = 1011
CLOSE_LEAVING = 1012
CLOSE_SLOW = 1013
CLOSE_SESSION = 4401


class User(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Who somebody is in a room. The id is the identity, the name a label."""

    id: str
    name: str
    look: str | None = None
    """What the name may be taken for (`skeleton.look`), told to clients where it is not how it is written.
    It is found anew by each instance: one that comes out of the broker counts for nothing."""


def shown(user_id: str, name: str) -> User:
    """Somebody, as clients are told."""
    return User(user_id, name, look(name))


class Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a room's log holds for each message: the JSON that is stored."""

    id: str
    message: str
    user: User
    time: str
    deletes: str | None = None
    """The position of an earlier message that an owner of the room has removed. Such an entry has no text."""
    deleted: bool = False
    """It was removed, and its text with it. Found by each instance from the room's rules; never stored."""


class MessageFrame(
    msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="message", omit_defaults=True
):
    """One entry of the log, as sent."""

    position: str
    prev: str | None
    id: str
    message: str
    user: User
    time: str
    deletes: str | None = None
    deleted: bool = False


# In ---------------------------------------------------------------------------------------------------------


class Send(msgspec.Struct, gc=False, tag_field="type", tag="send"):
    id: str
    message: str


class Typing(msgspec.Struct, gc=False, tag_field="type", tag="typing"):
    pass


class Ping(msgspec.Struct, gc=False, tag_field="type", tag="ping"):
    pass


class Pong(msgspec.Struct, gc=False, tag_field="type", tag="pong"):
    pass


class Malformed(msgspec.Struct, gc=False):
    """A frame that could not be understood; with an id, it was a `send` that can be refused by name."""

    code: str
    detail: str
    id: str | None = None


class PlainSend(msgspec.Struct, gc=False):
    """The tutorial's frame."""

    message: str


Incoming = Send | Typing | Ping | Pong

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_POSITION = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII).fullmatch
# Controls, line ends and what changes the direction of what stands around it.
_HIDES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]").search

LONGEST = 1_000_000
"""Characters of a text: what `QUARTCHAT_MAX_MESSAGE_BYTES` may be set to at the most."""

_decode = msgspec.json.Decoder(Send | Typing | Ping | Pong).decode
_decode_plain = msgspec.json.Decoder(PlainSend).decode
_decode_stored = msgspec.json.Decoder(Message).decode
_encode = msgspec.json.Encoder().encode


def decode(text: str) -> Incoming | Malformed:
    """A frame of `quartchat.v1` from a client."""
    try:
        frame: Incoming = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _why(text)
    if type(frame) is Send and not _ID(frame.id):
        return Malformed("bad_request", "an id is 1 to 64 of A-Z a-z 0-9 _ -")
    return frame


def decode_plain(text: str) -> str | Malformed:
    """The text in a frame of the plain dialect."""
    try:
        return _decode_plain(text).message
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Malformed("bad_request", 'send {"message": "text"}')


def _why(text: str) -> Malformed:
    # The standard library's decoder also takes lone surrogates, so that such a message is refused by its id.
    try:
        frame: Any = json.loads(text)
    except (ValueError, RecursionError):
        return Malformed("bad_request", "not a JSON object")
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        return Malformed("bad_request", "a frame is a JSON object with a type")
    if frame["type"] in ("typing", "ping", "pong"):
        return Malformed("bad_request", "a frame is valid JSON, its numbers finite and its text whole")
    if frame["type"] != "send":
        return Malformed("unknown_type", "no such type of frame")
    sent = frame.get("id")
    if isinstance(sent, str) and _ID(sent):
        return Malformed("bad_request", "message must be a valid text", sent)
    return Malformed("bad_request", "an id is 1 to 64 of A-Z a-z 0-9 _ -")


def refusal_of(text: str, max_bytes: int) -> tuple[str, str] | None:
    """Code and detail where a message's text is not taken."""
    if not text.strip():
        return "empty", "a message needs some text"
    # Cheap where it is surely short enough: a character has at most four bytes.
    if len(text) * 4 > max_bytes and len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        return "too_long", f"a message has at most {max_bytes} bytes"
    return None


# The stored form --------------------------------------------------------------------------------------------


@lru_cache(8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def store(message_id: str, text: str, user: User, time_ms: int) -> tuple[str, bytes, bytes]:
    """Key, digest and data of a message for the broker.

    The digest is the text's alone: a person who changed names in between still sends the same message.
    """
    stamp = f"{_second(time_ms // 1000)}.{time_ms % 1000:03}Z"
    data = _encode(Message(message_id, text, user, stamp))
    return key_of(user.id, message_id), digest_of(text.encode()), data


def key_of(user_id: str, message_id: str) -> str:
    """What the broker knows a message by: it stands once in the log of its room."""
    return f"{user_id}:{message_id}"


def tombstone(position: str, user: User, time_ms: int) -> tuple[str, bytes, bytes]:
    """Key, digest and data of the entry that says that an owner removed the message at a position.

    Said by the same person again, it is the same entry.
    """
    stamp = f"{_second(time_ms // 1000)}.{time_ms % 1000:03}Z"
    digest = digest_of(f"deletes {position}".encode())
    message_id = f"deletes-{digest.hex()[:32]}"
    return key_of(user.id, message_id), digest, _encode(Message(message_id, "", user, stamp, position))


def removed(message: Message) -> Message:
    """What is shown of a message that was removed: whose it was, and when."""
    return Message(message.id, "", message.user, message.time, deleted=True)


def is_id(text: str) -> bool:
    """Whether a text may be the id of a person or a message."""
    return _ID(text) is not None


def is_position(text: str) -> bool:
    """Whether a text may be a position of a log (see `brokers.base`)."""
    return _POSITION(text) is not None


def shows(name: str) -> bool:
    """Whether a name from the broker may be shown. Looser than `names`: those rules may change over time."""
    return 0 < len(name) <= 128 and not _HIDES(name)


def load(key: str, data: bytes) -> Message:
    """A stored message. Raise `ValueError` for data that this program did not write."""
    try:
        message = _decode_stored(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError("not a message") from error
    if not (_ID(message.id) and _ID(message.user.id) and shows(message.user.name) and _STAMP(message.time)):
        raise ValueError("not a message as we write it")
    if message.deleted or (message.deletes is not None and not _POSITION(message.deletes)):
        raise ValueError("not removed as we remove")
    if (message.deletes is None) != (0 < len(message.message) <= LONGEST):
        raise ValueError("no text, or more than any")
    if key != key_of(message.user.id, message.id):
        raise ValueError("a message under another one's key")
    user = message.user
    if look(user.name) != user.look:
        return msgspec.structs.replace(message, user=shown(user.id, user.name))
    return message


def fields(position: str, prev: str | None, message: Message | None) -> dict[str, Any]:
    """A message for the JSON API and the pages."""
    return {"position": position, "prev": prev, **(msgspec.to_builtins(message) if message else {})}


# Out --------------------------------------------------------------------------------------------------------


def message_frame(position: str, prev: str | None, m: Message) -> bytes:
    return text_frame(
        _encode(MessageFrame(position, prev, m.id, m.message, m.user, m.time, m.deletes, m.deleted))
    )


def plain_frame(m: Message) -> bytes:
    return text_frame(_encode(PlainSend(m.message)))


def ack(message_id: str, position: str) -> bytes:
    # Both are of safe characters only, so no encoder is needed on this hot path.
    return text_frame(f'{{"type":"ack","id":"{message_id}","position":"{position}"}}'.encode())


def frame(kind: str, **values: Any) -> bytes:
    """Any other frame to a client."""
    return text_frame(_encode({"type": kind, **values}))


def nack(message_id: str, code: str, detail: str, retry_after: float | None = None) -> bytes:
    more = {} if retry_after is None else {"retry_after": retry_after}
    return frame("nack", id=message_id, code=code, detail=detail, **more)


def unknown(message_id: str, retry_after: float) -> bytes:
    return frame("unknown", id=message_id, retry_after=retry_after)
