"""What is said of logins in the environment, and the one line where it does not fit together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quartchat.application import create_app
from quartchat.settings import SettingsError
from tests.unit.test_settings import KEY, read, refusal

CHECKOUT = Path(__file__).resolve().parents[2]

SECRET = "a-secret-that-nobody-is-told"
OIDC = {"OIDC_ISSUER": "https://id.example.org/r", "OIDC_CLIENT_ID": "chat", "OIDC_CLIENT_SECRET": SECRET}
PROXY = {"USER_HEADER": "X-Remote-User", "NAME_HEADER": "X-Remote-Name", "TRUSTED_PROXIES": "1"}


def test_all_of_them_are_read() -> None:
    settings = read(**OIDC, OIDC_SCOPES="openid email")
    assert settings.oidc_issuer == "https://id.example.org/r"
    assert (settings.oidc_client_id, settings.oidc_client_secret) == ("chat", SECRET)
    assert settings.oidc_scopes == "openid email"
    assert read(**OIDC).oidc_scopes == "openid profile"
    settings = read(**PROXY)
    assert (settings.user_header, settings.name_header) == ("X-Remote-User", "X-Remote-Name")


@pytest.mark.parametrize("missing", OIDC)
def test_a_part_of_a_provider_is_none(missing) -> None:
    said = refusal(**{name: text for name, text in OIDC.items() if name != missing} | {missing: ""})
    assert f"QUARTCHAT_{missing}" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "issuer",
    [
        "id.example.org",
        "http://id.example.org",
        "ftp://id.example.org",
        "https://",
        "https://id.example.org?x=1",
        "https://id.example.org#x",
        "https://user:pass@id.example.org",
        "https://id.example.org:x",
        "https://[::1",
        "http://localhost.evil.example",
        "https://id.example.org/\u200b",
        "https://id.example.org/a b",
    ],
)
def test_an_issuer_is_an_https_address(issuer) -> None:
    assert "pass@" not in refusal(**{**OIDC, "OIDC_ISSUER": issuer})


@pytest.mark.parametrize("issuer", ["http://localhost:9400", "http://127.0.0.1:1/x", "http://[::1]:9400"])
def test_on_this_machine_http_will_do(issuer) -> None:
    assert read(**{**OIDC, "OIDC_ISSUER": issuer}).oidc_issuer == issuer


def test_the_scope_that_makes_it_a_login_has_to_be_there() -> None:
    assert "openid" in refusal(**OIDC, OIDC_SCOPES="profile email")


def test_a_header_needs_a_trusted_proxy() -> None:
    assert "QUARTCHAT_TRUSTED_PROXIES" in refusal(USER_HEADER="X-Remote-User")
    assert "QUARTCHAT_TRUSTED_PROXIES" in refusal(USER_HEADER="X-Remote-User", TRUSTED_PROXIES="0")


def test_a_header_of_names_alone_says_nothing() -> None:
    assert "QUARTCHAT_USER_HEADER" in refusal(NAME_HEADER="X-Remote-Name", TRUSTED_PROXIES="1")


@pytest.mark.parametrize(
    "header",
    [
        *("Cookie", "Host", "Origin", "authorization", "X-Forwarded-For", "X-Forwarded-Host"),
        *("Sec-Fetch-Site", "X Remote", "X_Remote_User", "X-Remote-User:", "\u00e9", "X-Remote-User, X-B"),
    ],
)
def test_a_header_is_one_of_the_proxys_own(header) -> None:
    refusal(**{**PROXY, "USER_HEADER": header})
    refusal(**{**PROXY, "NAME_HEADER": header})


def test_one_alone_says_who_somebody_is() -> None:
    assert "QUARTCHAT_OIDC_ISSUER" in refusal(**OIDC, **PROXY)


def test_a_weak_key_of_ids_is_refused() -> None:
    assert "changeme" not in refusal(ID_KEY="changeme-changeme-changeme")
    assert read(ID_KEY=KEY).id_key == KEY


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"GUESTS": "deny"}, True),
        (OIDC, True),
        ({**OIDC, "GUESTS": "deny"}, False),
        (PROXY, True),
        ({**PROXY, "GUESTS": "deny"}, False),
    ],
)
def test_who_may_come_in_by_a_name(given, expected) -> None:
    assert read(**given).naming is expected


def loaded(environ: dict[str, str]) -> set[str]:
    program = f"from quartchat.application import create_app\ncreate_app({environ!r})"
    program += "\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_nothing_is_loaded_for_a_login_that_is_not_configured() -> None:
    heavy = {"authlib", "joserfc", "httpx2", "httpx", "cryptography", "anyio"}
    assert not loaded({}) & heavy
    assert not loaded({f"QUARTCHAT_{name}": text for name, text in PROXY.items()}) & heavy
    assert {"authlib", "joserfc", "httpx2"} <= loaded({f"QUARTCHAT_{name}": t for name, t in OIDC.items()})


def test_what_is_missing_for_a_login_is_said_in_one_line(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "quartchat.login.provider", None)
    with pytest.raises(SettingsError) as caught:
        create_app({f"QUARTCHAT_{name}": text for name, text in OIDC.items()})
    said = str(caught.value)
    assert said.startswith("QUARTCHAT_OIDC_ISSUER: ")
    assert "quartchat[oidc]" in said
    assert said.splitlines() == [said]
