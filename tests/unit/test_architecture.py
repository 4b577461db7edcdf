"""Who may import whom."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

PURE = [
    "settings",
    "keys",
    "approach",
    "origin",
    "headers",
    "names",
    "skeleton",
    "frames",
    "protocol",
    "limits",
    "rates",
    "seats",
    "presence",
    "room",
    "member",
    "hub",
    "sessions",
    "ledger",
    "rules",
    "rulebook",
    "links",
    "moderation",
    "counters",
    "wire",
]
WEB = {"quart", "hypercorn", "werkzeug", "flask", "jinja2", "wsproto", "h11", "asyncio.streams", "websockets"}


def modules(package: str) -> dict[str, Path]:
    """Dotted name to file."""
    found = {}
    for path in sorted((CHECKOUT / package).rglob("*.py")):
        parts = path.relative_to(CHECKOUT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(name: str, path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, wherever it does so."""
    here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("import_module", "__import__")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


CHAT, BROKERS = modules("quartchat"), modules("brokers")


def test_there_is_something_to_look_at() -> None:
    assert set(PURE) <= {name.removeprefix("quartchat.") for name in CHAT}
    assert {"brokers.base", "brokers.memory"} <= set(BROKERS)
    assert "quart" in imports("quartchat.websocket", CHAT["quartchat.websocket"])
    assert "quartchat.room" in imports("quartchat.hub", CHAT["quartchat.hub"])


@pytest.mark.parametrize("name", BROKERS)
def test_brokers_know_neither_quart_nor_the_chat(name) -> None:
    assert not roots(imports(name, BROKERS[name])) & {"quartchat", *WEB}


@pytest.mark.parametrize("name", PURE)
def test_the_pure_part_knows_no_web(name) -> None:
    found = imports(f"quartchat.{name}", CHAT[f"quartchat.{name}"])
    assert not roots(found) & WEB
    web = {module for module in CHAT if module.removeprefix("quartchat.") not in PURE} - {"quartchat"}
    assert not found & web


@pytest.mark.parametrize("name", CHAT)
def test_nobody_imports_the_application_but_the_package_itself(name) -> None:
    if name != "quartchat":
        assert "quartchat.application" not in imports(name, CHAT[name])


@pytest.mark.parametrize("name", CHAT)
def test_one_module_alone_touches_hypercorn(name) -> None:
    if not name.startswith("quartchat.hypercorn"):
        assert "hypercorn" not in roots(imports(name, CHAT[name]))


@pytest.mark.parametrize("name", [name for name in CHAT if name != "quartchat.settings"])
def test_one_module_alone_reads_the_environment(name) -> None:
    if name == "quartchat":
        return  # hands it to settings
    for node in ast.walk(tree(CHAT[name])):
        assert not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))


@pytest.mark.parametrize("name", BROKERS)
def test_no_broker_reads_the_environment(name) -> None:
    if name.startswith("brokers.conformance"):
        return
    for node in ast.walk(tree(BROKERS[name])):
        assert not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))


@pytest.mark.parametrize("name", [*CHAT, *BROKERS])
def test_drivers_are_imported_by_their_own_broker_only(name) -> None:
    path = {**CHAT, **BROKERS}[name]
    found = roots(imports(name, path))
    if not name.startswith(("brokers.redis", "brokers.conformance")):
        assert not found & {"redis", "hiredis"}
    if not name.startswith(("brokers.rabbitmq", "brokers.conformance")):
        assert not found & {"aio_pika", "aiormq", "pamqp"}


def loaded(program: str) -> set[str]:
    """The modules in a fresh process after it ran a program."""
    run = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


def test_the_chat_in_memory_loads_no_driver_and_no_prometheus() -> None:
    found = loaded("import quartchat")
    assert "quartchat.application" in found
    assert not roots(found) & {
        "redis",
        "hiredis",
        "aio_pika",
        "aiormq",
        "pamqp",
        "prometheus_client",
        "websockets",
    }


def test_the_brokers_alone_load_no_chat_no_web_and_no_driver() -> None:
    found = loaded("import brokers; brokers.connect('memory://')")
    assert "brokers.memory" in found
    assert not roots(found) & {"quartchat", "redis", "aio_pika", *WEB}


def test_each_broker_loads_its_own_driver_only() -> None:
    assert "aio_pika" not in loaded("import brokers; brokers.connect('redis://host')")
    assert "redis" not in loaded("import brokers; brokers.connect('amqp://host')")
