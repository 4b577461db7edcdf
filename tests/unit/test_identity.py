"""Who a browser is: the signed cookie, forged, expired, rotated and garbled."""

from __future__ import annotations

import json
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from quartchat import identity
from quartchat.identity import COOKIE, LIFETIME, Identities, Session, cookie_of
from quartchat.protocol import User


@pytest.fixture
def identities() -> Identities:
    return Identities(("key",))


def test_what_was_given_is_read_back(identities) -> None:
    session = identities.new("Ann 🎉 Ünï")
    found = identities.load(identities.dump(session))
    assert found is not None
    assert found.user == session.user
    assert found.expires == int(session.expires)


def test_every_identity_is_another_and_cannot_be_guessed(identities) -> None:
    ids = {identities.new("Ann").user.id for _ in range(500)} | {identities.guest().id for _ in range(500)}
    assert len(ids) == 1000
    assert min(map(len, ids)) >= 16


def test_another_name_does_not_change_the_identity(identities) -> None:
    known = identities.new("Ann")
    renamed = identities.new("Anna", known)
    assert renamed.user == User(known.user.id, "Anna")
    assert renamed.expires >= known.expires


def test_guests_have_names_that_people_may_have(identities) -> None:
    from quartchat.names import person_name

    for _ in range(100):
        guest = identities.guest()
        assert person_name(guest.name) == guest.name


def test_an_identity_lasts_a_month_and_no_longer(identities, monkeypatch) -> None:
    value = identities.dump(identities.new("Ann"))
    now = time.time()
    monkeypatch.setattr(identity.time, "time", lambda: now + LIFETIME - 5)
    assert identities.load(value) is not None
    monkeypatch.setattr(identity.time, "time", lambda: now + LIFETIME + 5)
    assert identities.load(value) is None


def test_a_cookie_of_another_key_is_nobody(identities) -> None:
    assert identities.load(Identities(("other",)).dump(identities.new("Ann"))) is None


def test_rotated_keys_the_first_signs_and_all_verify() -> None:
    old, both, new = Identities(("old",)), Identities(("new", "old")), Identities(("new",))
    session = old.new("Ann")
    assert both.load(old.dump(session)) is not None
    assert new.load(both.dump(session)) is not None
    assert old.load(both.dump(session)) is None
    assert new.load(old.dump(session)) is None


def test_each_place_of_a_key_in_the_list_verifies() -> None:
    session = Identities(("a",)).new("Ann")
    for key in "abc":
        assert Identities(("a", "b", "c")).load(Identities((key,)).dump(session)) is not None


def test_every_changed_character_is_noticed(identities) -> None:
    value = identities.dump(identities.new("Ann"))
    payload = value.rpartition(".")[0]
    for at in range(len(payload)):
        forged = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        assert identities.load(forged) is None


def test_the_signature_of_one_payload_does_not_fit_another(identities) -> None:
    one, other = (identities.dump(identities.new(name)) for name in ("Ann", "Bob"))
    assert identities.load(one.rpartition(".")[0] + "." + other.rpartition(".")[2]) is None


def test_a_value_signed_for_another_purpose_is_nobody(identities) -> None:
    value = URLSafeSerializer("key", salt="something else").dumps(["id", "Ann", time.time() + 99])
    assert identities.load(value) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        ".",
        "..",
        "...",
        "a.b",
        "é.é",
        "\ud800",
        "\x00",
        "null.",
        "[].x",
        "x" * 100_000,
        "." * 100_000,
        json.dumps(["id", "Ann", 9e99]),
        "WyJpZCIsIkFubiIsOWU5OV0",
        "WyJpZCIsIkFubiIsOWU5OV0.",
        "." + zlib.compress(b"[" * 1_000_000).hex(),
    ],
)
def test_garbage_is_nobody(identities, value) -> None:
    assert identities.load(value) is None


@pytest.mark.parametrize(
    "content", [None, [], {}, "abc", 5, ["id", "Ann"], ["id", "Ann", "soon"], ["id", "Ann", None]]
)
def test_a_signed_value_of_another_form_is_nobody(identities, content) -> None:
    """Of an older or newer version, for one."""
    value = URLSafeSerializer("key", salt="quartchat session").dumps(content)
    assert identities.load(value) is None


def test_the_value_needs_no_quoting_in_a_cookie(identities) -> None:
    value = identities.dump(Session(User("id", 'a";, \\\u00e9\u3042'), time.time() + 99))
    assert value.replace("-", "").replace("_", "").replace(".", "").isalnum()
    assert value.isascii()


@given(st.text())
def test_no_text_at_all_is_somebody(value) -> None:
    assert Identities(("key",)).load(value) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("quartchat=tok", "tok"),
        ("a=1; quartchat=tok", "tok"),
        ("quartchat=tok; a=1", "tok"),
        ("a=1;quartchat=tok;b=2", "tok"),
        ('quartchat="tok"', "tok"),
        ("quartchat", None),
        ("notquartchat=tok", None),
        ("quartchat2=tok", None),
        ("Quartchat=tok", None),
        ("a=quartchat", None),
        ("a=x=quartchat=tok", None),
    ],
)
def test_our_cookie_is_found_by_its_name(header, expected) -> None:
    assert (cookie_of(header) or None) == expected


@pytest.mark.parametrize(
    "foreign",
    [
        'prefs={"theme": "dark", "n": 1}',
        "list=a, b, c",
        "text=two words",
        "name=J\u00fcrgen",
        "path=/x",
        "version=2",
        "secure",
        "flag",
        "a[b]=1",
        '"',
        "=nameless",
        'half="open',
        "a=b=c",
        ";;",
        "\x7f=1",
    ],
)
@pytest.mark.parametrize("order", ["{}; {}", "{1}; {0}"])
def test_the_cookies_of_others_on_this_host_do_not_make_us_forget_who_somebody_is(foreign, order) -> None:
    """Browsers send along what any other program on the host, or any port of it, has set."""
    assert cookie_of(order.format(foreign, f"{COOKIE}=tok")) == "tok"


@given(st.text(max_size=60))
def test_no_cookie_header_is_a_fault_of_ours(header) -> None:
    cookie_of(header)
    cookie_of(f"{header}; {COOKIE}=tok")
