"""Who begins a room looks after it: removes messages, mutes and bans, closes it, invites, hands it on."""

from __future__ import annotations

import asyncio
import contextlib
import re
from functools import partial

import pytest
from playwright.async_api import Locator, Page, Request, Route, expect

from quartchat import words
from tests.browser.chat_page import PATIENCE, ChatPage, Spoilt, numbered, resize
from tests.browser.conftest import Visitor
from tests.browser.test_access import finds_nothing, focus, tab, tab_to
from tests.e2e import owners
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

say = words.languages()["en"].say
korean = words.languages()["ko"].say

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 320, "height": 640}
HANGUL = re.compile("[가-힣]")

REFUSE_THE_CLIPBOARD = "navigator.clipboard.writeText = () => Promise.reject(new Error('no')); null"

WHY = """() => [
  Object.keys(localStorage),
  performance.getEntriesByType('resource').map(({ name, responseStatus }) => [name, responseStatus]),
]"""
"""What a page needs for the tools: the link, and the files and answers that come."""


class Owner:
    """The tools in a window of somebody who looks after its room."""

    def __init__(self, window: ChatPage) -> None:
        self.window = window
        self.page: Page = window.page
        self.settings = self.page.locator("#owner")
        self.bar = self.page.locator("#removal")
        self.menu = self.page.locator("#sentence")
        self.told = self.page.locator("#told")

    async def has_tools(self) -> None:
        try:
            await expect(self.settings).to_be_attached(timeout=PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"no tools: {await self.page.evaluate(WHY)}") from error

    async def has_none(self) -> None:
        await expect(self.settings).to_have_count(0, timeout=PATIENCE)
        await expect(self.bar).to_have_count(0)
        await expect(self.page.locator(".more")).to_have_count(0)

    async def unfold(self) -> None:
        """Open the panel of people, and the room's settings in it."""
        toggle = self.page.locator("#people-toggle")
        if await toggle.get_attribute("aria-expanded") != "true":
            await toggle.click()
        if await self.settings.get_attribute("open") is None:
            await self.settings.locator("summary").click()

    async def remove(self, text: str) -> None:
        await self.window.row(text).hover()
        await self.bar.get_by_role("button", name="Remove:").click()
        await self.bar.get_by_role("button", name=say("remove"), exact=True).click()

    def more(self, name: str) -> Locator:
        return self.page.locator("#people-list").get_by_role("button", name=f"Mute or ban \u2068{name}\u2069")

    async def sentences(self, name: str, choice: str) -> None:
        """`choice`, such as "Ban for 1 hour", out of somebody's menu."""
        await self.more(name).click()
        await self.menu.get_by_role("menuitem", name=choice, exact=True).click()

    async def pardons(self, name: str) -> None:
        await self.unfold()
        await self.settings.get_by_role("button", name=f"{say('pardon')}: {name}").click()

    async def press(self, word: str) -> None:
        """One of the buttons in the settings."""
        await self.unfold()
        await self.settings.get_by_role("button", name=word, exact=True).click()

    async def closes(self) -> None:
        """Close the room, and wait until it is closed."""
        await self.press(say("close"))
        await expect(self.settings.locator(".state")).to_have_text(say("is_closed"))

    async def invite(self, time: str = "1 hour") -> str:
        """A new invite link."""
        await self.press(f"{say('invite_for')} {time}")
        field = self.settings.get_by_role("textbox", name=say("invite_link"))
        await expect(field).to_be_visible()
        await expect(field).to_have_value(re.compile("#invite="))
        return await field.input_value()

    async def link(self) -> str:
        """The owner link."""
        await self.press(say("hand_on"))
        field = self.settings.get_by_role("textbox", name=say("owner_link"))
        await expect(field).to_have_value(re.compile("#owner="))
        return await field.input_value()


async def begins(visitor: Visitor, instance: Instance, room: str = "ours", **options: object) -> Owner:
    """Somebody says the first word in a room."""
    window = await visitor(**{"viewport": DESK, **options})
    await window.enter(instance, room)
    await window.say("first")
    await window.has_sent("first")
    owner = Owner(window)
    await owner.has_tools()
    return owner


async def named(visitor: Visitor, instance: Instance, name: str, **options: object) -> ChatPage:
    """A window of somebody with this name, in no room yet."""
    window = await visitor(**options)
    await window.log_in((await new_session(instance, name)).cookie, instance.url)
    return window


async def is_refused(window: ChatPage, why: str) -> None:
    """The page of a room that one may not be in."""
    await expect(window.page.locator(".lead")).to_have_text(say(why), timeout=PATIENCE)
    await expect(window.log).to_have_count(0)


# What others see --------------------------------------------------------------------------------------------


async def test_a_removed_message_is_gone_at_once_and_stays_gone(instance: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, instance)
    other = await named(visitor, instance, "Ben")
    await other.enter(instance, "ours")
    # What random ids and positions cannot spell, as they could a short word.
    removed = "bad, bad"
    for text in ("good", removed, "also good"):
        await other.say(text)
        await other.has_sent(text)
    # Told of its place: nothing of it changes any more.
    await expect(other.row("also good")).to_have_attribute("data-position", re.compile("."))
    told = await other.page.evaluate_handle(
        """() => {
          // What a screen reader would be told of: texts that are added to the log.
          const told = [];
          new MutationObserver((changes) => {
            for (const { addedNodes } of changes) for (const node of addedNodes) told.push(node.textContent);
          }).observe(document.querySelector('#chat-log'), { childList: true, subtree: true });
          return told;
        }"""
    )
    await owner.remove(removed)
    for window in (owner.window, other):
        await window.reads("first", "good", say("deleted"), "also good")
        row = window.rows.nth(2)
        await expect(row).to_have_attribute("data-deleted", "")
        await expect(row.locator(".name")).to_have_text("Ben")
        await expect(row.locator("time")).to_have_attribute("datetime", re.compile("T"))
    assert await told.json_value() == [say("deleted")]
    await other.say("and on")
    await owner.window.reads("first", "good", say("deleted"), "also good", "and on")
    # What the server sends is without it, too, and so is what it brings to who was away.
    await other.page.reload()
    await other.is_live()
    await other.reads("first", "good", say("deleted"), "also good", "and on")
    assert removed not in await other.page.locator("#chat-rows").inner_html()
    late = await visitor(java_script_enabled=False)
    await late.enter(instance, "ours", live=False)
    await late.reads("first", "good", say("deleted"), "also good", "and on")


async def test_in_scroll_back_a_removed_message_is_gone_and_nothing_else(
    instance: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, instance, "long")
    async with ChatClient(instance, "long") as client:
        for text in numbered(10):
            await client.say(text)
        await expect(owner.window.row("message 9")).to_be_visible()
        for n in (2, 3, 9):
            await owner.remove(f"message {n}")
            await expect(owner.window.row(f"message {n}")).to_have_count(0)
        for text in (f"later {n}" for n in range(120)):
            await client.say(text)
    wanted = ["first", *numbered(10), *(f"later {n}" for n in range(120))]
    wanted = [say("deleted") if text in ("message 2", "message 3", "message 9") else text for text in wanted]
    other = await visitor()
    await other.enter(instance, "long")
    await expect(other.row("later 119")).to_be_visible()
    assert await other.whole_conversation() == wanted


async def test_who_is_muted_is_told_so_and_can_speak_again_after_a_pardon(
    instance: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, instance)
    ben = await named(visitor, instance, "Ben")
    await ben.enter(instance, "ours")
    await owner.sentences("Ben", "Mute for 1 hour")
    await expect(owner.told).to_contain_text("cannot write for 1 hour")
    await expect(owner.page.locator("#people-list .muted")).to_have_text(say("muted"))

    async def refused() -> bool:
        # It holds on every instance within two seconds, not at once.
        await ben.say("let me speak")
        await expect(ben.row("let me speak").last).to_have_attribute("data-state", re.compile("sent|failed"))
        return bool(await ben.page.locator("[data-state=failed]").count())

    await until(refused, 15)
    await expect(ben.page.locator(".status [role=alert]")).to_have_text(say("failed_forbidden"))
    await owner.pardons("Ben")
    await expect(owner.page.locator("#people-list .muted")).to_have_count(0)
    await ben.page.get_by_role("button", name=say("discard")).click()

    async def heard() -> bool:
        await ben.say("thanks")
        await expect(ben.row("thanks").last).to_have_attribute("data-state", re.compile("sent|failed"))
        return bool(await ben.page.locator(".row[data-state=sent]").filter(has_text="thanks").count())

    await until(heard, 15)
    await expect(owner.window.row("thanks").last).to_be_visible()


async def test_who_is_banned_is_told_so_and_stays_out_until_the_pardon(
    instance: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, instance)
    ben = await named(visitor, instance, "Ben")
    await ben.enter(instance, "ours")
    await owner.sentences("Ben", "Ban for 1 day")
    await expect(ben.banner).to_contain_text(say("banned"), timeout=PATIENCE)
    await expect(ben.input).to_be_disabled()
    await ben.banner.get_by_role("button").click()
    await is_refused(ben, "room_banned")
    await expect(ben.page.locator("form#enter")).to_have_count(0)
    # Also by way of the owner link.
    await ben.page.goto("about:blank")
    await ben.page.goto(await owner.link())
    await is_refused(ben, "room_banned")
    assert "#" not in ben.page.url
    await expect(owner.page.locator("#people-list li")).to_have_count(1)
    await owner.pardons("Ben")
    await expect(owner.settings.locator(".none")).to_have_text(say("nobody"))

    async def admitted() -> bool:
        await ben.page.goto(f"{instance.url}/chat/ours/")
        return bool(await ben.log.count())

    await until(admitted, 15)
    await ben.is_live()


async def test_a_closed_room_keeps_who_is_in_and_lets_nobody_in_without_a_link(
    instance: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, instance, "한국어 방")
    ben = await named(visitor, instance, "Ben")
    await ben.enter(instance, "한국어 방")
    async with ChatClient(instance, "한국어 방", cookie=(await new_session(instance, "Gone")).cookie) as gone:
        await gone.say("I wrote and left")
    await expect(owner.window.row("I wrote and left")).to_be_visible()
    # Who is in it, as the owner's page has heard: it may hear of people a second later than of messages.
    await expect(owner.more("Ben")).to_be_visible()
    await owner.press(say("close"))
    await expect(owner.told).to_have_text(say("done_close"))
    await expect(owner.settings.locator(".state")).to_have_text(say("is_closed"))
    stranger = await named(visitor, instance, "Eve")

    async def shut() -> bool:
        await stranger.page.goto(f"{instance.url}/chat/한국어 방/")
        return not await stranger.log.count()

    await until(shut, 15)
    await is_refused(stranger, "room_closed")
    for window in (owner.window, ben):
        text = f"still {await window.name.inner_text()}"
        await window.say(text)
        await window.has_sent(text)
        await window.is_live()
    await ben.page.reload()
    await ben.is_live()
    back = await visitor()
    await back.log_in(gone.cookie or "", instance.url)
    await back.enter(instance, "한국어 방")
    # By a link, with a name that is known, nothing has to be typed.
    link = await owner.invite()
    await stranger.page.goto("about:blank")
    await stranger.page.goto(link)
    await stranger.is_live()
    assert "#" not in stranger.page.url
    await stranger.say("invited")
    await expect(owner.window.row("invited").locator(".name")).to_have_text("Eve")
    # Who has no name yet chooses one.
    nameless = await visitor()
    await nameless.page.goto(link)
    assert "#" not in nameless.page.url
    await expect(nameless.page.locator("#name")).to_be_focused()
    await nameless.page.keyboard.type("Cleo")
    await nameless.page.keyboard.press("Enter")
    await nameless.is_live()
    await expect(nameless.name).to_have_text("Cleo")
    # A revoked link lets nobody in; who came by it stays.
    await owner.settings.get_by_role("button", name=re.compile(say("revoke"))).click()
    await expect(owner.told).to_have_text(say("done_revoke"))
    late = await named(visitor, instance, "Dan")

    async def over() -> bool:
        # Put into the address of the page that refused, too.
        await late.page.goto(f"{instance.url}/chat/한국어 방/")
        await late.page.goto(link)
        await expect(late.page.locator("#enter .error, #chat-log")).to_be_visible(timeout=PATIENCE)
        return bool(await late.page.locator("#enter .error").count())

    await until(over, 15)
    await expect(late.page.locator("#enter .error")).to_have_text(say("link_over"))
    await stranger.page.reload()
    await stranger.is_live()
    await owner.press(say("open"))
    await expect(owner.settings.locator(".state")).to_be_empty()


async def test_who_is_inside_while_it_is_closed_to_them_is_told_so(alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone)
    ben = await named(visitor, alone, "Ben")
    await ben.enter(alone, "ours")
    # Another owner's page did not know of them.
    await owner.page.evaluate(
        """async () => {
          const owner = JSON.parse(localStorage['quartchat:owner:ours']);
          const body = new URLSearchParams({ owner, do: 'close' });
          await fetch('/api/rooms/ours/rules', { method: 'POST', body });
        }"""
    )
    await expect(ben.banner).to_contain_text(say("closed"), timeout=PATIENCE)
    await expect(ben.input).to_be_disabled()


async def test_without_a_script_the_link_is_pasted(alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone)
    await owner.closes()
    link = await owner.invite()
    guest = await visitor(java_script_enabled=False, viewport=PHONE)
    await guest.page.goto(link)
    await is_refused(guest, "room_closed")
    await guest.page.locator("#link").fill("nonsense")
    await guest.page.locator("#enter button").click()
    await expect(guest.page.get_by_role("alert")).to_have_text(say("link_over"))
    await guest.page.locator("#link").fill(link)
    await guest.page.locator("#name").fill("Ada")
    await guest.page.locator("#enter button").click()
    await guest.reads("first")
    await guest.page.locator("form.plain textarea").fill("hello")
    await guest.page.locator("form.plain").get_by_role("button").click()
    await guest.reads("first", "hello")
    await expect(guest.row("hello").locator(".name")).to_have_text("Ada")


# Who owns it ------------------------------------------------------------------------------------------------


async def test_the_owner_link_makes_owners_and_a_new_one_ends_the_old(
    instance: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, instance)
    link = await owner.link()
    second = Owner(await visitor(viewport=DESK))
    await second.page.goto(link)
    # First what stands there for some seconds only.
    await expect(second.told).to_have_text(say("became"), timeout=PATIENCE)
    await second.window.is_live()
    assert "#" not in second.page.url
    await second.has_tools()
    await second.remove("first")
    await owner.window.reads(say("deleted"))
    # It is kept by this browser.
    await second.page.reload()
    await second.window.is_live()
    await second.has_tools()
    await owner.press(say("renew"))
    await expect(owner.settings).to_contain_text(say("renew_sure"))
    await owner.settings.locator(".sure").click()
    field = owner.settings.get_by_role("textbox", name=say("owner_link"))
    await expect(field).not_to_have_value(link)
    new = await field.input_value()
    assert new != link

    async def over() -> bool:
        # It is noticed with whatever is done, also with just looking.
        await second.page.evaluate("document.querySelector('#owner[open] summary')?.click()")
        await second.page.evaluate("document.querySelector('#owner summary')?.click()")
        return not await second.settings.count()

    await until(over, 15)
    await expect(second.told).to_have_text(say("trouble_link"))
    await second.has_none()
    assert await second.page.evaluate("localStorage['quartchat:owner:ours']") is None
    await second.page.reload()
    await second.window.is_live()
    await second.has_none()
    third = Owner(await visitor(viewport=DESK))
    await third.page.goto(link)
    await expect(third.told).to_have_text(say("trouble_link"), timeout=PATIENCE)
    await third.has_none()
    await third.page.goto("about:blank")
    await third.page.goto(new)
    await third.has_tools()
    # A link that does not count takes nothing from who has one that does.
    await owner.page.goto("about:blank")
    await owner.page.goto(link)
    await expect(owner.told).to_have_text(say("trouble_link"), timeout=PATIENCE)
    await owner.has_tools()
    assert await owner.link() == new


async def test_in_a_closed_room_the_owner_link_lets_in_and_is_kept(alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone)
    await owner.closes()
    link = await owner.link()
    second = Owner(await named(visitor, alone, "Ben", viewport=DESK))
    await second.page.goto(link)
    await second.window.is_live()
    await second.has_tools()
    assert "#" not in second.page.url
    # Somebody else in the same browser: it still holds the link, and only a name is missing.
    await second.page.get_by_role("button", name=say("forget_me")).click()
    await second.page.goto(f"{alone.url}/chat/ours/")
    await expect(second.page.locator("#name")).to_be_focused()
    await second.page.keyboard.press("Enter")
    await second.window.is_live()
    await second.has_tools()


async def test_a_page_that_stopped_does_nothing_as_an_owner(alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone)
    await owner.unfold()
    other = await visitor(beside=owner.window)
    await other.page.goto(f"{alone.url}/chat/")
    await other.page.get_by_role("button", name=say("forget_me")).click()
    await owner.window.has_stopped()
    # Somebody else, in the same browser and with the same link.
    await other.enter(alone, "elsewhere")
    await owner.press(say("close"))
    await expect(owner.told).to_have_text(say("trouble_session"))
    await expect(owner.settings.locator(".state")).to_be_empty()


async def test_who_only_visits_pays_nothing_for_the_tools(alone: Instance, visitor: Visitor) -> None:
    await begins(visitor, alone)
    window = await visitor()
    asked: list[str] = []
    window.page.on("request", lambda request: asked.append(request.url))
    await window.enter(alone, "ours")
    await window.say("not the first")
    await window.has_sent("not the first")
    await window.page.goto(f"{alone.url}/chat/ours/#invite=whatever")
    # The same page: it hears of its new address a moment later.
    await expect(window.page).not_to_have_url(re.compile("#"))
    await window.is_live()
    assert [url for url in asked if re.search("owner|rules|api/words", url)] == []
    await Owner(window).has_none()


async def test_where_somebody_else_owns_it_nothing_is_said(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    refused = asyncio.Event()

    async def taken(route: Route) -> None:
        await refuse(route, 409)
        refused.set()

    await window.page.route("**/api/rooms/*/owner", taken)
    await window.enter(alone, "theirs")
    await window.say("first")
    await window.has_sent("first")
    await asyncio.wait_for(refused.wait(), 15)
    await window.say("second")
    await window.has_sent("second")
    await Owner(window).has_none()
    await expect(window.page.locator("#told")).to_have_count(0)


async def test_two_tabs_of_an_owner_both_have_the_tools(alone: Instance, visitor: Visitor) -> None:
    one = await visitor(viewport=DESK)
    two = await visitor(beside=one)
    for window in (one, two):
        await window.enter(alone, "ours")
    await one.say("first")
    for window in (one, two):
        await Owner(window).has_tools()


async def test_a_private_room_is_begun_in_the_lobby(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    page = window.page
    await page.goto(f"{alone.url}/chat/")
    await page.locator("#name-input").fill("Anna")
    await page.locator("#room-name-input").fill("only ours")
    await page.get_by_label(say("private")).check()
    await page.locator("#room-name-submit").click()
    await expect(page.get_by_text(say("private_ready"))).to_be_focused()
    await finds_nothing(page)
    link = await page.get_by_role("textbox", name=say("private_link")).input_value()
    stranger = await visitor()
    await stranger.page.goto(f"{alone.url}/chat/only ours/")
    await is_refused(stranger, "room_closed")
    await page.get_by_role("link", name=say("private_enter")).click()
    await window.is_live()
    await expect(window.name).to_have_text("Anna")
    await Owner(window).has_tools()
    guest = await visitor()
    await guest.page.goto(link)
    await guest.page.locator("#enter button").click()
    await guest.is_live()
    # Nobody takes it again.
    await stranger.page.goto(f"{alone.url}/chat/")
    await stranger.page.locator("#room-name-input").fill("only ours")
    await stranger.page.get_by_label(say("private")).check()
    await stranger.page.locator("#room-name-submit").click()
    field = stranger.page.locator("#room-name-input")
    await expect(field).to_have_js_property("validationMessage", say("private_taken"))


async def test_without_a_script_the_lobby_offers_no_private_rooms(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(java_script_enabled=False)
    await window.page.goto(f"{alone.url}/chat/")
    await expect(window.page.locator("#private")).to_be_hidden()


# How it is used ---------------------------------------------------------------------------------------------


async def test_links_are_copied_or_shown_to_be_copied(alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone, permissions=["clipboard-read", "clipboard-write"])
    link = await owner.invite("7 days")
    await expect(owner.told).to_have_text(say("copied"))
    assert await owner.page.evaluate("navigator.clipboard.readText()") == link
    await owner.page.evaluate(REFUSE_THE_CLIPBOARD)
    await owner.settings.get_by_role("textbox", name=say("invite_link")).locator("+ button").click()
    await expect(owner.told).to_have_text(say("copy_yourself"))
    assert await owner.page.evaluate("getSelection().toString()") == link


async def refuse(route: Route, status: int) -> None:
    await route.fulfill(status=status, json={"error": "no"})


async def test_what_goes_wrong_is_told_in_words(alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone)
    await owner.unfold()
    for status, word in ((503, "trouble_server"), (409, "trouble_full"), (401, "trouble_session")):
        await owner.page.route("**/rules", partial(refuse, status=status))
        await owner.press(say("close"))
        await expect(owner.told).to_have_text(say(word))
        await owner.page.unroute("**/rules")
    await owner.page.route("**/rules", lambda route: route.abort())
    await owner.remove("first")
    await expect(owner.told).to_have_text(say("trouble_server"))
    await owner.window.reads("first")


def looks(request: Request) -> bool:
    """Asks what holds, and changes nothing."""
    return "do=look" in (request.post_data or "")


async def test_an_answer_that_comes_late_does_not_bring_back_what_held_before(
    alone: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, alone)
    closed = asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        if looks(route.request):
            # What it was overtaken by; a page that sends nothing meanwhile waits for it in vain.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(closed.wait(), 1)
        await route.fulfill(response=answer)
        if not looks(route.request):
            closed.set()

    await owner.page.route("**/rules", late)
    # Unfolding asks what holds; the answer is under way when the room is closed.
    async with owner.page.expect_event("requestfinished", looks):
        await owner.press(say("close"))
        await expect(owner.told).to_have_text(say("done_close"))
    await owner.page.evaluate("new Promise(requestAnimationFrame)")
    await expect(owner.settings.locator(".state")).to_have_text(say("is_closed"))


async def test_a_list_that_is_made_anew_leaves_the_focus_where_it_was(
    alone: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, alone)
    await owner.invite()
    token = (await owner.link()).partition("#owner=")[2]
    revoke = owner.settings.get_by_role("button", name=re.compile("^Revoke"))
    await revoke.focus()
    # Another owner holds somebody back, and this page hears of it.
    ada, ben = await new_session(alone, "Ada"), await new_session(alone, "Ben")
    other = owners.Owner(alone, "ours", ada, token)
    await other.does("mute", user=ben.user_id, name="Ben", seconds="600")
    await owner.settings.dispatch_event("toggle")
    await expect(owner.settings.get_by_role("button", name="Pardon: Ben")).to_be_visible()
    await expect(revoke).to_be_focused()
    # What is gone cannot have it: then the part that it was in.
    await revoke.press("Enter")
    await expect(owner.settings.locator("summary")).to_be_focused()


async def test_everything_by_keyboard_alone(alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone)
    page, keys = owner.page, owner.page.keyboard
    async with ChatClient(alone, "ours", cookie=(await new_session(alone, "Ben")).cookie) as ben:
        for text in ("one", "two", "three"):
            await ben.say(text)
        await expect(owner.window.row("three")).to_be_visible()
        await expect(owner.more("Ben")).to_be_visible()
        # The newest message first, others by the arrows. With the focus on it, the bar stays where it is.
        await expect(owner.bar.locator("button").first).to_have_attribute("aria-label", "Remove: three")
        await owner.window.input.focus()
        await tab_to(page, "remove", "Shift+Tab")
        await expect(owner.bar.locator("button").first).to_have_attribute("aria-label", "Remove: three")
        await keys.press("ArrowUp")
        assert await focus(page) == "remove"
        await expect(owner.bar.locator("button").first).to_have_attribute("aria-label", "Remove: two")
        await keys.press("Enter")
        assert await focus(page) == "keep"
        await keys.press("Escape")
        assert await focus(page) == "remove"
        await owner.window.reads("first", "one", "two", "three")
        await keys.press("Enter")
        await keys.press("Shift+Tab")
        assert await focus(page) == "sure"
        await keys.press("Enter")
        await owner.window.reads("first", "one", say("deleted"), "three")
        await expect(owner.bar.locator("button").first).to_be_focused()
        # Somebody's menu, out of the list; it opens on its first choice and gives the focus back.
        await owner.more("Ben").focus()
        await keys.press("Enter")
        await expect(owner.menu.get_by_role("menuitem").first).to_be_focused()
        await expect(owner.more("Ben")).to_have_attribute("aria-expanded", "true")
        await keys.press("Escape")
        await expect(owner.menu).to_be_hidden()
        await expect(owner.more("Ben")).to_be_focused()
        await keys.press("Enter")
        await keys.press("ArrowUp")
        await expect(owner.menu.get_by_role("menuitem", name="Ban for 30 days")).to_be_focused()
        await keys.press("Home")
        await keys.press("ArrowDown")
        await expect(owner.menu.get_by_role("menuitem", name="Mute for 1 hour")).to_be_focused()
        await keys.press("Enter")
        await expect(owner.told).to_contain_text("cannot write for 1 hour")
        await expect(owner.more("Ben")).to_be_focused()
        # Who comes and goes takes the focus from nobody.
        async with ChatClient(alone, "ours", cookie=(await new_session(alone, "Ada")).cookie):
            await expect(owner.more("Ada")).to_be_visible()
            await expect(owner.more("Ben")).to_be_focused()
        await expect(owner.more("Ada")).to_have_count(0)
        await expect(owner.more("Ben")).to_be_focused()
    await expect(owner.more("Ben")).to_have_count(0)
    await expect(owner.window.log).to_be_focused()
    await owner.settings.locator("summary").focus()
    assert await focus(page)
    await keys.press("Enter")
    await tab(page)
    await keys.press("Enter")
    await expect(owner.settings.locator(".state")).to_have_text(say("is_closed"))
    await tab(page)
    await keys.press("Enter")
    await expect(owner.settings.get_by_role("textbox", name=say("invite_link"))).to_be_visible()
    for word in ("revoke", "pardon"):
        button = owner.settings.get_by_role("button", name=re.compile(f"^{say(word)}"))
        await button.focus()
        await focus(page)
        await keys.press("Enter")
        await expect(button).to_have_count(0)
        await expect(owner.settings.locator("summary")).to_be_focused()
    renew = owner.settings.get_by_role("button", name=say("renew"))
    await renew.focus()
    await keys.press("Enter")
    await expect(owner.settings.locator(".keep")).to_be_focused()
    await keys.press("Enter")
    await expect(renew).to_be_visible()


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
async def test_axe_finds_nothing_in_the_tools(locale: str, alone: Instance, visitor: Visitor) -> None:
    owner = await begins(visitor, alone, locale=locale)
    page = owner.page
    async with ChatClient(alone, "ours", cookie=(await new_session(alone, "Ben")).cookie) as ben:
        await ben.say("bad")
        await ben.say("worse")
        await expect(owner.window.row("worse")).to_be_visible()
        await finds_nothing(page)
        await owner.window.row("bad").hover()
        await expect(owner.bar).to_have_class(re.compile("shown"))
        await finds_nothing(page)
        await owner.window.row("bad").hover()
        await owner.bar.locator(".remove").click()
        await finds_nothing(page)
        await owner.bar.locator(".sure").click()
        await expect(owner.page.locator("[data-deleted]")).to_have_count(1)
        await resize(page, **DESK)
        for choice in (1, 3):  # muted, and then banned
            await page.locator("#people-list .more").click()
            await finds_nothing(page, 1280)
            await resize(page, **DESK)
            await owner.menu.locator("button").nth(choice).click()
            # By then it is told, too: what stood there before would not show it.
            await expect(page.locator("#people-list .muted")).to_have_count(1 if choice == 1 else 0)
            await expect(owner.told).not_to_be_empty()
        await expect(page.locator("#people-list .more")).to_have_count(0)
        await owner.unfold()
        await owner.settings.locator("section:nth-of-type(1) button").click()
        await expect(owner.settings.locator(".state")).not_to_be_empty()
        await owner.settings.locator("section:nth-of-type(2) .choices button:last-child").click()
        await expect(owner.settings.locator("section:nth-of-type(2) li")).to_have_count(1)
        await finds_nothing(page, 1280)
        await resize(page, **PHONE)
        await owner.unfold()
        await expect(page.locator("#people")).to_have_css("opacity", "1")
        await finds_nothing(page, 320)
    closed = await visitor(locale=locale)
    await closed.page.goto(f"{alone.url}/chat/ours/")
    await finds_nothing(closed.page)
    if locale == "ko-KR":
        spoken = await owner.settings.inner_text()
        assert "Room" not in spoken
        assert HANGUL.search(spoken)
        await expect(closed.page.locator(".lead")).to_have_text(korean("room_closed"))


@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
async def test_on_a_narrow_phone_everything_is_in_reach(
    locale: str, alone: Instance, visitor: Visitor
) -> None:
    owner = await begins(visitor, alone, viewport=PHONE, has_touch=True, is_mobile=True, locale=locale)
    page = owner.page
    async with ChatClient(alone, "ours", cookie=(await new_session(alone, "W" * 32)).cookie) as other:
        await other.say("a text " * 40)
        row = owner.window.rows.nth(1)
        await expect(row).to_be_visible()
        await row.locator(".text").tap()
        await in_reach(owner.bar.locator("button"))
        await owner.bar.locator(".remove").tap()
        await expect(owner.bar.locator(".keep")).to_be_visible()
        await in_reach(owner.bar.locator("button"))
        await owner.bar.locator(".keep").tap()
        await owner.bar.locator(".more").tap()
        await in_reach(owner.menu.locator("button"))
        await owner.menu.locator("button").first.tap()
        # It is done, and told: what stood there before would be told over.
        await expect(page.locator("#people-list .muted")).to_have_count(1)
        await expect(owner.told).not_to_be_empty()
        await expect(owner.told).to_be_in_viewport(ratio=1)
        await page.locator("#people-toggle").tap()
        await expect(page.locator("#people")).to_have_css("opacity", "1")
        await owner.told.tap()
        await expect(owner.told).to_be_empty()
        more = page.locator("#people-list .more")
        await in_reach(more)
        await owner.settings.locator("summary").tap()
        await owner.settings.locator("section:nth-of-type(1) button").tap()
        await expect(owner.settings.locator(".state")).not_to_be_empty()
        await owner.settings.locator("section:nth-of-type(2) .choices button").last.tap()
        await expect(owner.settings.locator("section:nth-of-type(2) li")).to_have_count(1)
        for button in await owner.settings.locator("button:visible, input:visible").all():
            await button.scroll_into_view_if_needed()
            await in_reach(button)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        people = page.locator("#people")
        assert await people.evaluate("each => each.scrollWidth <= each.clientWidth")


async def in_reach(targets: Locator) -> None:
    """Each is whole on the screen, and large enough for a thumb."""
    await expect(targets.first).to_be_visible()
    for target in await targets.all():
        await expect(target).to_be_in_viewport(ratio=0.98)
        box = await target.bounding_box()
        assert box is not None
        assert box["height"] >= 44 - 0.5, await target.inner_text()
        assert box["width"] >= 24, await target.inner_text()


async def test_the_tools_come_as_soon_as_their_script_can_be_loaded(
    alone: Instance, visitor: Visitor
) -> None:
    owner, script = await begins(visitor, alone), Spoilt(2)
    await script.at(owner.page, "**/ui/owner.js")
    await owner.page.reload()
    await owner.has_tools()
    assert script.tries == 3


async def test_an_answer_that_breaks_off_takes_nothing_from_an_owner(
    alone: Instance, visitor: Visitor
) -> None:
    owner, rules = await begins(visitor, alone), Spoilt(1, '{"owner": "')
    await rules.at(owner.page, "**/rules")
    await owner.page.reload()
    await owner.has_tools()
    assert rules.tries == 2
    await owner.remove("first")
    await expect(owner.window.row("first")).to_have_count(0)
