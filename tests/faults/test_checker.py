"""The checker of the contract lets good histories pass, and finds every breach that is planted in them."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from .checker import KINDS, Finding, Kind, judge
from .history import Event, Fault, History, Person
from .made_up import good
from .planting import plant

GOOD = 1000
PLANTED = 200


@cache
def goods() -> tuple[History, ...]:
    return tuple(good(seed) for seed in range(GOOD))


def test_a_kept_promise_is_never_blamed() -> None:
    figures = dict.fromkeys(("acked", "announced", "resets", "unknowns", "nacked", "connections"), 0)
    for seed, history in enumerate(goods()):
        verdict = judge(history, least_acks=1)
        assert verdict.verdict == "pass", (seed, verdict.findings, verdict.unknown)
        assert not verdict.lost + verdict.duplicates + verdict.reordered
        for name in figures:
            figures[name] += getattr(verdict, name)
    # Else it was easy: nothing of what makes it hard had happened.
    assert min(figures.values()) > GOOD / 2, figures
    reasons = {event.reason for history in goods() for event in history.events if event.did == "reset"}
    assert "trimmed" in reasons


@pytest.mark.parametrize("kind", KINDS)
def test_every_planted_breach_is_found(kind: Kind) -> None:
    for number in range(PLANTED):
        verdict = judge(plant(kind, goods(), number), least_acks=1)
        kinds = {finding.kind for finding in verdict.findings}
        assert kind in kinds, f"planted {number}: {verdict.findings} {verdict.unknown}"
        assert verdict.verdict == "fail"


def test_what_was_noted_comes_back_from_a_file(tmp_path: Path) -> None:
    for history in goods()[:20]:
        history.about = {"seed": 1, "broker": "안녕"}
        history.save(tmp_path / "one.history")
        assert History.load(tmp_path / "one.history") == history


# One room, two people, three messages: small enough to be changed by hand ----------------------------------


def small() -> History:
    people = {"a": Person("room", "ada", "Ada"), "b": Person("room", "bob", "Bob")}
    events = [
        Event(0.0, who, "welcome", position="p0", user=person.user, name=person.name, durability="D2")
        for who, person in people.items()
    ]
    for number in range(1, 4):
        at, id, text = number * 5.0, f"i{number}", f"text {number}"
        prev = f"p{number - 1}" if number > 1 else ""
        events.append(Event(at, "a", "sent", id=id, text=text))
        events.append(Event(at, "a", "ack", id=id, position=f"p{number}"))
        for who in people:
            seen = Event(at, who, "message", id=id, text=text, position=f"p{number}", prev=prev)
            events.append(replace(seen, user="ada", name="Ada"))
    return History(people, events, [Fault("link cut", 1.0, 2.0, True)], 16.0)


def judged(history: History) -> tuple[str, list[str], list[Finding]]:
    verdict = judge(history, least_acks=3)
    return verdict.verdict, verdict.unknown, verdict.findings


def test_a_small_good_history_passes() -> None:
    assert judged(small()) == ("pass", [], [])


def test_an_empty_history_proves_nothing() -> None:
    verdict, why, _ = judged(History({}, [], [], 0.0))
    assert verdict == "unknown"
    assert "nothing was noted" in why


def test_a_fault_that_did_not_hit_proves_nothing() -> None:
    history = small()
    history.faults[0].hit = False
    assert judged(history)[0] == "unknown"


def test_no_fault_proves_nothing_where_one_was_wanted() -> None:
    history = small()
    history.faults.clear()
    assert judge(history, least_acks=3).verdict == "unknown"
    assert judge(history, least_acks=3, least_faults=0).verdict == "pass"


def test_too_few_acks_in_one_room_prove_nothing() -> None:
    assert judge(small(), least_acks=4).verdict == "unknown"
    assert judge(small()).verdict == "unknown"


def test_a_room_without_acks_proves_nothing() -> None:
    history = small()
    history.people["c"] = Person("other", "cyd", "Cyd")
    history.events.append(Event(15.5, "c", "welcome", position="q0", user="cyd", name="Cyd"))
    assert judge(history, least_acks=0).verdict == "unknown"


def test_a_client_that_saw_nothing_proves_nothing() -> None:
    history = small()
    history.people["c"] = Person("room", "cyd", "Cyd")
    history.events.append(Event(15.5, "c", "welcome", position="p3", user="cyd", name="Cyd"))
    assert judged(history)[:2] == ("unknown", ["c saw nothing"])


def test_a_fault_after_the_last_ack_proves_nothing() -> None:
    history = small()
    history.faults.append(Fault("link cut", 15.2, 15.4, True))
    assert judged(history)[0] == "unknown"


@pytest.mark.parametrize(
    "odd",
    [
        Event(15.5, "x", "ack", id="i1", position="p1"),
        Event(15.5, "a", "welcome", position="p3", user="ada", name="Ada", since="p3", resumed=True),
        Event(15.5, "a", "whatever"),  # type: ignore[arg-type]
    ],
    ids=["somebody else", "welcomed twice", "an unknown event"],
)
def test_what_should_not_be_noted_at_all_proves_nothing(odd: Event) -> None:
    history = small()
    history.events.append(odd)
    assert judged(history)[0] == "unknown"


def test_a_client_that_comes_back_with_a_wrong_position_proves_nothing() -> None:
    history = small()
    history.events.append(Event(15.1, "b", "closed"))
    history.events.append(
        Event(15.2, "b", "welcome", position="p3", user="bob", name="Bob", since="p2", resumed=True)
    )
    assert judged(history)[0] == "unknown"


def test_a_finding_outweighs_what_proves_nothing() -> None:
    history = small()
    history.faults[0].hit = False
    history.events[-1].text = "altered"
    assert judged(history)[0] == "fail"


def test_what_was_acked_and_seen_by_nobody_does_not_pass() -> None:
    history = small()
    for event in list(history.events):
        if event.id == "i3" and event.did == "message":
            history.events.remove(event)
    verdict = judge(history, least_acks=3)
    assert {(one.kind, one.who) for one in verdict.findings} == {("lost", "a"), ("lost", "b")}
    assert verdict.lost == 1


def test_an_id_that_was_used_for_two_texts_is_refused_for_one_of_them_only() -> None:
    history = small()
    history.events.append(Event(15.1, "a", "sent", id="i3", text="something else"))
    history.events.append(Event(15.2, "a", "nack", id="i3", code="id_conflict"))
    assert judged(history)[0] == "pass"


def test_a_refusal_is_an_answer() -> None:
    history = small()
    history.events.append(Event(15.1, "a", "sent", id="no", text="  "))
    history.events.append(Event(15.2, "a", "nack", id="no", code="empty"))
    assert judged(history)[0] == "pass"


# Epochs: what a reset excuses, and what it does not --------------------------------------------------------


class Story:
    """Ada and Bob in one room, where a log `p` is followed by a log `q`. All times are in seconds."""

    def __init__(self, *, loses: bool = True, window: int = 1000) -> None:
        self.people = {"a": Person("room", "ada", "Ada"), "b": Person("room", "bob", "Bob")}
        self.history = History(self.people, [], [Fault("broker killed", 2.0, 3.0, True, loses)], 0.0, window)
        for who in self.people:
            self.welcome(0.0, who, "p0")

    def welcome(self, at: float, who: str, position: str, **more: object) -> None:
        person = self.people[who]
        event = Event(at, who, "welcome", position=position, user=person.user, name=person.name)
        self.history.events.append(replace(event, **more))  # type: ignore[arg-type]

    def reset(self, at: float, position: str, reason: str = "epoch", who: str = "ab") -> None:
        self.history.events += [Event(at, one, "reset", position=position, reason=reason) for one in who]

    def ack(self, at: float, number: int, position: str) -> None:
        """Ada says something, and it is acked at once."""
        self.sent(at, number)
        self.history.events.append(Event(at, "a", "ack", id=f"i{number}", position=position))

    def sent(self, at: float, number: int) -> None:
        self.history.events.append(Event(at, "a", "sent", id=f"i{number}", text=f"text {number}"))

    def seen(self, at: float, number: int, position: str, prev: str = "", who: str = "ab") -> None:
        event = Event(at, "", "message", id=f"i{number}", text=f"text {number}", user="ada", name="Ada")
        for one in who:
            self.history.events.append(replace(event, who=one, position=position, prev=prev))

    def kinds(self) -> set[str]:
        verdict = judge(self.history, least_acks=1)
        assert not verdict.unknown, verdict.unknown
        return {finding.kind for finding in verdict.findings}

    def tell(self, numbers: range, log: str = "p", at: float = 1.0) -> None:
        """All goes well for some messages."""
        for number in numbers:
            self.ack(at, number, f"{log}{number}")
            self.seen(at, number, f"{log}{number}", f"{log}{number - 1}" if number > 1 else "")


@pytest.mark.parametrize("loses", [True, False])
def test_what_is_gone_is_excused_by_a_fault_that_may_take_it(loses: bool) -> None:
    story = Story(loses=loses)
    story.tell(range(1, 4))
    story.reset(3.5, "q0")
    story.ack(4.0, 9, "q9")
    story.seen(4.0, 9, "q9")
    assert story.kinds() == (set() if loses else {"lost_announced"})


def test_what_stands_in_front_of_a_page_may_be_there_still() -> None:
    story = Story(loses=False)
    story.tell(range(1, 4))
    story.reset(3.5, "q3")
    story.seen(3.6, 3, "q3", "q2")
    story.ack(4.0, 9, "q9")
    story.seen(4.0, 9, "q9", "q3")
    assert story.kinds() == set()


def test_what_the_window_had_passed_was_not_lost_by_a_fault() -> None:
    story = Story(loses=False, window=2)
    story.tell(range(1, 4))
    story.reset(3.5, "q3")
    story.seen(3.6, 2, "q2")
    story.seen(3.6, 3, "q3", "q2")
    story.ack(4.0, 9, "q9")
    story.seen(4.0, 9, "q9", "q3")
    assert story.kinds() == set()


def test_what_the_window_passed_before_anybody_saw_it_was_told_by_the_reset() -> None:
    story = Story(loses=False, window=2)
    for number in range(1, 5):
        story.ack(1.0, number, f"p{number}")
    story.reset(3.5, "p4", "trimmed")
    story.seen(3.5, 3, "p3", "p2")
    story.seen(3.5, 4, "p4", "p3")
    story.ack(4.0, 5, "p5")
    story.seen(4.0, 5, "p5", "p4")
    assert story.kinds() == set()
    story.history.window = 1000
    assert "lost_announced" in story.kinds()


def test_a_log_of_which_everybody_missed_a_part_is_still_the_same_one() -> None:
    story = Story(loses=False, window=2)
    story.tell(range(1, 2))
    for number in range(2, 8):
        story.ack(1.0, number, f"p{number}")
    story.reset(3.5, "p7", "trimmed")
    story.seen(3.5, 6, "p6", "p5")
    story.seen(3.5, 7, "p7", "p6")
    story.ack(4.0, 8, "p8")
    story.seen(4.0, 8, "p8", "p7")
    assert story.kinds() == set()


def test_a_fault_that_takes_something_excuses_a_reset_that_was_too_careful() -> None:
    for loses, kinds in ((True, set()), (False, {"false_reset"})):
        story = Story(loses=loses)
        story.tell(range(1, 4))
        story.reset(3.5, "p3")
        story.seen(3.6, 3, "p3", "p2")
        story.tell(range(4, 5), at=4.0)
        assert story.kinds() == kinds


def test_a_copy_that_comes_late_into_another_log_has_no_place_to_keep() -> None:
    """It waited at an instance that stood still; sent again elsewhere, it was acked in a log that is gone."""
    for waits in (True, False):
        story = Story()
        if waits:
            story.sent(0.5, 3)
            story.history.events.append(Event(0.6, "a", "closed"))
            story.welcome(0.7, "a", "p0", since="p0", resumed=True)
        story.tell(range(1, 4))
        story.reset(3.5, "q0")
        story.ack(4.0, 9, "q1")
        story.seen(4.0, 9, "q1")
        story.seen(5.0, 3, "q2", "q1")
        assert story.kinds() == (set() if waits else {"reordered"})


def test_who_is_acked_in_this_log_keeps_its_place_in_it() -> None:
    story = Story()
    story.tell(range(1, 3))
    story.reset(3.5, "q0")
    story.ack(4.0, 8, "q2")
    story.ack(4.5, 9, "q1")
    story.seen(4.6, 9, "q1")
    story.seen(4.6, 8, "q2", "q1")
    assert story.kinds() == {"reordered"}


def test_an_ack_shortly_before_a_reset_may_be_from_the_log_after_it() -> None:
    story = Story()
    story.tell(range(1, 3))
    story.sent(1.5, 3)
    story.seen(1.6, 3, "p3", "p2")
    story.ack(3.2, 3, "q3")  # sent again, and stored again; the page begins after it
    story.reset(3.5, "q9")
    story.ack(4.0, 9, "q9")
    story.seen(4.0, 9, "q9", "q8")
    assert "wrong_ack" not in story.kinds()
    story.history.events.sort(key=lambda event: event.did == "reset" and event.at < 4)
    for event in story.history.events:
        event.at += 20 if event.did == "reset" or event.id == "i9" else 0
    assert "wrong_ack" in story.kinds()


def test_an_ack_shortly_after_a_reset_may_be_from_the_log_before_it() -> None:
    for sent, wrong in ((1.5, False), (3.7, True)):
        story = Story()
        story.tell(range(1, 3))
        if sent < 3:
            story.sent(sent, 3)
        story.reset(3.5, "q3")
        if sent > 3:
            story.sent(sent, 3)
        story.seen(3.8, 3, "q3")
        story.history.events.append(Event(3.9, "a", "ack", id="i3", position="p3"))
        assert ("wrong_ack" in story.kinds()) == wrong


def test_a_page_that_leaves_a_hole_behind_the_reset_is_a_gap() -> None:
    story = Story(loses=False)
    story.tell(range(1, 6))
    story.history.events.append(Event(1.1, "b", "closed"))
    story.welcome(1.2, "b", "p5", since="p5", resumed=False)
    story.reset(1.2, "p5", "mismatch", "b")
    story.ack(4.0, 6, "p6")
    story.seen(4.0, 6, "p6", "p5", "a")
    story.ack(4.0, 7, "p7")
    story.seen(4.0, 7, "p7", "p6")
    assert "silent_gap" in story.kinds()


def test_what_others_saw_at_the_end_is_due_even_if_it_was_never_acked() -> None:
    story = Story()
    story.tell(range(1, 3), at=4.0)
    story.sent(5.0, 3)
    story.seen(5.0, 3, "p3", "p2", "a")
    assert story.kinds() == {"silent_gap", "unanswered"}


def test_a_late_reader_must_see_what_was_acked_before_it_came() -> None:
    for acked, lost in ((False, False), (True, True)):
        story = Story()
        story.tell(range(1, 3))
        story.sent(1.5, 3)
        story.reset(3.5, "q0")
        if acked:  # long after the reset, so it is from the new log, where nobody sees it
            story.ack(15.0, 3, "q3")
        else:
            story.history.events.append(Event(15.0, "a", "nack", id="i3", code="rate_limited"))
        story.ack(15.1, 9, "q9")
        story.seen(15.1, 9, "q9", "q8")
        story.people["c"] = Person("room", "cyd", "Cyd")
        story.welcome(16.0, "c", "q9", history=True)
        story.seen(16.1, 9, "q9", who="c")
        verdict = judge(story.history, least_acks=1)
        assert any(one.kind == "lost" and one.who == "c" for one in verdict.findings) == lost


def test_nothing_may_be_shown_before_a_reset_that_is_due() -> None:
    story = Story()
    story.tell(range(1, 3))
    story.history.events.append(Event(1.1, "b", "closed"))
    story.welcome(3.2, "b", "q0", since="p2", resumed=False)
    story.reset(3.3, "q0", who="a")
    story.ack(4.0, 9, "q9")
    story.seen(4.0, 9, "q9")
    story.reset(4.1, "q9", who="b")
    story.seen(4.2, 9, "q9", who="b")
    gaps = [one.detail for one in judge(story.history).findings if one.kind == "silent_gap"]
    assert any("before the reset that was due" in gap for gap in gaps)


@pytest.mark.parametrize(("seconds", "kinds"), [(10.9, set()), (11.1, {"unanswered"})])
def test_a_send_has_an_answer_as_long_as_the_connection_lives(seconds: float, kinds: set[str]) -> None:
    story = Story()
    story.tell(range(1, 2), at=4.0)
    story.sent(5.0, 2)
    story.history.events.append(Event(5.0 + seconds, "a", "closed"))
    story.welcome(16.5, "a", "p1", since="p1", resumed=True)
    story.ack(17.0, 2, "p2")
    story.seen(17.0, 2, "p2", "p1")
    assert story.kinds() == kinds


def test_who_is_cut_later_on_and_stays_away_is_not_healed() -> None:
    history = small()
    history.events.append(Event(15.1, "b", "closed"))
    history.ended = 26.0
    assert judged(history)[0] == "pass"
    history.ended = 26.2
    assert [one.kind for one in judged(history)[2]] == ["unhealed"]


def test_ten_thousand_messages_and_their_order_are_judged() -> None:
    history, rng = small(), random.Random(1)
    del history.events[2:]
    prev = "p0"
    for number in range(10_000):
        at, position, id = 1 + number / 1000, f"p{rng.getrandbits(60)}", f"i{number}"
        history.events.append(Event(at, "a", "sent", id=id, text=id))
        history.events.append(Event(at, "a", "ack", id=id, position=position))
        for who in history.people:
            event = Event(at, who, "message", id=id, text=id, position=position, prev=prev, user="ada")
            event.name = "Ada"
            history.events.append(event)
        prev = position
    history.ended = 11.0
    verdict = judge(history)
    assert (verdict.verdict, verdict.acked, verdict.seen) == ("pass", 10_000, 20_000)
