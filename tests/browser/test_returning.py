"""Offline and back, closed and opened again: what was written arrives once, in order, with its own id."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import PATIENCE, ChatPage
from tests.browser.conftest import Visitor
from tests.support.instance import Instance
from tests.support.proxy import Proxy
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTBOXES = """() => Object.keys(localStorage).filter(key => key.startsWith('quartchat:outbox:'))
  .flatMap(key => JSON.parse(localStorage[key]).map(({ id, text }) => [id, text]))"""


async def unsent(window: ChatPage) -> Any:
    """What the browser keeps: [id, text] of each message without an answer."""
    return await window.page.evaluate(OUTBOXES)


async def keeps_nothing(window: ChatPage) -> None:
    """Each message was answered; it may stand there a moment before."""
    await window.page.wait_for_function(f"() => !({OUTBOXES})().length", timeout=PATIENCE)


async def stored(instance: Instance, window: ChatPage) -> Any:
    """What the server has, once it has shown the window all that stands there: it may say yes before."""
    await expect(window.log.locator(".row:not([data-position])")).to_have_count(0, timeout=PATIENCE)
    answer = await instance.get("/api/rooms/lobby/messages")
    return [[message["id"], message["message"]] for message in json.loads(answer.body)["messages"]]


async def test_what_was_written_offline_goes_out_when_the_network_is_back(
    alone: Instance, visitor: Visitor
) -> None:
    async with Proxy("127.0.0.1", alone.port) as network:
        window = await visitor()
        await window.enter(f"http://127.0.0.1:{network.port}")
        await window.page.context.set_offline(True)
        await network.refuse()
        network.cut()
        await expect(window.banner).to_contain_text("Not connected")
        for text in ("one", "two", "three"):
            await window.say(text)
        await window.input.fill("a draft")
        written = await unsent(window)
        await network.heal()
        await window.page.context.set_offline(False)
        await window.is_live()
        await window.has_sent("three")
        await window.reads("one", "two", "three")
        await expect(window.input).to_have_value("a draft")
        assert await stored(alone, window) == written
        await keeps_nothing(window)


async def test_what_a_dead_network_delivers_late_stands_there_once(
    instance: Instance, visitor: Visitor
) -> None:
    async with Proxy("127.0.0.1", instance.port) as network:
        window = await visitor()
        await window.page.clock.install()
        await window.enter(f"http://127.0.0.1:{network.port}")
        network.black_hole("up")
        await window.say("into the dark")
        await until(lambda: network.held, what="the message is under way")
        await window.say("and after it")
        written = await unsent(window)
        assert len(written) == 2
        await window.page.clock.fast_forward(15_000)  # nothing was heard for so long
        await expect(window.banner).to_be_visible()
        await network.heal()  # the old connection's bytes arrive as well
        await window.comes_back()
        await window.has_sent("and after it")
        await window.reads("into the dark", "and after it")
        assert await stored(instance, window) == written
        await expect(window.divider).to_have_count(0)


@pytest.mark.parametrize("away", ["frozen", "killed"])
async def test_a_new_tab_sends_what_a_closed_one_left(
    away: str, instance: Instance, visitor: Visitor
) -> None:
    closed = await visitor()
    await closed.enter(instance)
    instance.freeze()
    for text in ("one", "two", "three"):
        await closed.say(text)
    await expect(closed.row("three")).to_have_attribute("data-state", "sending")
    written = await unsent(closed)
    assert [text for _, text in written] == ["one", "two", "three"]
    await closed.page.close()
    if away == "frozen":
        instance.thaw()  # the first of them is in its buffer, or was lost with the tab
    else:
        instance.kill()
        await instance.start(ready=True)
    window = await visitor(beside=closed)
    await window.enter(instance)
    await window.has_sent("three")
    await window.reads("one", "two", "three")
    assert await stored(instance, window) == written
    await keeps_nothing(window)
