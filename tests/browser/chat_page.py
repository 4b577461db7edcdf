"""A room in a browser's window, as a person uses it."""

from __future__ import annotations

from urllib.parse import quote

from playwright.async_api import Locator, Page, expect

from tests.support.instance import Instance

PATIENCE = 20_000
"""Milliseconds; a return after a fault may wait some seconds by design."""

ALL_ROWS = """async log => {
  // Collects every row while scrolling from the oldest to the newest, as a reader would.
  const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done, 30)));
  const rows = () => [...log.querySelectorAll('.row[data-position]')];
  const order = [], seen = new Set();
  const top = () => rows()[0]?.dataset.position;
  for (let still = 0, last; still < 20; still = top() === last ? still + 1 : 0, last = top()) {
    log.scrollTop = -log.scrollHeight;
    await frame();
  }
  for (let still = 0; still < 20; ) {
    const before = order.length;
    for (const row of rows()) {
      if (seen.has(row.dataset.position)) continue;
      seen.add(row.dataset.position);
      order.push(row.querySelector('.text').textContent);
    }
    still = order.length === before ? still + 1 : 0;
    log.scrollTop += log.clientHeight;
    await frame();
  }
  return order;
}"""


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

    async def enter(self, instance: Instance, room: str = "lobby", *, live: bool = True) -> None:
        """Open a room's page, and wait until it is connected."""
        await self.page.goto(f"{instance.url}/chat/{quote(room, safe='')}/")
        if live:
            await self.is_live()

    async def is_live(self) -> None:
        """Connected: the number of people is known, and no banner says otherwise."""
        count = self.page.locator("#people-count")
        await expect(count).not_to_have_text("–", timeout=PATIENCE)
        await expect(self.banner).to_be_hidden(timeout=PATIENCE)

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
        """Type and press Enter."""
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
        texts: list[str] = await self.log.evaluate(ALL_ROWS)
        return texts
