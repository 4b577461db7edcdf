"""What was noted in one trial: the only thing that the checker sees. Knows nothing of the app.

A trial is one chat with some rooms, and clients that talk and listen while something is broken. One client
is one person (one identity, by one session) in one room; it comes back by itself after every cut and resumes
from the last position that it knows. All times are seconds by one clock that only goes forward.

Events of one client stand in the order in which it did or saw them; those of different clients are
merged by time. Positions and ids are opaque: only equality means anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Did = Literal["welcome", "sent", "ack", "nack", "unknown", "message", "reset", "closed"]
"""What happened.

welcome   a connection was opened: `since` (what the client asked for; "" for nothing), `resumed`, `position`
          (the top of the log at joining), `user` (who the server says it is), `durability` ("D0" to "D3").
          With `since`: everything after it follows, or `resumed` is False and a reset comes next. Without:
          it wants no history and hears what comes after `position`, unless `history` is True: then it
          asked for all that the window retains.
sent      `id`, `text` were put on the wire; again with the same id where the answer stayed away.
ack       `id`, `position`.
nack      `id`, `code`: refused for good. The client never sends this id again.
unknown   `id`: the broker did not answer in time. The client sends the same id again.
message   one entry: `id`, `text`, `position`, `prev` ("" for null), `user`, `name`.
reset     `reason`, `position`: what was heard before cannot be continued. A page of history follows, then
          live entries.
closed    the connection ended: `code` (0 where it was cut without a word).
"""


@dataclass(slots=True)
class Event:
    """One thing that a client did or saw; unused fields are empty."""

    at: float
    who: str
    did: Did
    id: str = ""
    text: str = ""
    position: str = ""
    prev: str = ""
    user: str = ""
    name: str = ""
    code: str = ""
    reason: str = ""
    since: str = ""
    resumed: bool | None = None
    history: bool = False
    durability: str = ""


@dataclass(slots=True)
class Person:
    """Who a client is, as the harness set it up: what the server says is held against this."""

    room: str
    user: str
    name: str


@dataclass(slots=True)
class Fault:
    """One thing that was broken on purpose."""

    name: str
    began: float
    ended: float
    hit: bool
    """It was seen to do what it should: the process died, bytes were held back, keys were gone."""
    loses: bool = False
    """It may take away what was acknowledged: it exceeds the durability that the clients were told, or wipes
    the log. Then every client that it concerns must be told by a reset."""
    detail: str = ""


@dataclass(slots=True)
class History:
    """One trial."""

    people: dict[str, Person]
    """By client."""
    events: list[Event]
    faults: list[Fault] = field(default_factory=list)
    ended: float = 0.0
    """When nobody talked any more, every send had its answer or was given up, and the last entries had time
    to arrive."""
    window: int = 1000
    """Entries that a room keeps."""
    about: dict[str, Any] = field(default_factory=dict)
    """Broker, seed and whatever else helps a reader; not judged."""

    def save(self, path: Path) -> None:
        """Write it as JSON lines: the facts first, then an event a line, without its empty fields."""
        head = {
            "about": self.about,
            "people": {who: asdict(person) for who, person in self.people.items()},
            "faults": [asdict(fault) for fault in self.faults],
            "ended": self.ended,
            "window": self.window,
        }
        lines: Iterable[dict[str, Any]] = (
            {name: value for name, value in asdict(event).items() if value not in ("", None)}
            for event in self.events
        )
        with path.open("w") as out:
            for line in (head, *lines):
                out.write(json.dumps(line, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what `save` wrote."""
        with path.open() as lines:
            head = json.loads(next(lines))
            events = [Event(**json.loads(line)) for line in lines]
        return cls(
            {who: Person(**person) for who, person in head["people"].items()},
            events,
            [Fault(**fault) for fault in head["faults"]],
            head["ended"],
            head["window"],
            head["about"],
        )
