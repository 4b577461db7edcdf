"""A bad environment stops the start with one line; a good one starts without a word too many."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping

import pytest

from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until

OLD, NEW = secrets.token_hex(16), secrets.token_urlsafe(32)

BAD: list[tuple[str, dict[str, str | None]]] = [
    ("QUARTCHAT_BROKER", {"QUARTCHAT_BROKER": "kafka://127.0.0.1"}),
    ("QUARTCHAT_BROKER", {"QUARTCHAT_BROKER": "nonsense"}),
    ("QUARTCHAT_BROKER", {"QUARTCHAT_BROKER": "redis://127.0.0.1:port"}),
    ("QUARTCHAT_BROKER", {"QUARTCHAT_BROKER": "redis://[::1"}),
    ("QUARTCHAT_BROKER", {"QUARTCHAT_BROKER": "amqp://127.0.0.1?nonsense=1"}),
    ("QUARTCHAT_BROKER", {"QUARTCHAT_BROKER": "memory://?nonsense=1"}),
    ("QUARTCHAT_SECRET_KEY", {"QUARTCHAT_BROKER": "redis://x", "QUARTCHAT_SECRET_KEY": None}),
    ("QUARTCHAT_SECRET_KEY", {"QUARTCHAT_BROKER": "amqp://x", "QUARTCHAT_SECRET_KEY": ""}),
    ("QUARTCHAT_SECRET_KEY", {"QUARTCHAT_SECRET_KEY": f"{NEW},,{OLD}"}),
    ("QUARTCHAT_SECRET_KEY", {"QUARTCHAT_SECRET_KEY": "changeme-changeme-changeme"}),
    ("QUARTCHAT_SECRET_KEY", {"QUARTCHAT_SECRET_KEY": f"{NEW},short"}),
    ("QUARTCHAT_METRICS_TOKEN", {"QUARTCHAT_METRICS_TOKEN": "x" * 40}),
    ("QUARTCHAT_TRUSTED_PROXIES", {"QUARTCHAT_TRUSTED_PROXIES": "all"}),
    ("QUARTCHAT_HISTORY", {"QUARTCHAT_HISTORY": "0"}),
    ("QUARTCHAT_HISTORY", {"QUARTCHAT_HISTORY": "many"}),
    ("QUARTCHAT_HISTORY", {"QUARTCHAT_HISTORY": "1.5"}),
    ("QUARTCHAT_HISTORY", {"QUARTCHAT_HISTORY": "9" * 40}),
    ("QUARTCHAT_HISTORY_SECONDS", {"QUARTCHAT_HISTORY_SECONDS": "-1"}),
    ("QUARTCHAT_HISTORY_SECONDS", {"QUARTCHAT_HISTORY_SECONDS": "nan"}),
    ("QUARTCHAT_HISTORY_SECONDS", {"QUARTCHAT_HISTORY_SECONDS": "inf"}),
    ("QUARTCHAT_MESSAGE_RATE", {"QUARTCHAT_MESSAGE_RATE": "-1"}),
    ("QUARTCHAT_MESSAGE_RATE", {"QUARTCHAT_MESSAGE_RATE": "fast"}),
    ("QUARTCHAT_MAX_MESSAGE_BYTES", {"QUARTCHAT_MAX_MESSAGE_BYTES": "8k"}),
    ("QUARTCHAT_GUESTS", {"QUARTCHAT_GUESTS": "maybe"}),
    ("QUARTCHAT_ALLOWED_ORIGINS", {"QUARTCHAT_ALLOWED_ORIGINS": "chat.example.org"}),
    ("QUARTCHAT_ALLOWED_ORIGINS", {"QUARTCHAT_ALLOWED_ORIGINS": "https://a.example/path"}),
    ("QUARTCHAT_ALLOWED_ORIGINS", {"QUARTCHAT_ALLOWED_ORIGINS": "*"}),
    ("QUARTCHAT_COLOUR", {"QUARTCHAT_COLOUR": "blue"}),
    ("QUARTCHAT_", {"QUARTCHAT_": "x"}),
]


def _named(value: object) -> str:
    """The same in each process that collects the tests; the keys are not."""
    return str(value).replace(NEW, "NEW").replace(OLD, "OLD")[:60]


async def refused(env: Mapping[str, str | None], workers: int) -> str:
    """What an instance says that does not start."""
    one = Instance("memory://", env, workers=workers)
    try:
        one.spawn()
        code = await one.wait_exit(15)
        # With workers, Hypercorn 0.18 forgets why they ended: its exit code is 0.
        assert code == 1 or workers, one.log
        return one.log
    finally:
        one.remove()


@pytest.mark.parametrize(("variable", "env"), BAD, ids=_named)
async def test_a_bad_environment_is_one_line_that_names_the_variable(
    variable: str, env: dict[str, str | None]
) -> None:
    log = await refused(env, 0)
    lines = [line for line in log.splitlines() if line.strip()]
    assert len(lines) == 1, log
    assert re.search(rf"\b{variable}\b", lines[0]), log
    assert "Traceback" not in log


@pytest.mark.parametrize(("variable", "env"), [BAD[0], BAD[6], BAD[14], BAD[-2]], ids=str)
async def test_and_so_it_is_with_a_worker(variable: str, env: dict[str, str | None]) -> None:
    log = await refused(env, 1)
    assert variable in log
    assert "Traceback" not in log
    said = {line for line in log.splitlines() if "quartchat: " in line}
    assert len(said) == 1, log


@pytest.mark.parametrize("url", ["redis://:s3cr3t@127.0.0.1:x", "amqp://ada:s3cr3t@[::1"])
async def test_no_password_is_told(url: str) -> None:
    log = await refused({"QUARTCHAT_BROKER": url}, 0)
    assert "QUARTCHAT_BROKER" in log
    assert "s3cr3t" not in log


async def test_a_slip_of_the_pen_is_pointed_at() -> None:
    assert "QUARTCHAT_HISTORY" in await refused({"QUARTCHAT_HISTROY": "10"}, 0)


async def test_the_memory_broker_takes_no_second_worker() -> None:
    one = Instance("memory://", workers=2)
    try:
        one.spawn()
        await one.wait_exit(20)
        assert "QUARTCHAT_BROKER" in one.log
        assert "-w 1" in one.log
        assert "Traceback" not in one.log
    finally:
        one.remove()


async def test_another_broker_takes_several_workers(redis_url: str) -> None:
    async with Instance(redis_url, workers=2) as one:
        await one.wait_ready()


async def test_without_a_key_the_memory_broker_makes_its_own_and_says_so() -> None:
    async with Instance("memory://", {"QUARTCHAT_SECRET_KEY": None}) as one:
        await until(lambda: "QUARTCHAT_SECRET_KEY" in one.log, 5, "a line about the key")
        assert len([line for line in one.log.splitlines() if "QUARTCHAT_SECRET_KEY" in line]) == 1


async def test_empty_values_are_the_defaults() -> None:
    env: dict[str, str | None] = {"QUARTCHAT_HISTORY": "", "QUARTCHAT_BROKER": " "}
    async with Instance(None, env) as one:
        await one.wait_ready()


async def test_several_keys_all_verify_and_the_first_signs() -> None:
    async with Instance("memory://", {"QUARTCHAT_SECRET_KEY": OLD}) as one:
        ada = await new_session(one, "Ada")
    async with Instance("memory://", {"QUARTCHAT_SECRET_KEY": f"{NEW},{OLD}"}) as one:
        async with ChatClient(one, "x", ada.cookie) as client:
            assert client.welcome["you"]["id"] == ada.user_id
        bob = await new_session(one, "Bob")
    async with (
        Instance("memory://", {"QUARTCHAT_SECRET_KEY": NEW}) as one,
        ChatClient(one, "x", bob.cookie) as client,
        ChatClient(one, "x", ada.cookie) as nobody,
    ):
        assert client.welcome["you"]["id"] == bob.user_id
        assert nobody.welcome["you"]["id"] != ada.user_id


async def test_a_connection_whose_client_has_left_is_not_kept() -> None:
    """Hypercorn keeps it, file and tasks, until its keep-alive time is over: 75 s here."""
    async with Instance("memory://") as one:

        def count() -> int:
            return len(os.listdir(f"/proc/{one.pid}/fd"))

        await one.get("/chat/")  # whatever is opened once
        before = count()
        for _ in range(20):
            await one.get("/healthz")
        await until(lambda: count() <= before, 10, "the files of 20 connections are closed")
