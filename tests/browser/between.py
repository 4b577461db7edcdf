"""A page's WebSocket with somebody in between, who lets through what is not refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.async_api import WebSocketRoute

from tests.browser.chat_page import ChatPage


def everything(text: str) -> bool:
    return True


def nothing(text: str) -> bool:
    return False


class Between:
    """Stands between a page and its server: refuses messages, and says what the server might."""

    def __init__(self, refuses: Callable[[str], bool]) -> None:
        self.refuses = refuses
        self._sockets: list[WebSocketRoute] = []

    async def begin(self, window: ChatPage) -> None:
        """Before the window enters a room."""
        await window.page.route_web_socket("**/ws/chat/**", self._between)

    def tells(self, **frame: Any) -> None:
        """A frame to the page, on its newest connection."""
        self._sockets[-1].send(json.dumps(frame))

    def _between(self, socket: WebSocketRoute) -> None:
        self._sockets.append(socket)
        server = socket.connect_to_server()

        def on_message(text: Any) -> None:
            frame = json.loads(text)
            if frame["type"] == "send" and self.refuses(frame["message"]):
                nack = {"type": "nack", "id": frame["id"], "code": "forbidden", "detail": "no"}
                socket.send(json.dumps(nack))
            else:
                server.send(text)

        socket.on_message(on_message)
