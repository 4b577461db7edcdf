"""Who one is: guests, names, several tabs, and a session that changes under an open page."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.support.instance import Instance

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def me(window: ChatPage) -> str | None:
    return await window.page.locator("#people-list li:has(.you)").get_attribute("data-user")


async def test_a_guest_can_write_at_once_and_take_a_name(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone, "linked")
    guest = await me(window)
    await window.say("as a guest")
    await window.has_sent("as a guest")
    await window.page.locator("#self-name").fill("Anna\u202e")
    await window.page.get_by_role("button", name="Save").click()
    assert await window.page.locator("#self-name").evaluate("field => field.validationMessage")
    await window.page.locator("#self-name").fill("Anna")
    await window.page.get_by_role("button", name="Save").click()
    await expect(window.page.locator("#self .name")).to_have_text("Anna")
    await window.is_live()
    assert await me(window) == guest
    await window.say("as Anna")
    await expect(window.row("as Anna").locator(".name")).to_have_text("Anna")


async def test_tabs_opened_together_are_one_person(alone: Instance, visitor: Visitor) -> None:
    one = await visitor()
    two = await visitor(beside=one)
    await asyncio.gather(one.enter(alone), two.enter(alone))
    assert await me(one) == await me(two)
    await one.say("from one tab")
    await two.say("from the other")
    for window in (one, two):
        await window.has_sent("from one tab")
        await window.has_sent("from the other")
        await expect(window.rows).to_have_count(2)


async def test_a_page_whose_session_ended_stops(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    await window.page.reload()
    await window.is_live()
    other = await visitor(beside=window)
    await other.page.goto(f"{alone.url}/chat/")
    await other.page.get_by_role("button", name="forget me").click()
    await expect(window.banner).to_contain_text("This page has stopped", timeout=10_000)
    await expect(window.input).to_be_disabled()
    await other.enter(alone)
    await other.say("somebody new")
    await other.has_sent("somebody new")
    await expect(window.rows).to_have_count(0)
    await window.page.get_by_role("button", name="Reload").click()
    await window.is_live()
    assert await me(window) == await me(other)


async def test_two_people_of_one_name_look_different(alone: Instance, visitor: Visitor) -> None:
    windows = [await visitor(), await visitor()]
    for window in windows:
        await window.page.goto(f"{alone.url}/chat/")
        await window.page.locator("#name-input").fill("Anna")
        await window.page.locator("#room-name-input").fill("annas")
        await window.page.locator("#room-name-submit").click()
        await window.is_live()
    for n, window in enumerate(windows):
        await window.say(f"I am number {n}")
        await window.has_sent(f"I am number {n}")
    await expect(windows[0].rows).to_have_count(2)
    tags = windows[0].rows.locator(".tag")
    await expect(tags.first).to_be_visible()
    first, second = await tags.all_text_contents()
    assert first != second
    names = windows[0].page.locator("#people-list .tag:visible")
    await expect(names).to_have_count(2)


async def test_where_guests_are_denied_the_page_asks_for_a_name(visitor: Visitor) -> None:
    async with Instance("memory://", env={"QUARTCHAT_GUESTS": "deny"}) as one:
        window = await visitor()
        await window.enter(one, "members", live=False)
        await expect(window.input).to_have_count(0)
        await window.page.locator("#ask-name").fill("Ben")
        await window.page.locator("#ask-name").press("Enter")
        await window.is_live()
        await window.say("in")
        await expect(window.row("in").locator(".name")).to_have_text("Ben")
