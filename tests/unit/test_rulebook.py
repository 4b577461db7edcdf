"""The rules of all rooms: known to every instance, whatever the broker does meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from brokers import Entry, Unavailable, Unknown, Window
from quartchat import rulebook
from quartchat.names import BadName, room_name
from quartchat.rulebook import LOG, ROOMS, Rulebook, Said
from quartchat.rules import LONGEST, NONE, Rules, Sentence, TooMany
from tests.unit.clock import settled
from tests.unit.doubles import NOW_MS, ScriptedBroker


class Instance:
    """One process's part: its listener, and which rooms it was told of."""

    def __init__(self, broker: ScriptedBroker) -> None:
        self.told: list[tuple[str, Rules]] = []
        self.used: list[str] = []
        self.book = Rulebook(broker, lambda room, rules: self.told.append((room, rules)), lambda: self.used)

    def tail(self, room: str, tail: Any, reason: Any) -> None:
        self.book.ledger.tail(tail, reason)

    def entries(self, room: str, entries: Any) -> None:
        self.book.ledger.take(entries)


class Both:
    """Hands everything to two instances on one broker."""

    def __init__(self, *instances: Instance) -> None:
        self.instances = instances

    def tail(self, room: str, tail: Any, reason: Any) -> None:
        for each in self.instances:
            each.tail(room, tail, reason)

    def entries(self, room: str, entries: Any) -> None:
        for each in self.instances:
            each.entries(room, entries)


@pytest.fixture
async def broker() -> ScriptedBroker:
    return ScriptedBroker()


@pytest.fixture
async def here(broker: ScriptedBroker) -> Instance:
    instance = Instance(broker)
    await broker.open(instance)  # type: ignore[arg-type]
    return instance


def spoken(data: bytes) -> Entry:
    return Entry("p", None, "k", b"d", NOW_MS, data)


def said(again: bool = False, **rules: Rules) -> Entry:
    return spoken(msgspec.json.encode(Said(rules, again)))


def made(by: str, turn: int, **values: Any) -> Rules:
    return Rules(turn, by, int(time.time()) + 1000, "owner", **values)


async def late_one(broker: ScriptedBroker) -> Instance:
    """An instance that starts now, and nobody else runs."""
    late = Instance(broker)
    broker.followed.clear()
    await broker.open(late)  # type: ignore[arg-type]
    await late.book.ledger.learn()
    return late


async def beats(here: Instance) -> None:
    """What the sweep does, to its end."""
    here.book.ledger.beat(lambda work: asyncio.get_running_loop().create_task(work))
    busy = here.book.ledger._busy
    if busy is not None:
        await busy


def test_no_room_can_have_the_log_s_name() -> None:
    with pytest.raises(BadName):
        room_name(LOG)


async def test_a_change_holds_here_and_for_those_who_start_later(
    here: Instance, broker: ScriptedBroker
) -> None:
    rules = await here.book.change("r", lambda rules: rules.owned("o").close({"ann"}))
    assert here.book.of("r") == rules
    assert here.told == [("r", rules)]
    late = await late_one(broker)
    assert late.book.of("r") == rules
    assert late.book.of("other") is NONE


async def test_two_changes_at_the_same_time_are_both_made(broker: ScriptedBroker) -> None:
    one, two = Instance(broker), Instance(broker)
    await broker.open(Both(one, two))  # type: ignore[arg-type]
    await one.book.ledger.learn()
    await two.book.ledger.learn()
    changes = [
        each.book.change("r", lambda rules, number=number, n=n: rules.delete(f"p{number}{n}"))  # type: ignore[misc]
        for number, each in enumerate((one, two))
        for n in range(4)
    ]
    await asyncio.gather(*changes)
    assert one.book.of("r") == two.book.of("r")
    assert sorted(one.book.of("r").deleted) == sorted(f"p{number}{n}" for number in (0, 1) for n in range(4))


async def test_of_two_who_claim_a_room_at_the_same_time_the_first_gets_it(broker: ScriptedBroker) -> None:
    one, two = Instance(broker), Instance(broker)
    await broker.open(Both(one, two))  # type: ignore[arg-type]

    def claim(owner: str) -> Callable[[Rules], Rules]:
        def owned(rules: Rules) -> Rules:
            if rules.owner:
                raise PermissionError(rules.owner)
            return rules.owned(owner)

        return owned

    found = await asyncio.gather(
        one.book.change("r", claim("one")), two.book.change("r", claim("two")), return_exceptions=True
    )
    assert [type(each) for each in found].count(PermissionError) == 1
    assert one.book.of("r") == two.book.of("r")


async def test_what_changes_nothing_is_not_said(here: Instance, broker: ScriptedBroker) -> None:
    assert await here.book.change("r", lambda rules: rules) is NONE
    assert broker.submitted == []


async def test_what_a_change_raises_is_raised_and_nothing_is_said(
    here: Instance, broker: ScriptedBroker
) -> None:
    def no(rules: Rules) -> Rules:
        raise KeyError("no")

    with pytest.raises(KeyError):
        await here.book.change("r", no)
    assert broker.submitted == []


async def test_a_change_that_the_broker_does_not_answer_is_told_to_be_unknown(
    here: Instance, broker: ScriptedBroker
) -> None:
    broker.hold_appends = True
    changing = asyncio.create_task(here.book.change("r", lambda rules: rules.owned("o")))
    await settled()
    broker.answer(Unknown("no answer"))
    with pytest.raises(Unknown):
        await changing
    assert here.book.of("r") is NONE


async def test_a_change_that_is_stored_but_not_heard_of_is_not_told_to_hold(
    here: Instance, broker: ScriptedBroker
) -> None:
    await here.book.ledger.learn()
    broker.lagging = True
    with pytest.raises(Unavailable):
        await here.book.change("r", lambda rules: rules.owned("o"))
    broker.deliver()
    assert here.book.of("r").owner == "o"


async def test_before_the_log_was_read_nobody_is_told_that_a_room_has_no_rules(
    here: Instance, broker: ScriptedBroker
) -> None:
    broker.read_error = Unavailable("down")
    with pytest.raises(Unavailable):
        await here.book.asked("r")
    broker.read_error, broker.read_gate = None, asyncio.Event()
    with pytest.raises(Unavailable):
        await here.book.asked("r")
    broker.read_gate = None
    assert await here.book.asked("r") is NONE


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[]", b"{}", b'{"rules":{"r":1}}', b'{"rules":{"a/b":{}}}', b"[" * 100_000]
)
async def test_rubbish_in_the_log_is_skipped(here: Instance, data: bytes) -> None:
    here.book.ledger.take([spoken(data), said(r=made("one", 1))])
    assert here.book.of("r").by == "one"


async def test_an_older_turn_and_a_second_of_the_same_turn_do_not_hold(here: Instance) -> None:
    here.book.ledger.take([said(r=made("two", 2)), said(r=made("one", 1)), said(r=made("other", 2))])
    assert here.book.of("r").by == "two"


async def test_who_saw_only_the_second_of_two_hears_which_one_came_first(here: Instance) -> None:
    here.book.ledger.take([said(r=made("second", 2)), said(again=True, r=made("first", 2))])
    assert here.book.of("r").by == "first"


async def test_rules_whose_time_is_over_do_not_hold_and_the_room_can_be_owned_again(here: Instance) -> None:
    over = Rules(7, "old", int(time.time()) - 1, "old owner", closed=True)
    here.book.ledger.take([said(r=over)])
    assert here.book.of("r") is NONE
    here.book._rules["r"] = over  # its time ended while it was known
    assert (await here.book.change("r", lambda rules: rules.owned("new"))).turn == 1


async def test_a_room_with_nothing_but_an_owner_is_free_soon_and_another_one_late(here: Instance) -> None:
    now = time.time()
    bare = await here.book.change("bare", lambda rules: rules.owned("o"))
    closed = await here.book.change("closed", lambda rules: rules.owned("o").close({"a"}))
    assert bare.until - now == pytest.approx(2 * 86400, abs=60)
    assert closed.until - now == pytest.approx(LONGEST, abs=60)


async def test_all_is_said_again_before_it_falls_out_of_the_log(broker: ScriptedBroker) -> None:
    broker = ScriptedBroker(window=Window(40, 86400))
    here = Instance(broker)
    await broker.open(here)  # type: ignore[arg-type]
    await here.book.ledger.learn()
    await here.book.change("first", lambda rules: rules.owned("o").ban("eve", Sentence("Eve", 2**33)))
    for number in range(60):
        await here.book.change("r", lambda rules, number=number: rules.delete(f"p{number}"))  # type: ignore[misc]
        await beats(here)
    del broker.log(LOG).entries[:-40]
    late = await late_one(broker)
    assert late.book.of("first").refuses("eve", time.time()) == "banned"
    assert late.book.of("r") == here.book.of("r")


async def test_where_the_broker_lost_its_memory_all_is_said_again_at_once(
    here: Instance, broker: ScriptedBroker
) -> None:
    await here.book.change("r", lambda rules: rules.owned("o").close({"a"}))
    await beats(here)
    broker.begin_again("epoch", room=LOG)
    await beats(here)
    late = await late_one(broker)
    assert late.book.of("r") == here.book.of("r")


async def test_a_room_with_people_in_it_stays_owned(here: Instance, broker: ScriptedBroker) -> None:
    await here.book.change("r", lambda rules: rules.owned("o"))
    here.book._rules["r"] = msgspec.structs.replace(here.book.of("r"), until=int(time.time()) + 100)
    await beats(here)
    assert here.book.of("r").until < time.time() + 101
    here.used, here.book.ledger._said = ["r"], 0.0
    await beats(here)
    assert here.book.of("r").until > time.time() + 86400
    assert here.told[-1][1].by == here.book.of("r").by


async def test_however_many_rooms_there_are_they_are_said_again_in_few_entries(here: Instance) -> None:
    for number in range(5000):
        here.book.ledger.take([said(**{f"r{number}": made(f"b{number}", 1)})])
    facts = list(here.book._facts(250))
    assert 1 < len(facts) < 20
    few = list(here.book._facts(3))
    assert len(few) <= 3
    found = {room for data in few for room in msgspec.json.decode(data, type=Said).rules}
    assert len(found) == 5000


async def test_so_many_rooms_can_be_owned_and_no_owner_gives_way_to_a_stranger(
    here: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rulebook, "ROOMS", 3)
    assert ROOMS > 3
    for number in range(3):
        await here.book.change(f"r{number}", lambda rules: rules.owned("o"))
    with pytest.raises(TooMany):
        await here.book.change("more", lambda rules: rules.owned("o"))
    await here.book.change("r1", lambda rules: rules.close({"a"}))
    here.book._rules["r0"] = msgspec.structs.replace(here.book._rules["r0"], until=1)
    await here.book.change("more", lambda rules: rules.owned("o"))
    assert here.book.of("r1").closed
