"""Typing, reading and scrolling in one room."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import PATIENCE
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient
from tests.support.instance import Instance

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "https://example.org/\"onmouseover='alert(1)'",
    "{{ 7 * 7 }} ${7*7} <!-- -->",
    "</div></article></body>",
    "a\u202eb\u0007c",
]


async def fill(instance: Instance, room: str, count: int) -> list[str]:
    texts = [f"message {n}" for n in range(count)]
    async with ChatClient(instance, room, history=0) as client:
        for text in texts:
            await client.send(text)
        await client.wait(lambda: len(client.messages) == count, 60)
    return texts


async def test_shift_enter_breaks_the_line_and_enter_sends(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    await window.input.press_sequentially("one")
    await window.input.press("Shift+Enter")
    await window.input.press_sequentially("two")
    before = await window.input.evaluate("field => field.clientHeight")
    await window.input.press("Enter")
    await window.has_sent("one\ntwo")
    assert await window.input.evaluate("field => field.clientHeight") < before
    for nothing in ("", "  \n "):
        await window.say(nothing)
    await window.reads("one\ntwo")


async def test_enter_that_ends_a_composition_does_not_send(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    await window.input.focus()
    devtools = await window.page.context.new_cdp_session(window.page)
    for part in ("ㅎ", "하", "한"):
        part_end = {"text": part, "selectionStart": 1, "selectionEnd": 1}
        await devtools.send("Input.imeSetComposition", part_end)
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    await devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    await devtools.send("Input.insertText", {"text": "한"})
    await devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    await expect(window.input).to_have_value("한")
    await expect(window.rows).to_have_count(0)
    await window.input.press("Enter")
    await window.has_sent("한")
    await window.reads("한")


async def test_a_message_that_is_too_long_is_not_taken(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    await window.input.fill("한" * 2731)  # 8,193 bytes
    await expect(window.page.get_by_text("Too long by 1 bytes")).to_be_visible()
    await window.input.press("Enter")
    await expect(window.rows).to_have_count(0)
    await window.say("한" * 2730)
    await window.has_sent("한" * 2730)


async def test_hostile_texts_stay_texts(alone: Instance, visitor: Visitor) -> None:
    writer = await visitor()
    await writer.enter(alone)
    for text in HOSTILE:
        await writer.say(text)
    reader = await visitor()
    await reader.enter(alone)  # from the server's HTML
    for window in (writer, reader):
        await expect(window.rows).to_have_count(len(HOSTILE))
        texts = await window.log.locator(".text").all_text_contents()
        assert texts == HOSTILE
        assert await window.log.locator("script, img, svg").count() == 0
    link = reader.log.locator("a")
    await expect(link).to_have_count(1)
    await expect(link).to_have_attribute("rel", "noopener nofollow ugc")


async def test_scrolling_up_loads_what_is_older_and_keeps_the_place(
    alone: Instance, visitor: Visitor
) -> None:
    texts = await fill(alone, "long", 700)
    window = await visitor()
    await window.enter(alone, "long")
    await expect(window.row("message 699")).to_be_in_viewport()
    await window.log.hover()
    await window.page.mouse.wheel(0, -600)
    await expect(window.row("message 640")).to_be_attached()  # older ones came
    await expect(window.page.locator("#newest")).to_be_visible()
    reading = await window.log.evaluate(
        """log => {
          const top = log.getBoundingClientRect().top;
          return [...log.querySelectorAll('.row')].find(r => r.getBoundingClientRect().top > top).textContent;
        }"""
    )
    async with ChatClient(alone, "long") as client:
        await client.say("meanwhile")
    await expect(window.page.locator("#newest")).to_have_text("1 new message ↓")
    await expect(window.row("meanwhile")).not_to_be_in_viewport()
    again = window.rows.filter(has_text=reading[-20:]).first
    await expect(again).to_be_in_viewport()
    assert await window.whole_conversation() == [*texts, "meanwhile"]
    assert await window.rows.count() <= 401
    await window.page.get_by_role("button", name="↓").or_(window.log).last.click()


async def test_a_flood_leaves_a_bounded_page_and_loses_nothing(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone, "flood")
    texts = await fill(alone, "flood", 1500)
    await expect(window.row(texts[-1])).to_be_in_viewport(timeout=PATIENCE)
    assert await window.rows.count() <= 401
    assert await window.whole_conversation() == texts


async def test_the_room_fits_a_small_phone(alone: Instance, visitor: Visitor) -> None:
    phone = await visitor(viewport={"width": 320, "height": 640}, has_touch=True)
    await phone.enter(alone, "a-room-with-a-very-long-name-that-goes-on-and-on-for-ever")
    await phone.say("W" * 400)
    await phone.has_sent("W" * 400)
    wide = "() => document.documentElement.scrollWidth"
    assert await phone.page.evaluate(wide) <= 320
    people = phone.page.locator("#people")
    await expect(people).to_be_hidden()
    await phone.page.locator("#people-toggle").click()
    await expect(people).to_be_visible()
    await phone.page.keyboard.press("Escape")
    await expect(people).to_be_hidden()
