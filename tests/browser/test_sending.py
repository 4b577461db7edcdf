"""A server that goes while somebody types: the draft stays, and what was sent arrives once."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.support.instance import Instance
from tests.support.proxy import Proxy

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAFT = "one who writes does not look at the server"


async def begin_to_type(window: ChatPage) -> asyncio.Task[None]:
    """Somebody who types slowly and goes on, whatever happens."""
    typing = asyncio.create_task(window.input.press_sequentially(DRAFT, delay=50))
    await expect(window.input).to_have_value(re.compile("^one who"))
    return typing


async def finish_and_send(window: ChatPage, typing: asyncio.Task[None]) -> None:
    await typing
    await expect(window.input).to_have_value(DRAFT)
    await expect(window.input).to_be_focused()
    await window.input.press("Enter")
    await window.has_sent(DRAFT)


async def test_a_server_is_killed_while_somebody_types(instance: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(instance)
    instance.freeze()
    await window.say("never answered")
    typing = await begin_to_type(window)
    instance.kill()
    await expect(window.banner).to_contain_text("Not connected")
    await instance.start(ready=True)
    await window.comes_back()
    await finish_and_send(window, typing)
    await window.reads("never answered", DRAFT)


async def test_a_server_leaves_while_somebody_types(
    broker_kind: str, broker_url: str, visitor: Visitor
) -> None:
    """Behind a balancer another instance takes over; without one the same comes back."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Instance(broker_url))
        balancer = await stack.enter_async_context(Proxy("127.0.0.1", first.port))
        window = await visitor()
        await window.enter(f"http://127.0.0.1:{balancer.port}")
        await window.say("before")
        await window.has_sent("before")
        if broker_kind != "memory":
            second = await stack.enter_async_context(Instance(broker_url))
            balancer.target = ("127.0.0.1", second.port)
        await window.say("as it leaves")
        typing = await begin_to_type(window)
        assert await first.terminate() == 0
        if broker_kind == "memory":
            await first.start()
            await window.comes_back()
        await finish_and_send(window, typing)
        await window.is_live()
        # Memory is gone with its process: then the page says so, and what it shows stays.
        await window.reads("before", "as it leaves", DRAFT)
        await expect(window.divider).to_have_count(1 if broker_kind == "memory" else 0)
