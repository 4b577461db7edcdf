"""The tutorial's two facts and their neighbours, in real windows, on every broker."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Visitor
from tests.support.client import ChatClient
from tests.support.instance import Instance

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_message_is_seen_by_everyone_in_the_same_room(instance: Instance, visitor: Visitor) -> None:
    one, two = await visitor(), await visitor()
    for window in (one, two):
        await window.page.goto(f"{instance.url}/chat/")
        await window.page.locator("#room-name-input").fill("room_1")
        await window.page.locator("#room-name-input").press("Enter")
        await window.page.wait_for_url("**/chat/room_1/")
        await window.is_live()
    await one.say("hello")
    await expect(two.log).to_contain_text("hello")
    await one.has_sent("hello")
    await expect(one.input).to_have_value("")
    await two.say("hello yourself")
    await one.reads("hello", "hello yourself")
    await two.reads("hello", "hello yourself")


async def test_a_message_is_not_seen_in_another_room(instance: Instance, visitor: Visitor) -> None:
    one, two = await visitor(), await visitor()
    await one.enter(instance, "room_1")
    await two.enter(instance, "room_2")
    await one.say("hello")
    await one.has_sent("hello")
    await two.say("world")
    await two.has_sent("world")
    # What came into the wrong room would stand there before what comes after it.
    for window in (one, two):
        await window.say("and after it")
        await window.has_sent("and after it")
    await one.reads("hello", "and after it")
    await two.reads("world", "and after it")


async def test_the_text_is_in_the_page_that_the_server_sends(instance: Instance, visitor: Visitor) -> None:
    async with ChatClient(instance, "한국어 방") as client:
        for n in range(60):
            await client.send(f"<b>{n}</b> & so on")
        await client.wait(lambda: len(client.messages) == 60)
    html = (await instance.get(f"/chat/{quote('한국어 방')}/")).text
    assert "&lt;b&gt;59&lt;/b&gt; &amp; so on" in html
    reader = await visitor(java_script_enabled=False)
    await reader.enter(instance, "한국어 방", live=False)
    await reader.reads(*[f"<b>{n}</b> & so on" for n in range(10, 60)])
    await expect(reader.page.locator("noscript .banner")).to_contain_text("needs JavaScript")


async def test_korean_and_the_rest_of_the_world(instance: Instance, visitor: Visitor) -> None:
    texts = ["안녕하세요, 반갑습니다 👋", "여러 줄\n두 번째", "مرحبا", "👩‍👩‍👧🇰🇷", "  spaces  "]
    one, two = await visitor(), await visitor()
    await one.page.goto(f"{instance.url}/chat/")
    await one.page.locator("#name-input").fill("민지")
    await one.page.locator("#room-name-input").fill("한국어 방 100% #1?")
    await one.page.locator("#room-name-input").press("Enter")
    await one.is_live()
    await expect(one.page.locator("h1")).to_have_text("한국어 방 100% #1?")
    await two.enter(instance, "한국어 방 100% #1?")
    for text in texts:
        await one.say(text)
    await expect(two.rows).to_have_count(len(texts))
    assert await two.log.locator(".text").evaluate_all("all => all.map(t => t.textContent)") == texts
    await expect(two.rows.first.locator(".name")).to_have_text("민지")
    await expect(two.page.locator("#people-list")).to_contain_text("민지")


async def test_everyone_is_listed_and_typing_shows(instance: Instance, visitor: Visitor) -> None:
    one, two = await visitor(), await visitor()
    await one.enter(instance)
    await two.enter(instance)
    await expect(one.page.locator("#people-count")).to_have_text("2")
    await two.input.press_sequentially("hm")
    await expect(one.page.locator("#typing")).to_contain_text("is typing")
    await expect(two.page.locator("#typing")).to_be_empty()
    await two.page.close()
    await expect(one.page.locator("#people-count")).to_have_text("1")
    await expect(one.page.locator("#typing")).to_be_empty()


async def test_the_lobby_s_list_is_not_made_anew_under_the_keys(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await answered.wait()
        await route.fulfill(response=answer)

    async with ChatClient(alone, "busy"):
        await window.page.goto(f"{alone.url}/chat/")
        link = window.page.locator("#busy-list a")
        await expect(link).to_have_count(1)
        await window.page.route("**/api/rooms", late)
        await window.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await asked.wait()
        await link.focus()
        async with window.page.expect_response("**/api/rooms"):
            answered.set()
        await window.page.evaluate("fetch('/healthz').then((answer) => answer.text())")
        await expect(link).to_be_focused()
