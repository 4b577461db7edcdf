"""Several tabs of one browser: one person in all of them, or two who must never become each other."""

from __future__ import annotations

import json
import random
import re
from typing import NamedTuple

import pytest
from playwright.async_api import expect

from tests.browser.chat_page import PATIENCE, ChatPage, fill, numbered
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.proxy import Proxy
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITE = """text => {
  // In one step, so that the name that is shown is the one that stood there when it was written.
  const [name, input, send] = ['#self .name', '#chat-message-input', '#chat-message-submit']
    .map(each => document.querySelector(each));
  if (send.disabled || name.textContent === '…') return null;
  input.value = text;
  send.click();
  return name.textContent;
}"""
RENAME = "name => void fetch('/session', { method: 'POST', body: new URLSearchParams({ name }) })"
SETTLED = """() => {
  const [input, count] = ['#chat-message-input', '#people-count'].map((each) => document.querySelector(each));
  // A page that is on its way has neither.
  const here = input && (input.disabled || count.textContent !== '–');
  return here && !document.querySelector('[data-state=sending]');
}"""


async def take_name(window: ChatPage, instance: Instance, name: str) -> None:
    """By the lobby, and then in its room."""
    await window.page.goto(f"{instance.url}/chat/")
    await window.page.locator("#name-input").fill(name)
    await window.page.locator("#room-name-input").fill("lobby")
    await window.page.locator("#room-name-submit").click()
    await window.page.wait_for_url("**/chat/lobby/")
    await window.is_live()
    await expect(window.name).to_have_text(name)


async def hurries(window: ChatPage) -> None:
    """The network is there again: who waits to come back tries now. A page that has stopped stays so."""
    await window.page.evaluate("dispatchEvent(new Event('online'))")


async def log_of(instance: Instance) -> list[tuple[str, str]]:
    """(text, name) of each message that the server has."""
    answer = await instance.get("/api/rooms/lobby/messages?limit=200")
    return [(each["message"], each["user"]["name"]) for each in json.loads(answer.body)["messages"]]


async def test_what_one_tab_has_seen_is_not_new_in_another(alone: Instance, visitor: Visitor) -> None:
    await fill(alone, "lobby", numbered(60))
    async with ChatClient(alone, "lobby", history=0) as client:
        reading = await visitor()
        await reading.enter(alone)
        await expect(reading.row("message 59")).to_be_in_viewport()
        await reading.log.hover()
        await reading.page.mouse.wheel(0, -600)
        await expect(reading.page.locator("#newest")).to_be_visible()
        await client.say("news")
        await expect(reading.page).to_have_title(re.compile(r"^\(1\) "))
        await expect(reading.page.locator("#newest")).to_have_text("1 new message ↓")
        other = await visitor(beside=reading)
        await other.enter(alone)
        await expect(other.row("news")).to_be_in_viewport()
        await expect(reading.page).to_have_title(re.compile("^lobby"))
        await expect(reading.page.locator("#newest")).to_have_text("Newest messages ↓")


async def test_each_room_keeps_its_draft_over_a_reload(alone: Instance, visitor: Visitor) -> None:
    one = await visitor()
    two = await visitor(beside=one)
    await one.enter(alone, "room_1")
    await two.enter(alone, "방 2")
    await one.input.press_sequentially("for one")
    await two.input.press_sequentially("둘에게")
    for window, draft in ((one, "for one"), (two, "둘에게")):
        await window.page.reload()
        await window.is_live()
        await expect(window.input).to_have_value(draft)
    await one.input.press("Enter")
    await one.has_sent("for one")
    await one.page.reload()
    await one.is_live()  # by then a draft would stand there
    await expect(one.input).to_have_value("")


@pytest.mark.parametrize("place", ["room", "lobby"])
async def test_a_name_changed_in_one_tab_is_the_name_in_the_other(
    place: str, alone: Instance, visitor: Visitor
) -> None:
    one = await visitor()
    two = await visitor(beside=one)
    await take_name(one, alone, "Anna")
    await two.enter(alone)
    await expect(two.name).to_have_text("Anna")
    if place == "lobby":
        await take_name(two, alone, "Annette")
    else:
        await two.page.locator("#self-name").fill("Annette")
        await two.page.get_by_role("button", name="Save").click()
    await expect(two.name).to_have_text("Annette")
    await expect(one.name).to_have_text("Annette", timeout=PATIENCE)
    await one.is_live()
    await one.say("still me")
    await expect(two.row("still me").locator(".name")).to_have_text("Annette")


async def test_a_tab_stops_when_another_tab_becomes_somebody_else(alone: Instance, visitor: Visitor) -> None:
    """Nobody signed out, so the server has closed nothing: the cookie was cleared, and a new one given."""
    anna = await visitor()
    await take_name(anna, alone, "Anna")
    await anna.page.context.clear_cookies()
    ben = await visitor(beside=anna)
    await take_name(ben, alone, "Ben")
    await anna.has_stopped()
    await expect(anna.name).to_have_text("Anna")
    await ben.say("from Ben")
    await ben.has_sent("from Ben")
    await anna.page.get_by_role("button", name="Reload").click()
    await anna.is_live()
    await expect(anna.name).to_have_text("Ben")
    assert await log_of(alone) == [("from Ben", "Ben")]


async def test_what_a_stopped_tab_could_not_send_is_for_its_writer_alone(
    alone: Instance, visitor: Visitor
) -> None:
    anna_session = await new_session(alone, "Anna")
    anna = await visitor()
    await anna.log_in(anna_session.cookie, alone.url)
    await anna.enter(alone)
    alone.kill()
    await anna.say("from Anna")
    await anna.page.context.clear_cookies()
    await alone.start()
    ben = await visitor(beside=anna)
    await take_name(ben, alone, "Ben")
    await hurries(anna)
    await anna.has_stopped()
    await expect(anna.row("from Anna")).to_have_attribute("data-state", "failed")
    await anna.page.get_by_role("button", name="Reload").click()
    await anna.is_live()
    await expect(anna.name).to_have_text("Ben")
    await ben.say("from Ben")
    await anna.reads("from Ben")
    # Who wrote it gets it back, and only so is it sent.
    await anna.log_in(anna_session.cookie, alone.url)
    await anna.page.reload()
    await anna.has_sent("from Anna")
    assert await log_of(alone) == [("from Ben", "Ben"), ("from Anna", "Anna")]


async def test_a_late_answer_gives_nobody_another_name(alone: Instance, visitor: Visitor) -> None:
    """Anna's new name is under way when Ben comes: the answer, with her cookie, arrives after his."""
    async with Proxy("127.0.0.1", alone.port) as slow, Proxy("127.0.0.1", alone.port) as link:
        anna = await visitor()
        await anna.log_in((await new_session(alone, "Anna")).cookie, alone.url)
        await anna.enter(f"http://127.0.0.1:{slow.port}")  # another port, the same jar
        slow.black_hole("down")
        await anna.page.evaluate(RENAME, "Annette")
        await until(lambda: slow.held, what="the answer is under way")
        await anna.page.context.clear_cookies()
        ben = await visitor(beside=anna)
        await ben.page.goto(f"{alone.url}/chat/")
        await ben.log_in((await new_session(alone, "Ben")).cookie, alone.url)
        await ben.enter(f"http://127.0.0.1:{link.port}")
        before = await ben.page.context.cookies()
        await slow.heal()

        async def came() -> bool:
            return await ben.page.context.cookies() != before

        await until(came, what="the late cookie is in the jar")
        # Ben's connection is Ben's. His next one would be hers, and is refused.
        await ben.say("on the old connection")
        await ben.has_sent("on the old connection")
        await link.refuse()
        link.cut()
        await expect(ben.banner).to_contain_text("Not connected")
        await ben.say("not as Annette")
        await link.heal()
        await hurries(ben)
        await ben.has_stopped()
        await expect(ben.name).to_have_text("Ben")
        await expect(ben.row("not as Annette")).to_have_attribute("data-state", "failed")
        await ben.page.reload()
        await ben.is_live()
        await expect(ben.name).to_have_text("Annette")  # and now says so
        await ben.reads("on the old connection")
        assert await log_of(alone) == [("on the old connection", "Ben")]


class Written(NamedTuple):
    """What stood on a tab when something was written there."""

    tab: int
    life: int
    """How often the tab had been reloaded."""
    text: str
    name: str


async def test_two_people_in_tabs_of_one_browser_never_become_each_other(
    instance: Instance, broker_kind: str, visitor: Visitor
) -> None:
    """Whatever order of logins, reloads, cuts and kills: each message is under the name that its tab showed
    when it was written, or is not stored, and shown as not sent."""
    dice = random.Random(f"two people on {broker_kind}")
    cookies = [(await new_session(instance, name)).cookie for name in ("Anna", "Ben")]
    written: list[Written] = []
    stored: dict[tuple[str, str], int] = {}

    async def take_log() -> None:
        for entry in await log_of(instance):
            stored[entry] = 1

    async with Proxy("127.0.0.1", instance.port) as network:
        first = await visitor()
        tabs = [first, await visitor(beside=first)]
        lives = [0, 0]
        for tab, cookie in zip(tabs, cookies, strict=True):
            await tab.log_in(cookie, instance.url)
            await tab.enter(f"http://127.0.0.1:{network.port}")
            words = f"first words {tabs.index(tab)}"
            await tab.say(words)
            await tab.has_sent(words)
        for step in range(40):
            number = dice.randrange(2)
            tab = tabs[number]
            chance = dice.random()
            if step == 20:
                # Memory forgets it now. Nothing is acknowledged in between that would be in no log.
                await network.refuse()
                network.cut()
                await take_log()
                instance.kill()
                await network.heal()
            elif step == 24:
                await instance.start(ready=True)
            elif chance < 0.5:
                text = f"message {step}"
                name = await tab.page.evaluate(WRITE, text)
                if name is not None:
                    written.append(Written(number, lives[number], text, name))
            elif chance < 0.65:
                await tab.log_in(dice.choice(cookies), instance.url)
            elif chance < 0.7:
                await tab.page.context.clear_cookies()
            elif chance < 0.8:
                network.cut()
            elif instance.running:
                await tab.page.reload()
                lives[number] += 1
            if instance.running and dice.random() < 0.3:
                await tab.page.wait_for_function(SETTLED, timeout=PATIENCE)
        for tab in tabs:
            await hurries(tab)
            await tab.page.wait_for_function(SETTLED, timeout=PATIENCE)
        # What is acknowledged can be read a moment later: not after what comes behind it in the log.
        async with ChatClient(instance, "lobby") as last:
            await last.send("the end", id="the-end")
            await last.expect("message", message="the end")
        await take_log()
        names = {text: name for text, name in stored}
        assert len(names) == len(stored), "no message is there twice"
        assert {name for text, name in stored} >= {"Anna", "Ben"}
        for number, life, text, name in written:
            if text in names:
                assert names[text] == name
            elif life == lives[number]:
                await expect(tabs[number].row(text)).to_have_attribute("data-state", "failed")
