"""Judges one trial by the delivery contract (docs/contract.md). Knows nothing of the app: only a `History`.

`lives` reads what each client did, `logs` puts together what each room's logs were, and here the one is held
against the other. Nothing is promised beyond the window, nor between rooms. All of it takes time in
proportion to what was noted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, NamedTuple, get_args

from .history import Event, Fault, History, Person
from .lives import ANSWER_SECONDS, CLOCK_SECONDS, Ack, Life, Said, Stretch, read
from .logs import Logs, logs_of

ORDER_SECONDS = 10.0
"""How long newer messages wait for one whose fate is unknown."""

LATE_SECONDS = ANSWER_SECONDS + CLOCK_SECONDS

Kind = Literal[
    "lost",
    "lost_announced",
    "duplicate",
    "reordered",
    "diverging",
    "wrong_prev",
    "wrong_ack",
    "silent_gap",
    "false_reset",
    "unanswered",
    "after_nack",
    "phantom",
    "wrong_sender",
    "leak",
    "late",
    "unhealed",
]
"""What can be wrong.

lost            acknowledged, and somebody who had to see it did not, and was not told by a reset.
lost_announced  everybody was told, but nothing had happened that may take away what was acknowledged.
duplicate       one message twice: at one client without a reset between, or at two positions of an epoch.
reordered       one sender's messages in another order than was promised to it.
diverging       two clients saw one epoch in two orders, or two things at one position.
wrong_prev      `prev` is not the message before.
wrong_ack       the ack names another place than the message has, or answers what was not sent.
silent_gap      something between two messages was not shown, or the log is another one, without a reset.
false_reset     a reset although the last position could be continued.
unanswered      a send without ack, nack or unknown in time, or without an end at all.
after_nack      refused, and yet delivered.
phantom         nobody said this, or not in these words.
wrong_sender    under another identity or name than it was said, or welcomed as somebody else.
leak            from another room; or an answer to somebody else.
late            seen, or told by a reset, too late.
unhealed        not connected, or no sends acked, ten seconds after the last fault.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Finding(NamedTuple):
    """One breach."""

    kind: Kind
    who: str
    """The client that it shows at; "" where at none in particular."""
    room: str
    detail: str


@dataclass(slots=True)
class Verdict:
    """What is wrong with a trial, and what it amounts to."""

    findings: list[Finding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Why nothing would be proved if there were no findings."""
    clients: int = 0
    rooms: int = 0
    connections: int = 0
    sent: int = 0
    """Messages, however often they were put on the wire."""
    acked: int = 0
    nacked: int = 0
    unknowns: int = 0
    """Answers "unknown"."""
    seen: int = 0
    """Deliveries."""
    resets: int = 0
    lost: int = 0
    """Messages acknowledged and gone, or withheld, without a word."""
    announced: int = 0
    """Messages acknowledged and gone, and everybody was told."""
    duplicates: int = 0
    reordered: int = 0

    @property
    def verdict(self) -> Literal["pass", "fail", "unknown"]:
        return "fail" if self.findings else "unknown" if self.unknown else "pass"


def judge(history: History, *, least_acks: int = 20, least_faults: int = 1) -> Verdict:
    """What is wrong with a history. Below `least_acks` in any room, or `least_faults`, nothing is proved."""
    verdict = Verdict()
    by_who: dict[str, list[Event]] = {who: [] for who in history.people}
    strangers = set()
    for event in history.events:
        if event.who in by_who:
            by_who[event.who].append(event)
        else:
            strangers.add(event.who)
    ended = max(history.ended, history.events[-1].at if history.events else 0.0)
    lives = [read(who, history.people[who], events, ended) for who, events in by_who.items()]
    speech = _Speech(history.people, lives)
    rooms: dict[str, list[Life]] = {}
    for life in lives:
        rooms.setdefault(life.person.room, []).append(life)
    verdict.unknown += [f"{who} is nobody that was set up" for who in sorted(strangers)]
    for name, members in rooms.items():
        _Room(name, members, history, ended, speech, verdict).judge()
    _count(verdict, lives, len(rooms))
    _doubt(verdict, history, rooms, lives, least_acks, least_faults)
    return verdict


def _count(verdict: Verdict, lives: Iterable[Life], rooms: int) -> None:
    verdict.rooms = rooms
    for life in lives:
        verdict.clients += 1
        verdict.connections += len(life.connections)
        verdict.sent += len(life.said)
        verdict.acked += sum(bool(said.acks) for said in life.said.values())
        verdict.nacked += life.nacks
        verdict.unknowns += life.unknowns
        verdict.seen += sum(len(stretch.heard) for stretch in life.stretches)
        verdict.resets += life.resets


def _doubt(
    verdict: Verdict,
    history: History,
    rooms: dict[str, list[Life]],
    lives: Sequence[Life],
    least_acks: int,
    least_faults: int,
) -> None:
    doubts = verdict.unknown
    if not history.events:
        doubts.append("nothing was noted")
    if len(history.faults) < least_faults:
        doubts.append(f"{len(history.faults)} faults, {least_faults} were wanted")
    doubts += [f"{fault.name} did not hit: {fault.detail}" for fault in history.faults if not fault.hit]
    healed = max((fault.ended for fault in history.faults), default=-inf)
    for name, members in rooms.items():
        acks = [said.acks[0].at for life in members for said in life.said.values() if said.acks]
        if len(acks) < max(1, least_acks):
            doubts.append(f"room {name}: {len(acks)} acks, {least_acks} were wanted")
        elif max(acks) < healed:
            doubts.append(f"room {name}: no ack after the last fault")
    doubts += [f"{life.who} saw nothing" for life in lives if not any(life.heard)]
    doubts += [f"{life.who}: {one.detail}" for life in lives for one in life.problems if not one.kind]


class _Speech:
    """Who said what, over all rooms."""

    def __init__(self, people: dict[str, Person], lives: Iterable[Life]) -> None:
        self.names: dict[str, set[str]] = defaultdict(set)
        for person in people.values():
            self.names[person.user].add(person.name)
        self.said: dict[tuple[str, str], dict[str, Said]] = defaultdict(dict)
        """By user and id, then by room."""
        self.words: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
        """By id and text: users and rooms."""
        for life in lives:
            for said in life.said.values():
                self.said[said.key][life.person.room] = said
                for text in said.texts:
                    self.words[said.id, text].add((said.user, life.person.room))


class _Stored(NamedTuple):
    """An acknowledged message."""

    said: Said
    first_sent: float
    acked: float
    home: str
    """Where it stands; "" where nobody saw it in the epoch that the ack was from."""
    epochs: frozenset[str]
    """Those that the ack may be from."""


class _Survivors:
    """What of the logs that are over is there still, as far as the last ones were seen."""

    def __init__(
        self,
        logs: Logs,
        standing: dict[tuple[str, str], list[str]],
        finals: Iterable[Stretch],
        window: int,
    ) -> None:
        self._logs = logs
        self._window = window
        self._now = {logs.epochs[final.anchor] for final in finals}
        self._kept: dict[str, int] = {}
        """By epoch that is over: the last place that is there still."""
        self._begins = False
        """A log that is there now was seen from its first message on."""
        present = (one for epoch in self._now for one in logs.order[epoch] if one in logs.entries)
        for event in map(logs.entries.__getitem__, present):
            for position in standing[event.user, event.id]:
                epoch = logs.epochs[position]
                self._kept[epoch] = max(logs.place[position], self._kept.get(epoch, -1))
            self._begins = self._begins or not event.prev

    def may_include(self, position: str) -> bool:
        """Whether what stood there may be retained: where nobody asked, or where the window had passed.

        Logs lose their end, so what stands before something that is there still is taken for retained,
        unless the new log was seen from its beginning on.
        """
        logs, epoch = self._logs, self._logs.epochs[position]
        if epoch in self._now:
            return True
        last = logs.order[epoch][-1]
        if logs.count[last] - logs.count[position] >= self._window:
            return True
        return not self._begins and logs.place[position] <= self._kept.get(epoch, -1)


class _Room:
    """One room of the trial."""

    def __init__(
        self,
        name: str,
        lives: Sequence[Life],
        history: History,
        ended: float,
        speech: _Speech,
        verdict: Verdict,
    ) -> None:
        self.name = name
        self.lives = lives
        self.window = history.window
        self.faults = history.faults
        self.ended = ended
        self.speech = speech
        self.verdict = verdict
        self.logs = Logs()
        self.standing: dict[tuple[str, str], list[str]] = defaultdict(list)
        """By user and id: positions."""
        self.stored: list[_Stored] = []
        """In the order of the first sending."""
        self.finals = [life.stretches[-1] for life in lives if life.stretches]

    def judge(self) -> None:
        for life in self.lives:
            for problem in life.problems:
                if problem.kind:
                    self._wrong(problem.kind, life.who, f"{problem.detail} at {problem.at:.2f}")
        stretches = [stretch for life in self.lives for stretch in life.stretches]
        self.logs = logs_of(stretches, self._may_be_trimmed, self._wrong)
        for position, event in self.logs.entries.items():
            self.standing[event.user, event.id].append(position)
        for stretch in stretches:
            stretch.keys.update((event.user, event.id) for event in stretch.heard)
        self._origins(stretches)
        self._duplicates(stretches)
        self._prevs(stretches)
        self._acks()
        self._orders()
        self._losses()
        self._resets(stretches)
        self._lateness()
        self._answers()
        self._healing()

    def _wrong(self, kind: str, who: str, detail: str) -> None:
        assert kind in KINDS
        self.verdict.findings.append(Finding(kind, who, self.name, detail))

    def _may_be_trimmed(self, reset: Event) -> bool:
        """Whether a reset that blames the window may be right: so much was said before it."""
        if reset.reason != "trimmed":
            return False
        sent = sum(said.sends[0].at <= reset.at for life in self.lives for said in life.said.values())
        return sent > self.window

    # Each delivery for itself -------------------------------------------------------------------------------

    def _origins(self, stretches: Iterable[Stretch]) -> None:
        """Phantoms, foreign names, leaks, and what had been refused."""
        judged: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
        for stretch in stretches:
            for event in stretch.heard:
                what = (event.user, event.id, event.text, event.name)
                if what not in judged:
                    judged[what] = list(self._origin(event))
                for kind, detail in judged[what]:
                    self._wrong(kind, stretch.who, detail)

    def _origin(self, event: Event) -> Iterator[tuple[str, str]]:
        what = f"{event.id} {event.text!r} of {event.user}"
        rooms = self.speech.said.get((event.user, event.id), {})
        said = rooms.get(self.name)
        if said is None:
            speakers = self.speech.words.get((event.id, event.text), set())
            if any(room == self.name for _, room in speakers):
                yield "wrong_sender", f"{what} was said by {', '.join(user for user, _ in speakers)}"
            elif rooms or speakers:
                yield "leak", f"{what} was said in {', '.join([*rooms, *(room for _, room in speakers)])}"
            else:
                yield "phantom", f"{what} was said by nobody"
            return
        if event.text not in said.texts:
            yield "phantom", f"{what} was {said.texts[0]!r}"
        if event.name not in self.speech.names[event.user]:
            yield "wrong_sender", f"{what} is shown as {event.name!r}"
        # An id used for two texts was refused for one of them.
        if said.nacks and len(said.texts) == 1:
            yield "after_nack", f"{what} was refused: {said.nacks[0].code}"

    def _duplicates(self, stretches: Iterable[Stretch]) -> None:
        twice: set[tuple[str, str]] = set()
        for stretch in stretches:
            if len(stretch.keys) == len(stretch.heard):
                continue
            seen: dict[tuple[str, str], str] = {}
            for event in stretch.heard:
                key = event.user, event.id
                if key in seen and not self._forgotten(seen[key], event.position):
                    twice.add(key)
                    self._wrong("duplicate", stretch.who, f"{event.id} again at {event.position}")
                seen[key] = event.position
        for key, positions in self.standing.items():
            if len(positions) > 1:
                positions.sort(key=lambda one: self.logs.place[one])
                last: dict[str, str] = {}
                for position in positions:
                    before = last.get(self.logs.epochs[position], "")
                    if before and not self._forgotten(before, position):
                        twice.add(key)
                        self._wrong("duplicate", "", f"{key[1]} stands at {before} and at {position}")
                    last[self.logs.epochs[position]] = position
        self.verdict.duplicates += len(twice)

    def _forgotten(self, first: str, second: str) -> bool:
        """Whether the window had passed over the first one: then its id is new again."""
        return abs(self.logs.count[second] - self.logs.count[first]) >= self.window

    def _prevs(self, stretches: Iterable[Stretch]) -> None:
        for stretch in stretches:
            last = stretch.start
            for number, event in enumerate(stretch.heard):
                if number or (last and last in self.logs.entries):
                    wrong = event.prev != last
                elif last:
                    wrong = event.prev not in (last, "")
                else:
                    wrong = bool(event.prev) and not self._may_precede(event.prev, event.position)
                if wrong:
                    detail = f"{event.id} follows {last or '?'}, and names {event.prev or 'nothing'}"
                    self._wrong("wrong_prev", stretch.who, detail)
                last = event.position

    def _may_precede(self, prev: str, position: str) -> bool:
        """Of a page's first message: what stood before was not heard here, but maybe by others."""
        logs = self.logs
        known = [one for one in logs.before.get(position, ()) if one in logs.entries]
        if known:
            return prev in known
        if prev not in logs.entries:
            return True
        return logs.epochs[prev] == logs.epochs[position] and logs.place[prev] < logs.place[position]

    # Acks ---------------------------------------------------------------------------------------------------

    def _acks(self) -> None:
        for life in self.lives:
            for said in life.said.values():
                if said.acks:
                    self._acks_of(said)
        self.stored.sort(key=lambda one: one.first_sent)

    def _acks_of(self, said: Said) -> None:
        home = ""
        candidates: frozenset[str] = frozenset()
        named: dict[frozenset[str], str] = {}
        stands = {self.logs.epochs[position]: position for position in self.standing.get(said.key, ())}
        for ack in said.acks:
            entry = self.logs.entries.get(ack.position)
            epochs = self._epochs_of(ack, said)
            if entry is not None and (entry.user, entry.id) != said.key:
                detail = f"{said.id} acked at {ack.position}, where {entry.id} stands"
                self._wrong("wrong_ack", said.who, detail)
            elif entry is not None:
                home = ack.position
                epochs = frozenset((self.logs.epochs[home],))
            elif not ack.position or epochs <= stands.keys():
                stand = ", ".join(stands[one] for one in epochs & stands.keys())
                self._wrong("wrong_ack", said.who, f"{said.id} acked at {ack.position!r}, stands at {stand}")
            if len(epochs) == 1 and named.setdefault(epochs, ack.position) != ack.position:
                detail = f"{said.id} acked at {named[epochs]} and at {ack.position}"
                self._wrong("wrong_ack", said.who, detail)
            candidates = candidates or epochs
            home = home or next((stands[one] for one in epochs if one in stands), "")
        first = said.acks[0]
        self.stored.append(_Stored(said, said.sends[0].at, first.at, home, candidates))

    def _epochs_of(self, ack: Ack, said: Said) -> frozenset[str]:
        """The epochs that an ack may be from: beside a reset there are two."""
        stretch, logs = ack.stretch, self.logs
        here = stretch.heard[ack.heard - 1].position if ack.heard else stretch.anchor
        found = {logs.epochs[here]}
        after = stretch.after
        if after is not None and after.is_reset:
            heard_of = min(ack.connection.ended, after.began)
            if heard_of - ack.at <= LATE_SECONDS:
                found.add(logs.epochs[after.anchor])
        if stretch.before is not None and stretch.is_reset:
            early = ack.at - stretch.began <= LATE_SECONDS
            if early and said.sends[0].at < stretch.began:
                found.add(logs.epochs[stretch.before.last])
        return frozenset(found)

    # The order of each sender -------------------------------------------------------------------------------

    def _orders(self) -> None:
        """Acked before the other was sent, or sent before it on each connection that brought it."""
        seen_at: dict[tuple[str, str], float] = {}
        for event in self.logs.entries.values():
            key = event.user, event.id
            seen_at[key] = min(event.at, seen_at.get(key, inf))
        for life in self.lives:
            places: dict[str, list[tuple[Said, int]]] = defaultdict(list)
            for said in life.said.values():  # in the order of the first sending
                for position in self.standing.get(said.key, ()):
                    places[self.logs.epochs[position]].append((said, self.logs.place[position]))
            for epoch, mine in places.items():
                self._order_of(life.who, epoch, mine, seen_at)

    def _order_of(
        self, who: str, epoch: str, mine: list[tuple[Said, int]], seen_at: dict[tuple[str, str], float]
    ) -> None:
        order = self.logs.order[epoch]
        highest: list[int] = []
        for number, (said, place) in enumerate(mine):
            back = number - 1
            while back >= 0 and highest[back] > place:
                earlier, other = mine[back]
                passed = other > place and self.logs.is_before(order[place], order[other])
                passed = passed and earlier is not said and not self._acked_elsewhere(earlier, epoch)
                if passed and _is_promised(earlier, said, seen_at[said.key]):
                    self.verdict.reordered += 1
                    self._wrong("reordered", who, f"{said.id} stands before {earlier.id}")
                    break
                back -= 1
            highest.append(max(place, highest[-1] if highest else -1))

    def _acked_elsewhere(self, said: Said, epoch: str) -> bool:
        """What was acked is gone with another epoch, and what stands here may be a copy that came late.

        A send without an answer waits, for one, at an instance that stands still; with the log its id was
        forgotten.
        """
        if all(answer in ("ack", "nack") for answer in said.answers):
            return False
        homes = {self.logs.epochs[ack.position] for ack in said.acks if ack.position in self.logs.epochs}
        return bool(homes) and epoch not in homes

    # Loss ---------------------------------------------------------------------------------------------------

    def _losses(self) -> None:
        gone = {one.said.key for one in self.stored}
        for final in self.finals:
            gone -= final.keys
        lost: set[tuple[str, str]] = set()
        for final in self.finals:
            full = self._page_is_all(final)
            for one in self.stored:
                if one.said.key not in final.keys and self._must_see(final, one, full):
                    lost.add(one.said.key)
                    self._wrong("lost", final.who, f"{one.said.id}, acked at {one.acked:.2f}")
        self.verdict.lost += len(lost)
        survivors = _Survivors(self.logs, self.standing, self.finals, self.window)
        ends = self._ends()
        for one in self.stored:
            if one.said.key in gone and one.said.key not in lost:
                self._announced(one, ends, survivors)
        for final in self.finals:
            self._rest(final, lost)

    def _must_see(self, final: Stretch, one: _Stored, full: bool) -> bool:
        """Whether a client whose last stretch this is had to see it there."""
        if one.first_sent > final.began:
            return True
        logs = self.logs
        first = final.start or final.anchor
        for stand in self.standing.get(one.said.key, ()):
            if logs.is_before(first, stand):
                return True
            distance = logs.between(stand, final.opening.position) if final.history else None
            if distance is not None and 0 <= distance < self.window:
                return True
        if one.home:
            return False
        return full and one.acked < final.began and one.epochs == {logs.epochs[first]}

    def _page_is_all(self, final: Stretch) -> bool:
        """Whether a late reader got a whole log: it was shorter than the window."""
        if not final.history or not final.heard:
            return False
        return len(final.heard) < self.window

    def _ends(self) -> dict[str, float]:
        """When somebody was told that an epoch is over."""
        ends: dict[str, float] = {}
        for life in self.lives:
            for stretch in life.stretches:
                after = stretch.after
                if after is not None and after.is_reset:
                    epoch = self.logs.epochs[stretch.last]
                    if self.logs.epochs[after.anchor] != epoch:
                        ends[epoch] = min(after.began, ends.get(epoch, inf))
        return ends

    def _announced(self, one: _Stored, ends: dict[str, float], survivors: _Survivors) -> None:
        if one.home:
            epoch = self.logs.epochs[one.home]
            if epoch not in ends or survivors.may_include(one.home):
                return
            told = ends[epoch]
        else:
            after = one.said.acks[0].stretch.after
            if after is None or not after.is_reset:
                self.verdict.unknown.append(f"{one.said.id} was acked and seen by nobody, and nobody had to")
                return
            if self._may_be_trimmed(after.opening):
                return
            told = after.began
        self.verdict.announced += 1
        if not any(_explains(fault, one.acked, told) for fault in self.faults):
            self._wrong("lost_announced", one.said.who, f"{one.said.id}, acked at {one.acked:.2f}")

    def _rest(self, final: Stretch, lost: set[tuple[str, str]]) -> None:
        """What others saw after a client's last message, acked or not."""
        logs = self.logs
        last = final.last
        if last not in logs.place:
            return
        order = logs.order[logs.epochs[last]]
        for position in order[logs.place[last] + 1 :]:
            event = logs.entries.get(position)
            if event is None or not logs.is_before(last, position):
                continue
            key = event.user, event.id
            if key not in lost and key not in final.keys:
                self._wrong("silent_gap", final.who, f"{event.id} and what follows was not shown")
                return

    # Resets -------------------------------------------------------------------------------------------------

    def _resets(self, stretches: Iterable[Stretch]) -> None:
        logs = self.logs
        for stretch in stretches:
            after = stretch.after
            if after is None or not after.is_reset:
                continue
            self._page(after)
            if stretch.asked not in logs.place or logs.epochs[stretch.asked] != logs.epochs[after.anchor]:
                continue
            top = after.opening.position
            if top not in logs.place:
                top = after.heard[0].position if after.heard else ""
                if not top or logs.place[top] > logs.place[stretch.asked]:
                    continue
            distance = logs.between(stretch.asked, top)
            if distance is None or distance >= self.window:
                continue
            if any(_explains(fault, stretch.contact, after.began) for fault in self.faults):
                continue
            detail = f"{after.opening.reason} at {after.began:.2f}, {distance} messages after the last one"
            self._wrong("false_reset", stretch.who, detail)

    def _page(self, stretch: Stretch) -> None:
        """A page reaches to where the log ended when it was told of, or what follows begins right there."""
        if stretch.heard:
            distance = self.logs.between(stretch.opening.position, stretch.heard[0].position)
            if distance is not None and distance > 1:
                detail = f"{distance - 1} messages between the reset and {stretch.heard[0].id}"
                self._wrong("silent_gap", stretch.who, detail)

    # Deadlines ----------------------------------------------------------------------------------------------

    def _lateness(self) -> None:
        acked = {one.said.key: one.acked for one in self.stored}
        sendings = [one.first_sent for one in self.stored]
        for life in self.lives:
            seen: set[tuple[str, str]] = set()
            for stretch in life.stretches:
                for event, opened in zip(stretch.heard, stretch.opened, strict=True):
                    key = event.user, event.id
                    if key in seen or key not in acked:
                        continue
                    seen.add(key)
                    due = self._due(acked[key], max(opened, stretch.began), event.at)
                    if event.at > due:
                        self._wrong("late", life.who, f"{event.id}, {event.at - due:.1f} s")
                self._late_reset(life.who, stretch, sendings)

    def _late_reset(self, who: str, stretch: Stretch, sendings: Sequence[float]) -> None:
        after = stretch.after
        if after is None or not after.is_reset:
            return
        opened = after.connection.began
        if after.began - max(opened, stretch.began) <= LATE_SECONDS:
            return
        for one in self.stored[bisect_left(sendings, stretch.began) : bisect_left(sendings, after.began)]:
            if one.said.key not in stretch.keys and one.acked < after.began:
                due = self._due(one.acked, opened, after.began)
                if after.began > due:
                    detail = f"the reset after {one.said.id}, {after.began - due:.1f} s"
                    self._wrong("late", who, detail)
                    return

    def _due(self, acked: float, opened: float, at: float) -> float:
        """Until when it had to come."""
        due = max(acked, opened)
        if at - due > LATE_SECONDS:
            ends = [fault.ended for fault in self.faults if fault.began <= at and fault.ended >= acked]
            due = max([due, *ends])
        return due + LATE_SECONDS

    def _answers(self) -> None:
        for life in self.lives:
            for said in life.said.values():
                if not said.acks and not said.nacks:
                    self._wrong("unanswered", life.who, f"{said.id}: neither ack nor nack to the end")

    def _healing(self) -> None:
        if not self.faults:
            return
        healed = max(fault.ended for fault in self.faults)
        limit = healed + LATE_SECONDS
        if self.ended < limit:
            return
        for life in self.lives:
            if not any(one.began <= limit and one.ended > limit - CLOCK_SECONDS for one in life.connections):
                late_comer = life.connections and life.connections[0].began > healed
                if not late_comer:
                    self._wrong("unhealed", life.who, "not connected ten seconds after the last fault")
                    continue
            last = life.connections[-1].ended
            if self.ended - last > LATE_SECONDS:
                self._wrong("unhealed", life.who, f"not connected from {last:.2f} to the end")
        tried = acked = False
        for life in self.lives:
            for said in life.said.values():
                if any(healed <= send.at <= limit - 2 * CLOCK_SECONDS for send in said.sends):
                    tried = True
                    acked = acked or any(healed <= ack.at <= limit for ack in said.acks)
        if tried and not acked:
            self._wrong("unhealed", "", "no send was acked within ten seconds after the last fault")


def _is_promised(first: Said, second: Said, stored: float) -> bool:
    """Whether the first message had to stand before the second one, which was stored by then."""
    acked = first.acks[0].place if first.acks else inf
    return all(
        acked < send.place or _is_behind(first, send.place, send.connection, stored) for send in second.sends
    )


def _is_behind(first: Said, place: int, connection: int, stored: float) -> bool:
    earlier = [
        number
        for number, send in enumerate(first.sends)
        if send.connection == connection and send.place < place
    ]
    if not earlier:
        return False
    # What ended unknown holds up newer ones for some seconds only.
    return first.answers[earlier[-1]] == "ack" or stored <= first.sends[earlier[-1]].at + ORDER_SECONDS


def _explains(fault: Fault, known: float, told: float) -> bool:
    """Whether a fault may have taken away what was known to be there, before that was told."""
    return fault.hit and fault.loses and fault.began <= told and known <= fault.ended + LATE_SECONDS
