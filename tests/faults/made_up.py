"""Good histories, made up: a chat that keeps every promise, with everything that may happen to it.

`good(rng)` plays a small trial against a log of its own. Nothing of the app is in it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .history import Event, Fault, History, Person

PAGE = 4
"""Messages after a reset."""


@dataclass(slots=True)
class Entry:
    position: str
    prev: str
    id: str
    text: str
    person: Person


@dataclass(slots=True)
class Log:
    """One epoch of a room."""

    begin: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def top(self) -> str:
        return self.entries[-1].position if self.entries else self.begin


@dataclass(slots=True)
class Out:
    id: str
    text: str
    asked: bool = False
    """On the wire, and not answered."""


@dataclass(slots=True, eq=False)
class Client:
    who: str
    person: Person
    late: bool = False
    here: bool = False
    log: Log | None = None
    """What it last heard of."""
    next: int = 0
    """Place in the log of what it hears next."""
    last: str = ""
    opening: bool = False
    """What it hears next is the first of a page."""
    outbox: list[Out] = field(default_factory=list)
    count: int = 0


class Play:
    """One trial in the making."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.at = 0.0
        self.events: list[Event] = []
        self.people: dict[str, Person] = {}
        self.faults: list[Fault] = []
        self.window = rng.choice((6, 12, 1000))
        self.numbers = 0
        self.logs: dict[str, Log] = {}
        self.clients: list[Client] = []
        self.places: dict[tuple[str, str, str], str] = {}
        """By epoch, user and id: the position."""
        self.calm = False
        """Nobody is cut any more."""
        self.shared_ids = rng.random() < 0.2
        for number in range(rng.choice((1, 2, 2))):
            room = f"room{number}"
            self.logs[room] = Log(self.token())
            for one in range(rng.randint(2, 3)):
                self.add(f"{'abc'[one]}{number}", room)

    def token(self) -> str:
        self.numbers += 1
        return f"p{self.rng.getrandbits(20):05x}.{self.numbers}"

    def add(self, who: str, room: str, late: bool = False) -> Client:
        person = self.people[who] = Person(room, f"user-{who}", f"Name {who}")
        client = Client(who, person, late)
        self.clients.append(client)
        return client

    def note(self, client: Client, did: str, **fields: object) -> None:
        self.at += self.rng.uniform(0.0, 0.02)
        self.events.append(Event(self.at, client.who, did, **fields))  # type: ignore[arg-type]

    # What the chat does -------------------------------------------------------------------------------------

    def store(self, client: Client, out: Out) -> str:
        log = self.logs[client.person.room]
        key = log.begin, client.person.user, out.id
        if key not in self.places:
            prev = log.top if log.entries else ""
            entry = Entry(self.token(), prev, out.id, out.text, client.person)
            log.entries.append(entry)
            self.places[key] = entry.position
        return self.places[key]

    def welcome(self, client: Client) -> None:
        log = self.logs[client.person.room]
        since, resumed = client.last, None
        if not since:
            client.log, client.opening = log, client.late
            client.next = max(0, len(log.entries) - self.window) if client.late else len(log.entries)
        elif log is not client.log or self.place_of(client) < len(log.entries) - self.window:
            resumed = False
        else:
            resumed, client.opening = True, False
            client.next = self.place_of(client)
        client.here = True
        self.note(
            client,
            "welcome",
            since=since,
            resumed=resumed,
            position=log.top,
            user=client.person.user,
            name=client.person.name,
            history=client.late and not since,
            durability="D1",
        )
        if not since and not client.late:
            client.last = log.top
        if resumed is False:
            self.reset(client, "trimmed" if log is client.log else "epoch")
        if client.outbox and self.rng.random() < 0.1:
            self.say(client)  # not in order: nothing is promised between connections
            client.outbox.insert(0, client.outbox.pop())
        for out in client.outbox:
            out.asked = False

    def place_of(self, client: Client) -> int:
        """After the position that it comes back with."""
        log = self.logs[client.person.room]
        return next((n for n, one in enumerate(log.entries, 1) if one.position == client.last), 0)

    def reset(self, client: Client, reason: str) -> None:
        log = self.logs[client.person.room]
        client.log, client.last, client.opening = log, log.top, True
        client.next = max(0, len(log.entries) - PAGE)
        self.note(client, "reset", reason=reason, position=log.top)
        if not self.calm and self.rng.random() < 0.1:
            self.cut(client)  # before the page came

    def cut(self, client: Client) -> None:
        client.here = False
        self.note(client, "closed", code=self.rng.choice(("0", "1012", "1013")))
        for out in client.outbox:
            out.asked = False

    def hear(self, client: Client, most: int = 1000) -> None:
        log = client.log
        if not client.here or log is not self.logs[client.person.room] or log is None:
            return
        for entry in log.entries[client.next : client.next + most]:
            client.next += 1
            client.last = entry.position
            prev = "" if client.opening and self.rng.random() < 0.3 else entry.prev
            client.opening = False
            self.note(
                client,
                "message",
                id=entry.id,
                text=entry.text,
                position=entry.position,
                prev=prev,
                user=entry.person.user,
                name=entry.person.name,
            )

    # What clients do ----------------------------------------------------------------------------------------

    def say(self, client: Client) -> None:
        client.count += 1
        id = f"{client.count}" if self.shared_ids else f"{client.who}-{client.count}"
        client.outbox.append(Out(id, f"{client.who} says {client.count}"))

    def send(self, client: Client) -> None:
        """Put some of what waits on the wire, in order, and answer it."""
        rng = self.rng
        batch = client.outbox[: rng.randint(1, 3)]
        if not client.here:
            return
        for out in batch:
            self.note(client, "sent", id=out.id, text=out.text)
        fate = rng.uniform(0.0, 0.12 if self.calm and rng.random() < 0.2 else 1.0)
        if self.calm and 0.12 <= fate < 0.25:
            fate = 1.0
        good = rng.randint(0, len(batch)) if fate < 0.25 else len(batch)
        for number, out in enumerate(batch):
            if number < good:
                if rng.random() < 0.04 and not self.is_stored(client, out):
                    client.outbox.remove(out)
                    self.note(client, "nack", id=out.id, code=rng.choice(("empty", "too_long")))
                    continue
                position = self.store(client, out)
                if rng.random() < 0.5:
                    self.hear(client)
                client.outbox.remove(out)
                self.note(client, "ack", id=out.id, position=position)
            else:
                if number == good and rng.random() < 0.5:
                    self.store(client, out)  # stored, and nobody said so
                if fate < 0.12:
                    self.note(client, "unknown", id=out.id)
        if good < len(batch) and fate >= 0.12:
            self.cut(client)

    def is_stored(self, client: Client, out: Out) -> bool:
        return any(key[1:] == (client.person.user, out.id) for key in self.places)

    def overtake(self, client: Client) -> None:
        """What ended unknown is passed by something newer after ten seconds."""
        if not client.here or client.outbox:
            return
        self.say(client)
        first = client.outbox[0]
        self.note(client, "sent", id=first.id, text=first.text)
        self.note(client, "unknown", id=first.id)
        self.everybody_hears()
        self.at += 10.5
        self.say(client)
        second = client.outbox.pop()
        self.note(client, "sent", id=second.id, text=second.text)
        self.note(client, "ack", id=second.id, position=self.store(client, second))

    # What happens -------------------------------------------------------------------------------------------

    def everybody_hears(self) -> None:
        for client in self.rng.sample(self.clients, len(self.clients)):
            self.hear(client)

    def lose(self) -> None:
        """The broker comes back with a part of a room's log, or none: everybody is told."""
        rng = self.rng
        room = rng.choice(list(self.logs))
        log = self.logs[room]
        mine = [client for client in self.clients if client.person.room == room]
        if rng.random() < 0.5:
            self.everybody_hears()
        speaker = rng.choice(mine)
        if speaker.here and not speaker.outbox and speaker.log is log and rng.random() < 0.5:
            self.say(speaker)  # acked, and gone before anybody saw it
            out = speaker.outbox.pop()
            self.note(speaker, "sent", id=out.id, text=out.text)
            self.note(speaker, "ack", id=out.id, position=self.store(speaker, out))
        began = self.at
        self.at += rng.uniform(0.1, 3)
        kept = log.entries[-self.window :][: rng.choice((0, 0, rng.randint(0, len(log.entries))))]
        fresh = self.logs[room] = Log(self.token())
        for entry in kept:
            prev = fresh.top if fresh.entries else ""
            fresh.entries.append(Entry(self.token(), prev, entry.id, entry.text, entry.person))
            self.places[fresh.begin, entry.person.user, entry.id] = fresh.top
        self.faults.append(Fault("broker killed", began, self.at, True, loses=True))
        for client in rng.sample(mine, len(mine)):
            if client.here:
                if rng.random() < 0.3:
                    self.cut(client)
                else:
                    self.reset(client, rng.choice(("epoch", "ahead")))

    def flood(self) -> None:
        """Somebody is away while more is said than the window keeps."""
        away = self.rng.choice(self.clients)
        if away.here:
            self.cut(away)
        others = [c for c in self.clients if c.person.room == away.person.room and c is not away]
        for _ in range(self.window + self.rng.randint(-2, 4) if self.window < 1000 else 5):
            client = self.rng.choice(others)
            if client.here:
                if not client.outbox:
                    self.say(client)
                self.send(client)
            self.everybody_hears()

    def step(self, talk: float = 0.6) -> None:
        rng = self.rng
        client = rng.choice(self.clients)
        what = rng.random()
        if what < talk and not client.outbox:
            for _ in range(rng.randint(1, 3)):
                self.say(client)
        if client.outbox:
            self.send(client)
        elif what > 0.94 and client.here and not self.calm:
            self.cut(client)
        elif what > 0.93 and not self.calm:
            self.overtake(client)
        for one in self.clients:
            if not one.here and rng.random() < 0.3:
                self.welcome(one)
            if rng.random() < 0.7:
                self.hear(one, rng.choice((1, 2, 1000)))
        self.at += rng.uniform(0.01, 0.3)

    def finish(self) -> None:
        """Everybody says one more thing, and is heard."""
        for client in self.clients:
            self.say(client)
        while any(client.outbox or not client.here for client in self.clients):
            self.step(0.0)
        self.everybody_hears()

    def play(self) -> History:
        rng = self.rng
        for client in self.clients:
            self.welcome(client)
        for _ in range(2):
            for _ in range(rng.randint(2, 7)):
                self.step()
            rng.choice((self.lose, self.flood, self.harmless, self.step))()
        self.harmless()
        self.calm = True
        for client in self.clients:
            if not client.here:
                self.welcome(client)
        self.finish()
        self.at += rng.uniform(0, 5)
        for number in range(rng.randint(0, 2)):
            self.welcome(self.add(f"late{number}", rng.choice(list(self.logs)), late=True))
        self.finish()
        ended = max(self.at, self.faults[-1].ended + rng.uniform(13, 15))
        return History(self.people, self.events, self.faults, ended, self.window)

    def harmless(self) -> None:
        began = self.at
        self.at += self.rng.uniform(0.1, 2)
        for client in self.clients:
            if client.here and self.rng.random() < 0.5:
                self.cut(client)
        self.faults.append(Fault("link cut", began, self.at, True))


def good(seed: int) -> History:
    """One good history: some hundred events."""
    return Play(random.Random(seed)).play()
