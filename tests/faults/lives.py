"""One client's events, read in order: its connections, what it said, and its stretches.

A stretch is what a client heard without being told of a break: it begins with a welcome that resumes nothing,
or with a reset, and goes on over every connection that resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from .history import Event, Person

ANSWER_SECONDS = 10.0
"""Within which the chat promises to answer, to tell of a gap, and to heal."""

CLOCK_SECONDS = 1.0
"""What a busy client may be late in noting what it saw."""


class Problem(NamedTuple):
    """What was found in one client's events: a kind of finding, or "" for what should not be noted at all."""

    kind: str
    at: float
    detail: str


@dataclass(slots=True)
class Connection:
    """From a welcome to its end."""

    began: float
    ended: float = inf


@dataclass(slots=True)
class Stretch:
    """Heard without a break."""

    who: str
    opening: Event
    """The welcome or the reset."""
    connection: Connection
    start: str = ""
    """Position right before the first message; "" where that is not known."""
    history: bool = False
    heard: list[Event] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)
    """For each message, when the connection began that brought it."""
    keys: set[tuple[str, str]] = field(default_factory=set)
    """User and id of each message."""
    before: Stretch | None = None
    after: Stretch | None = None
    """The one before, and the next one, of this client."""
    asked: str = ""
    """Where it ended by a reset: the position that could not be continued."""
    contact: float = inf
    """Where it ended by a reset: when the client last had a connection on which all was well."""

    @property
    def is_reset(self) -> bool:
        return self.opening.did == "reset"

    @property
    def began(self) -> float:
        return self.opening.at

    @property
    def last(self) -> str:
        """The position to come back with."""
        return self.heard[-1].position if self.heard else self.start or self.opening.position

    @property
    def anchor(self) -> str:
        """Some position in the stretch's log."""
        return self.heard[0].position if self.heard else self.start or self.opening.position


class Send(NamedTuple):
    """Once on the wire."""

    at: float
    place: int
    """Among this client's events."""
    connection: int


class Ack(NamedTuple):
    at: float
    place: int
    position: str
    stretch: Stretch
    heard: int
    """Messages of that stretch that were heard before."""
    connection: Connection


@dataclass(slots=True)
class Said:
    """One message, with all that became of it at its sender."""

    who: str
    user: str
    id: str
    texts: list[str] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """Of each send: ack, nack or unknown; "" where none came on its connection."""
    acks: list[Ack] = field(default_factory=list)
    nacks: list[Event] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        return self.user, self.id


@dataclass(slots=True)
class Life:
    """All that one client did and saw."""

    who: str
    person: Person
    said: dict[str, Said] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    resets: int = 0
    nacks: int = 0
    unknowns: int = 0

    @property
    def heard(self) -> Iterator[Event]:
        return (event for stretch in self.stretches for event in stretch.heard)


def read(who: str, person: Person, events: Iterable[Event], ended: float) -> Life:
    """A client's life, with what is wrong in it at first sight."""
    reader = _Reader(Life(who, person))
    for place, event in enumerate(events):
        reader.take(place, event)
    reader.close(ended)
    return reader.life


class _Reader:
    def __init__(self, life: Life) -> None:
        self.life = life
        self.connection: Connection | None = None
        self.refused = ""
        """What the client came back with in vain, until the reset."""
        self.waiting: dict[str, tuple[float, int]] = {}
        """By id: when it was sent on this connection, and which send that was."""

    def take(self, place: int, event: Event) -> None:
        if event.did == "welcome":
            self._welcome(event)
        elif event.did == "closed":
            self.close(event.at)
        elif self.connection is None:
            self._odd(event, f"{event.did} without a connection")
        elif event.did == "sent":
            self._sent(place, event)
        elif event.did == "message":
            self._message(event)
        elif event.did == "reset":
            self._reset(event)
        elif event.did in ("ack", "nack", "unknown"):
            self._answer(place, event, self.connection)
        else:
            self._odd(event, f"what is {event.did}?")

    def close(self, at: float) -> None:
        for id, (sent, _) in self.waiting.items():
            if at - sent > ANSWER_SECONDS + CLOCK_SECONDS:
                self._wrong("unanswered", sent, f"{id} had no answer for {at - sent:.1f} s")
        self.waiting.clear()
        if self.connection is not None:
            self.connection.ended = at
            self.connection = None

    def _wrong(self, kind: str, at: float, detail: str) -> None:
        self.life.problems.append(Problem(kind, at, detail))

    def _odd(self, event: Event, detail: str) -> None:
        self._wrong("", event.at, detail)

    def _welcome(self, event: Event) -> None:
        life = self.life
        if self.connection is not None:
            self._odd(event, "welcomed twice")
            self.close(event.at)
        self.connection = Connection(event.at)
        life.connections.append(self.connection)
        self.refused = ""
        if event.user != life.person.user:
            self._wrong("wrong_sender", event.at, f"welcomed as {event.user!r}, not {life.person.user!r}")
        if not event.since:
            self._begin(Stretch(life.who, event, self.connection, history=event.history))
            if not event.history:
                life.stretches[-1].start = event.position
        elif not life.stretches:
            self._odd(event, "came back before it was ever there")
            self._begin(Stretch(life.who, event, self.connection, start=event.since))
        elif event.resumed is True:
            stretch = life.stretches[-1]
            if stretch.heard:
                known = event.since == stretch.heard[-1].position
            else:
                known = event.since in (stretch.start, stretch.opening.position)
                stretch.start = event.since if known else stretch.start
            if not known:
                self._odd(event, "came back with another position than its last one")
        else:
            self.refused = event.since

    def _begin(self, stretch: Stretch) -> None:
        if self.life.stretches:
            stretch.before = self.life.stretches[-1]
            stretch.before.after = stretch
        self.life.stretches.append(stretch)

    def _reset(self, event: Event) -> None:
        life, connection = self.life, self.connection
        assert connection is not None
        life.resets += 1
        before = life.stretches[-1] if life.stretches else None
        if before is not None:
            before.asked = self.refused or before.last
            before.contact = event.at
            if self.refused and len(life.connections) > 1:
                before.contact = life.connections[-2].ended
        self.refused = ""
        self._begin(Stretch(life.who, event, connection))

    def _message(self, event: Event) -> None:
        if self.refused:
            self._wrong("silent_gap", event.at, f"{event.id} came before the reset that was due")
            self.refused = ""
        if not self.life.stretches:
            self._odd(event, "a message before anything was to come")
            return
        stretch, connection = self.life.stretches[-1], self.connection
        assert connection is not None
        stretch.heard.append(event)
        stretch.opened.append(connection.began)

    def _sent(self, place: int, event: Event) -> None:
        life = self.life
        said = life.said.get(event.id)
        if said is None:
            said = life.said[event.id] = Said(life.who, life.person.user, event.id)
        if event.text not in said.texts:
            said.texts.append(event.text)
        self.waiting.setdefault(event.id, (event.at, len(said.sends)))
        said.sends.append(Send(event.at, place, len(life.connections)))
        said.answers.append("")

    def _answer(self, place: int, event: Event, connection: Connection) -> None:
        life = self.life
        said = life.said.get(event.id)
        if said is None:
            kind = "wrong_ack" if event.did == "ack" else "leak"
            self._wrong(kind, event.at, f"{event.did} for {event.id!r}, which it never sent")
            return
        asked = self.waiting.pop(event.id, None)
        if asked is not None:
            said.answers[asked[1]] = event.did
            if event.at - asked[0] > ANSWER_SECONDS + CLOCK_SECONDS:
                self._wrong("unanswered", asked[0], f"{event.id} waited {event.at - asked[0]:.1f} s")
        if event.did == "nack":
            life.nacks += 1
            said.nacks.append(event)
        elif event.did == "unknown":
            life.unknowns += 1
        elif not life.stretches:
            self._odd(event, "an ack before anything was to come")
        else:
            stretch = life.stretches[-1]
            ack = Ack(event.at, place, event.position, stretch, len(stretch.heard), connection)
            said.acks.append(ack)
