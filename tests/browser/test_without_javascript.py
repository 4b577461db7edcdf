"""Without JavaScript the page says what is needed, shows what was said, and has a form that sends."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chat_page import ChatPage, numbered
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def reader(
    visitor: Visitor, instance: Instance, room: str = "lobby", locale: str = "en-US"
) -> ChatPage:
    window = await visitor(java_script_enabled=False, locale=locale, viewport={"width": 320, "height": 640})
    await window.enter(instance, room, live=False)
    return window


def note(window: ChatPage) -> Locator:
    """What the page says of scripts, as far as it can be seen."""
    return window.page.locator("noscript .banner, noscript .hint")


async def say(window: ChatPage, text: str) -> None:
    await window.page.locator("form.plain textarea").fill(text)
    await window.page.locator("form.plain").get_by_role("button").click()


async def resized(window: ChatPage, width: int, height: int) -> None:
    """Another size, and the page has it. Without a script no frame can be waited for."""
    await window.page.set_viewport_size({"width": width, "height": height})

    async def heard() -> bool:
        return bool(await window.page.evaluate("innerWidth") == width)

    await until(heard)


async def test_it_says_what_is_needed_and_shows_what_was_said(alone: Instance, visitor: Visitor) -> None:
    async with ChatClient(alone, "lobby") as client:
        await client.say("said before")
    window = await reader(visitor, alone)
    await expect(note(window)).to_contain_text("Live chat needs JavaScript")
    await window.reads("said before")
    await expect(window.row("said before")).to_be_in_viewport()
    for dead in ("#composer", "#people-list", "#rename", "#theme", "#notify", "#newest"):
        await expect(window.page.locator(dead)).to_be_hidden()
    async with ChatClient(alone, "lobby") as client:
        await client.say("said since")
    await note(window).locator("a").click()
    await window.reads("said before", "said since")


async def test_the_form_sends_and_leads_back(instance: Instance, visitor: Visitor) -> None:
    window, live = await reader(visitor, instance, "한국어 방"), await visitor()
    await live.enter(instance, "한국어 방")
    address = window.page.url
    await say(window, "one\ntwo, & <b>three</b>")
    await window.reads("one\ntwo, & <b>three</b>")
    assert window.page.url == address
    await live.reads("one\ntwo, & <b>three</b>")
    await expect(window.page.locator("form.plain textarea")).to_have_value("")
    # Loading the page again sends nothing again.
    await window.page.reload()
    await say(window, "again")
    await live.reads("one\ntwo, & <b>three</b>", "again")


async def test_two_people_are_two(alone: Instance, visitor: Visitor) -> None:
    one, two = await reader(visitor, alone), await reader(visitor, alone)
    await say(one, "from one")
    await one.reads("from one")
    await say(two, "from two")
    await two.reads("from one", "from two")
    await say(one, "one again")
    await one.reads("from one", "from two", "one again")
    await two.page.reload()
    await two.reads("from one", "from two", "one again")
    users = [await row.get_attribute("data-user") for row in await two.rows.all()]
    assert users[0] == users[2] != users[1]
    for window, mine in ((one, [0, 2]), (two, [1])):
        await window.page.reload()
        rows = await window.rows.all()
        assert [n for n, row in enumerate(rows) if "mine" in (await row.get_attribute("class") or "")] == mine


async def test_a_name_from_the_lobby_is_taken_along(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(java_script_enabled=False)
    page = window.page
    await page.goto(f"{alone.url}/chat/")
    await expect(note(window)).to_contain_text("Live chat needs JavaScript")
    await page.locator("#name-input").fill("Anna\u202e")
    await page.locator("#room-name-input").fill("annas")
    await page.locator("#room-name-submit").click()
    await expect(page.get_by_role("alert")).to_contain_text("invisible characters")
    await expect(page.locator("#room-name-input")).to_have_value("annas")
    await page.locator("#name-input").fill("Anna")
    await page.locator("#room-name-submit").click()
    await page.wait_for_url("**/chat/annas/")
    await say(window, "hello")
    await expect(window.row("hello").locator(".name")).to_have_text("Anna")


async def test_a_refused_message_is_told_and_kept(alone: Instance, visitor: Visitor) -> None:
    window = await reader(visitor, alone)
    long = "한" * 2731  # a byte more than 8,192
    await say(window, long)
    await expect(window.page.get_by_role("alert")).to_contain_text("too long")
    await expect(window.page.locator("form.plain textarea")).to_have_value(long)
    await window.reads()
    await say(window, long[:-1])
    await window.reads(long[:-1])
    # Below where it would be told.
    await expect(window.page.locator("form.plain textarea")).to_have_value("")
    await expect(window.page.get_by_role("alert")).to_have_count(0)


async def test_who_writes_too_much_at_once_keeps_the_text(visitor: Visitor) -> None:
    async with Instance("memory://", env={"QUARTCHAT_MESSAGE_RATE": "0.01"}) as one:
        window = await reader(visitor, one)
        sent, refused = 0, window.page.get_by_role("alert")
        while not await refused.count():
            await say(window, f"message {sent}")
            # The page that answers has one or the other.
            await expect(window.row(f"message {sent}").or_(refused)).to_be_visible()
            sent += 1
            assert sent < 50
        await expect(refused).to_contain_text("a lot at once")
        await expect(window.page.locator("form.plain textarea")).to_have_value(f"message {sent - 1}")
        await window.reads(*numbered(sent - 1))


async def test_the_language_can_be_switched_in_the_room(alone: Instance, visitor: Visitor) -> None:
    window = await reader(visitor, alone)
    address = window.page.url
    await window.page.get_by_role("button", name="한국어").click()
    await expect(window.page.locator("html")).to_have_attribute("lang", "ko")
    assert window.page.url == address
    await expect(note(window)).to_contain_text("자바스크립트가 필요해요")
    await say(window, "안녕")
    await window.reads("안녕")
    await expect(window.page.locator("html")).to_have_attribute("lang", "ko")


async def test_where_guests_are_denied_a_name_comes_first(visitor: Visitor) -> None:
    async with Instance("memory://", env={"QUARTCHAT_GUESTS": "deny"}) as one:
        window = await reader(visitor, one, "members")
        await expect(window.page.locator("form.plain")).to_have_count(0)
        await window.page.locator("#ask-name").fill("Ben")
        await window.page.locator("#ask-name").press("Enter")
        await say(window, "in")
        await expect(window.row("in").locator(".name")).to_have_text("Ben")


async def test_the_page_without_a_script_fits_a_phone(alone: Instance, visitor: Visitor) -> None:
    window = await reader(visitor, alone)
    await say(window, "W" * 300)
    for width, height in ((320, 480), (1440, 900)):
        await resized(window, width, height)
        send = window.page.locator("form.plain").get_by_role("button")
        await expect(send).to_be_in_viewport(ratio=1)
        await expect(window.page.locator("form.plain textarea")).to_be_in_viewport(ratio=1)
        box = await window.row("W" * 300).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width
