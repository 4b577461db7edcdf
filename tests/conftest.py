"""Private servers for the tests, one of each for the whole run, and a broker URL on each.

A server that is not installed skips its tests at a desk, and fails them where CI is set.
"""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator

import pytest

from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer
from tests.support.require import require

# It judges with plain asserts, but is no test module itself.
pytest.register_assert_rewrite("brokers.conformance")

_booting: dict[str, RabbitMQServer] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: waits for deadlines; runs after the others")

    def leave(*_: object) -> None:
        # Without this the servers would outlive a run that is told to end.
        pytest.exit("SIGTERM", returncode=143)

    signal.signal(signal.SIGTERM, leave)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if getattr(getattr(item, "cls", None), "slow", False):
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Boot RabbitMQ while the first tests run: it takes some seconds."""
    wanted = any(_needs_rabbitmq(item) for item in session.items)
    if wanted and not session.config.option.collectonly and not RabbitMQServer.missing():
        server = _booting["server"] = RabbitMQServer()
        server.begin()


def pytest_unconfigure() -> None:
    if "server" in _booting:
        _booting.pop("server").remove()


def _needs_rabbitmq(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    values = call.params.values() if call is not None else ()
    return "rabbitmq_server" in getattr(item, "fixturenames", ()) or "rabbitmq" in values


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One for the whole run (AOF every second). Whoever kills or freezes it brings it back."""
    require(RedisServer)
    with RedisServer("everysec") as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_server() -> RabbitMQServer:
    """One for the whole run. Whoever kills or freezes it brings it back."""
    require(RabbitMQServer)
    server = _booting.get("server")
    if server is None:
        server = _booting["server"] = RabbitMQServer()
        server.begin()
    server.ready()
    return server


@pytest.fixture
def namespace() -> str:
    """Keeps tests on one server apart: the brokers' URL option `prefix`."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture(params=["memory", "redis", "rabbitmq"])
def broker_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def broker_url(request: pytest.FixtureRequest, broker_kind: str, namespace: str) -> str:
    """A URL of each broker in turn, with a namespace of the test's own."""
    if broker_kind == "memory":
        return "memory://"
    server = request.getfixturevalue(f"{broker_kind}_server")
    options = "&buckets=2" if broker_kind == "rabbitmq" else ""
    return f"{server.url}?prefix={namespace}{options}"


@pytest.fixture
def redis_url(redis_server: RedisServer, namespace: str) -> str:
    return f"{redis_server.url}?prefix={namespace}"


@pytest.fixture
def rabbitmq_url(rabbitmq_server: RabbitMQServer, namespace: str) -> str:
    return f"{rabbitmq_server.url}?prefix={namespace}&buckets=2"
