"""Being away from a room: where one left off, how much is new, and being called by one's name."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Locator, expect

from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

TURN = """(() => {
  // A headless page is always visible: here it turns away as a tab does, without frames while hidden.
  let hidden = false;
  const held = [];
  const frame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (run) => frame((now) => (hidden ? held.push(run) : run(now)));
  Object.defineProperty(Document.prototype, 'hidden', { get: () => hidden });
  const state = () => (hidden ? 'hidden' : 'visible');
  Object.defineProperty(Document.prototype, 'visibilityState', { get: state });
  window.turn = (away) => {
    hidden = away;
    document.dispatchEvent(new Event('visibilitychange'));
    if (!away) held.splice(0).forEach(frame);
  };
})()"""

BELL = """(() => {
  // What would be told, and whether anybody was asked.
  window.told = [];
  window.asked = 0;
  const state = () => localStorage.getItem('test:permission') ?? 'default';
  window.Notification = class {
    constructor(title, { body, tag }) { window.told.push([title, body]); }
    static get permission() { return state(); }
    static async requestPermission() {
      window.asked++;
      if (state() === 'default') localStorage.setItem('test:permission', window.answer ?? 'granted');
      return state();
    }
    close() {}
  };
  // The second in which another tab may show a message is over when the test says so.
  const after = window.setTimeout.bind(window);
  const waiting = [];
  window.setTimeout = (run, ms) => (ms === 1000 ? waiting.push(run) : after(run, ms));
  window.secondIsOver = () => waiting.splice(0).forEach((run) => run());
})()"""


async def enter(
    visitor: Visitor, instance: Instance, room: str, beside: ChatPage | None = None, name: str = ""
) -> ChatPage:
    window = await visitor(beside=beside)
    if beside is None:
        await window.page.context.add_init_script(TURN)
        await window.page.context.add_init_script(BELL)
    if name:
        await window.page.goto(f"{instance.url}/chat/")
        await window.page.locator("#name-input").fill(name)
        await window.page.locator("#room-name-input").fill(room)
        await window.page.locator("#room-name-submit").click()
        await window.is_live()
    else:
        await window.enter(instance, room)
    return window


async def away(*windows: ChatPage) -> None:
    for window in windows:
        await window.page.evaluate("turn(true)")


async def back(window: ChatPage) -> None:
    await window.page.evaluate("turn(false)")


def line(window: ChatPage) -> Locator:
    return window.log.locator(".away")


async def title(window: ChatPage, text: str) -> None:
    await expect(window.page).to_have_title(text)


async def test_the_title_counts_while_a_tab_is_hidden_and_a_divider_shows_where_one_left_off(
    alone: Instance, visitor: Visitor
) -> None:
    window = await enter(visitor, alone, "away")
    async with ChatClient(alone, "away") as other:
        await other.say("seen")
        await expect(window.row("seen")).to_be_visible()
        await away(window)
        for n in range(3):
            await other.say(f"new {n}")
        await title(window, "(3) away · QuartChat")
        await back(window)
        await expect(line(window)).to_have_text("You were away: 3 new")
        await title(window, "away · QuartChat")
        below = line(window).locator("xpath=following-sibling::*[1]")
        await expect(below).to_contain_text("new 0")
        await other.say("while one looks")
        await expect(window.row("while one looks")).to_be_visible()
        await expect(line(window)).to_have_text("You were away: 3 new")
        await window.say("I am back")
        await window.has_sent("I am back")
        await expect(line(window)).to_have_count(0)
        await other.say("an answer at once")
        await expect(window.row("an answer at once")).to_be_visible()
        await expect(line(window)).to_have_count(0)


async def test_a_room_that_was_left_empty_counts_its_first_message(alone: Instance, visitor: Visitor) -> None:
    window = await enter(visitor, alone, "empty")
    await expect(window.log.locator("#older")).to_be_visible()
    await away(window)
    async with ChatClient(alone, "empty") as other:
        await other.say("first")
    await title(window, "(1) empty · QuartChat")
    await back(window)
    await expect(line(window)).to_have_text("You were away: 1 new")


async def test_a_tab_that_hides_in_the_midst_of_talk_still_counts(alone: Instance, visitor: Visitor) -> None:
    window = await enter(visitor, alone, "midst")
    async with ChatClient(alone, "midst") as other:
        # A frame is asked for, and then does not come.
        await window.page.evaluate("document.dispatchEvent(new Event('visibilitychange')), turn(true)")
        await other.say("hidden by now")
        await title(window, "(1) midst · QuartChat")


async def test_a_closed_tab_and_another_room_are_being_away_too(alone: Instance, visitor: Visitor) -> None:
    window = await enter(visitor, alone, "home")
    async with ChatClient(alone, "home") as other:
        await other.say("seen")
        await expect(window.row("seen")).to_be_visible()
        await window.enter(alone, "elsewhere")
        await other.say("missed")
        await window.enter(alone, "home")
        await expect(line(window)).to_have_text("You were away: 1 new")
        keeper = await enter(visitor, alone, "elsewhere", beside=window)
        await window.page.close()
        await other.say("missed, too")
        again = await enter(visitor, alone, "home", beside=keeper)
        await expect(line(again)).to_have_text("You were away: 1 new")
        await expect(line(again).locator("xpath=following-sibling::*[1]")).to_contain_text("missed, too")


async def test_nobody_was_away_who_opens_a_room_in_which_others_talk(
    alone: Instance, visitor: Visitor
) -> None:
    window = await enter(visitor, alone, "talk")
    async with ChatClient(alone, "talk") as other:
        await other.say("before")
        await expect(window.row("before")).to_be_visible()
        await window.page.reload()
        await window.is_live()
        await other.say("live")
        await expect(window.row("live")).to_be_visible()
        await expect(line(window)).to_have_count(0)


async def test_the_button_leads_to_where_one_left_off_and_then_to_the_newest(
    alone: Instance, visitor: Visitor
) -> None:
    window = await enter(visitor, alone, "far")
    newest = window.page.locator("#newest")
    async with ChatClient(alone, "far") as other:
        for n in range(80):
            await other.send(f"old {n}")
        await other.wait(lambda: len(other.messages) == 80)
        await expect(window.row("old 79")).to_be_in_viewport()
        await window.log.hover()
        await window.page.mouse.wheel(0, -900)
        await expect(newest).to_be_visible()
        await away(window)
        for n in range(700):
            await other.send(f"new {n}")
        await title(window, "(700) far · QuartChat")
        await back(window)
        await expect(newest).to_have_text("700 new messages ↓")
        await newest.click()
        await expect(line(window)).to_be_in_viewport()
        await expect(line(window)).to_have_text("You were away: 700 new")
        await expect(window.row("new 0")).to_be_in_viewport()
        await expect(window.row("new 699")).not_to_be_in_viewport()
        await expect(newest).to_have_text("700 new messages ↓")
        await newest.click()
        await expect(window.row("new 699")).to_be_in_viewport()
        await expect(newest).to_be_hidden()
        await title(window, "far · QuartChat")


async def test_a_mention_is_highlighted_and_told_once_to_whoever_asked_for_it(
    alone: Instance, visitor: Visitor
) -> None:
    one = await enter(visitor, alone, "calls", name="Mara")
    two = await enter(visitor, alone, "calls", beside=one)
    bell = one.page.locator("#notify")

    async def told() -> list[list[str]]:
        each = await asyncio.gather(*(window.page.evaluate("told") for window in (one, two)))
        return sorted((note for notes in each for note in notes), key=lambda note: "again" in note[1])

    async def told_of(count: int) -> bool:
        return len(await told()) >= count

    async def heard(text: str) -> None:
        for window in (one, two):
            await expect(window.row(text)).to_be_attached()

    async def second_is_over() -> None:
        for window in (one, two):
            await window.page.evaluate("secondIsOver()")

    async with ChatClient(alone, "calls") as other:
        sender = other.welcome["you"]["name"]
        await away(one, two)
        await other.say("Mara, before anybody was asked")
        await heard("Mara, before anybody was asked")
        await second_is_over()
        assert await one.page.evaluate("asked") == 0
        await back(one)
        await bell.click()
        await expect(bell).to_have_text("You are told when you are mentioned")
        assert await one.page.evaluate("asked") == 1

        await other.say("Mara sees this one")  # in the tab that is open
        await heard("Mara sees this one")
        await title(two, "calls · QuartChat")  # it knows that the other one shows it
        await second_is_over()
        await away(one)
        await one.say("I, Mara, wrote this")
        await one.has_sent("I, Mara, wrote this")
        await other.say("marauders are nobody’s name")
        calls = ["ask @mara, please", "and Mara again"]
        await other.say(calls[0])
        await heard(calls[0])
        await second_is_over()
        await until(lambda: told_of(1), 20, "the mention is told")
        await other.say(calls[1])
        await heard(calls[1])
        await second_is_over()
        await until(lambda: told_of(2), 20, "the second mention is told")
        assert await told() == [["calls", f"{sender}: {text}"] for text in calls]
    for text, called in {
        "ask @mara, please": True,
        "I, Mara, wrote this": False,
        "marauders are nobody’s name": False,
    }.items():
        await expect(one.log.locator(".row.called").filter(has_text=text)).to_have_count(int(called))


async def test_who_does_not_want_to_be_told_is_not(alone: Instance, visitor: Visitor) -> None:
    window = await enter(visitor, alone, "quiet", name="Mara")
    bell = window.page.locator("#notify")
    await window.page.evaluate("window.answer = 'denied'")
    await bell.click()
    await expect(bell).to_be_hidden()
    await window.page.reload()
    await window.is_live()
    await expect(bell).to_be_hidden()
    assert await window.page.evaluate("asked") == 0
