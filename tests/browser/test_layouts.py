"""The pages fit: a phone, a tablet, a desk; twice as large; above a keyboard; without colours or movement."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import ChatPage, resize
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOM = "a room whose name is longer than any phone is wide: 한국어 방"

TEXTS = [
    "W" * 300,
    "한국어는띄어쓰기없이도쓸수있어요" * 12,
    "안녕하세요, 오늘 저녁에 다 같이 만나서 이야기하면 어떨까요? " * 6,
    f"https://example.org/{'a-long-address/' * 30}?q={'x' * 200}",
    f"`{'code ' * 60}` and `{'c' * 200}`",
    f"```\n{'a line of code that is longer than the page is wide; ' * 6}\n```",
    f"> {'quoted' * 60}",
    "👍🎉",
    "مرحبا بكم في هذه الغرفة " * 12,
    *(f"a word or two, number {n}" for n in range(20)),
]

# What is wrong with the page as it stands: an empty list, or sentences.
FAULTS = """() => {
  const faults = [];
  const say = (...words) => faults.push(words.join(' '));
  const width = document.documentElement.clientWidth, height = innerHeight;
  const all = (query) => Array.from(document.querySelectorAll(query));
  const box = (query) => document.querySelector(query).getBoundingClientRect();
  const seen = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const called = (node) => `${node.tagName} #${node.id} ${node.textContent.trim().slice(0, 30)}`;
  const { scrollWidth } = document.documentElement;
  if (scrollWidth > width) say('the page scrolls sideways:', scrollWidth, width);

  const cut = (node) => {
    while ((node = node.parentElement) !== document.body) {
      if (getComputedStyle(node).overflowX !== 'visible') return true;
    }
    return false;
  };
  for (const node of all('body *')) {
    const { left, right } = node.getBoundingClientRect();
    if (right === left || (left >= -1 && right <= width + 1) || !seen(node) || cut(node)) continue;
    say('out of the window:', called(node), left, right);
  }
  if (document.body.id !== 'room') return faults;

  const [bar, log, foot] = ['.bar', '#chat-log', 'body > footer'].map(box);
  if (bar.bottom > log.top + 1 || log.bottom > foot.top + 1) say('header, log and composer overlap');
  if (bar.top < 0 || foot.bottom > height + 1) say('higher than the window', bar.top, foot.bottom, height);
  if (log.height < 48) say('no room for the log', log.height);
  for (const query of ['.back', '#people-toggle', '#chat-message-input', '#chat-message-submit']) {
    const { top, bottom, left, right } = box(query);
    if (top < 0 || bottom > height || left < 0 || right > width) say(query, 'is not in the window');
  }
  for (const row of all('.row.opens')) {
    const parts = Array.from(row.querySelectorAll('.who > *')).filter(seen);
    const [who, text] = ['.who', '.text'].map((part) => row.querySelector(part).getBoundingClientRect());
    if (who.bottom > text.top + 1) say('the name stands over the text:', called(row));
    parts.map((part) => part.getBoundingClientRect()).reduce((before, part) => {
      if (before.right > part.left + 1) say('the name stands over the time:', called(row));
      return part;
    });
  }
  for (const node of all('.text, .text > :not(pre), .divider, #people h2')) {
    if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth) say('spills over:', called(node));
  }
  return faults;
}"""

SMALL = """(least) => Array.from(document.querySelectorAll('a, button, textarea, input:not([type=hidden])'))
  .filter((node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
  .filter((node) => !node.closest('.text')) // inside a line, which is as high as it is
  .map((node) => [node, node.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < least - 0.5 || height < least - 0.5)
  .map(([node, { width, height }]) => `${node.id || node.textContent.trim()}: ${width} x ${height}`)"""

MOVING = """() => Array.from(document.querySelectorAll('*'))
  .flatMap((node) => ['', '::before', '::after'].map((part) => getComputedStyle(node, part)))
  .filter(({ animationName, transitionDuration }) => animationName !== 'none'
    || transitionDuration.split(', ').some((each) => parseFloat(each) > 0.01)).length"""

# Backgrounds and shadows are gone where colours are forced: what is left is text, pictures and lines.
BARE = """() => Array.from(document.querySelectorAll('button'))
  .filter((node) => node.checkVisibility() && parseFloat(getComputedStyle(node).borderTopWidth) < 1)
  .map((node) => node.outerHTML)"""
LINES = """(node) => {
  const { outlineStyle, outlineWidth, borderTopWidth, borderTopColor } = getComputedStyle(node);
  return [outlineStyle === 'none' ? 0 : outlineWidth, borderTopWidth, borderTopColor].join();
}"""


async def fits(window: ChatPage) -> None:
    """Nothing is wrong, as soon as it stands still."""

    async def no_faults() -> bool:
        size = window.page.viewport_size
        faults = "\n".join(await window.page.evaluate(FAULTS))
        assert not faults, f"{size}: {faults}"
        return True

    await until(no_faults, 10)


async def busy(alone: Instance, visitor: Visitor, **options: Any) -> ChatPage:
    async with ChatClient(alone, ROOM) as client:
        for text in TEXTS:
            await client.send(text)
        await client.wait_texts(TEXTS)
    window = await visitor(**options)
    await window.enter(alone, ROOM)
    await expect(window.rows).to_have_count(len(TEXTS))
    return window


SIZES = [(320, 640), (320, 256), (640, 360), (768, 1024), (1023, 700), (1024, 700), (1440, 900)]


async def test_a_busy_room_fits_every_window(alone: Instance, visitor: Visitor) -> None:
    window = await busy(alone, visitor)
    people, toggle = window.page.locator("#people"), window.page.locator("#people-toggle")
    for width, height in SIZES:
        await resize(window.page, width, height)
        await fits(window)
        # Beside the log where there is room; else folded away.
        await expect(people).to_be_visible(visible=width >= 1024)
        await expect(toggle).to_have_attribute("aria-expanded", "true" if width >= 1024 else "false")
        await toggle.click()
        await expect(people).to_be_visible(visible=width < 1024)
        await expect(people).to_have_css("opacity", "1")
        await fits(window)
        await toggle.click()
    panel, log = await people.bounding_box(), await window.log.bounding_box()
    assert panel is not None
    assert log is not None
    assert panel["x"] >= log["x"] + log["width"] - 1
    # A message of several lines, and the field grows only so far.
    await window.input.fill("line\n" * 40)
    for width, height in ((320, 256), (320, 640), (1440, 900)):
        await resize(window.page, width, height)
        await window.input.press("End")
        await fits(window)


async def test_everything_twice_as_large(alone: Instance, visitor: Visitor) -> None:
    """200 %: a window of half as many pixels, each of two; and letters alone."""
    window = await busy(alone, visitor, viewport={"width": 640, "height": 400}, device_scale_factor=2)
    await fits(window)
    text = window.log.locator(".text").last
    await window.page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
    await expect(text).to_have_css("font-size", "32px")
    for width, height in ((320, 640), (640, 400), (1280, 800)):
        await resize(window.page, width, height)
        await fits(window)
    await window.page.goto(f"{alone.url}/chat/")
    await window.page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
    await fits(window)


async def test_the_other_pages_fit_too(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(locale="ko-KR")
    async with ChatClient(alone, ROOM), ChatClient(alone, "W" * 64), ChatClient(alone, "한" * 60):
        for path in ("/chat/", f"/chat/?room={'W' * 100}", "/nothing-here", "/chat/empty/"):
            await window.page.goto(alone.url + path)
            for width, height in ((320, 480), (768, 1024), (1440, 900)):
                await resize(window.page, width, height)
                await fits(window)


async def test_fingers_find_every_target(alone: Instance, visitor: Visitor) -> None:
    phone = await visitor(viewport={"width": 320, "height": 640}, has_touch=True, is_mobile=True)
    async with ChatClient(alone, "somewhere"):
        await phone.page.goto(f"{alone.url}/chat/")
        await expect(phone.page.locator("#busy-list a")).to_have_count(1)
        assert await phone.page.evaluate(SMALL, 24) == []
    await phone.enter(alone, "fingers")
    await phone.say("mine")
    await phone.has_sent("mine")
    assert await phone.page.evaluate(SMALL, 24) == []
    await phone.page.locator("#people-toggle").tap()
    await expect(phone.page.locator("#people")).to_have_css("opacity", "1")
    assert await phone.page.evaluate(SMALL, 24) == []
    main = phone.page.locator(".back, #people-toggle, #chat-message-submit, #chat-message-input")
    heights = await main.evaluate_all("all => all.map((each) => each.getBoundingClientRect().height)")
    assert len(heights) == 4
    assert min(heights) >= 43.5


async def test_who_wants_no_movement_has_none(alone: Instance, visitor: Visitor) -> None:
    window = await busy(alone, visitor, viewport={"width": 768, "height": 600}, reduced_motion="reduce")
    await window.log.hover()
    await window.page.mouse.wheel(0, -900)
    await expect(window.page.locator("#newest")).to_be_visible()
    assert await window.page.evaluate(MOVING) == 0
    await window.page.emulate_media(reduced_motion="no-preference")
    assert await window.page.evaluate(MOVING) > 0


async def test_with_forced_colours_buttons_and_focus_can_be_seen(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(forced_colors="active", viewport={"width": 1280, "height": 800})
    await window.enter(alone)
    assert await window.page.evaluate(BARE) == []
    around = window.page.locator("#composer .field")

    async def lines() -> list[str]:
        return [await each.evaluate(LINES) for each in (around, window.input)]

    await window.input.focus()
    focused = await lines()
    await window.input.blur()
    assert await lines() != focused
