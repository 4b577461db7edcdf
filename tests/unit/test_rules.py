"""One room's rules, as a value."""

from __future__ import annotations

import msgspec
import pytest

from quartchat.rules import DELETED, INVITES, NONE, PEOPLE, SENTENCES, Rules, Sentence, TooMany

NOW = 1_000_000.0
LATER = Sentence("Ann", int(NOW) + 60)


def test_in_a_room_without_rules_everybody_may_come_in_and_speak() -> None:
    for user_id in ("ann", ""):
        assert NONE.refuses(user_id, NOW) == ""
        assert NONE.muted_for(user_id, NOW) == 0


def test_who_is_muted_may_come_in_and_speaks_again_when_the_time_is_over() -> None:
    rules = NONE.mute("ann", LATER)
    assert rules.muted_for("ann", NOW) == 60
    assert rules.muted_for("ann", NOW + 60) == 0
    assert rules.muted_for("ben", NOW) == 0
    assert rules.refuses("ann", NOW) == ""


def test_who_is_banned_stays_out_until_the_time_is_over() -> None:
    rules = NONE.ban("ann", LATER)
    assert rules.refuses("ann", NOW) == "banned"
    assert rules.refuses("ann", NOW + 60) == ""
    assert rules.refuses("ben", NOW) == ""


def test_who_is_pardoned_is_neither_muted_nor_banned() -> None:
    rules = NONE.mute("ann", LATER).ban("ann", LATER).ban("ben", LATER).pardon("ann")
    assert rules.refuses("ann", NOW) == ""
    assert rules.muted_for("ann", NOW) == 0
    assert rules.refuses("ben", NOW) == "banned"


def test_a_closed_room_takes_those_who_were_let_in_and_nobody_else() -> None:
    rules = NONE.close({"ann"}).let_in("ben")
    assert [rules.refuses(who, NOW) for who in ("ann", "ben", "eve", "")] == ["", "", "closed", "closed"]


def test_an_opened_room_forgets_who_was_let_in() -> None:
    rules = NONE.close({"ann"}).open().close({"ben"})
    assert rules.refuses("ann", NOW) == "closed"
    assert rules.refuses("ben", NOW) == ""


def test_closing_a_closed_room_changes_nothing() -> None:
    rules = NONE.close({"ann"})
    assert rules.close({"eve"}) is rules


def test_a_ban_is_stronger_than_having_been_let_in_and_a_pardon_does_not_let_in_again() -> None:
    rules = NONE.close({"ann"}).ban("ann", LATER)
    assert rules.refuses("ann", NOW) == "banned"
    assert rules.refuses("ann", NOW + 60) == "closed"
    assert rules.pardon("ann").refuses("ann", NOW) == "closed"


def test_an_invite_admits_until_it_ends_or_is_revoked() -> None:
    rules = NONE.invite("i", int(NOW) + 10, NOW)
    assert rules.admits("i", NOW)
    assert not rules.admits("i", NOW + 10)
    assert not rules.admits("j", NOW)
    assert not rules.revoke("i").admits("i", NOW)


def test_invites_whose_time_is_over_make_room_for_others_and_no_others_do() -> None:
    rules = NONE
    for number in range(INVITES):
        rules = rules.invite(f"i{number}", int(NOW) + 10 + number, NOW)
    with pytest.raises(TooMany):
        rules.invite("more", int(NOW) + 99, NOW)
    assert rules.invite("more", int(NOW) + 99, NOW + 10).admits("more", NOW + 11)


def test_a_closed_room_takes_so_many_people() -> None:
    with pytest.raises(TooMany):
        NONE.close({str(number) for number in range(PEOPLE + 1)})
    full = NONE.close({str(number) for number in range(PEOPLE)})
    with pytest.raises(TooMany):
        full.let_in("more")
    assert full.let_in("7") == full


def test_of_too_many_sentences_the_oldest_gives_way() -> None:
    rules = NONE
    for number in range(SENTENCES + 1):
        rules = rules.ban(f"u{number}", LATER).mute(f"u{number}", LATER)
    assert len(rules.banned) == len(rules.muted) == SENTENCES
    assert rules.refuses("u0", NOW) == ""
    assert rules.refuses(f"u{SENTENCES}", NOW) == "banned"
    # Who is sentenced anew is the newest.
    assert rules.ban("u1", LATER).ban("more", LATER).refuses("u1", NOW) == "banned"


def test_of_too_many_removed_messages_the_oldest_are_forgotten() -> None:
    rules = NONE
    for number in range(DELETED + 1):
        rules = rules.delete(f"p{number}")
    assert rules.deleted[0] == "p1"
    assert rules.deleted[-1] == f"p{DELETED}"
    assert rules.delete("p1") is rules


def test_rules_with_nothing_but_an_owner_are_bare() -> None:
    assert NONE.owned("o").bare
    for rules in (NONE.close({"a"}), NONE.mute("a", LATER), NONE.invite("i", 9, 1), NONE.delete("p")):
        assert not rules.owned("o").bare


def test_rules_are_stored_and_read_back_as_they_were() -> None:
    rules = NONE.owned("o").mute("a", LATER).ban("b", LATER).close({"a", "c"}).invite("i", 99, 1).delete("p")
    assert msgspec.json.decode(msgspec.json.encode(rules), type=Rules) == rules
