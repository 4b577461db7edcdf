"""A message that comes by a form: the way in for pages without a script."""

from __future__ import annotations

import asyncio
import math
import re
import time

import msgspec

from brokers import BrokerError, Conflict, Refused, Unknown
from brokers.codec import now_ms

from . import protocol
from .hub import Hub
from .protocol import User

SHOWN_STEPS, STEP_SECONDS = 100, 0.05
"""How long a stored message may take to stand in the page that its sender sees next."""

STATUS = {
    "empty": 400,
    "bad_request": 400,
    "too_long": 413,
    "id_conflict": 409,
    "forbidden": 403,
    "rate_limited": 429,
    "unknown": 503,
}

_is_id = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class Trouble(msgspec.Struct):
    """Why a message was not taken, or is not known to be: a code of the protocol, and its number."""

    code: str
    n: int | None = None


async def deliver(
    hub: Hub, room: str, user: User, message_id: str, text: str, address: str = ""
) -> Trouble | None:
    """Append one message; with the same id again it still stands there once. None: it is stored.

    `address` is where it comes from, as it is counted: see `limits.counted`.
    """
    # Forms send line ends of their own.
    trouble = await _append(hub, room, user, message_id, text.replace("\r\n", "\n"), address)
    counters = hub.counters
    if trouble is None:
        counters.acks += 1
    elif trouble.code == "unknown":
        counters.unknown += 1
    else:
        counters.nacks[trouble.code] = counters.nacks.get(trouble.code, 0) + 1
    return trouble


async def _append(
    hub: Hub, room: str, user: User, message_id: str, text: str, address: str
) -> Trouble | None:
    most = hub.settings.max_message_bytes
    refusal = protocol.refusal_of(text, most)
    if refusal is not None:
        return Trouble(refusal[0], most)
    if not _is_id(message_id):
        return Trouble("bad_request")
    if hub.draining:
        return Trouble("unknown", 1)
    try:
        rules, now = await hub.rules.asked(room), time.time()
    except BrokerError:
        return Trouble("unknown", 1)
    if rules.refuses(user.id, now) or rules.muted_for(user.id, now):
        return Trouble("forbidden")
    wait = hub.message_wait(user.id, address, room)
    if wait:
        return Trouble("rate_limited", math.ceil(wait))
    try:
        key, digest, data = protocol.store(message_id, text, user, now_ms())
        stored = await hub.broker.append(room, key, data, digest=digest)
    except Conflict:
        return Trouble("id_conflict")
    except (Refused, UnicodeError):
        return Trouble("bad_request")
    except Unknown:
        return Trouble("unknown", 1)
    if not stored.duplicate:
        await _shown(hub, room, user, message_id)
    return None


async def _shown(hub: Hub, room: str, user: User, message_id: str) -> None:
    # Where people are in the room by way of this instance, its pages are made from what came down its tail.
    for _ in range(SHOWN_STEPS):
        here = hub.rooms.get(room)
        if here is None or here.holds_message(user.id, message_id) or hub.draining:
            return
        await asyncio.sleep(STEP_SECONDS)
