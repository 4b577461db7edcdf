"""Links that give a right."""

from __future__ import annotations

import re

import pytest

from quartchat.links import INVITE, OWNER, Links

links = Links(("a key that is long enough",))


def test_a_link_is_read_for_its_kind_and_room_alone() -> None:
    link = links.sign(OWNER, "방", "name")
    assert re.fullmatch(r"[A-Za-z0-9._-]+", link)
    assert links.read(OWNER, "방", link) == "name"
    assert links.read(INVITE, "방", link) == ""
    assert links.read(OWNER, "other", link) == ""


def test_after_the_key_has_changed_old_links_count_as_long_as_it_is_kept() -> None:
    link = links.sign(INVITE, "r", "name")
    both = Links(("another key, as long", "a key that is long enough"))
    assert both.read(INVITE, "r", link) == "name"
    assert Links(("another key, as long",)).read(INVITE, "r", link) == ""
    assert links.read(INVITE, "r", both.sign(INVITE, "r", "name")) == ""


@pytest.mark.parametrize("link", ["", "x", ".", "é", "a" * 2000, "W10.x", "\0", "null.x"])
def test_what_is_no_link_of_ours_is_none(link: str) -> None:
    assert links.read(OWNER, "r", link) == ""


def test_a_session_is_no_link_and_a_link_no_session() -> None:
    from quartchat.identity import Identities

    identities = Identities(("a key that is long enough",))
    assert identities.load(links.sign(OWNER, "r", "name")) is None
    assert links.read(OWNER, "r", identities.dump(identities.new("Ann"))) == ""


def test_a_link_that_was_signed_over_something_else_is_none() -> None:
    for value in ({}, [], ["owner", "r"], ["owner", "r", 1], ["owner", "r", "a", "b"], "owner", 1):
        assert links.read(OWNER, "r", str(links._signer.dumps(value))) == ""
