"""Typing, reading and scrolling in one room."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime

import pytest
from playwright.async_api import Route, expect

from tests.browser.chat_page import PATIENCE, Late, fill, numbered
from tests.browser.conftest import Visitor
from tests.browser.input_method import InputMethod
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
    await window.say("three")
    await window.has_sent("three")
    await window.reads("one\ntwo", "three")


async def test_what_is_typed_before_the_scripts_run_is_kept_and_sent_when_they_do(
    alone: Instance, visitor: Visitor
) -> None:
    """Until then the browser itself would send the form: a text pressed away in that moment was gone."""
    window = await visitor()
    scripts = Late()
    await scripts.at(window.page, "**/static/room.js")
    await window.page.goto(f"{alone.url}/chat/lobby/", wait_until="commit")
    send = window.page.locator("#chat-message-submit")
    await window.input.fill("early")
    await send.click(force=True)
    await expect(send).to_be_disabled()
    await expect(window.input).to_have_value("early")
    scripts.come.set()
    await window.is_live()
    await expect(window.input).to_have_value("early")
    await send.click()
    await window.has_sent("early")
    await window.reads("early")


async def test_no_room_is_begun_open_because_the_scripts_of_the_lobby_were_late(
    alone: Instance, visitor: Visitor
) -> None:
    window = await visitor()
    scripts = Late()
    await scripts.at(window.page, "**/static/lobby.js")
    await window.page.goto(f"{alone.url}/chat/", wait_until="commit")
    closed = window.page.locator("#private")
    await expect(closed).to_be_disabled()
    scripts.come.set()
    await expect(closed).to_be_enabled()


async def test_enter_that_ends_a_composition_does_not_send(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    ime = await InputMethod.of(window)
    await ime.compose("ㅎ", "하", "한")
    await ime.enter(229, "한")
    await expect(window.input).to_have_value("한")
    await expect(window.rows).to_have_count(0)
    await window.input.press("Enter")
    await window.has_sent("한")
    await window.reads("한")


async def test_a_message_that_is_too_long_is_not_taken(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    await window.input.fill("한" * 2731)  # 8,193 bytes
    await expect(window.page.get_by_text("Too long by 1 byte")).to_be_visible()
    await window.input.press("Enter")
    await expect(window.rows).to_have_count(0)
    await window.say("한" * 2730)
    await window.has_sent("한" * 2730)
    await window.reads("한" * 2730)


async def test_hostile_texts_stay_texts(alone: Instance, visitor: Visitor) -> None:
    writer = await visitor()
    await writer.enter(alone)
    for text in HOSTILE:
        await writer.say(text)
    await expect(writer.log.locator(".row[data-position]")).to_have_count(len(HOSTILE))
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
    texts = numbered(700)
    await fill(alone, "long", texts)
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
    texts = numbered(1500)
    await fill(alone, "flood", texts)
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


SHIFTS = """(() => {
  // The server's rows, before any script has touched them; and all that moved since.
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      const moved = sources.map(({ node }) => node?.id || node?.className);
      if (!hadRecentInput) window.shifts.push([value, ...moved]);
    }
  }).observe({ type: 'layout-shift', buffered: true });
  document.addEventListener('readystatechange', () => {
    window.served ??= [...document.querySelectorAll('.row')];
  });
})()"""


async def test_what_the_server_painted_stays_where_it_is(alone: Instance, visitor: Visitor) -> None:
    one, two = ChatClient(alone, "paint"), ChatClient(alone, "paint")
    async with one, two:
        for n, text in enumerate(numbered(60)):
            await (one, two)[n // 3 % 2].say(text)
    window = await visitor()
    await window.page.context.add_init_script(SHIFTS)
    painted = asyncio.Event()

    async def hold(route: Route) -> None:
        await painted.wait()
        await route.continue_()

    await window.page.route("**/room.js", hold)
    await window.page.goto(f"{alone.url}/chat/paint/", wait_until="commit")
    await window.page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    await window.reads(*numbered(60)[10:])
    await expect(window.row("message 59")).to_be_in_viewport()
    places = "[...document.querySelectorAll('.row')].slice(-50).map((row) => row.getBoundingClientRect().top)"
    before = await window.page.evaluate(places)
    painted.set()
    await window.is_live()
    assert await window.page.evaluate("served.length") == 50
    rows = "[...document.querySelectorAll('.row')].slice(-50)"
    assert await window.page.evaluate(
        f"{rows}.every((row, i) => row === served[i])"
    )  # adopted, not drawn again
    after = await window.page.evaluate(places)
    in_sight = [n for n, top in enumerate(before) if top > 0]
    assert len(in_sight) > 10
    assert max(abs(after[n] - before[n]) for n in in_sight) <= 1
    # What grows out of sight, upwards, counts as well: the separator of the day above the first row.
    shifts = await window.page.evaluate("shifts")
    assert sum(shift[0] for shift in shifts) < 0.05, shifts


async def test_markup_is_shown_and_nothing_but_markup(alone: Instance, visitor: Visitor) -> None:
    text = "**bold** and *slanted*, `code **stays**`\n> a quote\n```js\nlet x = `1`;\n```\nend 2*3*4"
    writer, reader = await visitor(), await visitor()
    await writer.enter(alone, "markup")
    await writer.input.fill(text)
    await writer.input.press("Enter")
    await reader.enter(alone, "markup")
    for said in ("see https://example.org/a_(b)?c=d.", "🎉 👩‍👩‍👧", "🎉 hooray", "W" * 300):
        await writer.say(said)
        await writer.has_sent(said)
    for window in (writer, reader):
        await expect(window.rows).to_have_count(5)
        row = window.rows.first
        await expect(row.locator("strong")).to_have_text("bold")
        await expect(row.locator("em")).to_have_text("slanted")
        await expect(row.locator("code")).to_have_text("code **stays**")
        await expect(row.locator("blockquote")).to_have_text("a quote")
        await expect(row.locator("pre")).to_have_text("let x = `1`;")
        await expect(row.locator(".text")).to_contain_text("end 2*3*4")
        link = window.log.locator("a")
        await expect(link).to_have_attribute("href", "https://example.org/a_(b)?c=d")
        await expect(link).to_have_attribute("rel", "noopener nofollow ugc")
        await expect(link).to_have_attribute("target", "_blank")
        sizes = await window.log.locator(".text").evaluate_all(
            "all => all.map((text) => parseFloat(getComputedStyle(text).fontSize))"
        )
        assert sizes[2] > 1.5 * sizes[3] == 1.5 * sizes[4]
        log = await window.log.evaluate("log => [log.scrollWidth, log.clientWidth]")
        assert log[0] <= log[1]  # the long word wraps
        assert await window.rows.last.evaluate("row => row.clientHeight") > 60


AT = """((now) => {
  // The browser's clock, set to another moment and going on from there.
  const Real = Date;
  window.ahead = now - Real.now();
  window.Date = class extends Real {
    constructor(...parts) { super(...(parts.length ? parts : [Real.now() + window.ahead])); }
    static now() { return Real.now() + window.ahead; }
  };
})"""


async def test_times_are_those_of_the_reader_and_days_are_separated(
    alone: Instance, visitor: Visitor
) -> None:
    async with ChatClient(alone, "days") as one, ChatClient(alone, "days") as two:
        for who, said in (one, "a"), (one, "b"), (one, "c"), (two, "d"), (two, "e"), (one, "f"):
            await who.say(said)
    times = ["2026-03-10T13:59:30", "2026-03-10T14:59:59", "2026-03-10T15:00:01"]
    times += ["2026-03-10T15:00:30", "2026-03-10T15:00:40", "2026-03-11T20:00:00"]
    times = [f"{time}.000Z" for time in times]
    window = await visitor(timezone_id="Asia/Seoul", locale="en-GB")

    # The server's times, before any script has read them.
    await window.page.add_init_script(
        f"""document.addEventListener('readystatechange', () => {{
          if (document.readyState !== 'interactive') return;
          const times = {times};
          const shown = document.querySelectorAll('.row time');
          shown.forEach((time, i) => time.setAttribute('datetime', times[i]));
        }})"""
    )
    today = datetime.fromisoformat("2026-03-12T10:00:00+09:00").timestamp()
    await window.page.add_init_script(f"{AT}({today * 1000})")
    await window.enter(alone, "days")
    days = window.log.locator(".day")
    await expect(days).to_have_text([re.compile(r"Tuesday,? 10 March 2026"), "Yesterday", "Today"])
    shown = window.log.locator(".row.opens time")
    await expect(shown).to_have_text(["22:59", "23:59", "00:00", "00:00", "05:00"])
    opens = await window.rows.evaluate_all("rows => rows.map((row) => row.classList.contains('opens'))")
    assert opens == [True, True, True, True, False, True]
    last = window.rows.last.locator("time")
    await expect(last).to_have_attribute("title", re.compile(r"Thursday,? 12 March 2026.* 05:00:00"))
    grouped = window.rows.nth(4).locator("time")
    assert await grouped.evaluate("time => getComputedStyle(time).opacity") == "0"
    await window.rows.nth(4).hover()
    await expect(grouped).to_have_css("opacity", "1")
    await window.page.evaluate("ahead += 24 * 3600 * 1000")  # the page stays open over midnight
    await window.say("good morning")
    await window.has_sent("good morning")
    await expect(days.nth(2)).to_have_text("Yesterday")


async def test_colours_are_there_from_the_first_paint_and_remembered(
    alone: Instance, visitor: Visitor
) -> None:
    window = await visitor(color_scheme="dark")
    page = window.page
    paper = "getComputedStyle(document.body).backgroundColor"
    await window.enter(alone, "colours")
    night = await page.evaluate(paper)
    await page.emulate_media(color_scheme="light")
    day = await page.evaluate(paper)
    assert day != night  # follows the device
    await page.locator("#theme").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.locator("#theme").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert await page.evaluate(paper) == night
    await page.route("**/*.js", lambda route: route.abort())  # no script helps the first paint
    for path in ("/chat/colours/", "/chat/"):
        await page.goto(f"{alone.url}{path}")
        assert await page.evaluate(paper) == night
    await page.unroute_all()
    await window.enter(alone, "colours")
    await page.locator("#theme").click()
    await page.reload()
    assert await page.evaluate(paper) == day  # as the device again
