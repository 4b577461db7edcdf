"""An input method: what is composed, as the browser's own engine does it (by DevTools)."""

from __future__ import annotations

from typing import Self

from playwright.async_api import CDPSession

from tests.browser.chat_page import ChatPage

RECORD = """input => {
  window.events = [];
  for (const kind of ['compositionstart', 'compositionend', 'keydown']) {
    input.addEventListener(kind, ({ key, isComposing, keyCode }) => {
      const pressed = `${key} ${isComposing ? 'composing' : 'plain'} ${keyCode}`;
      window.events.push(kind === 'keydown' ? pressed : kind);
    });
  }
}"""


class InputMethod:
    """What sits between the keys and the page's message field."""

    def __init__(self, window: ChatPage, devtools: CDPSession) -> None:
        self._window = window
        self._devtools = devtools

    @classmethod
    async def of(cls, window: ChatPage) -> Self:
        await window.input.focus()
        await window.input.evaluate(RECORD)
        return cls(window, await window.page.context.new_cdp_session(window.page))

    async def compose(self, *parts: str) -> None:
        """Show each in turn as the text under composition."""
        for part in parts:
            place = {"text": part, "selectionStart": len(part), "selectionEnd": len(part)}
            await self._devtools.send("Input.imeSetComposition", place)

    async def commit(self, text: str) -> None:
        await self._devtools.send("Input.insertText", {"text": text})

    async def enter(self, code: int, text: str | None = None) -> None:
        """The key as the system hands it on: 229 where the input method has taken it, else 13.

        `text` is committed while the key is down.
        """
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": code}
        await self._devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
        if text is not None:
            await self.commit(text)
        await self._devtools.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})

    async def events(self) -> list[str]:
        found: list[str] = await self._window.page.evaluate("events")
        return found
