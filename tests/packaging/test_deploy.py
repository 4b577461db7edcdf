"""What lies in deploy/ is well-formed, and does what it says as far as this machine can show."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypercorn.config import Config

from tests.support.ports import free_port

from .environment import CHECKOUT, assert_pages_work, run, started, tool

DEPLOY = CHECKOUT / "deploy"
SIGTERM_TO_GONE = 5
"""Seconds that the app promises at most."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def apps(compose: dict[str, Any]) -> dict[str, Any]:
    services: dict[str, Any] = compose["services"]
    return {name: one for name, one in services.items() if one["image"] == "quartchat"}


def last_instruction(name: str) -> str:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", text, re.MULTILINE)[-1]


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    run([tool("hadolint"), "Dockerfile"], cwd=DEPLOY)


def test_the_dockerfile_copies_only_what_is_there_and_not_ignored() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    sources = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
        for source in line.split()
    }
    allowed = (CHECKOUT / ".dockerignore").read_text().splitlines()
    assert sources == {line[1:] for line in allowed if line.startswith("!")}
    assert all((CHECKOUT / source).exists() for source in sources)


def test_the_container_runs_without_root() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last_instruction("USER"))


async def test_the_command_of_the_container_serves_and_obeys_sigterm(tmp_path: Path) -> None:
    port = free_port()
    here = {
        "hypercorn": tool("hypercorn"),
        "/etc/quartchat/hypercorn.toml": str(DEPLOY / "hypercorn.toml"),
        "0.0.0.0:8000": f"127.0.0.1:{port}",
    }
    command: list[str] = json.loads(last_instruction("CMD"))
    assert here.keys() <= set(command)
    command = [here.get(part, part) for part in command]
    async with started(command, port, tmp_path, CHECKOUT) as process:
        await assert_pages_work(f"http://127.0.0.1:{port}")
        assert process.terminate(SIGTERM_TO_GONE) == 0


def test_compose_follows_its_schema() -> None:
    check = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    run([*check, "compose.yaml"], cwd=DEPLOY)


def test_compose_is_tidy() -> None:
    rules = "{extends: default, rules: {document-start: disable, line-length: {max: 100}}}"
    run([tool("yamllint"), "--strict", "-d", rules, "compose.yaml"], cwd=DEPLOY)


def test_compose_gives_every_instance_a_broker_a_key_and_time_to_leave(
    compose: dict[str, Any],
) -> None:
    for name, service in apps(compose).items():
        (profile,) = service["profiles"]
        scheme = service["environment"]["QUARTCHAT_BROKER"].partition(":")[0]
        assert scheme == {"memory": "memory", "redis": "redis", "rabbitmq": "amqp"}[profile], name
        assert "QUARTCHAT_SECRET_KEY" in service["environment"], name
        assert int(service["stop_grace_period"].removesuffix("s")) > SIGTERM_TO_GONE, name


@pytest.mark.parametrize("profile", ["redis", "rabbitmq"])
def test_compose_puts_two_instances_behind_the_proxy(compose: dict[str, Any], profile: str) -> None:
    instances = [one for one in apps(compose).values() if one["profiles"] == [profile]]
    aliases = {alias for one in instances for alias in one["networks"]["default"]["aliases"]}
    upstream = re.findall(r"server (\S+):8000 ", (DEPLOY / "nginx.conf").read_text())
    assert aliases == set(upstream)
    assert len(instances) == len(upstream) == 2


def test_compose_watches_the_health_of_everything(compose: dict[str, Any]) -> None:
    assert [name for name, one in compose["services"].items() if "healthcheck" not in one] == []


def test_hypercorn_knows_every_setting_of_its_file() -> None:
    settings = tomllib.loads((DEPLOY / "hypercorn.toml").read_text())
    # It would take a misspelt one without a word.
    assert [name for name in settings if not hasattr(Config, name)] == []
    config = Config.from_toml(DEPLOY / "hypercorn.toml")
    assert {name: getattr(config, name) for name in settings} == settings
