"""What the page does when things break: it says so, keeps what was written, and comes back."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.between import Between, everything, nothing
from tests.browser.chat_page import PATIENCE, numbered
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient
from tests.support.instance import Instance

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_message_stands_as_sending_until_the_server_has_it(
    instance: Instance, visitor: Visitor
) -> None:
    window = await visitor()
    await window.enter(instance)
    instance.freeze()
    try:
        await window.say("hold on")
        await expect(window.row("hold on")).to_have_attribute("data-state", "sending")
        await expect(window.row("hold on")).to_contain_text("Sending")
    finally:
        instance.thaw()
    await window.has_sent("hold on")
    await expect(window.row("hold on")).to_contain_text("Sent")
    await window.reads("hold on")


async def test_it_returns_to_a_server_that_was_killed(
    instance: Instance, broker_kind: str, visitor: Visitor
) -> None:
    window = await visitor()
    await window.enter(instance)
    await window.say("before")
    await window.has_sent("before")
    instance.kill()
    await expect(window.banner).to_contain_text("Not connected", timeout=PATIENCE)
    await expect(window.page.locator("#people-count")).to_have_text("–")
    for text in ("one", "two", "three"):
        await window.say(text)
    await instance.start(ready=True)
    async with ChatClient(instance, "lobby") as client:
        await client.say("from elsewhere")
    await window.comes_back()
    for text in ("one", "two", "three"):
        await window.has_sent(text)
    await expect(window.row("from elsewhere")).to_have_count(1)
    texts = await window.whole_conversation()
    assert [text for text in texts if text in ("one", "two", "three")] == ["one", "two", "three"]
    assert sorted(texts) == sorted(["before", "one", "two", "three", "from elsewhere"])
    # Only the memory of the process was lost with it, and then the page says so.
    await expect(window.divider).to_have_count(1 if broker_kind == "memory" else 0)


async def test_what_was_unsent_outlives_a_reload(instance: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(instance)
    instance.kill()
    await window.say("first")
    await window.say("second")
    await window.input.fill("a draft")
    await instance.start(ready=True)
    await window.page.reload()
    await window.has_sent("first")
    await window.has_sent("second")
    await expect(window.input).to_have_value("a draft")
    await window.reads("first", "second")


async def test_another_tab_sends_what_a_closed_one_left(alone: Instance, visitor: Visitor) -> None:
    first = await visitor()
    await first.enter(alone)
    second = await visitor(beside=first)
    await second.enter(alone)
    alone.freeze()
    try:
        await second.say("left behind")
        await expect(second.row("left behind")).to_have_attribute("data-state", "sending")
        # It never reached the server's code: the socket is gone with the tab.
        await second.page.evaluate("location.href = 'about:blank'")
    finally:
        alone.kill()
    await alone.start()
    await first.comes_back()
    await first.has_sent("left behind")
    await first.reads("left behind")


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
async def test_a_page_without_its_broker_says_so_and_heals(
    kind: str, namespace: str, request: pytest.FixtureRequest, visitor: Visitor
) -> None:
    server = request.getfixturevalue(f"{kind}_server")
    async with Instance(f"{server.url}?prefix={namespace}") as one:
        window, lobby = await visitor(), await visitor()
        await one.wait_ready()
        server.stop()
        try:
            await window.enter(one, live=False)
            await expect(window.banner).to_contain_text("Not connected")
            await expect(window.page.locator("#people-count")).to_have_text("–")
            await lobby.page.goto(f"{one.url}/chat/")
            await expect(lobby.banner).to_contain_text("Not connected")
            await window.say("patience")
            await expect(window.row("patience")).to_have_attribute("data-state", "sending")
        finally:
            server.start()
        await window.comes_back()
        await window.has_sent("patience")
        await expect(lobby.banner).to_be_hidden(timeout=PATIENCE)
        assert await window.whole_conversation() == ["patience"]


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
async def test_a_message_waits_visibly_while_the_broker_is_frozen(
    kind: str, namespace: str, request: pytest.FixtureRequest, visitor: Visitor
) -> None:
    server = request.getfixturevalue(f"{kind}_server")
    async with Instance(f"{server.url}?prefix={namespace}") as one:
        await one.wait_ready()
        window = await visitor()
        await window.enter(one)
        server.freeze()
        try:
            await window.say("through the ice")
            await window.say("and after it")
            await expect(window.banner).to_contain_text("Not connected", timeout=PATIENCE)
            await expect(window.row("through the ice")).to_have_attribute("data-state", "sending")
        finally:
            server.thaw()
        await window.has_sent("through the ice")
        await window.has_sent("and after it")
        await window.is_live()
        assert await window.whole_conversation() == ["through the ice", "and after it"]


async def test_a_refused_message_can_be_tried_again(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    between = Between(everything)
    await between.begin(window)
    await window.enter(alone)
    await window.say("once more")
    await expect(window.row("once more")).to_have_attribute("data-state", "failed")
    await expect(window.row("once more")).to_contain_text("Not sent")
    between.refuses = nothing
    await window.say("next")
    await window.has_sent("next")
    await window.page.get_by_role("button", name="Try again").click()
    await window.has_sent("once more")
    await window.reads("next", "once more")


async def test_a_burst_beyond_the_rate_goes_out_by_itself_in_order(visitor: Visitor) -> None:
    limits = {"QUARTCHAT_MESSAGE_RATE": "4"}
    async with Instance("memory://", env=limits) as one:
        window = await visitor()
        await window.enter(one)
        texts = numbered(20)
        for text in texts:
            await window.say(text)
        await window.reads(*texts)
        await expect(window.log.locator("[data-state=sending]")).to_have_count(0, timeout=PATIENCE)
        async with ChatClient(one, "lobby") as late:
            await late.wait_texts(texts)


async def test_offline_and_back(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    alone.kill()
    await expect(window.banner).to_contain_text("Reconnecting in", timeout=PATIENCE)
    await window.page.context.set_offline(True)
    await alone.start()
    await window.page.context.set_offline(False)
    await window.is_live()
