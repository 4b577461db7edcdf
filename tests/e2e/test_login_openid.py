"""A login by OpenID Connect: what is believed, what is not, and what is said then."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from quart.typing import TestClientProtocol as Browser

from quartchat.application import create_app
from quartchat.login import provider as provider_module
from quartchat.login.pending import COOKIE
from tests.support.openid import CLIENT_ID, CLIENT_SECRET, Claims, OpenIdProvider, Said

KEY = "q9Wm2_xT7b-Rk4LzA0eNcV"


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as running:
        yield running


@pytest.fixture
def chat(provider: OpenIdProvider) -> Callable[..., Browser]:
    """Makes browsers; each has an instance of its own, as behind a balancer."""

    def made(**more: str) -> Browser:
        given = {f"QUARTCHAT_{name}": text for name, text in more.items()}
        return create_app({**provider.environ, "QUARTCHAT_SECRET_KEY": KEY, **given}).test_client()

    return made


async def begun(browser: Browser, after: str = "/chat/lobby/") -> str:
    answer = await browser.get(f"/login?{urlencode({'next': after})}")
    assert answer.status_code == 303
    return str(answer.headers["Location"])


async def back(browser: Browser, address: str) -> Any:
    parts = urlsplit(address)
    return await browser.get(f"{parts.path}?{parts.query}")


async def name_of(browser: Browser) -> str | None:
    """Whom the lobby takes a browser for."""
    page = await (await browser.get("/chat/")).get_data(as_text=True)
    _, found, rest = page.partition("You are <bdi>")
    return rest.partition("</bdi>")[0] if found else None


async def id_of(browser: Browser) -> str:
    answer = await browser.post("/session", headers={"Accept": "application/json"}, form={"name": ""})
    assert answer.status_code == 200
    return str((await answer.get_json())["id"])


async def refused(browser: Browser, address: str) -> tuple[int, str]:
    """The status and text of a page that says why; nobody is logged in then."""
    answer = await back(browser, address)
    page = await answer.get_data(as_text=True)
    assert answer.status_code in (400, 403, 503), page
    assert "You are not logged in" in page
    assert 'href="/login?next=' in page
    assert await name_of(browser) is None
    return answer.status_code, page


# The good way ---------------------------------------------------------------------------------------------


async def test_who_comes_back_is_logged_in_and_where_they_wanted_to_go(provider, chat) -> None:
    browser = chat()
    answer = await back(browser, provider.allow(await begun(browser, "/chat/a%2Fb/?x=1"), name="Ada"))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/chat/a%2Fb/?x=1")
    assert await name_of(browser) == "Ada"


async def test_the_same_person_has_the_same_id_each_time_and_on_each_instance(provider, chat) -> None:
    found = set()
    for _ in range(3):
        browser = chat()
        await back(browser, provider.allow(await begun(browser), "ada", name="Ada"))
        found.add(await id_of(browser))
    assert len(found) == 1
    other = chat()
    await back(other, provider.allow(await begun(other), "bob", name="Ada"))
    assert await id_of(other) not in found


async def test_another_instance_finishes_what_one_began(provider, chat) -> None:
    one, two = chat(), chat()
    address = provider.allow(await begun(one), name="Ada")
    cookie = one.cookie_jar
    two.cookie_jar = cookie
    answer = await back(two, address)
    assert answer.status_code == 303
    assert await name_of(two) == "Ada"


@pytest.mark.parametrize(
    "after", ["//evil.example", "https://evil.example/", "/\\evil.example", "/chat//evil.example", "", "x"]
)
async def test_next_never_leaves_the_site(provider, chat, after) -> None:
    browser = chat()
    answer = await back(browser, provider.allow(await begun(browser, after)))
    assert answer.headers["Location"] == "/chat/"


async def test_a_next_that_is_too_long_for_a_cookie_leads_to_the_lobby(provider, chat) -> None:
    browser = chat()
    answer = await browser.get(f"/login?next=/chat/?{'%EA%B0%80' * 300}{KEY * 60}")
    assert len(answer.headers["Set-Cookie"]) < 4096
    done = await back(browser, provider.allow(answer.headers["Location"]))
    assert done.status_code == 303


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"name": "Ada Lovelace"}, "Ada Lovelace"),
        ({"preferred_username": "ada"}, "ada"),
        ({"name": "  ", "preferred_username": "ada@example.org"}, "ada"),
        ({"name": 5, "preferred_username": "ada"}, "ada"),
        ({"name": "AC/DC"}, "AC DC"),
        ({"name": "<b>Ada</b>"}, "&lt;b&gt;Ada&lt; b&gt;"),
        ({"name": "이순신 장군"}, "이순신 장군"),
        ({"name": "A" * 500}, "A" * 32),
    ],
)
async def test_the_name_is_the_providers_made_to_fit(provider, chat, claims, expected) -> None:
    browser = chat()
    await back(browser, provider.allow(await begun(browser), **claims))
    assert await name_of(browser) == expected


async def test_a_name_that_is_not_in_the_token_is_asked_for(provider, chat) -> None:
    provider.people["ada"] = {"name": "Ada Lovelace"}
    browser = chat()
    await back(browser, provider.allow(await begun(browser), "ada"))
    assert await name_of(browser) == "Ada Lovelace"


@pytest.mark.parametrize(
    "said", [Said(500, b""), Said(200, b"<html>"), Said(200, b'{"sub": "bob", "name": "Bob"}')]
)
async def test_without_one_there_is_a_friendly_name_that_stays(provider, chat, said) -> None:
    provider.said["/userinfo"] = said
    names = set()
    for _ in range(3):
        browser = chat()
        await back(browser, provider.allow(await begun(browser), "ada"))
        names.add(await name_of(browser))
    assert len(names) == 1
    assert names.isdisjoint({None, "Bob"})


async def test_the_scopes_are_those_that_were_set(provider, chat) -> None:
    location = await begun(chat(OIDC_SCOPES="openid email"))
    assert parse_qs(urlsplit(location).query)["scope"] == ["openid email"]


async def test_behind_a_proxy_the_address_to_come_back_to_is_the_browsers(provider, chat) -> None:
    head = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "chat.example.org",
    }
    browser = chat(TRUSTED_PROXIES="1")
    answer = await browser.get("/login", headers=head)
    asked = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert asked["redirect_uri"] == ["https://chat.example.org/login/callback"]
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))


async def test_over_https_the_session_is_one_that_https_protects(provider, chat) -> None:
    """The browser comes back from another site, and does not say by itself that it uses https."""
    head = {"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"}
    browser = chat()
    away = await browser.get("/login", headers=head)
    answer = await back(browser, provider.allow(away.headers["Location"], name="Ada"))
    given = [text.partition("=")[0] for text in answer.headers.getlist("Set-Cookie")]
    assert given == ["__Host-quartchat", f"__Host-{COOKIE}"]


@pytest.mark.parametrize("host", ["evil.example/path", "a b", "user@evil.example", ""])
async def test_a_host_that_is_none_is_not_sent_to_the_provider(provider, chat, host) -> None:
    answer = await chat(TRUSTED_PROXIES="1").get(
        "/login", headers={"X-Forwarded-Host": host or " ", "Host": host}
    )
    assert answer.status_code == 400
    assert "/token" not in provider.asked


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(provider, chat) -> None:
    provider.described = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    browser, seen = chat(), {}

    def look(head: Any, form: dict[str, str]) -> Said:
        seen.update(form, basic=head.get("Authorization"))
        return Said(400, b'{"error": "invalid_grant"}')

    provider._exchange = look  # type: ignore[method-assign]
    await refused(browser, provider.allow(await begun(browser)))
    assert (seen["client_id"], seen["client_secret"], seen["basic"]) == (CLIENT_ID, CLIENT_SECRET, None)


@pytest.mark.parametrize("kid", ["one", "two"])
async def test_keys_that_the_provider_changed_are_looked_for(provider, chat, monkeypatch, kid) -> None:
    browser = chat()
    await back(browser, provider.allow(await begun(browser), name="Ada"))
    provider.key = RSAKey.generate_key(2048, parameters={"kid": kid}, private=True)
    # Anybody can have it looked for: not again and again.
    assert (await back(browser, provider.allow(await begun(browser), name="Countess"))).status_code == 403
    monkeypatch.setattr(provider_module, "AGAIN_SECONDS", 0.0)
    answer = await back(browser, provider.allow(await begun(browser), name="Countess"))
    assert answer.status_code == 303
    assert await name_of(browser) == "Countess"


async def test_the_provider_is_not_asked_again_for_what_it_said(provider, chat) -> None:
    browser = chat()
    for _ in range(5):
        await back(browser, provider.allow(await begun(browser), name="Ada"))
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    assert provider.asked.count("/jwks") == 1


# Whoever attacks ------------------------------------------------------------------------------------------


async def test_a_callback_of_another_browser_logs_nobody_in(provider, chat) -> None:
    """Login CSRF: somebody would write under an attacker's account, and not notice."""
    attacker, victim = chat(), chat()
    address = provider.allow(await begun(attacker), name="Mallory")
    assert (await refused(victim, address))[0] == 400
    await begun(victim)
    assert (await refused(victim, address))[0] == 400
    assert "/token" not in provider.asked


async def test_and_does_not_end_the_login_that_is_under_way(provider, chat) -> None:
    attacker, victim = chat(), chat()
    own = provider.allow(await begun(victim), name="Ada")
    await refused(victim, provider.allow(await begun(attacker), name="Mallory"))
    assert (await back(victim, own)).status_code == 303
    assert await name_of(victim) == "Ada"


@pytest.mark.parametrize("state", ["", "x", "\u00e9", "\ud800"])
async def test_a_state_that_is_not_ours_is_nobodys(provider, chat, state) -> None:
    browser = chat()
    await begun(browser)
    query = urlencode({"code": "x", "state": state}, errors="surrogatepass")
    assert (await refused(browser, f"/login/callback?{query}"))[0] == 400


async def test_without_a_cookie_there_is_no_login(chat) -> None:
    for query in ("", "?code=x", "?state=x", "?code=x&state=x", "?error=access_denied"):
        assert (await refused(chat(), f"/login/callback{query}"))[0] == 400


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "W10.awP8yQ.ZipfgqT", "\x01", "x" * 4000])
async def test_a_forged_cookie_is_no_login(chat, value) -> None:
    browser = chat()
    browser.set_cookie("localhost", COOKIE, value)
    assert (await refused(browser, "/login/callback?code=x&state=x"))[0] == 400


async def test_a_login_that_took_too_long_is_over(provider, chat, monkeypatch) -> None:
    browser = chat()
    address = provider.allow(await begun(browser))
    monkeypatch.setattr("quartchat.login.pending.SECONDS", -1)
    assert (await refused(browser, address))[0] == 400


async def test_a_login_of_another_key_is_nobodys(provider, chat) -> None:
    one, two = chat(), chat(SECRET_KEY="Hs81-vQw0ZpYt6_JdUo3gX")
    address = provider.allow(await begun(one))
    two.cookie_jar = one.cookie_jar
    assert (await refused(two, address))[0] == 400


async def test_a_code_counts_once(provider, chat) -> None:
    browser, thief = chat(), chat()
    address = provider.allow(await begun(browser), name="Ada")
    # Even with the cookie, before it was taken away.
    jar = {cookie.name: cookie.value for cookie in browser.cookie_jar}
    assert (await back(browser, address)).status_code == 303
    thief.set_cookie("localhost", COOKIE, str(jar[COOKIE]))
    assert (await refused(thief, address))[0] == 403


async def test_the_cookie_of_a_login_ends_with_it(provider, chat) -> None:
    browser = chat()
    address = provider.allow(await begun(browser), name="Ada")
    await back(browser, address)
    assert COOKIE not in {cookie.name for cookie in browser.cookie_jar}


async def test_a_stolen_code_is_worth_nothing_in_another_login(provider, chat) -> None:
    """PKCE: the thief's browser has its own verifier, and its own state."""
    victim, thief = chat(), chat()
    stolen = parse_qs(urlsplit(provider.allow(await begun(victim), name="Ada")).query)["code"][0]
    own = parse_qs(urlsplit(provider.allow(await begun(thief), name="Mallory")).query)["state"][0]
    status, _ = await refused(thief, f"/login/callback?{urlencode({'code': stolen, 'state': own})}")
    assert status == 403


def no_signature(claims: Claims) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none", "typ": "JWT"}, claims)
    ]
    return f"{parts[0]}.{parts[1]}."


def by_the_secret(claims: Claims) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET * 2), algorithms=["HS256"])


@cache
def stranger() -> RSAKey:
    return RSAKey.generate_key(2048, private=True)


def by_another_key(claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, stranger())


def by_an_unknown_key(claims: Claims) -> str:
    return jwt.encode({"alg": "RS256", "kid": "other"}, claims, stranger())


def by_a_key_that_it_brings(claims: Claims) -> str:
    header = {"alg": "RS256", "jwk": stranger().as_dict(private=False)}
    return jwt.encode(header, claims, stranger())


FORGED: dict[str, Callable[[Claims], str]] = {
    "no signature": no_signature,
    "by the secret": by_the_secret,
    "by another key": by_another_key,
    "by an unknown key": by_an_unknown_key,
    "by a key that it brings": by_a_key_that_it_brings,
    "a changed claim": lambda claims: "e30".join(by_another_key(claims).partition(".")[::2]),
    "nothing": lambda claims: "",
    "not a token": lambda claims: "a.b.c",
    "deep": lambda claims: f"{'W' * 300_000}.e30.x",
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_token_that_the_provider_did_not_sign_proves_nobody(provider, chat, how) -> None:
    stranger()  # made before somebody waits for an answer: it takes a moment
    provider.sign = FORGED[how]
    # Even a provider that says it signs so.
    provider.described = {"id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}
    browser = chat()
    assert (await refused(browser, provider.allow(await begun(browser), name="Ada")))[0] == 403


NOW = int(time.time())

FALSE: dict[str, Claims] = {
    "another issuer": {"iss": "https://evil.example"},
    "nearly our issuer": {"iss": "http://127.0.0.1"},
    "another client": {"aud": "another"},
    "other clients": {"aud": ["another", "third"]},
    "other clients, and their own word that it is ours": {"aud": ["another"], "azp": CLIENT_ID},
    "for us, made for another": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "no word for whom": {"aud": None},
    "expired": {"exp": NOW - 3600, "iat": NOW - 7200},
    "for ever": {"exp": None},
    "never a number": {"exp": "tomorrow"},
    "of the future": {"iat": NOW + 7200, "exp": NOW + 9000},
    "not yet": {"nbf": NOW + 7200},
    "another login": {"nonce": "x" * 32},
    "no login": {"nonce": None},
    "nobody": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is no text": {"sub": 5},
    "of another access token": {"at_hash": "x" * 22},
}


@pytest.mark.parametrize("what", FALSE)
async def test_a_token_that_says_something_else_proves_nobody(provider, chat, what) -> None:
    def changed(claims: Claims) -> Claims:
        return {name: value for name, value in {**claims, **FALSE[what]}.items() if value is not None}

    provider.claims = changed
    browser = chat()
    assert (await refused(browser, provider.allow(await begun(browser), name="Ada")))[0] == 403


async def test_a_token_of_another_login_proves_nobody(provider, chat) -> None:
    """An attacker who got somebody's ID token puts it behind a code of their own."""
    victim, attacker = chat(), chat()
    taken: list[str] = []
    provider.sign = lambda claims: taken.append(provider.signed(claims)) or taken[0]
    await back(victim, provider.allow(await begun(victim), "ada", name="Ada"))
    assert await name_of(victim) == "Ada"
    assert (await refused(attacker, provider.allow(await begun(attacker), "mallory")))[0] == 403


async def test_an_answer_that_names_another_issuer_is_not_taken_to_ours(provider, chat) -> None:
    """Mix-up of providers (RFC 9207)."""
    browser = chat()
    address = provider.allow(await begun(browser))
    await refused(browser, f"{address}&iss=https%3A%2F%2Fevil.example")
    assert "/token" not in provider.asked
    provider.described = {"authorization_response_iss_parameter_supported": True}
    browser = chat()
    await refused(browser, provider.allow(await begun(browser)))
    address = provider.allow(await begun(browser), name="Ada")
    assert (await back(browser, f"{address}&{urlencode({'iss': provider.issuer})}")).status_code == 303


async def test_what_is_given_twice_is_not_guessed_at(provider, chat) -> None:
    browser = chat()
    await refused(browser, f"{provider.allow(await begun(browser))}&code=x")
    assert "/token" not in provider.asked


# A provider that does not do as it should -----------------------------------------------------------------


async def test_a_login_that_was_cancelled_is_told_in_words(provider, chat) -> None:
    browser = chat()
    state = parse_qs(urlsplit(await begun(browser)).query)["state"][0]
    query = urlencode({"error": "access_denied", "error_description": "<script>", "state": state})
    status, page = await refused(browser, f"/login/callback?{query}")
    assert (status, "access_denied" in page, "<script>" in page) == (403, False, False)


RUBBISH = {
    "500": Said(500, b"Traceback (most recent call last)", "text/plain"),
    "404": Said(404, b"{}"),
    "a redirect": Said(302, b""),
    "HTML": Said(200, b"<!doctype html><title>Please log in</title>", "text/html"),
    "nothing": Said(200, b""),
    "null": Said(200, b"null"),
    "a list": Said(200, b"[]"),
    "an empty object": Said(200, b"{}"),
    "wrong types": Said(200, b'{"issuer": 5, "keys": 5, "id_token": 5, "access_token": [], "error": 5}'),
    "deep": Said(200, b"[" * 100_000),
    "long": Said(200, b" " * (provider_module.MOST_BYTES + 1) + b"{}"),
    "not UTF-8": Said(200, b'{"issuer": "\xff\xfe"}'),
}


@pytest.mark.parametrize("what", RUBBISH)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
async def test_rubbish_is_told_in_words(provider, chat, path, what, caplog) -> None:
    browser = chat()
    if path.startswith("/.well-known"):
        provider.said[path] = RUBBISH[what]
        answer = await browser.get("/login?next=/chat/x/")
        page = await answer.get_data(as_text=True)
        assert answer.status_code == 503
        assert "not possible just now" in page
        assert answer.headers["Retry-After"]
        del provider.said[path]
    else:
        address = provider.allow(await begun(browser))
        provider.said[path] = RUBBISH[what]
        assert (await refused(browser, address))[0] in (403, 503)
        del provider.said[path]
    assert "Traceback" not in caplog.text
    # And it is forgotten: the next login is a good one.
    assert (await back(browser, provider.allow(await begun(browser), name="Ada"))).status_code == 303


async def test_a_long_answer_is_not_read_to_its_end(provider, chat) -> None:
    provider.described = {"more": "x" * provider_module.MOST_BYTES}
    assert (await chat().get("/login")).status_code == 503
    provider.described = {"more": "x" * (provider_module.MOST_BYTES // 2)}
    assert (await chat().get("/login")).status_code == 303


async def test_a_packed_answer_is_not_unpacked(provider, chat) -> None:
    """A thousandth of it may be on the wire."""
    path = "/.well-known/openid-configuration"
    good = provider.answer("GET", path, {}, b"").body
    provider.said[path] = Said(200, gzip.compress(good), packed="gzip")
    assert (await chat().get("/login")).status_code == 503


async def test_a_key_of_a_kind_that_nobody_knows_spoils_no_other(provider, chat) -> None:
    strange = [
        {"kty": "LWE", "kid": "one"},
        {"kty": "EC", "crv": "P-1"},
        {},
        {"kty": "RSA", "n": "", "e": ""},
    ]
    encrypting = {**provider.key.as_dict(private=False), "use": "enc", "n": "AQAB"}
    keys = [*strange, encrypting, provider.key.as_dict(private=False)]
    provider.said["/jwks"] = Said(200, json.dumps({"keys": keys}).encode())
    browser = chat()
    assert (await back(browser, provider.allow(await begun(browser), name="Ada"))).status_code == 303


@pytest.mark.parametrize("algorithm", provider_module.ALGORITHMS)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_every_algorithm_that_is_taken_works(provider, chat, algorithm) -> None:
    kinds: dict[str, Callable[[], Any]] = {
        "ES256": lambda: ECKey.generate_key("P-256"),
        "ES384": lambda: ECKey.generate_key("P-384"),
        "ES512": lambda: ECKey.generate_key("P-521"),
        "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
        "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
    }
    key = kinds[algorithm]() if algorithm in kinds else provider.key
    provider.sign = lambda claims: jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])
    provider.said["/jwks"] = Said(200, json.dumps({"keys": [key.as_dict(private=False)]}).encode())
    browser = chat()
    # Only one that the provider says it uses.
    await refused(browser, provider.allow(await begun(browser), name="Ada")) if algorithm != "RS256" else None
    provider.described = {"id_token_signing_alg_values_supported": [algorithm]}
    browser = chat()
    assert (await back(browser, provider.allow(await begun(browser), name="Ada"))).status_code == 303


@pytest.mark.parametrize(
    "described",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "ftp://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"jwks_uri": "http://[::1"},
    ],
)
async def test_a_description_that_cannot_be_used_is_told_in_words(provider, chat, described) -> None:
    provider.described = described
    assert (await chat().get("/login")).status_code == 503


async def test_a_provider_that_is_down_is_told_in_words(provider, chat) -> None:
    browser = chat()
    provider.__exit__()
    answer = await browser.get("/login")
    assert answer.status_code == 503
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("limit", ["SECONDS", "ANSWER_SECONDS"])
async def test_a_provider_that_is_slow_holds_nobody_for_long(provider, chat, monkeypatch, limit) -> None:
    monkeypatch.setattr(provider_module, "SECONDS", 60)
    monkeypatch.setattr(provider_module, "ANSWER_SECONDS", 60)
    browser = chat()
    address = provider.allow(await begun(browser))
    # From here on: what was asked before was to be answered, however long that takes here.
    monkeypatch.setattr(provider_module, limit, 0.3)
    provider.said["/token"] = Said(200, b"{}", seconds=40)
    started = time.monotonic()
    assert (await refused(browser, address))[0] == 503
    assert time.monotonic() - started < 20


async def test_only_so_many_wait_for_it_at_the_same_time(provider, chat, monkeypatch) -> None:
    monkeypatch.setattr(provider_module, "AT_ONCE", 0)
    assert (await chat().get("/login")).status_code == 503


async def test_neither_codes_nor_tokens_nor_the_secret_are_logged(provider, chat, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    for said in ({}, {"/token": RUBBISH["500"]}, {"/jwks": RUBBISH["HTML"]}, {"/userinfo": RUBBISH["HTML"]}):
        browser = chat()
        address = provider.allow(await begun(browser), email="ada@example.org")
        provider.said = said
        await back(browser, address)
        provider.said = {}
        query = parse_qs(urlsplit(address).query)
        for canary in (query["code"][0], query["state"][0], CLIENT_SECRET, "ada@example.org", "ada-at-home"):
            assert canary not in caplog.text
    for token in provider.tokens:
        assert token not in caplog.text


# Guests beside it -----------------------------------------------------------------------------------------


async def test_with_guests_both_a_name_and_a_login_are_offered(provider, chat) -> None:
    page = await (await chat().get("/chat/")).get_data(as_text=True)
    assert 'id="name-input" name="name" type="text"' in page
    assert 'href="/login?next=%2Fchat%2F"' in page


async def test_without_guests_nobody_is_asked_for_a_name(provider, chat) -> None:
    browser = chat(GUESTS="deny")
    page = await (await browser.get("/chat/")).get_data(as_text=True)
    assert 'type="text" maxlength="32"' not in page
    assert 'href="/login?next=%2Fchat%2F"' in page
    for head in ({}, {"Accept": "application/json"}):
        answer = await browser.post("/session", headers=head, form={"name": "Mallory"})
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    assert await name_of(browser) is None


async def test_who_chose_a_name_while_guests_were_allowed_is_nobody_without_them(provider, chat) -> None:
    guest = chat()
    await guest.post("/session", form={"name": "Ada"})
    assert await name_of(guest) == "Ada"
    browser = chat(GUESTS="deny")
    browser.cookie_jar = guest.cookie_jar
    assert await name_of(browser) is None


async def test_a_name_that_the_provider_gave_cannot_be_changed(provider, chat) -> None:
    browser = chat()
    await back(browser, provider.allow(await begun(browser), name="Ada"))
    for head in ({}, {"Accept": "application/json"}):
        answer = await browser.post("/session", headers=head, form={"name": "Charles"})
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    assert await name_of(browser) == "Ada"
    # The lobby's form sends the name along that stands there.
    answer = await browser.post("/session", form={"name": "Ada", "room": "lobby"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/chat/lobby/")


async def test_who_logs_in_is_not_the_guest_that_they_were(provider, chat) -> None:
    browser = chat()
    await browser.post("/session", form={"name": "Ada"})
    guest = await id_of(browser)
    await back(browser, provider.allow(await begun(browser), name="Ada"))
    assert await id_of(browser) != guest


async def test_without_a_provider_there_is_no_login() -> None:
    browser = create_app({}).test_client()
    assert (await browser.get("/login")).status_code == 404
    assert (await browser.get("/login/callback?code=x")).status_code == 404
    assert "/login" not in await (await browser.get("/chat/")).get_data(as_text=True)
