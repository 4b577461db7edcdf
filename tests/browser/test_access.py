"""Everything can be done with the keyboard alone and be seen doing it, and axe finds nothing to say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from quartchat import words
from tests.browser.between import Between, everything, nothing
from tests.browser.chat_page import PATIENCE, ChatPage, fill, numbered, resize
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

say = words.languages()["en"].say

AXE = Axe()
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}

# What has the focus, whether it can be seen, and whether it and what stands around it look otherwise with it.
FOCUS = """() => {
  const node = document.activeElement;
  const look = () => [node, node.parentElement].map((each) => {
    const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(each);
    return [outlineStyle === 'none' ? '' : outlineWidth, boxShadow, borderColor].join();
  }).join();
  const focused = look();
  node.blur();
  const blurred = look();
  node.focus({ preventScroll: true });
  const { top, bottom, left, right } = node.getBoundingClientRect();
  return {
    name: node === document.body ? 'page' : node.id || node.className || node.textContent.trim(),
    inside: node.checkVisibility({ visibilityProperty: true, opacityProperty: true })
      && top < innerHeight && bottom > 0 && left < innerWidth && right > 0,
    shown: node === document.body || focused !== blurred,
  };
}"""

# Contrast of a text with what is painted below it, everything's opacity included.
CONTRAST = """(node, part) => {
  const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
    .getContext('2d', { willReadFrequently: true });
  const paint = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((each, i) => each * a + below[i] * (1 - a));
  const chain = [];
  for (let each = node; each; each = each.parentElement) chain.unshift(getComputedStyle(each));
  let ground = [255, 255, 255], opacity = 1;
  for (const style of chain) {
    opacity *= style.opacity;
    const [r, g, b, a] = paint(style.backgroundColor);
    ground = over([r, g, b, a * opacity], ground);
  }
  const { color, opacity: own } = getComputedStyle(node, part);
  const [r, g, b, a] = paint(color);
  const ink = over([r, g, b, a * opacity * (part ? own : 1)], ground);
  const light = (rgb) => rgb.map((each) => each / 255)
    .map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, i) => sum + each * [0.2126, 0.7152, 0.0722][i], 0);
  const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}"""


async def focus(page: Page) -> str:
    """What has the focus, and shows it."""
    now: dict[str, Any] = await page.evaluate(FOCUS)
    assert now["shown"], f"nothing shows that {now['name']} has the focus"
    assert now["inside"], f"{now['name']} has the focus and cannot be seen"
    return str(now["name"])


async def tab(page: Page, key: str = "Tab") -> str:
    await page.keyboard.press(key)
    return await focus(page)


async def tab_to(page: Page, name: str, key: str = "Tab", most: int = 15) -> None:
    passed = []
    for _ in range(most):
        passed.append(await tab(page, key))
        if passed[-1] == name:
            return
    raise AssertionError(f"{name} is not reached: {passed}")


async def round_trip(page: Page) -> list[str]:
    """The way of the focus through the whole page, from its beginning until it leaves it."""
    await page.evaluate("() => { document.activeElement.blur(); }")
    await page.evaluate("() => { document.body.tabIndex = -1; document.body.focus(); }")
    await page.evaluate("() => document.body.removeAttribute('tabindex')")
    stops: list[str] = []
    while len(stops) < 40:
        stops.append(await tab(page))
        if stops[-1] == "page":
            return stops[:-1]
    raise AssertionError(f"no way out: {stops}")


def in_order(stops: list[str], wanted: Iterable[str]) -> None:
    places = [stops.index(each) for each in wanted]
    assert places == sorted(places), stops
    assert len(set(stops)) == len(stops), stops


async def test_from_the_lobby_to_a_sent_message(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    page = window.page
    await page.goto(f"{alone.url}/chat/")
    await expect(page.locator("#room-name-input")).to_be_focused()
    await tab_to(page, "name-input", "Shift+Tab")
    await page.keyboard.type("Anna")
    assert await tab(page) == "room-name-input"
    await page.keyboard.type("한국어 방")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/chat/**/")
    await window.is_live()
    await expect(window.input).to_be_focused()
    await page.keyboard.type("one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Enter")
    await window.has_sent("one\ntwo")
    await expect(window.row("one\ntwo").locator(".name")).to_have_text("Anna")
    await expect(window.input).to_be_focused()
    # By the button, too.
    await page.keyboard.type("three")
    assert await tab(page) == "chat-message-submit"
    await page.keyboard.press("Enter")
    await window.has_sent("three")
    await expect(window.input).to_be_focused()


@pytest.mark.parametrize("width", [320, 1280])
async def test_the_focus_goes_through_the_whole_page_in_order_and_can_be_seen(
    width: int, alone: Instance, visitor: Visitor
) -> None:
    window = await visitor(viewport={"width": width, "height": 640})
    page = window.page
    async with ChatClient(alone, "busy"):
        await page.goto(f"{alone.url}/chat/")
        stops = await round_trip(page)
        in_order(stops, ["name-input", "room-name-input", "room-name-submit", "theme"])
        assert stops[0] == "name-input"
    await window.enter(alone)
    stops = await round_trip(page)
    folded = ["back", "people-toggle", "chat-log", "chat-message-input", "chat-message-submit"]
    if width < 1024:
        assert stops == folded
        await page.locator("#people-toggle").press("Enter")
        await expect(page.locator("#people")).to_have_css("opacity", "1")
        stops = await round_trip(page)
    in_order(stops, [*folded[:2], "self-name", "theme", *folded[2:]])


async def test_people_unfold_and_fold_by_keyboard(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(viewport={"width": 320, "height": 640})
    page = window.page
    await window.enter(alone)
    toggle, people = page.locator("#people-toggle"), page.locator("#people")
    await tab_to(page, "people-toggle", "Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(toggle).to_have_attribute("aria-expanded", "true")
    await expect(people).to_have_css("opacity", "1")
    assert await tab(page) == "self-name"
    await page.keyboard.press("Escape")
    await expect(toggle).to_have_attribute("aria-expanded", "false")
    await expect(people).to_be_hidden()
    await expect(toggle).to_be_focused()
    await page.keyboard.press("Space")
    await expect(people).to_be_visible()
    await page.keyboard.press("Space")
    await expect(people).to_be_hidden()
    await expect(toggle).to_be_focused()


# Until the log stands still.
STILL = """(log) => new Promise((done) => {
  let last, same = 0;
  const look = () => {
    same = log.scrollTop === last ? same + 1 : 0;
    last = log.scrollTop;
    if (same < 12) requestAnimationFrame(look);
    else done();
  };
  look();
})"""


ABOVE = """() => {
  const { scrollTop, scrollHeight, clientHeight } = document.getElementById('chat-log');
  return scrollHeight - clientHeight + scrollTop > 1;
}"""


async def page_up(window: ChatPage) -> None:
    # At an end the key leads nowhere as long as what comes there is under way.
    await window.page.wait_for_function(ABOVE)
    at = await window.log.evaluate("log => log.scrollTop")

    async def moved() -> bool:
        return bool(await window.log.evaluate("log => log.scrollTop") != at)

    await window.page.keyboard.press("PageUp")
    await until(moved, 15)
    await window.log.evaluate(STILL)


async def test_reading_further_up_and_back_by_keyboard(alone: Instance, visitor: Visitor) -> None:
    await fill(alone, "long", numbered(300))
    window = await visitor(viewport={"width": 800, "height": 500})
    page = window.page
    await window.enter(alone, "long")
    await tab_to(page, "chat-log", "Shift+Tab")
    for _ in range(8):
        await page_up(window)
    await expect(window.row("message 240")).to_be_attached()  # older ones were loaded
    await expect(window.log).to_be_focused()
    newest = page.locator("#newest")
    await expect(newest).to_be_visible()
    await tab_to(page, "newest")
    await page.keyboard.press("Enter")
    await expect(window.row("message 299")).to_be_in_viewport()
    await expect(newest).to_be_hidden()
    await expect(window.log).to_be_focused()
    await page_up(window)
    await expect(newest).to_be_visible()
    await page.keyboard.press("End")
    await expect(window.row("message 299")).to_be_in_viewport()


async def test_older_messages_that_did_not_come_are_asked_for_by_keyboard(
    alone: Instance, visitor: Visitor
) -> None:
    await fill(alone, "long", numbered(80))
    window = await visitor(viewport={"width": 800, "height": 500})
    page = window.page
    await page.route("**/api/rooms/**", lambda route: route.abort())
    await window.enter(alone, "long")
    await tab_to(page, "chat-log", "Shift+Tab")
    await page.keyboard.press("Home")
    again = page.get_by_role("button", name=say("older_retry"))
    await expect(again).to_be_visible()
    await page.unroute("**/api/rooms/**")
    await page.keyboard.press("Tab")
    await expect(again).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(window.row("message 0")).to_be_attached()
    await expect(window.log).to_be_focused()


async def test_a_message_that_failed_is_sent_again_by_keyboard(alone: Instance, visitor: Visitor) -> None:
    window, between = await visitor(), Between(everything)
    page = window.page
    await between.begin(window)
    await window.enter(alone)
    for text in ("once more", "never mind"):
        await window.say(text)
        await expect(window.row(text)).to_have_attribute("data-state", "failed")
    between.refuses = nothing
    buttons = window.log.locator(".status button")
    await expect(buttons).to_have_text([say("retry"), say("discard")] * 2)
    await page.keyboard.press("Shift+Tab")
    await expect(buttons.nth(3)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(window.row("never mind")).to_have_count(0)
    await expect(window.log).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(buttons.first).to_be_focused()
    await page.keyboard.press("Enter")
    await window.has_sent("once more")
    await expect(window.log).to_be_focused()


async def test_a_reset_and_a_return_leave_the_focus_where_it_is(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    await window.say("before")
    await window.has_sent("before")
    await window.input.press_sequentially("half a sen")
    alone.kill()
    await expect(window.banner).to_be_visible(timeout=PATIENCE)
    retry = window.banner.get_by_role("button")
    await expect(retry).to_have_text(say("try_now"))
    await alone.start()
    await window.comes_back()
    await expect(window.input).to_be_focused()
    await window.page.keyboard.type("tence")
    await expect(window.input).to_have_value("half a sentence")
    await expect(window.divider).to_be_visible()


async def test_trying_now_by_keyboard_does_not_lose_the_focus(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    alone.kill()
    retry = window.banner.get_by_role("button", name=say("try_now"))
    await expect(retry).to_be_visible(timeout=PATIENCE)
    await retry.focus()
    await alone.start()
    # It may be back by itself in this very moment: then there is nothing to press any more.
    await window.page.keyboard.press("Enter")
    await window.comes_back()
    await expect(window.log).to_be_focused()


async def test_name_theme_and_language_by_keyboard(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(viewport={"width": 1280, "height": 800})
    page = window.page
    await window.enter(alone)
    await tab_to(page, "self-name", "Shift+Tab")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("Anna")
    await page.keyboard.press("Enter")
    await expect(page.locator("#self .name")).to_have_text("Anna")
    await window.is_live()
    theme = page.locator("#theme")
    await theme.focus()
    shades = []
    for _ in range(3):
        await page.keyboard.press("Enter")
        shades.append(await page.locator("html").get_attribute("data-theme"))
        await expect(theme).to_have_attribute("aria-label", say(f"theme_{shades[-1]}"))
        await expect(theme).to_be_focused()
    assert shades == ["light", "dark", "auto"]
    await page.get_by_role("button", name="한국어").press("Enter")
    await expect(page.locator("html")).to_have_attribute("lang", "ko")
    await window.is_live()


async def finds_nothing(page: Page, *widths: int) -> None:
    """Axe: on a phone and at a desk, by day and by night. In Korean only once, for it is the same page."""
    korean = await page.locator("html").get_attribute("lang") == "ko"
    for width in (320,) if korean else widths or (320, 1280):
        await resize(page, width, 800)
        for scheme in ("light",) if korean else ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            # What fades in is judged when it is there. What was called off has ended, too.
            await page.evaluate(
                "() => Promise.allSettled(document.getAnimations().map((each) => each.finished))"
            )
            results = await AXE.run(page, options=RULES)
            found = [
                f"{width} {scheme}: {each['id']}: {node['target']} {node.get('failureSummary')}"
                for each in results.response["violations"]
                for node in each["nodes"]
            ]
            assert found == []


async def test_axe_can_find_something(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.page.goto(f"{alone.url}/chat/")
    await window.page.evaluate("() => { document.querySelector('label').style.color = '#bbb'; }")
    with pytest.raises(AssertionError, match="color-contrast"):
        await finds_nothing(window.page)


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
async def test_axe_finds_nothing_outside_of_rooms(locale: str, alone: Instance, visitor: Visitor) -> None:
    window = await visitor(locale=locale)
    session = await new_session(alone, "Anna")
    async with ChatClient(alone, "busy"), ChatClient(alone, "한국어 방"):
        for path in ("/chat/", f"/chat/?room={'W' * 80}", "/nothing-here"):
            await window.page.goto(alone.url + path)
            await finds_nothing(window.page)
        await window.log_in(session.cookie, alone.url)
        await window.enter(alone, "busy")
        await window.page.goto(f"{alone.url}/chat/")
        await expect(window.page.locator("#recent")).to_be_visible()
        await finds_nothing(window.page, 320)


MARKED = [
    "**bold** and *soft* and `code`",
    f"```\n{'a long line of code ' * 20}\n```",
    "> said before\n> by somebody",
    "see https://example.org/ and https://example.com/",
    "👍",
    "안녕하세요",
    "hello Anna!",
]


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
async def test_axe_finds_nothing_in_rooms(locale: str, alone: Instance, visitor: Visitor) -> None:
    window, between = await visitor(locale=locale), Between(everything)
    await window.log_in((await new_session(alone, "Anna")).cookie, alone.url)
    page = window.page
    await between.begin(window)
    await window.enter(alone, "empty")
    await finds_nothing(page)
    async with ChatClient(alone, "busy") as one, ChatClient(alone, "busy") as two:
        for n, text in enumerate(MARKED):
            await (one, two)[n % 2].say(text)
        await window.enter(alone, "busy")
        await expect(window.rows).to_have_count(len(MARKED))
        between.refuses = nothing
        await window.say("mine")
        await window.has_sent("mine")
        await two.send_frame({"type": "typing"})
        await expect(page.locator("#typing")).not_to_be_empty()
        await finds_nothing(page)
        # Everything that can go wrong at once: a refusal, a hole, the others out of reach.
        between.refuses = everything
        await window.say("refused")
        await expect(window.row("refused")).to_have_attribute("data-state", "failed")
        between.tells(type="reset", reason="expired", position=one.position)
        between.tells(type="status", connected=False)
        await expect(window.log.locator(".gap")).to_be_visible()
        await expect(window.banner).to_be_visible()
        await window.input.fill("한" * 3000)
        await finds_nothing(page)
        await resize(page, 320, 800)
        await page.locator("#people-toggle").click()
        await expect(page.locator("#people")).to_have_css("opacity", "1")
        await finds_nothing(page, 320)


async def test_axe_finds_nothing_where_a_name_is_asked_for(visitor: Visitor) -> None:
    async with Instance("memory://", env={"QUARTCHAT_GUESTS": "deny"}) as one:
        window = await visitor()
        await window.enter(one, "members", live=False)
        await expect(window.page.locator("#ask-name")).to_be_focused()
        await finds_nothing(window.page)


async def test_placeholders_and_what_is_disabled_can_be_read(alone: Instance, visitor: Visitor) -> None:
    """What axe passes over."""
    window = await visitor(viewport={"width": 1280, "height": 800})
    page = window.page
    await window.enter(alone)
    await page.reload()
    await window.is_live()
    faint: list[str] = []

    async def look(query: str, part: str | None = None) -> None:
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for node in await page.locator(f"{query}:visible").all():
                contrast = await node.evaluate(CONTRAST, part)
                if contrast < 4.5:
                    faint.append(f"{query}{part or ''} {scheme}: {contrast:.2f}")

    await look("#chat-message-input", "::placeholder")
    await look("#chat-message-submit")
    other = await visitor(beside=window)
    await other.page.goto(f"{alone.url}/chat/")
    await other.page.get_by_role("button", name=say("forget_me")).click()
    await expect(window.banner).to_contain_text(say("session_changed"))
    await expect(window.input).to_be_disabled()
    await look(":disabled")
    await look("#chat-message-input", "::placeholder")
    assert faint == []
    await asyncio.gather(page.close(), other.page.close())
