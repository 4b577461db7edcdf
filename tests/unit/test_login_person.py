"""How people are called for whom somebody else vouches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartchat.login.person import shown_name
from quartchat.names import PERSON_CHARACTERS, person_name


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["Ada Lovelace"], "Ada Lovelace"),
        (["  Ada  "], "Ada"),
        (["", "ada"], "ada"),
        ([None, 5, [], {}, "ada"], "ada"),
        ([], None),
        ([None, "", " ", "///", "\u200b"], None),
        (["ada@example.org"], "ada"),
        (["Ada @ home"], "Ada @ home"),
        (["@ada"], "@ada"),
        (["ada@home"], "ada@home"),
        (["AC/DC"], "AC DC"),
        (["A\u202eda"], "Ada"),
        (["Ada\x00\r\n"], "Ada"),
        (["\u0301Ada", "ada"], "ada"),
        (["이순신"], "이순신"),
        (["A" * 33], "A" * 32),
        (["👩‍👩‍👧‍👦" * 20], "👩‍👩‍👧‍👦" * 4 + "👩‍👩"),
        (["A" * 31 + " B"], "A" * 31),
        (["x" * 10_000_000], "x" * 32),
    ],
)
def test_a_name_is_made_to_fit_or_the_next_one_is_taken(said, expected) -> None:
    assert shown_name(*said) == expected


@given(st.text(max_size=80))
def test_whatever_comes_out_may_be_somebodys_name(text) -> None:
    name = shown_name(text)
    assert name is None or (person_name(name) == name and len(name) <= PERSON_CHARACTERS)


@given(st.text(max_size=40))
def test_a_name_that_fits_is_not_touched(text) -> None:
    try:
        fits = person_name(text)
    except ValueError:
        return
    if "@" not in text:
        assert shown_name(text) == fits
