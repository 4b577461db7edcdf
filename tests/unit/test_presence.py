"""Who is in a room, over all instances, without a store."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartchat import presence
from quartchat.presence import FORGET_SECONDS, LISTED, Notice, Presence, decode, encode

ANN, BOB, EVE = ("a", "Ann"), ("b", "Bob"), ("e", "Eve")


def here(*people: tuple[str, str], instance: str = "other") -> Notice:
    return Notice("p", instance, len(people), list(people))


@pytest.fixture
def room() -> Presence:
    return Presence("me")


def test_people_of_all_instances_are_merged_and_counted_once(room) -> None:
    room.join(*ANN)
    room.hear(here(ANN, BOB, instance="x"), 0)
    room.hear(here(BOB, EVE, instance="y"), 0)
    assert room.people() == (3, dict([ANN, BOB, EVE]))


def test_the_last_word_of_an_instance_counts(room) -> None:
    room.hear(here(ANN, BOB), 0)
    room.hear(here(EVE), 0)
    assert room.people() == (1, dict([EVE]))


def test_an_instance_that_has_nobody_left_is_forgotten_at_once(room) -> None:
    room.hear(here(ANN), 0)
    assert room.hear(Notice("p", "other"), 0)
    assert room.people() == (0, {})
    assert not room.hear(Notice("p", "other"), 0)


def test_ones_own_notice_that_comes_back_is_nothing(room) -> None:
    room.join(*ANN)
    assert not room.hear(room.own(), 0)
    assert room.people()[0] == 1


def test_hearing_the_same_again_changes_nothing(room) -> None:
    assert room.hear(here(ANN), 0)
    assert not room.hear(here(ANN), 1)
    assert room.hear(here(BOB), 2)


def test_ghosts_go_after_twenty_seconds_of_silence(room) -> None:
    room.hear(here(ANN, instance="x"), 0)
    room.hear(here(BOB, instance="y"), 10)
    assert not room.forget(FORGET_SECONDS)
    assert room.forget(FORGET_SECONDS + 0.1)
    assert room.people() == (1, dict([BOB]))
    assert room.forget(FORGET_SECONDS + 10.1)
    assert room.people() == (0, {})


def test_a_heartbeat_keeps_an_instance(room) -> None:
    for now in range(0, 100, 7):
        room.hear(here(ANN), now)
        assert not room.forget(now + 7)


def test_a_person_is_here_until_the_last_socket_is_gone(room) -> None:
    for _ in range(3):
        room.join(*ANN)
    for left in (1, 1, 0):
        room.leave(ANN[0])
        assert room.people()[0] == left


def test_only_what_others_need_to_know_is_news(room) -> None:
    room.join(*ANN)
    assert room.own_changed
    room.own()
    room.join(*ANN)
    room.leave(ANN[0])
    assert not room.own_changed
    room.join(ANN[0], "Anna")
    assert room.own_changed


def test_a_change_is_told_once(room) -> None:
    room.join(*ANN)
    room.hear(here(BOB), 0)
    change = room.change()
    assert change is not None
    assert (change.count, sorted(change.joined), change.left) == (2, [ANN, BOB], [])
    assert room.change() is None
    room.leave(ANN[0])
    change = room.change()
    assert change is not None
    assert (change.count, change.joined, change.left) == (1, [], [ANN])


def test_who_moves_to_another_instance_neither_joined_nor_left(room) -> None:
    room.join(*ANN)
    room.change()
    room.hear(here(ANN), 0)
    room.leave(ANN[0])
    assert room.change() is None


def test_a_new_name_is_told_as_a_join(room) -> None:
    room.hear(here(ANN), 0)
    room.change()
    room.hear(here((ANN[0], "Anna")), 0)
    change = room.change()
    assert change is not None
    assert (change.count, change.joined, change.left) == (1, [(ANN[0], "Anna")], [])


def many(count: int) -> list[tuple[str, str]]:
    return [(f"u{number}", f"U{number}") for number in range(count)]


@pytest.mark.parametrize("count", [LISTED, LISTED + 1])
def test_up_to_two_hundred_are_listed_to_other_instances_and_more_are_only_counted(room, count) -> None:
    for person in many(count):
        room.join(*person)
    notice = room.own()
    assert notice.count == count
    assert (notice.people is None) is (count > LISTED)
    other = Presence("other")
    other.hear(notice, 0)
    assert other.people()[0] == count


def test_above_two_hundred_only_the_count_is_told(room) -> None:
    room.join(*ANN)
    room.hear(Notice("p", "other", LISTED), 0)
    change = room.change()
    assert change is not None
    assert (change.count, change.joined, change.left) == (LISTED + 1, [], [])


class Client:
    """A page that knows who is here by what it is told."""

    def __init__(self) -> None:
        self.people: dict[str, str] = {}
        self.count = 0

    def hear(self, change: presence.Change | None) -> None:
        if change is None:
            return
        self.count = change.count
        if change.count > LISTED:
            self.people.clear()  # lists are left out
            return
        for user_id, _ in change.left:
            self.people.pop(user_id, None)
        self.people.update(change.joined)


def test_a_room_that_is_small_again_has_a_full_list_again(room) -> None:
    page = Client()
    for person in many(LISTED + 1):
        room.join(*person)
    page.hear(room.change())
    assert (page.count, page.people) == (LISTED + 1, {})
    room.leave("u0")
    page.hear(room.change())
    assert page.count == LISTED
    assert page.people == dict(many(LISTED + 1)[1:])


people = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["X", "Y"])), max_size=4, unique_by=lambda p: p[0]
)
steps = st.one_of(
    st.tuples(st.just("join"), st.sampled_from("abcd"), st.sampled_from(["X", "Y"])),
    st.tuples(st.just("leave"), st.sampled_from("abcd"), st.none()),
    st.tuples(st.just("hear"), st.sampled_from(["x", "y"]), people),
    st.tuples(st.just("wait"), st.integers(1, 15), st.none()),
    st.tuples(st.just("tell"), st.none(), st.none()),
)


@given(st.lists(steps, max_size=60))
def test_a_page_that_applies_the_changes_always_knows_who_is_here(script) -> None:
    room, page, now, sockets = Presence("me"), Client(), 0.0, dict.fromkeys("abcd", 0)
    for kind, one, other in script:
        if kind == "join":
            room.join(one, other)
            sockets[one] += 1
        elif kind == "leave" and sockets[one]:
            room.leave(one)
            sockets[one] -= 1
        elif kind == "hear":
            room.hear(here(*other, instance=one), now)
        elif kind == "wait":
            now += one
            room.forget(now)
        elif kind == "tell":
            page.hear(room.change())
            assert (page.count, page.people) == room.people()
            assert room.change() is None
        assert {user for user, number in sockets.items() if number} <= set(room.people()[1])


def test_a_notice_comes_through() -> None:
    for notice in (Notice("q", "me"), here(ANN, BOB), Notice("p", "me", 300), Notice("t", "me", 1, [ANN])):
        assert decode(encode(notice)) == notice


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "p",
        [],
        ["p"],
        [1, 2],
        ["p", "me", "x"],
        ["p", "me", 1.5],
        ["p", "me", 1, "people"],
        ["p", "me", 1, [["a"]]],
        ["p", "me", 1, [["a", 5]]],
        ["p", "me", 1, {"a": "b"}],
        {"kind": "p"},
    ],
)
def test_what_is_no_notice_is_none(value) -> None:
    assert decode(msgspec.msgpack.encode(value)) is None


@given(st.binary(max_size=200))
def test_no_bytes_are_a_fault_of_ours(data) -> None:
    notice = decode(data)
    assert notice is None or isinstance(notice, Notice)


def test_depth_without_end_is_none() -> None:
    assert decode(b"\x91" * 1_000_000) is None


def test_a_later_version_may_say_more() -> None:
    assert decode(msgspec.msgpack.encode(["q", "other", 0, None, "more"])) == Notice("q", "other")
