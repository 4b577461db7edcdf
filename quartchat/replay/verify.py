"""What a late reader finds in the room, against what was sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from .client import ReplayError, Said, Unreachable, User, ask

MOST = 200
"""Messages that one answer of the API holds at the most."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the log as the API gives it, whole."""

    position: str
    prev: str | None
    id: str
    message: str
    user: User
    time: str = ""
    deletes: str | None = None
    deleted: bool = False


class Verdict(NamedTuple):
    """All zero is what was promised; `beyond` alone may be more, and is no fault."""

    missing: int = 0
    doubled: int = 0
    swapped: int = 0
    altered: int = 0
    """Another text, or another position than was acknowledged."""
    phantom: int = 0
    """By one of our speakers, but never acknowledged."""
    broken: int = 0
    """Whose `prev` does not name the message before."""
    beyond: int = 0
    """Older than what the room keeps."""

    @property
    def good(self) -> bool:
        return not any(self._replace(beyond=0))


class _Page(msgspec.Struct):
    messages: list[Message]
    complete: bool


def read_log(sites: Sequence[str], room: str) -> list[Message]:
    """All that the room still holds, oldest first, page by page. Blocks. Raise `ReplayError`."""
    found: list[Message] = []
    path = f"/api/rooms/{quote(room, safe='')}/messages?limit={MOST}"
    before = ""
    while True:
        page = _page(sites, path + before)
        if before and not page.complete:
            return found  # what we have ends where the log begins now
        found[:0] = page.messages
        if not page.messages:
            return found
        before = f"&before={found[0].position}"


def _page(sites: Sequence[str], path: str) -> _Page:
    trouble: ReplayError = Unreachable("no address to ask")
    for site in sites:
        try:
            status, _, body = ask(site, "GET", path)
        except Unreachable as error:
            trouble = error
            continue
        if status == 200:
            return msgspec.json.decode(body, type=_Page)
        trouble = ReplayError(f"{site}: the room's messages cannot be read: {status} {_error(body)}")
    raise trouble


def _error(body: bytes) -> Any:
    try:
        return json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return ""


def compare(sent: Sequence[Said], log: Sequence[Message], window: int, *, one_order: bool) -> Verdict:
    """What is wrong with the log.

    `sent` is in the order in which it was said. `one_order` says whether the whole order was kept while
    sending, or only that of each speaker. `window` is how many messages the room keeps for sure.
    """
    stored = [said for said in sent if said.position is not None]
    expected = {(said.user_id, said.id): number for number, said in enumerate(stored)}
    ours = {said.user_id for said in sent}
    found: dict[tuple[str, str], Message] = {}
    doubled = phantom = 0
    for message in log:
        key = message.user.id, message.id
        if key in found:
            doubled += 1
        elif key in expected:
            found[key] = message
        elif message.user.id in ours:
            phantom += 1
    missing = [number for key, number in expected.items() if key not in found]
    beyond = _beyond(missing, len(log) >= window)
    altered = sum(
        (message.message, message.position) != (stored[expected[key]].text, stored[expected[key]].position)
        for key, message in found.items()
    )
    order = [expected[key] for key in found]
    rows = [order] if one_order else [[n for n in order if stored[n].user_id == user] for user in ours]
    swapped = sum(later < earlier for row in rows for earlier, later in pairwise(row))
    broken = sum(later.prev != earlier.position for earlier, later in pairwise(log))
    return Verdict(len(missing) - beyond, doubled, swapped, altered, phantom, broken, beyond)


def _beyond(missing: list[int], full: bool) -> int:
    """How many of the missing are simply the oldest, in a room that is full."""
    count = 0
    while full and count < len(missing) and missing[count] == count:
        count += 1
    return count
