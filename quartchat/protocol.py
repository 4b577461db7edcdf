"""The frames of both dialects, in and out, as functions of text and bytes. No sockets, no Quart."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from brokers.codec import digest_of

from .frames import text_frame

SUBPROTOCOL = "quartchat.v1"

# What closes a connection, and whether to come back (docs/protocol.md).
CLOSE_BINARY = 1003
CLOSE_POLICY = 1008
CLOSE_FAULT = 1011
CLOSE_LEAVING = 1012
CLOSE_SLOW = 1013
CLOSE_SESSION = 4401


class User(msgspec.Struct, frozen=True, gc=False):
    """Who somebody is in a room. The id is the identity, the name a label."""

    id: str
    name: str


class Message(msgspec.Struct, frozen=True, gc=False):
    """What a room's log holds for each message: the JSON that is stored."""

    id: str
    message: str
    user: User
    time: str


class MessageFrame(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="message"):
    """One entry of the log, as sent."""

    position: str
    prev: str | None
    id: str
    message: str
    user: User
    time: str


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


def store(message_id: str, text: str, user: User, time_ms: int) -> tuple[str, bytes, bytes]:
    """Key, digest and data of a message for the broker.

    The digest is the text's alone: a person who changed names in between still sends the same message.
    """
    stamp = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    data = _encode(Message(message_id, text, user, stamp.replace("+00:00", "Z")))
    return f"{user.id}:{message_id}", digest_of(text.encode()), data


def load(key: str, data: bytes) -> Message:
    """A stored message. Raise `ValueError` for data that this program did not write."""
    try:
        message = _decode_stored(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ValueError("not a message") from error
    if key != f"{message.user.id}:{message.id}":
        raise ValueError("a message under another one's key")
    return message


def fields(position: str, prev: str | None, message: Message | None) -> dict[str, Any]:
    """A message for the JSON API and the pages."""
    return {"position": position, "prev": prev, **(msgspec.to_builtins(message) if message else {})}


# Out --------------------------------------------------------------------------------------------------------


def message_frame(position: str, prev: str | None, m: Message) -> bytes:
    return text_frame(_encode(MessageFrame(position, prev, m.id, m.message, m.user, m.time)))


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
