"""A login under way, as its browser carries it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from quartchat.login import pending as module
from quartchat.login.pending import MOST, SECONDS, Pending, Pendings

PENDING = Pending.new("https://chat.example.org/login/callback", "/chat/x/")


def test_what_was_given_is_read_back() -> None:
    pendings = Pendings(("key",))
    assert pendings.load(pendings.dump(PENDING)) == PENDING


def test_every_login_has_secrets_of_its_own() -> None:
    made = [Pending.new("", "") for _ in range(100)]
    for field, size in (("state", 32), ("nonce", 32), ("verifier", 43)):
        values = {getattr(each, field) for each in made}
        assert len(values) == 100
        # RFC 7636 wants 43 characters and more of a verifier.
        assert min(map(len, values)) >= size


def test_keys_rotate() -> None:
    old, both, new = Pendings(("old",)), Pendings(("new", "old")), Pendings(("new",))
    assert both.load(old.dump(PENDING)) == PENDING
    assert new.load(both.dump(PENDING)) == PENDING
    assert new.load(old.dump(PENDING)) is None


def test_it_lasts_for_ten_minutes(monkeypatch) -> None:
    pendings, now = Pendings(("key",)), time.time()
    value = pendings.dump(PENDING)
    monkeypatch.setattr(time, "time", lambda: now + SECONDS - 2)
    assert pendings.load(value) == PENDING
    monkeypatch.setattr(time, "time", lambda: now + SECONDS + 2)
    assert pendings.load(value) is None


@pytest.mark.parametrize("size", [0, 100, 1900, 20_000])
def test_it_always_fits_into_a_cookie(size) -> None:
    import secrets

    pendings = Pendings(("key",))
    value = pendings.dump(
        Pending.new("https://chat.example.org/login/callback", "/" + secrets.token_hex(size))
    )
    assert len(value) <= MOST
    assert pendings.load(value) is not None


@pytest.mark.parametrize("content", [None, [], {}, "x", 5, ["a"] * 4, [1] * 5, ["a"] * 4 + [None]])
def test_a_signed_value_of_another_form_is_none(content) -> None:
    value = URLSafeTimedSerializer("key", salt="quartchat login").dumps(content)
    assert Pendings(("key",)).load(value) is None


def test_a_session_is_no_login_and_the_other_way_round() -> None:
    fields = list(module.msgspec.structs.astuple(PENDING))
    for salt in ("quartchat session", "itsdangerous"):
        assert Pendings(("key",)).load(URLSafeTimedSerializer("key", salt=salt).dumps(fields)) is None
    assert Pendings(("key",)).load(URLSafeSerializer("key", salt="quartchat login").dumps(fields)) is None


@given(st.text())
def test_no_text_at_all_is_a_login(value) -> None:
    assert Pendings(("key",)).load(value) is None
