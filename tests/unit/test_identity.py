"""Who a browser is: the signed cookie, forged, expired, rotated and garbled."""

from __future__ import annotations

import json
import re
import time
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from quartchat import identity
from quartchat.http import fields_of
from quartchat.identity import COOKIE, Identities, Session, cookie_of
from quartchat.names import person_name
from quartchat.protocol import User
from quartchat.sessions import LIFETIME, EndedSessions
from quartchat.settings import Settings
from quartchat.words import languages


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


@pytest.mark.parametrize("language", languages())
def test_guests_have_names_that_people_may_have(identities, language) -> None:
    for _ in range(100):
        guest = identities.guest(language)
        assert person_name(guest.name) == guest.name


def test_the_name_of_a_guest_is_in_the_language_that_was_asked_for(identities) -> None:
    for _ in range(100):
        assert re.fullmatch("[A-Z][a-z]+ [A-Z][a-z]+", identities.guest().name)
        assert re.fullmatch("[가-힣]+ [가-힣]+", identities.guest("ko").name)
        assert identities.guest("tlh").name.isascii()


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


# When a session began, and who vouches for it -------------------------------------------------------------


class NoBroker:
    """Nothing is said to it here."""


@pytest.fixture
def ended() -> EndedSessions:
    return EndedSessions(NoBroker(), lambda *_: None)  # type: ignore[arg-type]


def scope_of(*headers: tuple[str, str | bytes]) -> dict[str, Any]:
    return {
        "headers": [
            (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in headers
        ]
    }


def by(identities: Identities, ended: EndedSessions, *headers: tuple[str, str | bytes]) -> Session | None:
    scope = scope_of(*headers)
    return identities.by(scope, fields_of(scope), ended, secure=False)


def cookie(identities: Identities, session: Session) -> tuple[str, str]:
    return "cookie", f"{COOKIE}={identities.dump(session)}"


def test_when_it_began_is_read_back_and_outlives_another_name(identities) -> None:
    session = identities.new("Ann")
    assert session.began > 0
    assert identities.load(identities.dump(session)).began == session.began
    known = Session(session.user, session.expires, began=5)
    assert identities.new("Anna", known).began == 5


def test_a_cookie_of_an_earlier_version_counts_and_began_before_everything(identities, ended) -> None:
    signer = URLSafeSerializer("key", salt="quartchat session")
    header = ("cookie", f"{COOKIE}={signer.dumps(['ann', 'Ann', int(time.time()) + 99])}")
    found = by(identities, ended, header)
    assert found is not None
    assert (found.user, found.began, found.vouched) == (User("ann", "Ann"), 0, False)
    ended._over("ann", LIFETIME + 1)
    assert by(identities, ended, header) is None


def test_a_session_that_begins_after_the_end_of_another_is_not_over(identities, ended) -> None:
    old = identities.vouched("https://id.example", "ada", ["Ada"], ended)
    ended._over(old.user.id, old.began + LIFETIME)
    new = identities.vouched("https://id.example", "ada", ["Ada"], ended)
    logins = Identities(("key",), LOGIN)
    assert old.user == new.user
    assert by(logins, ended, cookie(identities, old)) is None
    assert by(logins, ended, cookie(identities, new)) is not None


def test_ids_follow_from_issuer_subject_and_key_alone(ended) -> None:
    def made(source: str = "https://a", subject: str = "s", key: str = "key", **settings: str) -> str:
        return Identities((key,), Settings(**settings)).vouched(source, subject, [], ended).user.id

    assert made() == made()
    others = [made("https://b"), made(subject="t"), made(key="other"), made(id_key="other2")]
    assert len({made(), *others}) == 5
    # What stands between the two cannot be moved into one of them.
    assert made("https://a", "bs") != made("https://ab", "s")
    assert made(key="new", id_key="stays") == made(key="newer", id_key="stays")


def test_a_vouched_id_is_one_that_the_log_and_presence_take(identities, ended) -> None:
    for subject in ("ada@example.org", "\u3042" * 200, "", "\ud800"):
        user_id = identities.vouched("https://a", subject, [], ended).user.id
        assert re.fullmatch("[A-Za-z0-9_-]{24}", user_id)


LOGIN = Settings(oidc_issuer="https://id.example", oidc_client_id="c", oidc_client_secret="s", guests="deny")
PROXY = Settings(user_header="X-Remote-User", name_header="X-Remote-Name", trusted_proxies=1)
PROXY_ALONE = Settings(user_header="X-Remote-User", trusted_proxies=1, guests="deny")


def test_where_guests_are_denied_only_a_login_is_somebody(identities, ended) -> None:
    logins = Identities(("key",), LOGIN)
    named, vouched = identities.new("Ann"), identities.vouched("https://id.example", "ada", ["Ada"], ended)
    assert by(logins, ended, cookie(identities, named)) is None
    assert by(logins, ended, cookie(identities, vouched)) is not None
    # And without a provider, nobody is somebody by a login that was.
    assert by(identities, ended, cookie(identities, vouched)) is None
    assert by(identities, ended, cookie(identities, named)) is not None


def test_the_proxys_header_says_who_somebody_is(ended) -> None:
    identities = Identities(("key",), PROXY)
    ann = by(identities, ended, ("X-Remote-User", "ann"), ("X-Remote-Name", "Änn Example"))
    assert ann is not None
    assert (ann.user.name, ann.vouched, ann.expires) == ("Änn Example", True, float("inf"))
    again = by(identities, ended, ("x-remote-USER", " ann "))
    assert again is not None
    assert (again.user.id, again.user.name) == (ann.user.id, "ann")
    other = by(identities, ended, ("X-Remote-User", "bob"), ("X-Remote-Name", "Änn Example"))
    assert other is not None
    assert other.user.id != ann.user.id


def test_it_counts_before_any_cookie(ended) -> None:
    identities = Identities(("key",), PROXY)
    guest = cookie(identities, identities.new("Guest"))
    found = by(identities, ended, guest, ("X-Remote-User", "ann"))
    assert found is not None
    assert found.user.name == "ann"
    found = by(identities, ended, guest)
    assert found is not None
    assert found.user.name == "Guest"


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        ["  "],
        ["ann", "bob"],
        ["ann", "ann"],
        ["", "ann"],
        ["ann, bob"],
        ["ann,"],
        [b"\xff\xfe"],
        [b"ann\xff"],
    ],
)
def test_whatever_does_not_say_one_thing_is_nobody(ended, lines) -> None:
    identities = Identities(("key",), PROXY)
    headers = [("X-Remote-User", line) for line in lines]
    assert by(identities, ended, *headers) is None
    # Not the guest of a cookie either: the proxy said something, and it is not known what.
    assert by(identities, ended, *headers, cookie(identities, identities.new("Guest"))) is None


@pytest.mark.parametrize("lines", [["Ann", "Bob"], [b"\xff"], [""], ["\u202eAnn"] * 2])
def test_of_a_name_that_is_not_one_the_users_is_taken(ended, lines) -> None:
    headers = [("X-Remote-Name", line) for line in lines]
    found = by(Identities(("key",), PROXY), ended, ("X-Remote-User", "ann@example.org"), *headers)
    assert found is not None
    assert found.user.name == "ann"


@pytest.mark.parametrize("name", ["X_Remote_User", "X-Remote-Users", "Remote-User", "X-Remote-User "])
def test_no_other_header_is_taken_for_it(ended, name) -> None:
    assert by(Identities(("key",), PROXY), ended, (name, "ann")) is None


def test_without_the_setting_no_header_says_anything(identities, ended) -> None:
    assert by(identities, ended, ("X-Remote-User", "ann")) is None


def test_where_guests_are_denied_who_comes_without_the_header_is_nobody(ended) -> None:
    identities = Identities(("key",), PROXY_ALONE)
    assert by(identities, ended, cookie(identities, identities.new("Guest"))) is None
    login = identities.vouched("https://id.example", "ada", ["Ada"], ended)
    assert by(identities, ended, cookie(identities, login)) is None


def test_who_comes_by_the_proxy_after_an_end_is_let_in_again(ended) -> None:
    identities = Identities(("key",), PROXY)
    first = by(identities, ended, ("X-Remote-User", "ann"))
    assert first is not None
    ended._over(first.user.id, first.began + LIFETIME)
    again = by(identities, ended, ("X-Remote-User", "ann"))
    assert again is not None
    assert again.began > first.began
