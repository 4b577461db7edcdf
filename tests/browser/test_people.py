"""Who one is: guests, names, several tabs, and a session that changes under an open page."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage, Spoilt
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until

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
    # By the server's answer.
    await window.page.wait_for_function("() => document.getElementById('self-name').validationMessage")
    await window.page.locator("#self-name").fill("Anna")
    await window.page.get_by_role("button", name="Save").click()
    await expect(window.page.locator("#self .name")).to_have_text("Anna")
    await window.is_live()
    assert await me(window) == guest
    await window.say("as Anna")
    await expect(window.row("as Anna").locator(".name")).to_have_text("Anna")


async def test_an_answer_that_breaks_off_names_nobody(alone: Instance, visitor: Visitor) -> None:
    window, session = await visitor(), Spoilt(1, '{"id": "')
    await session.at(window.page, "**/session")
    await window.enter(alone)
    await window.say("hello")
    await window.has_sent("hello")
    assert session.tries == 2
    kept = json.loads(await window.page.evaluate("localStorage.getItem('quartchat:me')"))
    assert kept["id"]
    assert kept["name"] == await window.name.text_content()


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


async def test_two_people_whose_names_look_alike_look_different(alone: Instance, visitor: Visitor) -> None:
    windows = [await visitor(), await visitor()]
    for window, name in zip(windows, ["Anna", "\u0410nna"], strict=True):  # the second is half Cyrillic
        await window.page.goto(f"{alone.url}/chat/")
        await window.page.locator("#name-input").fill(name)
        await window.page.locator("#room-name-input").fill("alikes")
        await window.page.locator("#room-name-submit").click()
        await window.is_live()
        await window.say(f"I am {name}")
        await window.has_sent(f"I am {name}")
    for window in windows:
        await expect(window.page.locator("#people-list .tag:visible")).to_have_count(2)
        await expect(window.rows.locator(".tag:visible")).to_have_count(2)
    # Longer than the four seconds for which typing is not told again.
    await windows[0].input.press_sequentially("I am the one who was here first, really", delay=120)
    await expect(windows[1].page.locator("#typing")).to_contain_text(re.compile(r"Anna #\S{4}\u2069"))
    # Also where the page knows one of them by what the server rendered alone.
    await windows[1].page.close()
    await windows[0].page.reload()
    await windows[0].is_live()
    await expect(windows[0].rows.locator(".tag:visible")).to_have_count(2)


async def test_people_come_and_go_without_noise(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone, "quiet")
    count, people = window.page.locator("#people-count"), window.page.locator("#people-list li")
    await expect(people).to_have_count(1)
    await window.say("alone")
    await window.has_sent("alone")
    # It has the server's time, and no more of it changes.
    await expect(window.row("alone")).to_have_attribute("data-position", re.compile("."))
    here = await window.log.inner_text()
    async with ChatClient(alone, "quiet"), ChatClient(alone, "quiet"):
        await expect(count).to_have_text("3")
        await expect(people).to_have_count(3)
        await expect(people.first).to_contain_text("you")
        assert await window.log.inner_text() == here
        await expect(window.page.locator("#typing")).to_be_empty()
    await expect(count).to_have_text("1")
    await expect(people).to_have_count(1)
    assert await window.log.inner_text() == here


async def test_who_types_is_named_if_there_are_one_or_two(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone, "typing")
    typing = window.page.locator("#typing")
    sessions = [await new_session(alone, name) for name in ("Ada", "Ben", "Cleo")]
    clients = [ChatClient(alone, "typing", cookie=session.cookie) for session in sessions]
    async with clients[0] as ada, clients[1] as ben, clients[2] as cleo:

        async def shows(words: str, *typists: ChatClient) -> None:
            async def shown() -> bool:
                # It fades after some seconds: typed again while the page is busy.
                for typist in typists:
                    await typist.send_frame({"type": "typing"})
                return await typing.inner_text() == words

            await until(shown, 20, words)

        await shows("\u2068Ada\u2069 is typing…", ada)
        await shows("\u2068Ada\u2069 and \u2068Ben\u2069 are typing…", ada, ben)
        await shows("Several people are typing…", ada, ben, cleo)
        for client in (ada, ben, cleo):
            await client.say("done")
        await expect(typing).to_be_empty()


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
