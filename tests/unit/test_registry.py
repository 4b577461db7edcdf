"""From a URL to a broker."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import EntryPoint

import pytest

import brokers
from brokers import BrokerConfigError, Window, connect, registry
from brokers.memory import MemoryBroker
from tests.unit.doubles import ScriptedBroker


class Pigeons(ScriptedBroker):
    """A broker of another project."""

    def __init__(self, url: str, *, window: Window | None = None) -> None:
        super().__init__(window=window)
        self.url = url


NOT_A_BROKER = object()


def refusal(url: str) -> str:
    with pytest.raises(BrokerConfigError) as caught:
        connect(url)
    text = str(caught.value)
    assert text.splitlines() == [text]
    return text


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points as an installed package would have them."""

    def entry_points(*, group: str) -> list[EntryPoint]:
        found = {
            "pigeon": f"{__name__}:Pigeons",
            "stone": f"{__name__}:NOT_A_BROKER",
            "ghost": f"{__name__}:nothing_here",
            "absent": "a_package_that_is_not_there:Broker",
            "redis": f"{__name__}:Pigeons",
        }
        assert group == "quartchat.brokers"
        return [EntryPoint(name, value, group) for name, value in found.items()]

    monkeypatch.setattr(registry.metadata, "entry_points", entry_points)
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _self())


def _self() -> object:
    import types

    module = types.ModuleType(__name__)
    module.__dict__.update(globals())
    return module


@pytest.mark.parametrize("url", ["memory://", "memory:", "memory:///", "MEMORY://"])
def test_memory_needs_nothing(url) -> None:
    assert isinstance(connect(url), MemoryBroker)


def test_the_window_is_passed_on() -> None:
    assert connect("memory://", window=Window(5, 6.0)).window == Window(5, 6.0)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://host", "RedisBroker"),
        ("rediss://host", "RedisBroker"),
        ("unix:///run/redis.sock", "RedisBroker"),
        ("amqp://host", "RabbitMQBroker"),
        ("amqps://host", "RabbitMQBroker"),
    ],
)
def test_each_scheme_has_its_broker_and_nothing_is_connected(url, name) -> None:
    broker = connect(url)
    assert type(broker).__name__ == name
    assert not broker.connected


@pytest.mark.parametrize("path", ["chat", "0x1", "-1", "1/2", "²"])
def test_a_redis_database_is_a_number(path: str) -> None:
    assert "number of a database" in refusal(f"redis://host/{path}?prefix=a")
    assert "number of a database" in refusal(f"rediss://user:hush@host:1/{path}")
    for good in ("redis://host/3", "redis://host/", "redis://host?prefix=a", "unix:///run/redis.sock"):
        connect(good)


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "memory",
        "://",
        "//host",
        "http://host",
        "kafka://host",
        "redis",
        "\x00://",
        "mem ory://",
        "[",
        "http://[",
    ],
)
def test_a_url_that_no_broker_takes_is_refused(url) -> None:
    refusal(url)


def test_an_unknown_scheme_is_named_with_all_that_are_known(extended) -> None:
    text = refusal("kafka://host")
    assert "'kafka'" in text
    for scheme in ("memory://", "redis://", "rediss://", "unix://", "amqp://", "amqps://", "pigeon://"):
        assert scheme in text


@pytest.mark.parametrize(
    "url",
    [
        "kafka://user:hush@host/0?password=hush",
        "//user:hush@host",
        "memory://user:hush@host",
        "memory:///hush",
        "redis://user:hush@host:port",
        "redis://user:hush@host:99999",
        "redis://user:hush/hush@host",
        "redis://:hush＃@host",
        "redis://:hush@host?buckets=hush",
        "amqp://user:hush@host:port",
        "amqp://user:hush/hush@host",
        "amqp://user:hush＃@host",
        "amqp://user:hush@host?buckets=x",
        "http://user:hush@[::1",
    ],
)
def test_no_password_is_in_what_is_said(url) -> None:
    said = ""
    try:
        connect(url)
    except BrokerConfigError as error:
        said = str(error)
    assert "hush" not in said
    assert "\n" not in said


class Missing(MetaPathFinder):
    """Packages that are not installed here."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@pytest.mark.parametrize(
    ("scheme", "drivers", "extra"),
    [
        ("redis", ["redis"], "redis"),
        ("rediss", ["redis"], "redis"),
        ("unix", ["redis"], "redis"),
        ("amqp", ["aio_pika", "aiormq", "pamqp"], "rabbitmq"),
        ("amqps", ["aio_pika", "aiormq", "pamqp"], "rabbitmq"),
    ],
)
def test_a_missing_driver_is_told_with_the_command_that_installs_it(
    monkeypatch, scheme, drivers, extra
) -> None:
    package = f"brokers.{extra}"
    for name in list(sys.modules):
        if name.split(".")[0] in drivers or name == package or name.startswith(f"{package}."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(brokers, extra, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(*drivers), *sys.meta_path])
    text = refusal(f"{scheme}://user:hush@host")
    assert f"pip install 'quartchat[{extra}]'" in text
    assert any(repr(driver) in text for driver in drivers)
    assert "hush" not in text


def test_a_broker_of_another_project_is_found_by_its_entry_point(extended) -> None:
    broker = connect("pigeon://loft", window=Window(7))
    assert isinstance(broker, ScriptedBroker)
    assert (broker.url, broker.window) == ("pigeon://loft", Window(7))
    assert "pigeon" in registry.schemes()


def test_nobody_takes_the_place_of_a_built_in_one(extended) -> None:
    assert not isinstance(connect("redis://host"), ScriptedBroker)


def test_an_entry_point_that_is_no_broker_is_refused(extended) -> None:
    assert "stone" in refusal("stone://x")


@pytest.mark.parametrize("scheme", ["ghost", "absent"])
def test_an_entry_point_that_cannot_be_loaded_is_refused_in_one_line(extended, scheme) -> None:
    assert scheme in refusal(f"{scheme}://x")


def test_all_schemes_are_listed_once_and_in_order() -> None:
    assert registry.schemes() == sorted(set(registry.schemes()))
    assert {"amqp", "amqps", "memory", "redis", "rediss", "unix"} <= set(registry.schemes())
