"""One id, one entry, on real servers and from two processes, against a plain list."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from brokers import Appended, Broker, Conflict, Entry, Outcome, Unknown, Window, connect
from brokers.conformance import Site, Station
from tests.support.proxy import Proxy

WINDOW = Window(entries=4, seconds=1e6)

# On servers it takes too long to look for a shorter example: the first one is told as it is.
FEW = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=(HealthCheck.too_slow,),
)

CUTS = 2
"""In one example: to connect again takes a moment."""

keys = st.integers(0, 7).map("k{}".format)
digests = st.sampled_from([b"x", b"y"])
sends = st.lists(st.tuples(keys, digests), max_size=5)
who = st.integers(0, 1)
limits = st.integers(1, 6)


class Said(NamedTuple):
    """What the model knows of an entry."""

    key: str
    digest: bytes
    position: str


def said_of(entries: list[Entry]) -> list[Said]:
    return [Said(entry.key, entry.digest, entry.position) for entry in entries]


class Sent(NamedTuple):
    """An append and its answer."""

    who: int
    key: str
    digest: bytes
    outcome: Outcome


class Stage:
    """Two processes, open for all examples. The first one's link goes through a proxy."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.runner = asyncio.Runner()
        self.numbers = count()
        self.stations: list[Station] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def open(self) -> None:
        self.site = Site(self.url, _make)
        self.link = Proxy.before(self.url)
        await self.link.listen()
        self.stations = [await self.station(0), await self.station(1)]

    async def station(self, number: int) -> Station:
        return await self.site.open(WINDOW, self.url if number else self.link.through(self.url))

    async def close(self) -> None:
        await self.site.close()
        await self.link.close()


def _make(url: str, window: Window | None) -> Broker:
    return connect(url, window=window)


class LogAgainstList(RuleBasedStateMachine):
    """`all` is the truth: what was stored, in the order in which it was heard by both.

    At the edge of the window an append may be decided before or after its neighbours of the same moment.
    """

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        # The driver names its consumers by the global generator, which hypothesis sets back for each example:
        # on a channel that lives for all of them, names would come again.
        random.seed()
        self.room = self.stage.site.room(f"room{next(self.stage.numbers)}")
        self.all: list[Said] = []
        self.fresh = count()
        self.hears_from = [0, 0]
        """Where in `all` the log begins that each process heard."""
        self.cuts = self.resets = 0
        """How often the first one was told to begin again, since more came in than the window holds."""
        for number in (0, 1):
            self.stage.run(self.stage.stations[number].follow(self.room))
        self.empty = self.stage.stations[0][self.room].tails[0][0].top

    def teardown(self) -> None:
        self.stage.run(self.leave(*self.stage.stations))
        assert [station.heard.faults for station in self.stage.stations] == [[], []]

    async def leave(self, *stations: Station) -> None:
        for station in stations:
            station.unfollow(self.room)

    # What is sent ----------------------------------------------------------------------------------------

    @rule(number=who, wanted=sends, new=st.integers(0, 5))
    def send(self, number: int, wanted: list[tuple[str, bytes]], new: int) -> None:
        self.stage.run(self.sent([(number, *each) for each in [*wanted, *self.made(new)]]))

    @rule(first=sends, second=sends, new=st.integers(0, 2))
    def send_both_at_once(
        self, first: list[tuple[str, bytes]], second: list[tuple[str, bytes]], new: int
    ) -> None:
        each = [(0, *one) for one in [*self.made(new), *first]] + [(1, *one) for one in second]
        self.stage.run(self.sent(each))

    @precondition(lambda self: self.cuts < CUTS)
    @rule(wanted=sends, bytes_more=st.none() | st.integers(1, 3000), other=sends)
    def send_while_the_link_is_cut(
        self, wanted: list[tuple[str, bytes]], bytes_more: int | None, other: list[tuple[str, bytes]]
    ) -> None:
        """Nobody knows what of it arrived; the other one may send the same."""
        self.cuts += 1
        each = [(0, *one) for one in [*self.made(1), *wanted]] + [(1, *one) for one in other]
        self.stage.run(self.sent(each, bytes_more or 0))

    def made(self, new: int) -> list[tuple[str, bytes]]:
        return [(f"new{next(self.fresh)}", b"x") for _ in range(new)]

    async def sent(self, wanted: list[tuple[int, str, bytes]], cut_after: int | None = None) -> None:
        stage, before = self.stage, len(self.all)
        answers = [
            stage.stations[number].submit(self.room, key, digest, digest=digest)
            for number, key, digest in wanted
        ]
        if cut_after == 0:
            await asyncio.sleep(0)
            stage.link.cut()
        elif cut_after is not None:
            stage.link.cut_after(cut_after)
        outcomes = await asyncio.gather(*answers)
        if cut_after is not None:
            await stage.link.heal()
        sent = [Sent(*each, outcome) for each, outcome in zip(wanted, outcomes, strict=True)]
        if any(isinstance(one.outcome, Unknown) for one in sent):
            # What of it was stored, if anything, stands before what is sent now.
            marker = f"new{next(self.fresh)}"
            sent += [Sent(1, marker, b"x", await stage.stations[1].append(self.room, marker, digest=b"x"))]
        await self.hear({one.outcome.position for one in sent if isinstance(one.outcome, Appended)})
        self.check_answers(sent, before)
        self.check_order(sent, before)

    async def hear(self, positions: set[str]) -> None:
        """Until both have heard these; what the second one heard, whose link is never cut, is the truth."""
        wanted = positions - {said.position for said in self.all}
        heard = [station[self.room] for station in self.stage.stations]
        await self.stage.stations[1].heard.wait(lambda: wanted <= heard[1].seen, "its own entries come back")
        fresh = said_of(heard[1].log[len(self.all) - self.hears_from[1] :])
        self.all += fresh
        if self.all:
            await self.stage.stations[0].hears_end(self.room, [self.all[-1].position])
        if len(heard[0].resets) > self.resets:
            assert heard[0].resets[self.resets :] == ["trimmed"], "continuity was given up without need"
            assert len(fresh) >= WINDOW.entries, "its place was in the window"
            self.resets += 1
            self.hears_from[0] = len(self.all) - len(heard[0].log)
        assert heard[1].resets == []
        for number in (0, 1):
            found = said_of(heard[number].log)
            assert found == self.all[self.hears_from[number] :], f"station {number} heard something else"

    def check_answers(self, sent: list[Sent], before: int) -> None:
        stands = {said.position: said for said in self.all}
        was = {said.key: said for said in self.all[max(0, before - WINDOW.entries) : before]}
        window = {said.key: said for said in self.all[-WINDOW.entries :]}
        stored: list[str] = []
        for one in sent:
            known = was.get(one.key)
            if known is not None and window.get(one.key) == known:
                # It was in the window all the time.
                right = Appended(known.position, True) if known.digest == one.digest else Conflict
                assert (
                    one.outcome == right
                    or (right is Conflict and isinstance(one.outcome, Conflict))
                    or isinstance(one.outcome, Unknown)
                ), one
            if isinstance(one.outcome, Appended):
                said = stands[one.outcome.position]
                assert (said.key, said.digest) == (one.key, one.digest), "another one stands there"
                if not one.outcome.duplicate:
                    stored.append(one.outcome.position)
            elif isinstance(one.outcome, Conflict):
                assert any(s.key == one.key and s.digest != one.digest for s in self.all), "no other text"
        new = [said.position for said in self.all[before:]]
        assert len(set(stored)) == len(stored)
        assert set(stored) <= set(new), "told as new, but it is old"
        unknown = {(one.key, one.digest) for one in sent if isinstance(one.outcome, Unknown)}
        for said in self.all[before:]:
            assert said.position in stored or said[:2] in unknown | self.resent(sent), "nobody sent this"

    def resent(self, sent: list[Sent]) -> set[tuple[str, bytes]]:
        """What was stored on a link that did not live to tell: the second try finds it there."""
        return {(o.key, o.digest) for o in sent if isinstance(o.outcome, Appended) and o.outcome.duplicate}

    def check_order(self, sent: list[Sent], before: int) -> None:
        last: dict[str, int] = {}
        for number, said in enumerate(self.all):
            assert number - last.get(said.key, -1000) > WINDOW.entries, "an id twice in one window"
            last[said.key] = number
        for number in (0, 1):
            mine = [one.key for one in sent if one.who == number and one.key.startswith("new")]
            stored = [said.key for said in self.all[before:] if said.key in mine]
            assert stored == [key for key in mine if key in stored], "one sender's order"

    # What is read ----------------------------------------------------------------------------------------

    @property
    def gone(self) -> int:
        """So many left the window."""
        return max(0, len(self.all) - WINDOW.entries)

    def page(self, number: int, **asked: Any) -> tuple[list[Said], bool]:
        page = self.stage.run(self.stage.stations[number].read(self.room, **asked))
        assert (page.reason is None) == page.complete or not page.entries
        return said_of(page.entries), page.complete

    def at(self, back: int) -> tuple[int, str]:
        """A position, and how many entries there are up to it."""
        number = len(self.all) - back % (len(self.all) + 1)
        return number, self.all[number - 1].position if number else self.empty

    @rule(number=who, back=st.integers(0, 12), limit=limits)
    def read_after(self, number: int, back: int, limit: int) -> None:
        place, position = self.at(back)
        found, complete = self.page(number, after=position, limit=limit)
        assert found == self.all[max(place, self.gone) :][:limit]
        # Right before the window a server may know no more what stood there.
        assert complete == (place >= self.gone) or place == self.gone

    @rule(number=who, back=st.integers(0, 12), limit=limits)
    def read_before(self, number: int, back: int, limit: int) -> None:
        place, position = self.at(back)
        found, complete = self.page(number, before=position, limit=limit)
        if place > self.gone:
            assert complete
            assert found == self.all[self.gone : place - 1][-limit:]
        else:
            assert found == []
            assert not complete or place == 0

    @rule(number=who, limit=limits)
    def read_newest(self, number: int, limit: int) -> None:
        assert self.page(number, limit=limit) == (self.all[self.gone :][-limit:], True)

    # Who hears it ----------------------------------------------------------------------------------------

    @rule(number=who)
    def follow_again(self, number: int) -> None:
        self.stage.run(self.leave(self.stage.stations[number]))
        self.begin(number)

    @rule(number=who)
    def restart(self, number: int) -> None:
        """Another process in its place."""

        async def change() -> None:
            station = self.stage.stations[number]
            station.unfollow(self.room)
            await station.close()
            self.stage.stations[number] = await self.stage.station(number)

        self.stage.run(change())
        if number == 0:
            self.resets = 0
        self.begin(number)

    def begin(self, number: int) -> None:
        self.stage.run(self.stage.stations[number].follow(self.room))
        heard = self.stage.stations[number][self.room]
        tail, _ = heard.tails[-1]
        assert [entry.position for entry in tail.entries] == [s.position for s in self.all[self.gone :]]
        assert tail.top == (self.all[-1].position if self.all else self.empty)
        assert tail.complete
        self.hears_from[number] = self.gone


@pytest.mark.timeout(400)
@pytest.mark.parametrize("broker_kind", ["redis", "rabbitmq"])
def test_two_processes_agree_with_a_plain_list(broker_url: str) -> None:
    stage = Stage(broker_url)
    try:
        stage.run(stage.open())

        class Machine(LogAgainstList):
            pass

        Machine.stage = stage
        run_state_machine_as_test(Machine, settings=FEW)
        stage.run(stage.close())
    finally:
        stage.runner.close()
