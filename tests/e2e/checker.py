"""Judges what each client saw against what was said: clauses C1 to C6 and C8 of docs/contract.md.

Pure: takes frames, answers sentences about what is wrong. Empty means that the promise was kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from quartchat.replay.client import Said

Frame = Mapping[str, Any]
Key = tuple[str, str]
"""A person's id, and the message's."""


def wrong_with(
    said: Iterable[Said], seen: Mapping[str, Sequence[Frame]], *, complete: bool = True
) -> list[str]:
    """What is wrong with the frames that each client saw, in the order in which it saw them.

    `said` is in the order of saying, per person. Frames are those of type message and reset; whoever is
    told of a reset begins anew. `complete` demands of everybody all that was acknowledged.
    """
    said = list(said)
    texts = {(one.user_id, one.id): one.text for one in said}
    places = {(one.user_id, one.id): one.position for one in said}
    problems: list[str] = []
    orders: dict[str, list[Key]] = {}
    for who, frames in seen.items():
        order, found = _one(frames, texts, places)
        problems += [f"{who}: {problem}" for problem in found]
        orders[who] = order
        if complete:
            heard = set(order)
            missing = [key for key, place in places.items() if place is not None and key not in heard]
            problems += [f"{who}: {len(missing)} lost, such as {texts[missing[0]]!r}"] if missing else []
    problems += _order_of_senders(said, orders)
    problems += _one_order(orders)
    return problems


def _one(
    frames: Sequence[Frame], texts: Mapping[Key, str], places: Mapping[Key, str | None]
) -> tuple[list[Key], list[str]]:
    order: dict[Key, None] = {}
    problems: list[str] = []
    last: str | None = None
    for frame in frames:
        if frame["type"] == "reset":
            order, last = {}, None
            continue
        key = (frame["user"]["id"], frame["id"])
        text = frame["message"]
        if key not in texts:
            problems.append(f"a phantom: {text!r}")
        elif texts[key] != text:
            problems.append(f"altered: {texts[key]!r} became {text!r}")
        elif places[key] is None:
            problems.append(f"refused, and yet there: {text!r}")
        elif places[key] != frame["position"]:
            problems.append(f"acknowledged elsewhere: {text!r}")
        if key in order:
            problems.append(f"doubled: {text!r}")
        if last is not None and frame["prev"] != last:
            problems.append(f"a gap before {text!r}")
        last = frame["position"]
        order[key] = None
    return list(order), problems


def _order_of_senders(said: Sequence[Said], orders: Mapping[str, list[Key]]) -> list[str]:
    number = {(one.user_id, one.id): place for place, one in enumerate(said)}
    problems: list[str] = []
    for who, order in orders.items():
        last: dict[str, int] = {}
        for key in order:
            place = number.get(key, -1)
            if place < last.get(key[0], -1):
                problems.append(f"{who}: messages of one person in another order than they were said")
                break
            last[key[0]] = place
    return problems


def _one_order(orders: Mapping[str, list[Key]]) -> list[str]:
    problems: list[str] = []
    for (one, first), (two, second) in pairwise(orders.items()):
        both = set(first) & set(second)
        if [key for key in first if key in both] != [key for key in second if key in both]:
            problems.append(f"{one} and {two} saw two orders")
    return problems
