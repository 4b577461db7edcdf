"""What an input is, and what may come of it. Generators of each class stand in `frames`, `texts`, `requests`.

Outcomes are words: a close code ("1002"), an HTTP status ("400"), "lives" (answered, and the connection goes
on), "error", "nack", "ack" (what a text was answered), "ended" (the server closed without a word), "left"
(nothing was due, and we left), "held" (of so many parts that the server read on slowly, and we left).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

Way = Literal["frames", "text", "plain", "request"]


class Input(NamedTuple):
    """One hostile thing to say."""

    way: Way
    """frames: bytes to an accepted socket. text: one text on it, in `quartchat.v1`. plain: one text in the
    plain dialect. request: bytes on a new connection."""
    data: bytes
    allowed: frozenset[str]
    open_ended: bool = False
    """The server may wait for more: we leave without an answer."""
    pieces: tuple[int, ...] = ()
    """Where the bytes are cut into separate writes."""
    parts: int = 0
    """How many pings, and parts of messages that go on. Of very many the instance reads slowly."""


PLANTED = {
    "a session cookie": "eyJ5OWtQ.q7Xv2LmZt4Rw.0dBnC8sJf3Hy6KpTgE",
    "a guest's token": "WyJ6VDdm.b5NcQ1xUo8Aa.r2MlV9iPkS4Ye7WhDj",
    "a query": "u3GtZ6wFq0OxK9bI",
    "a message": "e8HvLr5TcX2mJ7yN",
    "a payload at the broker": "evil-4fQz8Lw1sR",
}
"""What inputs hold that no log may: the same in each campaign, as all of an input is."""

Generator = Callable[[random.Random], Input]


class Kind(NamedTuple):
    """One class of inputs."""

    name: str
    make: Generator
    weight: int
    """Its share of a campaign: what is quick to try is tried more often."""


def seeded(seed: int, kind: str, number: int) -> random.Random:
    """The randomness of one input: the same for the same three, on every machine."""
    return random.Random(f"{seed}/{kind}/{number}")


def shares(kinds: list[Kind], total: int) -> Iterator[tuple[Kind, int]]:
    """How many inputs each class gets: at least one."""
    whole = sum(kind.weight for kind in kinds)
    for kind in kinds:
        yield kind, max(1, round(total * kind.weight / whole))
