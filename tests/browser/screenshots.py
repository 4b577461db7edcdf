"""`python -m tests.browser.screenshots [FOLDER [SCENE ...]]`: every state of the pages as a picture.

Everything in them happened: real servers on memory, messages that real clients sent. Only the clocks are
wound, so that the pictures can be made again: the server's by libfaketime, the page's by Playwright.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from quartchat.identity import COOKIE, Identities, Session
from quartchat.protocol import User
from tests.browser.between import Between
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import FLAGS
from tests.browser.conversations import (
    BEN,
    FAIR,
    FAIR_AWAY,
    FAIR_NOW,
    HAJUN,
    HIKE,
    INES,
    JIWOO,
    LAUNCH,
    LAYLA,
    MARA,
    MINSEO,
    MIXED,
    NOAM,
    Person,
    Said,
)
from tests.support.client import ChatClient
from tests.support.instance import CHECKOUT, SECRET_KEY, Instance

FOLDER = CHECKOUT / "docs" / "screenshots"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)

LAPTOP, TABLET, PHONE = (1180, 760), (768, 1024), (390, 780)
KOREAN = {"locale": "ko-KR"}
DARK = {"color_scheme": "dark"}

FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include>/etc/fonts/fonts.conf</include>
  <match target="pattern">
    <test name="family" qual="all" compare="not_contains"><string>mono</string></test>
    <test name="family" qual="all" compare="not_contains"><string>Emoji</string></test>
    <edit name="family" mode="prepend_first" binding="strong">
      <string>Inter</string><string>Noto Sans CJK KR</string>
      <string>Noto Sans Arabic</string><string>Noto Sans Hebrew</string>
    </edit>
  </match>
  <match target="pattern">
    <test name="family"><string>ui-monospace</string></test>
    <edit name="family" mode="prepend_first" binding="strong"><string>DejaVu Sans Mono</string></edit>
  </match>
</fontconfig>
"""
"""A desktop says which font is its own; a machine without a screen has to be told."""


def moment(at: str) -> datetime:
    """ "12 09:02" in March 2026."""
    return datetime.strptime(f"2026-03-{at} +0000", "%Y-%m-%d %H:%M %z")


class Stage:
    """One server on memory with a clock that stands where it is put, and the people in its rooms."""

    def __init__(self, browser: Browser, folder: Path, **env: str) -> None:
        self.browser = browser
        self.folder = folder
        self._time = Path(tempfile.mkstemp(prefix="quartchat-time-")[1])
        self.at("12 09:00")
        fake = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._time),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }
        self.one = Instance("memory://", env={"QUARTCHAT_MESSAGE_RATE": "0", **fake, **env})
        self._people: dict[tuple[str, str], ChatClient] = {}
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._cleanup.callback(self._time.unlink)
        await self._cleanup.enter_async_context(self.one)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._cleanup.__aexit__(*error)

    def at(self, at: str) -> None:
        """Wind the server's clock. It is 41 seconds past, for a message and its page to be of one minute."""
        self._time.write_text(f"{moment(at):%Y-%m-%d %H:%M}:41\n")
        self.now = at

    async def enter(self, room: str, *people: Person) -> None:
        """They are in the room, until the end."""
        for person in people:
            if (room, person.id) not in self._people:
                client = ChatClient(self.one, room, cookie=f"{COOKIE}={session(person)}", history=0)
                self._people[room, person.id] = await self._cleanup.enter_async_context(client)

    async def hear(self, room: str, conversation: list[Said]) -> None:
        for n, (at, who, text) in enumerate(conversation):
            self.at(at)
            await self.enter(room, who)
            # An id of its own in each room: the same at every making of the pictures.
            await self._people[room, who.id].say(text, f"{n}-{at[:2]}{at[3:5]}{at[6:]}")

    async def types(self, room: str, who: Person) -> None:
        await self.enter(room, who)
        await self._people[room, who.id].send_frame({"type": "typing"})

    async def restart(self) -> None:
        """After a kill: nobody is in its rooms, and nothing."""
        self._people.clear()
        await self.one.start(ready=True)

    async def leave(self, room: str, who: Person) -> None:
        await self._people.pop((room, who.id)).close()

    async def window(
        self,
        who: Person | None = None,
        size: tuple[int, int] = LAPTOP,
        *,
        running: bool = False,
        visited: tuple[str, ...] = (),
        **options: Any,
    ) -> ChatPage:
        """A browser of this person's. Its clock stands, too, unless it must be `running`."""
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=2,
            timezone_id="UTC",
            has_touch=size == PHONE,
            **{"locale": "en-GB", "color_scheme": "light", "reduced_motion": "reduce", **options},
        )
        self._cleanup.push_async_callback(context.close)
        if running:
            await context.clock.install(time=moment(self.now))
        else:
            await context.clock.set_fixed_time(moment(self.now))
        await context.add_init_script("Math.random = () => 0.95")
        if visited:
            rooms = json.dumps(json.dumps(visited))
            await context.add_init_script(f"localStorage['quartchat:rooms'] = {rooms}")
        window = ChatPage(await context.new_page())
        if who is not None:
            await window.log_in(f"{COOKIE}={session(who)}", self.one.url)
        return window

    async def room(self, room: str, who: Person | None = None, **how: Any) -> ChatPage:
        """A window with that room, connected."""
        window = await self.window(who, **how)
        await window.enter(self.one, room)
        return window

    async def take(self, name: str, window: ChatPage) -> None:
        page = window.page
        await page.evaluate("document.fonts.ready")
        await page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        await save(page, self.folder, name)
        assert window.problems == [], window.problems


async def save(page: Page, folder: Path, name: str) -> None:
    """As WebP, which Playwright does not write itself; a PNG (to look at) in any other folder."""
    if folder != FOLDER:
        await page.screenshot(path=folder / f"{name}.png", scale="css")
        return
    devtools = await page.context.new_cdp_session(page)
    size = page.viewport_size or {}
    clip = {"x": 0, "y": 0, **size, "scale": 2}  # or it would be as coarse as a screen of long ago
    shot = await devtools.send("Page.captureScreenshot", {"format": "webp", "quality": 80, "clip": clip})
    (folder / f"{name}.webp").write_bytes(base64.b64decode(shot["data"]))


def session(who: Person) -> str:
    """The cookie of somebody whose id, and so whose colour, is the same in every picture."""
    return Identities((SECRET_KEY,)).dump(Session(User(*who), moment("30 00:00").timestamp()))


async def lobbies(stage: Stage) -> None:
    window = await stage.window()
    await window.page.goto(f"{stage.one.url}/chat/")
    await stage.take("lobby", window)
    await stage.enter("Launch", BEN, INES)
    await stage.enter("Spring fair", INES)
    await stage.enter("주말 등산", JIWOO, MINSEO, HAJUN)
    visited = ("Launch", "책 모임 📚", "kitchen")
    for name, who, how in (
        ("lobby-rooms", MARA, {}),
        ("lobby-dark", MARA, DARK),
        ("lobby-korean", MINSEO, KOREAN),
        ("lobby-phone", MARA, {"size": PHONE}),
        ("lobby-phone-korean", MINSEO, {"size": PHONE, **KOREAN}),
    ):
        window = await stage.window(who, visited=visited, **how)
        await window.page.goto(f"{stage.one.url}/chat/")
        # They hear of the rooms from each other within some seconds.
        for _ in range(20):
            if await window.page.locator(".count").all_text_contents() == ["3", "2", "1"]:
                break
            await asyncio.sleep(1)
            await window.page.reload()
        await stage.take(name, window)


async def rooms(stage: Stage) -> None:
    window = await stage.room("Reading room")
    await expect(window.page.locator("#older")).to_be_visible()
    await stage.take("room-empty", window)
    window = await stage.room("책 모임", **KOREAN)
    await expect(window.page.locator("#older")).to_be_visible()
    await stage.take("room-empty-korean", window)
    await stage.hear("Launch", LAUNCH)
    await stage.leave("Launch", MARA)
    for name, how in (
        ("room", {}),
        ("room-dark", DARK),
        ("tablet", {"size": TABLET}),
        ("phone", {"size": PHONE}),
        ("phone-dark", {"size": PHONE, **DARK}),
    ):
        await busy(stage, "Launch", MARA, BEN, name, **how)
    await stage.hear("주말 등산", HIKE)
    await stage.leave("주말 등산", MINSEO)
    for name, how in (
        ("room-korean", KOREAN),
        ("room-korean-dark", {**KOREAN, **DARK}),
        ("phone-korean", {"size": PHONE, **KOREAN}),
    ):
        await busy(stage, "주말 등산", MINSEO, HAJUN, name, **how)
    await stage.hear("Everybody", MIXED)
    await stage.enter("Everybody", LAYLA, NOAM)
    await stage.leave("Everybody", MARA)
    await busy(stage, "Everybody", MARA, LAYLA, "room-right-to-left")


async def busy(stage: Stage, room: str, who: Person, typist: Person, name: str, **how: Any) -> None:
    window = await stage.room(room, who, **how)
    await expect(window.page.locator("#people-count")).to_have_text("3")
    typing = window.page.locator("#typing")
    for _ in range(10):  # the server passes on one in three seconds
        await stage.types(room, typist)
        with contextlib.suppress(AssertionError):
            await expect(typing).to_contain_text(typist.name, timeout=1500)
            break
    await stage.take(name, window)
    if name.startswith("phone"):
        await window.page.locator("#people-toggle").tap()
        await expect(window.page.locator("#people")).to_be_visible()
        await stage.take(name.replace("phone", "phone-people"), window)
    await window.page.context.close()


async def away(stage: Stage) -> None:
    await stage.hear("Spring fair", FAIR)
    await stage.leave("Spring fair", MARA)
    window = await stage.room("Spring fair", MARA)
    await expect(window.row(FAIR[-1].text).last).to_be_in_viewport()
    await window.page.goto("about:blank")
    await stage.hear("Spring fair", FAIR_AWAY)
    await window.page.context.clock.set_fixed_time(moment(stage.now))
    await window.enter(stage.one, "Spring fair")
    await window.log.hover()
    await window.page.mouse.wheel(0, -520)
    await expect(window.page.locator("#newest")).to_be_visible()
    await stage.hear("Spring fair", FAIR_NOW)
    await expect(window.page.locator("#newest")).to_contain_text("3")
    await stage.take("room-away", window)


async def failures(stage: Stage) -> None:
    await stage.hear("Launch", LAUNCH[2:])
    await stage.leave("Launch", MARA)
    window = await stage.window(MARA)
    await Between(lambda text: text.startswith("One more")).begin(window)
    await window.enter(stage.one, "Launch")
    await window.say("One more thing: the release notes are still empty.")
    await expect(window.page.locator("[data-state=failed]")).to_be_visible()
    await stage.take("room-not-sent", window)
    await window.page.context.close()

    windows = {
        name: await stage.room("Launch", MARA, running=True, **how)
        for name, how in (("", {}), ("-phone", {"size": PHONE}), ("-korean", KOREAN))
    }
    stage.one.kill()
    await windows[""].say("Are you still there?")
    for name, window in windows.items():
        await expect(window.banner).to_contain_text("14", timeout=60_000)
        await stage.take(f"room-offline{name}", window)
    await windows[""].page.context.close()
    stage.at("12 09:30")
    await stage.restart()
    await stage.hear("Launch", [Said("12 09:30", BEN, "We are back, it seems. What did I miss?")])
    for name, window in list(windows.items())[1:]:
        await window.comes_back()
        await expect(window.row("We are back, it seems. What did I miss?")).to_be_visible()
        await stage.take(f"room-reset{name}", window)


async def others(stage: Stage) -> None:
    for name, how in (("error", {}), ("error-korean", KOREAN)):
        window = await stage.window(**how)
        await window.page.goto(f"{stage.one.url}/nowhere/")
        await stage.take(name, window)
    await stage.hear("Launch", LAUNCH)
    for name, size in (("no-script", LAPTOP), ("no-script-phone", PHONE)):
        context: BrowserContext = await stage.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            device_scale_factor=2,
            java_script_enabled=False,
            locale="en-GB",
        )
        page = await context.new_page()
        await page.goto(f"{stage.one.url}/chat/Launch/")
        await save(page, stage.folder, name)
        await context.close()


async def members_only(stage: Stage) -> None:
    window = await stage.window()
    await window.page.goto(f"{stage.one.url}/chat/{quote('Launch')}/")
    await stage.take("room-name-first", window)


DEALS = Person("dealsdealsdealsdeals-Q", "Best deals")

PARTY = [
    Said("12 17:02", INES, "I can ask for the long tables again."),
    Said("12 17:03", DEALS, "CHEAP WATCHES!!! 80 % off, only today"),
    Said("12 17:03", BEN, "And I bring the lights. Who has a ladder?"),
    Said("12 17:04", DEALS, "WATCHES, WATCHES, WATCHES"),
    Said("12 17:05", BEN, "Mara, could you do something about that one?"),
]


async def owners(stage: Stage) -> None:
    stage.at("12 17:01")
    room = "Street party"
    window = await stage.room(room, MARA)
    page = window.page
    await window.say("Let’s plan it here: the street party is on the 21st.")
    settings, bar, told = page.locator("#owner"), page.locator("#removal"), page.locator("#told")
    await expect(settings).to_be_visible()
    await stage.hear(room, PARTY)
    for person in (BEN, INES, DEALS):
        await stage.enter(room, person)
    await expect(page.locator("#people-count")).to_have_text("4")
    await told.click()
    for text in (PARTY[1].text, PARTY[3].text):
        await window.row(text).hover()
        await bar.locator(".remove").click()
        if text == PARTY[1].text:
            await bar.locator(".sure").click()
            await expect(page.locator("[data-deleted]")).to_be_visible()
    await stage.take("room-remove", window)
    await bar.locator(".sure").click()
    await expect(page.locator("[data-deleted]")).to_have_count(2)
    await page.get_by_role("button", name="Best deals").and_(page.locator("#people-list .more")).click()
    await stage.take("room-owner-menu", window)
    await page.get_by_role("menuitem", name="Ban for 30 days").click()
    await expect(page.locator("#people-count")).to_have_text("3")
    await settings.locator("summary").click()
    for button in ("section:nth-of-type(1) button", "section:nth-of-type(2) .choices button:last-child"):
        await settings.locator(button).first.click()
    field = settings.locator(".linked input").first
    await expect(field).to_have_value(re.compile("#invite="))
    link = await field.input_value()
    owner = await page.evaluate("Object.entries(localStorage).find(([key]) => key.includes('owner'))")
    for name, how in (
        ("room-owner", {}),
        ("room-owner-dark", DARK),
        ("phone-owner-korean", {"size": PHONE, **KOREAN}),
    ):
        window = await stage.window(MARA, **how)
        await window.page.add_init_script(f"localStorage[{json.dumps(owner[0])}] = {json.dumps(owner[1])}")
        await window.enter(stage.one, room)
        if name.startswith("phone"):
            await window.page.locator("#people-toggle").tap()
        await window.page.locator("#owner summary").click()
        await expect(window.page.locator("#owner section:nth-of-type(2) li")).to_be_visible()
        await expect(window.page.locator("#people-list .more")).to_have_count(2)
        await window.page.locator("#owner").evaluate("each => { each.scrollTop = 0; }")
        await window.page.evaluate("document.activeElement.blur()")
        await stage.take(name, window)
    window = await stage.window(JIWOO, **KOREAN)
    await window.page.goto(f"{stage.one.url}/chat/{quote(room)}/")
    await stage.take("room-closed-korean", window)
    window = await stage.window()
    await window.page.goto(link)
    await window.page.locator("#name").fill("Layla")
    await stage.take("room-closed", window)
    window = await stage.window()
    await window.page.goto(f"{stage.one.url}/chat/")
    await window.page.locator("#name-input").fill("Mara")
    await window.page.locator("#room-name-input").fill("Surprise for Ben")
    await window.page.locator("#private").check()
    await window.page.locator("#room-name-submit").click()
    await expect(window.page.locator("#made")).to_be_visible()
    await stage.take("lobby-private", window)


SCENES: dict[str, tuple[Any, dict[str, str]]] = {
    "lobbies": (lobbies, {}),
    "rooms": (rooms, {}),
    "away": (away, {}),
    "failures": (failures, {}),
    "others": (others, {}),
    "owners": (owners, {}),
    "members": (members_only, {"QUARTCHAT_GUESTS": "deny"}),
}


async def main(folder: Path, names: list[str]) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None or FAKETIME is None:
        sys.exit("Pictures need chromium and faketime: .ci/system-packages")
    expect.set_options(timeout=15_000)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as fonts:
        fonts.write(FONTS)
        fonts.flush()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium,
                args=[*FLAGS, "--font-render-hinting=none", "--hide-scrollbars"],
                env={"FONTCONFIG_FILE": fonts.name, "LANG": "C.UTF-8"},
            )
            for name in names or SCENES:
                scene, env = SCENES[name]
                async with Stage(browser, folder, **env) as stage:
                    await scene(stage)
                print(name, flush=True)
            await browser.close()


if __name__ == "__main__":
    chosen = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else FOLDER
    chosen.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(chosen, sys.argv[2:]))
