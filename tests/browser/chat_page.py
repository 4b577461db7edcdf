"""A room in a browser's window, as a person uses it."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from playwright.async_api import Locator, Page, Route, expect

from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.waiting import until

PATIENCE = 20_000
"""Milliseconds; a return after a fault may wait some seconds by design."""

ALL_ROWS = """async (log, patience) => {
  // Collects every row while scrolling from the oldest to the newest, as a reader would: in the first frame
  // the page hears of it, in the second it draws.
  const drawn = (done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
  const frame = () => new Promise(drawn);
  const rows = () => [...log.querySelectorAll('.row[data-position]')];
  const order = [], seen = new Set();
  const top = () => rows()[0]?.dataset.position;
  // What is older may take its time: the page says where the beginning is.
  const beginning = document.getElementById('older');
  for (let last, since = performance.now(); beginning.hidden; await frame()) {
    if (top() !== last) [last, since] = [top(), performance.now()];
    if (performance.now() - since > patience) throw new Error(`nothing older than ${last} comes`);
    log.scrollTop = -log.scrollHeight;
  }
  const newest = document.getElementById('newest');
  for (let ended = false, still = 0; !ended && still < 200; ) {
    ended = newest.hidden;
    const before = order.length;
    for (const row of rows()) {
      if (seen.has(row.dataset.position)) continue;
      seen.add(row.dataset.position);
      order.push(row.querySelector('.text').textContent);
    }
    still = order.length === before ? still + 1 : 0;
    // Less than what the page has ready below: who passes that at once is taken to the newest.
    log.scrollTop += Math.min(log.clientHeight, 400);
    await frame();
  }
  return order;
}"""


RESIZED = """width => new Promise(done => {
  const frame = () => requestAnimationFrame(innerWidth === width ? () => requestAnimationFrame(done) : frame);
  frame();
})"""


async def resize(page: Page, width: int, height: int) -> None:
    """Give the window another size, and wait for the frame in which the page hears of it."""
    await page.set_viewport_size({"width": width, "height": height})
    await page.evaluate(RESIZED, width)


def numbered(count: int) -> list[str]:
    """So many texts, each with its number."""
    return [f"message {n}" for n in range(count)]


async def fill(instance: Instance, room: str, texts: list[str], cookie: str | None = None) -> None:
    """Somebody says all this, and leaves; a guest, where no session is given."""
    async with ChatClient(instance, room, cookie, history=0) as client:
        for text in texts:
            await client.send(text)
        await client.wait_texts(texts, 90)


class Spoilt:
    """What a page asks for under an address, and does not get the first times. `tries` counts all of them."""

    def __init__(self, times: int, answer: str | None = None) -> None:
        """`answer`: how a good answer begins that breaks off then; None for no answer at all."""
        self.tries = 0
        self._times = times
        self._answer = answer

    async def at(self, page: Page, address: str) -> None:
        await page.route(address, self._meet)

    async def _meet(self, route: Route) -> None:
        self.tries += 1
        if self.tries > self._times:
            await route.continue_()
        elif self._answer is None:
            await route.abort()
        else:
            await route.fulfill(body=self._answer)


class Late:
    """What a page asks for under an address, and gets when `come` is set."""

    def __init__(self) -> None:
        self.come = asyncio.Event()

    async def at(self, page: Page, address: str) -> None:
        await page.route(address, self._meet)

    async def _meet(self, route: Route) -> None:
        await self.come.wait()
        await route.continue_()


class ChatPage:
    """What stands on the page, and what one does there. `problems` must stay empty."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"{error}"))
        page.on("dialog", lambda dialog: self.problems.append(f"a dialog: {dialog.message}"))
        page.on(
            "console",
            lambda message: (
                self.problems.append(message.text) if "Content Security Policy" in message.text else None
            ),
        )

    async def log_in(self, cookie: str, url: str) -> None:
        """Put somebody's session into the browser's jar, as any answer of this host can."""
        name, _, value = cookie.partition("=")
        await self.page.context.add_cookies([{"name": name, "value": value, "url": url}])

    async def enter(self, where: Instance | str, room: str = "lobby", *, live: bool = True) -> None:
        """Open a room's page (at an instance, or at an address), and wait until it is connected."""
        url = where if isinstance(where, str) else where.url
        await self.page.goto(f"{url}/chat/{quote(room, safe='')}/")
        if live:
            await self.is_live()

    async def is_live(self) -> None:
        """Connected: the number of people is known, and no banner says otherwise."""
        count = self.page.locator("#people-count")
        await expect(count).not_to_have_text("–", timeout=PATIENCE)
        await expect(self.banner).to_be_hidden(timeout=PATIENCE)

    async def try_now(self) -> None:
        """Press *try now*, unless it is back by itself in this very moment."""
        await self.page.evaluate("document.querySelectorAll('#connection button').forEach((b) => b.click())")

    async def comes_back(self) -> None:
        """Try now, and until it is connected.

        A try that was under way, or met a server that is not ready yet, fails: and after some of them the
        page by itself waits for longer than we do.
        """

        async def live() -> bool:
            await self.try_now()
            await expect(self.page.locator("#people-count")).not_to_have_text("–", timeout=1000)
            return True

        await until(live, PATIENCE / 1000, "connected")
        await self.is_live()

    async def has_stopped(self) -> None:
        """The session is another one: the page says so, and nothing can be written, renamed or ended here."""
        await expect(self.banner).to_contain_text("This page has stopped", timeout=PATIENCE)
        await expect(
            self.page.locator("form :is(input:not([type=hidden]), textarea, button):enabled")
        ).to_have_count(0)

    @property
    def name(self) -> Locator:
        """Who one is, as the page shows it."""
        return self.page.locator("#self .name")

    @property
    def banner(self) -> Locator:
        return self.page.locator("#connection")

    @property
    def log(self) -> Locator:
        return self.page.locator("#chat-log")

    @property
    def input(self) -> Locator:
        return self.page.locator("#chat-message-input")

    @property
    def rows(self) -> Locator:
        return self.log.locator(".row")

    @property
    def divider(self) -> Locator:
        return self.log.get_by_text("Messages may be missing here")

    def row(self, text: str) -> Locator:
        """The rows with exactly this text."""
        return self.rows.filter(has=self.page.get_by_text(text, exact=True))

    async def say(self, text: str) -> None:
        """Type and press Enter, once the scripts run: before, it begins a new line."""
        await expect(self.page.locator("#chat-message-submit")).to_be_enabled(timeout=PATIENCE)
        await self.input.fill(text)
        await self.input.press("Enter")

    async def has_sent(self, text: str) -> None:
        """It stands there once, and as sent."""
        await expect(self.row(text)).to_have_attribute("data-state", "sent", timeout=PATIENCE)

    async def reads(self, *texts: str) -> None:
        """Exactly these messages, in this order."""
        await expect(self.log.locator(".row .text")).to_have_text(list(texts), timeout=PATIENCE)

    async def whole_conversation(self) -> list[str]:
        """Every message of the room, by scrolling to the oldest and down again."""
        # An answer can be there before what it answers stands in the log.
        await expect(self.log.locator(".row:not([data-position])")).to_have_count(0, timeout=PATIENCE)
        texts: list[str] = await self.log.evaluate(ALL_ROWS, PATIENCE)
        return texts
