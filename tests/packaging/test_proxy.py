"""The nginx example, run for real in front of two instances of one chat."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets import InvalidStatus

from tests.support.client import ChatClient
from tests.support.instance import Instance, request
from tests.support.ports import free_port
from tests.support.require import require

from .environment import CHECKOUT, assert_pages_work, run, started


class Nginx:
    # Debian keeps it where only root looks.
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

    @classmethod
    def missing(cls) -> str | None:
        return None if cls.program else "nginx is not installed"


class Proxied(NamedTuple):
    """A proxy and what stands behind it."""

    url: str
    instances: tuple[Instance, Instance]


def write_configuration(folder: Path, port: int, upstreams: tuple[str, str]) -> Path:
    """The example with this machine's addresses; its names exist only inside of compose."""
    text = (CHECKOUT / "deploy" / "nginx.conf").read_text()
    changes = {
        "app-1:8000": upstreams[0],
        "app-2:8000": upstreams[1],
        "listen 8080": f"listen 127.0.0.1:{port}",
        "/tmp/": f"{folder}/",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    written = folder / "nginx.conf"
    written.write_text(text)
    return written


@pytest.fixture
def nginx() -> str:
    require(Nginx)
    return str(Nginx.program)


@pytest.fixture
async def proxied(nginx: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Proxied]:
    async with AsyncExitStack() as stack:
        env: dict[str, str | None] = {"QUARTCHAT_TRUSTED_PROXIES": "1"}  # as in compose.yaml
        one = await stack.enter_async_context(Instance(redis_url, env))
        two = await stack.enter_async_context(Instance(redis_url, env))
        upstreams = (one.url.removeprefix("http://"), two.url.removeprefix("http://"))
        port = free_port()
        configuration = write_configuration(tmp_path, port, upstreams)
        # A worker of another user could not enter the test's folder.
        options = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        command = [nginx, "-e", "stderr", "-c", str(configuration), "-g", options]
        await stack.enter_async_context(started(command, port, tmp_path, tmp_path))
        yield Proxied(f"http://127.0.0.1:{port}", (one, two))


def test_nginx_accepts_the_example(nginx: str, tmp_path: Path) -> None:
    configuration = write_configuration(tmp_path, 8080, ("127.0.0.1:1", "127.0.0.1:2"))
    run([nginx, "-t", "-e", "stderr", "-c", configuration], cwd=tmp_path)


async def test_pages_and_static_files_come_through(proxied: Proxied) -> None:
    await assert_pages_work(proxied.url)


async def test_metrics_stay_inside(proxied: Proxied) -> None:
    assert (await request(f"{proxied.url}/metrics")).status == 404
    assert (await proxied.instances[0].get("/metrics")).status == 200


async def test_a_page_of_the_same_site_may_open_sockets_and_all_meet_in_one_room(
    proxied: Proxied,
) -> None:
    one, two = proxied.instances
    async with (
        ChatClient(proxied.url, "lobby", origin=proxied.url) as alice,
        ChatClient(proxied.url, "lobby", origin=proxied.url) as bob,
        ChatClient(one, "lobby") as inside_one,
        ChatClient(two, "lobby") as inside_two,
    ):
        await alice.say("through the proxy")
        for reader in (alice, bob, inside_one, inside_two):
            await reader.wait_texts(["through the proxy"])


async def test_a_page_of_another_site_is_still_refused(proxied: Proxied) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await ChatClient(proxied.url, "lobby", origin="https://elsewhere.example").open()
    assert refused.value.response.status_code == 403


async def test_what_a_client_says_of_the_way_it_came_is_not_handed_on(proxied: Proxied) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    spoofed = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "6.6.6.6"}
    answer = await request(f"{proxied.url}/session", "POST", b"name=Ada", {**form, **spoofed})
    assert answer.headers["Set-Cookie"].startswith("quartchat=")
    assert answer.headers.get("Strict-Transport-Security") is None
    evil = {**form, **spoofed, "Origin": "https://evil.example"}
    assert (await request(f"{proxied.url}/session", "POST", b"name=Ada", evil)).status == 403


async def test_with_one_instance_dead_the_other_one_takes_everybody(proxied: Proxied) -> None:
    proxied.instances[0].kill()
    for _ in range(4):
        await assert_pages_work(proxied.url)
