"""Breaks a good history in one way: for each kind of finding a few shapes, each a true breach.

A planter takes a history that is its own to change, and answers whether it found a place for its breach.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .checker import KINDS, LATE_SECONDS, Kind, judge
from .history import Event, History
from .lives import Life, Said, Stretch, read

Planter = Callable[["Ground"], bool]


class Ground:
    """A good history, looked at from all sides, with what is needed to spoil it."""

    def __init__(self, history: History, rng: random.Random) -> None:
        self.history = history
        self.rng = rng
        self.events = history.events
        by_who: dict[str, list[Event]] = {who: [] for who in history.people}
        for event in self.events:
            by_who[event.who].append(event)
        self.lives = [read(who, person, by_who[who], history.ended) for who, person in history.people.items()]

    @property
    def finals(self) -> list[Stretch]:
        return [life.stretches[-1] for life in self.lives]

    @property
    def stretches(self) -> list[Stretch]:
        return [stretch for life in self.lives for stretch in life.stretches]

    def room_of(self, who: str) -> str:
        return self.history.people[who].room

    def shuffled(self, these: Iterable[Stretch]) -> list[Stretch]:
        found = list(these)
        self.rng.shuffle(found)
        return found

    def said(self) -> list[tuple[Life, Said]]:
        found = [(life, said) for life in self.lives for said in life.said.values()]
        self.rng.shuffle(found)
        return found

    def acked(self, event: Event) -> Said | None:
        """The message of which this is a delivery, where it was acknowledged."""
        for life in self.lives:
            said = life.said.get(event.id)
            if said is not None and said.user == event.user and said.acks:
                return said
        return None

    def after(self, event: Event, *new: Event) -> None:
        place = self.index(event)
        self.events[place + 1 : place + 1] = new

    def remove(self, event: Event) -> None:
        del self.events[self.index(event)]

    def index(self, event: Event) -> int:
        return next(place for place, one in enumerate(self.events) if one is event)

    def token(self) -> str:
        return f"x{self.rng.getrandbits(40):010x}"

    def copies(self, position: str) -> list[Event]:
        return [event for event in self.events if event.did == "message" and event.position == position]

    def inner(self, stretch: Stretch) -> list[int]:
        """Places in it before which something was surely heard, or surely not."""
        return list(range(0 if stretch.start else 1, len(stretch.heard)))

    def drop(self, stretch: Stretch, place: int, *, hide: bool) -> None:
        """Take one message away, and hide that from whoever looks at `prev`."""
        heard = stretch.heard
        if hide and place + 1 < len(heard):
            heard[place + 1].prev = heard[place - 1].position if place else stretch.start
        self.remove(heard.pop(place))

    def sort(self) -> None:
        self.events.sort(key=lambda event: event.at)
        self.history.ended = max(self.history.ended, self.events[-1].at)

    def delay(self, who: str, first: Event, seconds: float) -> None:
        """All that a client does and sees, from one event on."""
        on = False
        for event in self.events:
            on = on or event is first
            if on and event.who == who:
                event.at += seconds
        self.sort()


# One planter for each kind ---------------------------------------------------------------------------------


def lost(ground: Ground) -> bool:
    shape = ground.rng.random()
    if shape < 0.3:  # by everybody
        for life, said in ground.said():
            mates = [mate for mate in ground.lives if mate.person.room == life.person.room]
            if said.acks and all(said.sends[0].at > mate.stretches[-1].began for mate in mates):
                for mate in mates:
                    heard = mate.stretches[-1].heard
                    for place in reversed(range(len(heard))):
                        if (heard[place].user, heard[place].id) == said.key:
                            ground.drop(mate.stretches[-1], place, hide=True)
                return True
    for stretch in ground.shuffled(ground.finals):
        places = [place for place in ground.inner(stretch) if ground.acked(stretch.heard[place])]
        if places:
            place = ground.rng.choice(places)
            ground.drop(stretch, place, hide=ground.rng.random() < 0.7)
            while shape > 0.7 and place < len(stretch.heard):  # and all that follows
                ground.drop(stretch, place, hide=True)
            return True
    return False


def lost_announced(ground: Ground) -> bool:
    if not judge(ground.history, least_acks=0).announced:
        return False
    shape = ground.rng.randrange(3)
    late = max(event.at for event in ground.events if event.did == "reset")
    for fault in ground.history.faults:
        if fault.loses and shape == 0:
            fault.loses = False
        elif fault.loses and shape == 1:
            fault.began = fault.ended = late + 0.01
        elif fault.loses:
            fault.hit = False
    return True


def duplicate(ground: Ground) -> bool:
    rng = ground.rng
    for stretch in ground.shuffled(ground.stretches):
        if len(stretch.heard) < 2:
            continue
        shape, heard = rng.randrange(3), stretch.heard
        place = rng.randrange(len(heard))
        if shape == 0:  # shown again
            again = rng.randrange(place, len(heard))
            prev = rng.choice((heard[place].prev, heard[again].position))
            ground.after(heard[again], replace(heard[place], at=heard[again].at, prev=prev))
            return True
        if shape == 1 and len(heard) - place < ground.history.window:  # stored again
            new = replace(heard[place], position=ground.token(), prev=heard[-1].position, at=heard[-1].at)
            ground.after(heard[-1], new)
            return True
        others = [event for event in ground.copies(heard[place].position) if event.who != stretch.who]
        if 0 < place < len(heard) - 1 and others and _shares(ground, stretch, place):  # at two places for two
            heard[place].position = heard[place + 1].prev = ground.token()
            return True
    return False


def _shares(ground: Ground, stretch: Stretch, place: int) -> bool:
    """Whether somebody else heard this, and what comes right before or after it, without a break."""
    wanted = stretch.heard[place].position
    for other in ground.stretches:
        positions = [event.position for event in other.heard]
        if other.who != stretch.who and wanted in positions:
            at = positions.index(wanted)
            if at and stretch.heard[place - 1].position == positions[at - 1]:
                return True
    return False


def reordered(ground: Ground) -> bool:
    for life, first in ground.said():
        later = [two for two in life.said.values() if _surely_before(first, two)]
        ground.rng.shuffle(later)
        for second in later:
            for stretch in ground.shuffled(ground.stretches):
                if ground.room_of(stretch.who) != life.person.room:
                    continue
                found = {(event.user, event.id): event.position for event in stretch.heard}
                if first.key in found and second.key in found and found[first.key] != found[second.key]:
                    _swap(ground, life, found[first.key], found[second.key])
                    return True
    return False


def _surely_before(first: Said, second: Said) -> bool:
    if not first.acks or not second.acks or first is second:
        return False
    if first.acks[0].place < second.sends[0].place:
        return True
    return (
        len(first.sends) == len(second.sends) == 1
        and first.sends[0].connection == second.sends[0].connection
        and first.sends[0].place < second.sends[0].place
        and first.answers == ["ack"]
    )


def _swap(ground: Ground, life: Life, one: str, two: str) -> None:
    what = {event.position: (event.id, event.text) for event in ground.events if event.did == "message"}
    other = {one: two, two: one}
    for event in ground.events:
        if event.position in other and event.did == "message":
            event.id, event.text = what[other[event.position]]
        elif event.position in other and event.did == "ack" and event.who == life.who:
            event.position = other[event.position]


def diverging(ground: Ground) -> bool:
    rng = ground.rng
    for stretch in ground.shuffled(ground.stretches):
        heard = stretch.heard
        places = [place for place in range(1, len(heard)) if _shares(ground, stretch, place)]
        if not places:
            continue
        place = rng.choice(places)
        one, two = heard[place - 1], heard[place]
        if rng.random() < 0.5:
            one.id, two.id, one.text, two.text = two.id, one.id, two.text, one.text
            one.user, two.user, one.name, two.name = two.user, one.user, two.name, one.name
            if rng.random() < 0.6:  # it is the positions that are told in another order
                one.position, two.position = two.position, one.position
                if rng.random() < 0.5:
                    one.prev, two.prev = two.prev, one.position
                    if place + 1 < len(heard):
                        heard[place + 1].prev = two.position
            return True
        if rng.random() < 0.5:
            two.text += "!"
        else:
            two.id = one.id
        return True
    return False


def wrong_prev(ground: Ground) -> bool:
    for stretch in ground.shuffled(ground.stretches):
        if len(stretch.heard) > 1:
            place = ground.rng.randrange(1, len(stretch.heard))
            event = stretch.heard[place]
            earlier = [one.position for one in stretch.heard[: place - 1]]
            event.prev = ground.rng.choice(["", ground.token(), event.position, *earlier[-2:]])
            return True
    return False


def wrong_ack(ground: Ground) -> bool:
    rng = ground.rng
    for life, said in ground.said():
        final = life.stretches[-1]
        if not said.acks or life.resets or said.key not in {(e.user, e.id) for e in final.heard}:
            continue
        ack = next(e for e in ground.events if (e.who, e.did, e.id) == (life.who, "ack", said.id))
        shape = rng.randrange(4)
        if shape == 0:
            ack.position = rng.choice(
                [e.position for e in final.heard if e.position != ack.position] or ["x"]
            )
        elif shape == 1:
            ack.position = rng.choice((ground.token(), ""))
        elif shape == 2:
            ground.after(ack, replace(ack, position=ground.token()))
        else:
            ground.after(ack, replace(ack, id=ground.token()))
        return True
    return False


def silent_gap(ground: Ground) -> bool:
    rng = ground.rng
    if rng.random() < 0.3:
        resets = [s for s in ground.stretches if s.is_reset and s.before and s.heard and s.before.heard]
        for stretch in ground.shuffled(resets):
            if stretch.opening.reason == "trimmed" or len(ground.copies(stretch.heard[0].position)) < 2:
                continue
            assert stretch.before is not None
            for event in ground.events[: ground.index(stretch.opening)]:
                if event.at == stretch.connection.began and event.who == stretch.who:
                    event.resumed = rng.choice((False, True)) if event.since else event.resumed
            ground.remove(stretch.opening)
            return True
    for stretch in ground.shuffled(ground.stretches):
        places = [place for place in ground.inner(stretch)[:-1] if _is_followed(ground, stretch, place)]
        if places:
            ground.drop(stretch, rng.choice(places), hide=rng.random() < 0.7)
            return True
    return False


def _is_followed(ground: Ground, stretch: Stretch, place: int) -> bool:
    """Whether somebody else heard this and the next one right after it."""
    one, two = stretch.heard[place].position, stretch.heard[place + 1].position
    for other in ground.stretches:
        positions = [event.position for event in other.heard] if other.who != stretch.who else []
        if one in positions and positions[positions.index(one) + 1 :][:1] == [two]:
            return True
    return False


def false_reset(ground: Ground) -> bool:
    rng = ground.rng
    if any(fault.loses for fault in ground.history.faults):
        return False
    for stretch in ground.shuffled(ground.stretches):
        heard = stretch.heard
        if len(heard) < 2:
            continue
        place = rng.randrange(len(heard) - 1)
        last = heard[place]
        page = [replace(e, at=last.at) for e in heard[max(0, place + 1 - rng.randint(0, 3)) : place + 1]]
        reason = rng.choice(("epoch", "ahead", "mismatch", "trimmed"))
        reset = Event(last.at, stretch.who, "reset", reason=reason, position=last.position)
        ground.after(last, reset, *page)
        return True
    return False


def unanswered(ground: Ground) -> bool:
    rng = ground.rng
    for life, said in ground.said():
        if not said.acks:
            continue
        if rng.random() < 0.5:  # never
            answers = ("ack", "nack", "unknown")
            ground.events[:] = [
                e for e in ground.events if not (e.who == life.who and e.id == said.id and e.did in answers)
            ]
            return True
        if said.answers[-1] == "ack":  # late
            ack = next(e for e in ground.events if (e.who, e.did, e.id) == (life.who, "ack", said.id))
            late = LATE_SECONDS + rng.uniform(0.1, 9)
            for event in ground.events[ground.index(ack) :]:
                event.at += late
            for fault in ground.history.faults:
                fault.ended += late if fault.ended >= ack.at - late else 0
            ground.history.ended += late
            return True
    return False


def after_nack(ground: Ground) -> bool:
    rng = ground.rng
    for life, said in ground.said():
        if said.nacks and rng.random() < 0.5:  # refused, and shown to somebody after all
            mates = [s for s in ground.finals if ground.room_of(s.who) == life.person.room and s.heard]
            last = rng.choice(mates).heard[-1]
            new = replace(last, id=said.id, text=said.texts[0], user=said.user, name=life.person.name)
            ground.after(last, replace(new, position=ground.token(), prev=last.position))
            return True
        if said.acks:  # shown, and refused after all
            ack = next(e for e in ground.events if (e.who, e.did, e.id) == (life.who, "ack", said.id))
            if any(e.did == "message" and (e.user, e.id) == said.key for e in ground.events):
                nack = replace(ack, did="nack", position="", code=rng.choice(("empty", "rate_limited")))
                ground.after(ack, nack)
                if rng.random() < 0.5:
                    ground.remove(ack)
                return True
    return False


def phantom(ground: Ground) -> bool:
    rng = ground.rng
    stretch = rng.choice([stretch for stretch in ground.stretches if stretch.heard])
    event = rng.choice(stretch.heard)
    shape = rng.randrange(3)
    if shape == 0:
        last = stretch.heard[-1]
        new = replace(last, id=ground.token(), text="boo", position=ground.token(), prev=last.position)
        ground.after(last, new)
        return True
    text, id = (event.text[:-1] + rng.choice(("", "?")), event.id) if shape == 1 else (event.text, "")
    for copy in ground.copies(event.position) if rng.random() < 0.5 else [event]:
        copy.text, copy.id = text, id or (copy.id if shape == 1 else "never")
        if shape == 2:
            copy.text = "never said"
    return True


def wrong_sender(ground: Ground) -> bool:
    rng = ground.rng
    shape = rng.randrange(3)
    if shape == 0:
        event = rng.choice([event for event in ground.events if event.did == "welcome"])
        event.user = rng.choice([person.user for person in ground.history.people.values()] + ["nobody"])
        return event.user != ground.history.people[event.who].user
    event = rng.choice([event for event in ground.events if event.did == "message"])
    copies = ground.copies(event.position) if rng.random() < 0.5 else [event]
    others = [p for p in ground.history.people.values() if p.user != event.user]
    if shape == 1:
        for copy in copies:
            copy.name = rng.choice(others).name
        return True
    others = [p for p in others if not any(p.user == s.user and s.id == event.id for _, s in ground.said())]
    if not others:
        return False
    other = rng.choice(others)
    for copy in copies:
        copy.user, copy.name = other.user, other.name
    return True


def leak(ground: Ground) -> bool:
    rng = ground.rng
    life, said = ground.said()[0]
    far = [s for s in ground.stretches if ground.room_of(s.who) != life.person.room and s.heard]
    if far and rng.random() < 0.7:
        stretch = rng.choice(far)
        place = rng.randrange(len(stretch.heard))
        last = stretch.heard[place]
        new = replace(last, id=said.id, text=said.texts[0], user=said.user, name=life.person.name)
        ground.after(last, replace(new, position=ground.token(), prev=last.position))
        return True
    other = rng.choice([one for one in ground.lives if said.id not in one.said] or [life])
    heard = [event for stretch in other.stretches for event in stretch.heard]
    if other is life or not heard:
        return False
    last = rng.choice(heard)
    did = rng.choice(("nack", "unknown"))
    ground.after(last, Event(last.at, other.who, did, id=said.id, code="empty" if did == "nack" else ""))  # type: ignore[arg-type]
    return True


def late(ground: Ground) -> bool:
    rng = ground.rng
    over = max(fault.ended for fault in ground.history.faults)
    if rng.random() < 0.3 and _late_reset(ground, over):
        return True
    for stretch in ground.shuffled(ground.finals):
        heard = [event for event in stretch.heard if _by_another(ground, stretch, event)]
        seen = {
            (e.user, e.id)
            for s in ground.stretches
            if s.who == stretch.who and s is not stretch
            for e in s.heard
        }
        heard = [event for event in heard if (event.user, event.id) not in seen]
        if heard:
            event = rng.choice(heard)
            said = ground.acked(event)
            assert said is not None
            opened = stretch.opened[next(n for n, e in enumerate(stretch.heard) if e is event)]
            due = max(said.acks[0].at, opened, stretch.began, over) + LATE_SECONDS
            ground.delay(stretch.who, event, due - event.at + rng.uniform(0.1, 9))
            return True
    return False


def _by_another(ground: Ground, stretch: Stretch, event: Event) -> bool:
    said = ground.acked(event)
    return said is not None and said.who != stretch.who


def _late_reset(ground: Ground, over: float) -> bool:
    for stretch in ground.shuffled(ground.finals):
        if not stretch.is_reset or stretch.connection.began >= stretch.began or stretch.before is None:
            continue
        missed = [e for e in stretch.heard if _by_another(ground, stretch, e)]
        missed = [e for e in missed if e.user + e.id not in {o.user + o.id for o in stretch.before.heard}]
        saids = [said for said in map(ground.acked, missed) if said is not None]
        saids = [said for said in saids if said.sends[0].at > stretch.before.began]
        if saids and stretch.opening.at - stretch.connection.began > 0.1:
            due = max(saids[0].acks[0].at, over) + LATE_SECONDS
            late = due - stretch.began + ground.rng.uniform(0.1, 9)
            ground.delay(stretch.who, stretch.opening, late)
            return True
    return False


def unhealed(ground: Ground) -> bool:
    rng = ground.rng
    over = max(fault.ended for fault in ground.history.faults)
    if rng.random() < 0.5:  # somebody stays away
        life = rng.choice([one for one in ground.lives if not one.who.startswith("late")])
        gone = rng.uniform(over - 1, over + 1)
        left = [e for e in ground.events if e.who != life.who or e.at < gone]
        ground.events[:] = left
        mine = [e for e in left if e.who == life.who]
        if mine and mine[-1].did != "closed":
            ground.events.append(Event(max(gone, mine[-1].at), life.who, "closed", code="0"))
        back = over + LATE_SECONDS + rng.uniform(1, 5)
        if mine and rng.random() < 0.5 and back < ground.history.ended:
            opening = next(e for e in mine if e.did == "welcome")
            ground.events.append(replace(opening, at=back))
        ground.sort()
        return True
    room = rng.choice([person.room for person in ground.history.people.values()])
    tried = False
    for event in ground.events:
        if over <= event.at <= over + LATE_SECONDS + 0.5 and ground.room_of(event.who) == room:
            tried = tried or (event.did == "sent" and event.at < over + 9)
            if event.did == "ack":
                event.did, event.position = "unknown", ""
    return tried


PLANTERS: dict[Kind, Planter] = dict(
    zip(
        KINDS,
        (
            *(lost, lost_announced, duplicate, reordered, diverging, wrong_prev, wrong_ack, silent_gap),
            *(false_reset, unanswered, after_nack, phantom, wrong_sender, leak, late, unhealed),
        ),
        strict=True,
    )
)


def plant(kind: Kind, histories: Sequence[History], number: int) -> History:
    """A copy of one of these good histories with one breach in it, another one for each number."""
    rng = random.Random(f"{kind}/{number}")
    for turn in range(len(histories)):
        found = histories[(number * 5 + turn) % len(histories)]
        copy = History(
            found.people,
            [replace(event) for event in found.events],
            [replace(fault) for fault in found.faults],
            found.ended,
            found.window,
        )
        if PLANTERS[kind](Ground(copy, rng)):
            return copy
    raise AssertionError(f"no place for {kind}")
