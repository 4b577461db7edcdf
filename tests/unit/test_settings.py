"""The environment: what is taken, and the one line that is said where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quartchat.application import create_app
from quartchat.settings import Settings, SettingsError

KEY, OLDER, OLDEST = "q9Wm2_xT7b-Rk4LzA0eNcV", "Hs81-vQw0ZpYt6_JdUo3gX", "7c1f9e0ab34d528617e3a0f5c9d2b864"
"""Made up, and good enough."""

CHECKOUT = Path(__file__).resolve().parents[2]


def read(**environ: str) -> Settings:
    return Settings.from_environment({f"QUARTCHAT_{name}": value for name, value in environ.items()})


def refusal(**environ: str) -> str:
    """The line that is said; it names the variable, and is one line."""
    with pytest.raises(SettingsError) as caught:
        read(**environ)
    text = str(caught.value)
    assert text.splitlines() == [text]
    assert any(f"QUARTCHAT_{name}" in text for name in environ), text
    return text


def test_an_empty_environment_gives_the_published_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings.broker == "memory://"
    assert settings.secret_key == ()
    assert settings.allowed_origins == frozenset()
    assert settings.history == 1000
    assert settings.history_seconds == 86400
    assert settings.message_rate == 10
    assert settings.max_message_bytes == 8192
    assert settings.guests == "allow"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("broker", "redis://host:6379/0", "redis://host:6379/0"),
        ("broker", "  amqp://host  ", "amqp://host"),
        ("secret_key", KEY, (KEY,)),
        ("secret_key", f"{KEY}, {OLDER} ,{OLDEST}", (KEY, OLDER, OLDEST)),
        ("allowed_origins", "https://a.example", {"https://a.example"}),
        ("allowed_origins", "https://A.Example/", {"https://a.example"}),
        ("allowed_origins", "http://localhost:8000, https://b.example", None),
        ("allowed_origins", "https://[::1]:8443", {"https://[::1]:8443"}),
        ("history", "1", 1),
        ("history", "100000", 100_000),
        ("history_seconds", "1", 1.0),
        ("history_seconds", "90.5", 90.5),
        ("message_rate", "0", 0.0),
        ("message_rate", "0.5", 0.5),
        ("max_message_bytes", "1", 1),
        ("max_connections", "20000", 20_000),
        ("trusted_proxies", "0", 0),
        ("trusted_proxies", "2", 2),
        ("metrics", "off", "off"),
        ("metrics_token", KEY, KEY),
        ("guests", "allow", "allow"),
        ("guests", " deny ", "deny"),
        ("id_key", KEY, KEY),
    ],
)
def test_every_variable_is_read(variable, value, expected) -> None:
    found = getattr(read(**{variable.upper(): value}), variable)
    if expected is None:
        expected = {"http://localhost:8000", "https://b.example"}
    assert found == expected


@pytest.mark.parametrize("variable", Settings.__struct_fields__)
@pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
def test_an_empty_value_is_the_default(variable, nothing) -> None:
    assert read(**{variable.upper(): nothing}) == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HISTORY", "0"),
        ("HISTORY", "-1"),
        ("HISTORY", "100001"),
        ("HISTORY", "9" * 30),
        ("HISTORY", "ten"),
        ("HISTORY", "10.5"),
        ("HISTORY", "1_000"),
        ("HISTORY", "0x10"),
        ("HISTORY", "٣"),
        ("HISTORY", "1000 entries"),
        ("HISTORY", "true"),
        ("HISTORY", "null"),
        ("HISTORY", "1\n2"),
        ("HISTORY_SECONDS", "0"),
        ("HISTORY_SECONDS", "-5"),
        ("HISTORY_SECONDS", "nan"),
        ("HISTORY_SECONDS", "inf"),
        ("HISTORY_SECONDS", "1e12"),
        ("HISTORY_SECONDS", "24h"),
        ("MESSAGE_RATE", "-0.1"),
        ("MESSAGE_RATE", "nan"),
        ("MESSAGE_RATE", "inf"),
        ("MESSAGE_RATE", "1e9"),
        ("MESSAGE_RATE", "fast"),
        ("MESSAGE_RATE", "10/s"),
        ("MAX_MESSAGE_BYTES", "0"),
        ("MAX_MESSAGE_BYTES", "8k"),
        ("MAX_MESSAGE_BYTES", "1000001"),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS", "many"),
        ("GUESTS", "Allow"),
        ("GUESTS", "yes"),
        ("GUESTS", "1"),
        ("GUESTS", "allow\ndeny"),
        ("SECRET_KEY", ","),
        ("SECRET_KEY", f"{KEY},"),
        ("SECRET_KEY", f"{KEY},,{OLDER}"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", f"{KEY},short"),
        ("METRICS_TOKEN", "short"),
        ("METRICS", "yes"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "11"),
        ("TRUSTED_PROXIES", "1.5"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("TRUSTED_PROXIES", "*"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "chat.example.org"),
        ("ALLOWED_ORIGINS", "//chat.example.org"),
        ("ALLOWED_ORIGINS", "ftp://chat.example.org"),
        ("ALLOWED_ORIGINS", "https://"),
        ("ALLOWED_ORIGINS", "https://chat.example.org/path"),
        ("ALLOWED_ORIGINS", "https://chat.example.org?x"),
        ("ALLOWED_ORIGINS", "https://chat.example.org#x"),
        ("ALLOWED_ORIGINS", "https://chat.example.org:99999"),
        ("ALLOWED_ORIGINS", "https://chat.example.org:0"),
        ("ALLOWED_ORIGINS", "https://chat.example.org:port"),
        ("ALLOWED_ORIGINS", "https://[::1"),
        ("ALLOWED_ORIGINS", "https://user@chat.example.org"),
        ("ALLOWED_ORIGINS", "https://a.example,"),
        ("ALLOWED_ORIGINS", "https://a.example b.example"),
        ("ALLOWED_ORIGINS", "https://a.example;https://b.example"),
        ("ALLOWED_ORIGINS", "https://a.example\nhttps://b.example"),
    ],
)
def test_a_bad_value_is_refused_in_one_line_that_names_the_variable(variable, value) -> None:
    refusal(**{variable: value})


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("QUARTCHAT_SECRET", "QUARTCHAT_SECRET_KEY"),
        ("QUARTCHAT_SECRETKEY", "QUARTCHAT_SECRET_KEY"),
        ("QUARTCHAT_BROKER_", "QUARTCHAT_BROKER"),
        ("QUARTCHAT_BROKERS", "QUARTCHAT_BROKER"),
        ("QUARTCHAT_ALLOWED_ORIGIN", "QUARTCHAT_ALLOWED_ORIGINS"),
        ("QUARTCHAT_HISTORY_SECS", "QUARTCHAT_HISTORY_SECONDS"),
        ("QUARTCHAT_GUEST", "QUARTCHAT_GUESTS"),
        ("QUARTCHAT_broker", "QUARTCHAT_BROKER"),
    ],
)
def test_a_misspelt_variable_is_refused_and_the_right_one_is_named(variable, meant) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({variable: "hush"})
    assert str(caught.value).startswith(f"{variable}: ")
    assert str(caught.value).endswith(f"is {meant} meant?")
    assert "hush" not in str(caught.value)


def test_an_unknown_variable_is_refused_also_where_it_is_empty() -> None:
    with pytest.raises(SettingsError, match="QUARTCHAT_COLOUR"):
        Settings.from_environment({"QUARTCHAT_COLOUR": ""})


@pytest.mark.parametrize("variable", ["PATH", "MY_QUARTCHAT_BROKER", "QUARTCHAT", "QUARTCHATBROKER"])
def test_the_variables_of_others_are_none_of_our_business(variable) -> None:
    assert Settings.from_environment({variable: "\x00"}) == Settings()


def test_no_secret_is_in_what_is_said() -> None:
    for line in (
        refusal(SECRET_KEY="hush,,hush"),
        refusal(SECRET_KEY="hush"),
        refusal(SECRET_KEY=f"hush{KEY}", HISTORY="x"),
        refusal(METRICS_TOKEN="hush" * 9),
        refusal(BROKER="redis://:hush@host", HISTORY="x"),
        refusal(ALLOWED_ORIGINS="https://user:hush@chat.example.org"),
    ):
        assert "hush" not in line


@pytest.mark.parametrize(
    "broker",
    ["redis://host", "rediss://host", "unix:///run/redis", "amqp://host", "amqps://host", "other://", "x"],
)
def test_without_a_key_every_broker_but_memory_refuses_to_start(broker) -> None:
    with pytest.raises(SettingsError, match=r"^QUARTCHAT_SECRET_KEY: .*token_urlsafe"):
        read(BROKER=broker).with_key()


def test_the_memory_broker_makes_a_key_of_its_own_each_time() -> None:
    first, second = read().with_key(), read().with_key()
    assert len(first.secret_key) == 1
    assert len(first.secret_key[0]) >= 32
    assert first.secret_key != second.secret_key


@pytest.mark.parametrize("broker", ["memory:", "Memory://", "MEMORY://"])
def test_a_scheme_is_the_same_in_capitals(broker) -> None:
    """Else it would need a key, and, worse, two workers would split the rooms between them."""
    assert read(BROKER=broker).with_key().secret_key


def test_a_configured_key_is_kept() -> None:
    assert read(SECRET_KEY=f"{KEY},{OLDER}").with_key().secret_key == (KEY, OLDER)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        read().history = 5


@pytest.mark.parametrize(
    "broker",
    [
        "carrier-pigeon://loft",
        "redis://:hush@host:port",
        "redis://:hush@host:99999",
        "redis://:hush/hush@host",
        "redis://:hush＃@host",
        "rediss://user:hush/@host",
        "amqp://user:hush@host:port",
        "amqp://user:hush＃@host",
        "amqp://user:hush/@host",
        "amqp://user:hush@host?buckets=x",
        "amqp://user:hush@host?colour=hush",
        "memory://user:hush@host",
        "//user:hush@host",
    ],
)
def test_a_broker_that_cannot_be_used_is_told_in_one_line_without_its_password(broker) -> None:
    with pytest.raises(SettingsError) as caught:
        create_app({"QUARTCHAT_BROKER": broker, "QUARTCHAT_SECRET_KEY": f"hush{KEY}"})
    text = str(caught.value)
    assert text.startswith("QUARTCHAT_BROKER: ")
    assert text.splitlines() == [text]
    assert "hush" not in text


@pytest.mark.parametrize("variable", ["QUARTCHAT_HISTRY", "QUARTCHAT_BROKER"])
def test_the_program_ends_with_that_one_line_and_no_traceback(variable) -> None:
    environ = {key: text for key, text in os.environ.items() if not key.startswith("QUARTCHAT_")}
    run = subprocess.run(
        [sys.executable, "-c", "import quartchat"],
        env={**environ, variable: "carrier-pigeon://loft"},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"quartchat: {variable}: ")


def test_limits_follow_the_rate_for_messages_unless_they_are_set() -> None:
    settings = read(MESSAGE_RATE="10")
    assert (settings.messages_of_room, settings.joins, settings.beginnings) == (500, 60, 20)
    settings = read(MESSAGE_RATE="0")
    assert (settings.messages_of_room, settings.joins, settings.beginnings) == (0, 0, 0)
    settings = read(MESSAGE_RATE="0", ROOM_RATE="7", JOINS_PER_MINUTE="8", NEW_PER_MINUTE="0.5")
    assert (settings.messages_of_room, settings.joins, settings.beginnings) == (7, 8, 0.5)


@pytest.mark.parametrize(
    "name", ["MAX_CONNECTIONS_PER_SESSION", "MAX_CONNECTIONS_PER_ADDRESS", "MAX_MEMBERS"]
)
def test_numbers_of_people_and_sockets_are_whole_and_may_be_0(name: str) -> None:
    assert getattr(read(**{name: "0"}), name.lower()) == 0
    for bad in ("-1", "1.5", "many"):
        refusal(**{name: bad})


@pytest.mark.parametrize("name", ["ROOM_RATE", "JOINS_PER_MINUTE", "NEW_PER_MINUTE", "ADDRESS_SHARE"])
def test_rates_are_numbers_from_0_on(name: str) -> None:
    assert getattr(read(**{name: "0"}), name.lower()) == 0
    for bad in ("-1", "nan", "inf", "fast"):
        refusal(**{name: bad})
