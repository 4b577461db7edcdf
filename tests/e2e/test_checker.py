"""The checker finds what it is there to find."""

from __future__ import annotations

from typing import Any

import pytest

from quartchat.replay.client import Said
from tests.e2e.checker import wrong_with

SAID = [Said("ada", f"i{n}", f"text {n}", f"p{n}") for n in range(4)]
SAID.append(Said("ada", "no", "refused", None, "empty"))


def frames(*numbers: int, **changes: Any) -> list[dict[str, Any]]:
    made = []
    for place, n in enumerate(numbers):
        one, prev = SAID[n], f"p{numbers[place - 1]}" if place else None
        made.append(
            {
                "type": "message",
                "position": one.position or "p4",
                "prev": prev,
                "id": one.id,
                "message": one.text,
                "user": {"id": one.user_id, "name": "Ada"},
            }
        )
    made[-1].update(changes)
    return made


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert wrong_with(SAID, {"a": frames(0, 1, 2, 3), "b": frames(0, 1, 2, 3)}) == []


def test_a_reset_begins_anew() -> None:
    seen = [*frames(0, 1), {"type": "reset"}, *frames(0, 1, 2, 3)]
    assert wrong_with(SAID, {"a": seen}) == []


@pytest.mark.parametrize(
    ("seen", "complaint"),
    [
        (frames(0, 1, 2), "lost"),
        (frames(0, 1, 2, 3, 3), "doubled"),
        (frames(0, 2, 1, 3), "another order"),
        (frames(0, 1, 2, 3, message="other"), "altered"),
        (frames(0, 1, 2, 3, id="never"), "phantom"),
        (frames(0, 1, 2, 3, prev="p1"), "gap"),
        (frames(0, 1, 2, 3, position="p9"), "elsewhere"),
        (frames(0, 1, 2, 3, 4), "refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_breach_is_named(seen: list[dict[str, Any]], complaint: str) -> None:
    problems = wrong_with(SAID, {"a": frames(0, 1, 2, 3), "b": seen})
    assert any(complaint in problem for problem in problems), problems


def test_two_orders_are_seen() -> None:
    two = [Said("ada", "a", "a", "p0"), Said("bob", "b", "b", "p1")]

    def frame(one: Said, prev: str | None) -> dict[str, Any]:
        return {
            "type": "message",
            "position": one.position,
            "prev": prev,
            "id": one.id,
            "message": one.text,
            "user": {"id": one.user_id},
        }

    seen = {
        "x": [frame(two[0], None), frame(two[1], "p0")],
        "y": [frame(two[1], None), frame(two[0], "p1")],
    }
    assert any("two orders" in problem for problem in wrong_with(two, seen))
