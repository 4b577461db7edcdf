"""What a room's logs were, put together from what everybody heard.

Positions do not say to which epoch they belong. But what one client hears without a break is one piece of
one epoch, so stretches that share a position share the epoch; and what was heard one after the other stands
next to each other in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from .history import Event
from .lives import Stretch

Wrong = Callable[[str, str, str], None]
"""Takes a kind, a client and a detail."""


@dataclass(slots=True)
class Logs:
    """The epochs of one room. Positions that nobody saw a message at (a log's begin) have a place, too."""

    entries: dict[str, Event] = field(default_factory=dict)
    """By position: the message as it was first seen."""
    epochs: dict[str, str] = field(default_factory=dict)
    """Position to the name of its epoch: one of its positions."""
    order: dict[str, list[str]] = field(default_factory=dict)
    """By epoch: its positions, as far as they were seen."""
    place: dict[str, int] = field(default_factory=dict)
    """Of a position in its epoch's order."""
    count: dict[str, int] = field(default_factory=dict)
    """Messages in front of a position, of those that were seen."""
    piece: dict[str, int] = field(default_factory=dict)
    """Positions with the same number follow each other for sure: somebody heard each one after the other."""
    after: dict[str, list[str]] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)

    def between(self, first: str, last: str) -> int | None:
        """Messages from one position to another of its epoch; None where that is not known for sure."""
        if first not in self.place or last not in self.place:
            return None
        if self.epochs[first] != self.epochs[last] or self.piece[first] != self.piece[last]:
            return None
        return self.count[last] - self.count[first] + (last in self.entries) - (first in self.entries)

    def is_before(self, first: str, last: str) -> bool:
        """Whether it stands before the other one for sure."""
        return self.between(first, last) is not None and self.place[first] < self.place[last]


def logs_of(stretches: Sequence[Stretch], may_be_trimmed: Callable[[Event], bool], wrong: Wrong) -> Logs:
    """Put the logs together, and tell where what was heard does not fit."""
    logs = Logs()
    for stretch in stretches:
        for event in stretch.heard:
            first = logs.entries.setdefault(event.position, event)
            seen, is_now = (first.user, first.id, first.text), (event.user, event.id, event.text)
            if seen != is_now:
                wrong("diverging", event.who, f"{seen} and {is_now} stand at {event.position}")
    _name_epochs(logs, stretches, may_be_trimmed)
    edges: list[tuple[str, str, str]] = []
    for stretch in stretches:
        for one, two in _steps(stretch):
            if logs.epochs[one] == logs.epochs[two]:
                edges.append((stretch.who, one, two))
            else:
                wrong("silent_gap", stretch.who, f"another log from {_name(logs, two)} on, without a reset")
    _link(logs, edges)
    _sort(logs, edges, wrong)
    _find_gaps(logs, edges, wrong)
    return logs


def _steps(stretch: Stretch) -> Iterable[tuple[str, str]]:
    """Positions that a client got one after the other, each one only once."""
    seen: set[str] = set()
    last = stretch.start
    for event in stretch.heard:
        if event.position not in seen:
            seen.add(event.position)
            if last and last != event.position:
                yield last, event.position
            last = event.position


def _name_epochs(logs: Logs, stretches: Sequence[Stretch], may_be_trimmed: Callable[[Event], bool]) -> None:
    root: dict[str, str] = {}

    def find(one: str) -> str:
        top = one
        while root.setdefault(top, top) != top:
            top = root[top]
        while root[one] != top:
            root[one], one = top, root[one]
        return top

    for stretch in stretches:
        last = stretch.start
        for event in stretch.heard:
            find(event.position)
            # A step that does not say so itself may lead into another log.
            begins = not event.prev and last not in logs.entries and event is stretch.heard[0]
            if last and (event.prev == last or begins):
                root[find(last)] = find(event.position)
            last = event.position
        find(stretch.anchor)
        if stretch.start:
            find(stretch.start)
    for stretch in stretches:
        after = stretch.after
        if after is not None and after.is_reset and may_be_trimmed(after.opening):
            root[find(stretch.last)] = find(after.anchor)
    logs.epochs = {position: find(position) for position in list(root)}


def _link(logs: Logs, edges: Iterable[tuple[str, str, str]]) -> None:
    for _, one, two in edges:
        followers = logs.after.setdefault(one, [])
        if two not in followers:
            followers.append(two)
            logs.before.setdefault(two, []).append(one)


def _sort(logs: Logs, edges: Sequence[tuple[str, str, str]], wrong: Wrong) -> None:
    """Give every position its place. What hangs together stays together; what was seen first comes first."""
    ages = {position: number for number, position in enumerate(_by_age(logs))}
    waits = {position: len(logs.before.get(position, ())) for position in ages}
    done: set[str] = set()
    circles: set[str] = set()

    def emit(first: str) -> None:
        ready = [first]
        while ready:
            one = ready.pop()
            done.add(one)
            order = logs.order.setdefault(logs.epochs[one], [])
            order.append(one)
            freed = []
            for two in logs.after.get(one, ()):
                waits[two] -= 1
                if not waits[two] and two not in done:
                    freed.append(two)
            ready += sorted(freed, key=ages.__getitem__, reverse=True)

    for position in ages:
        if position not in done and not waits[position]:
            emit(position)
    for position in ages:
        if position not in done:
            circles.add(position)
            emit(position)
    for order in logs.order.values():
        count = piece = 0
        for place, position in enumerate(order):
            piece += place > 0 and position not in logs.after.get(order[place - 1], ())
            logs.place[position], logs.count[position], logs.piece[position] = place, count, piece
            count += position in logs.entries
    told: set[str] = set()
    for who, one, two in edges:
        if two in circles and two not in told and logs.place[one] > logs.place[two]:
            told.add(two)
            wrong("diverging", who, f"{_name(logs, one)} before {_name(logs, two)}: not as others")


def _by_age(logs: Logs) -> list[str]:
    # What is no message is a log's begin, as far as is known.
    return sorted(logs.epochs, key=lambda one: logs.entries[one].at if one in logs.entries else -1.0)


def _find_gaps(logs: Logs, edges: Iterable[tuple[str, str, str]], wrong: Wrong) -> None:
    """Two places after one, or before one: whoever took the longer step missed something."""
    for who, one, two in edges:
        here, there = logs.place[one], logs.place[two]
        missed = next((x for x in logs.after[one] if here < logs.place[x] < there), None) or next(
            (x for x in logs.before[two] if x in logs.entries and here < logs.place[x] < there), None
        )
        if missed is not None:
            gap = f"{_name(logs, missed)} is between {_name(logs, one)} and {_name(logs, two)}"
            wrong("silent_gap", who, gap)


def _name(logs: Logs, position: str) -> str:
    entry = logs.entries.get(position)
    return f"{entry.id} at {position}" if entry is not None else position
