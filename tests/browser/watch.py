"""Watches windows for what a page must never do: run a stranger's script, or reach another host."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Page, Request

MARK = "watch:"

# `boom` is what the scripts in hostile texts call.
SCRIPT = f"""
addEventListener('securitypolicyviolation', (event) => {{
  console.error('{MARK}', `violated ${{event.effectiveDirective}} ${{event.blockedURI}}`);
}});
globalThis.boom = () => console.error('{MARK}', 'a text ran');
"""


class Watch:
    """All windows of one context; `seen` must stay empty."""

    def __init__(self, context: BrowserContext) -> None:
        self.seen: list[str] = []
        self._context = context
        context.on("page", self._page)
        context.on("request", self._request)

    async def begin(self) -> None:
        await self._context.add_init_script(SCRIPT)

    def _page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.seen.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("console", self._console)

    async def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.text.startswith(MARK) or "Content Security Policy" in message.text:
            self.seen.append(message.text)

    def _request(self, request: Request) -> None:
        to = urlsplit(request.url)
        if (to.scheme, to.hostname) != ("http", "127.0.0.1"):
            self.seen.append(f"request: {request.url}")
