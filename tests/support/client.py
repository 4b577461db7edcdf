"""A chat client over a real WebSocket."""

# ruff: noqa: ASYNC109 - the time limit is what these functions are for

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlencode

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from .instance import Instance, request

PATIENCE = 15.0
"""Seconds that an expected frame may take."""

Frame = dict[str, Any]


class Session(NamedTuple):
    """A browser's identity."""

    cookie: str
    """The Cookie header."""
    user_id: str


async def new_session(where: Instance | str, name: str) -> Session:
    """What a browser has after somebody typed a name."""
    http_url, _ = _urls(where)
    answer = await request(
        f"{http_url}/session",
        "POST",
        urlencode({"name": name}).encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status == 303, f"POST /session: {answer.status} {answer.text[:300]}"
    cookies = [text.partition(";")[0] for text in answer.headers.get_all("Set-Cookie") or []]
    cookie = "; ".join(cookies)
    # The page does not show the id, the socket does; a room of its own, so nobody else notices.
    async with ChatClient(where, f"of-{secrets.token_hex(6)}", cookie=cookie) as client:
        return Session(cookie, client.welcome["you"]["id"])


class ChatClient:
    """One connection. Every frame is kept in `frames`; `expect` and `next` take each frame once.

        async with ChatClient(instance, "room") as client:
            sent = await client.send("hello")
            ack = await client.expect("ack", id=sent)

    `subprotocol=None` speaks the plain dialect. The server's pings are answered unless `pong`
    is false.
    """

    def __init__(
        self,
        where: Instance | str,
        room: str,
        cookie: str | None = None,
        since: str | None = None,
        history: int | None = None,
        as_: str | None = None,
        subprotocol: str | None = "quartchat.v1",
        *,
        origin: str | None = None,
        pong: bool = True,
        timeout: float = PATIENCE,
    ) -> None:
        _, ws_url = _urls(where)
        asked = {"since": since, "history": history, "as": as_}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        self.room = room
        self.url = f"{ws_url}/ws/chat/{quote(room, safe='')}/" + (f"?{query}" if query else "")
        self.timeout = timeout
        self.frames: list[Frame] = []
        self.welcome: Frame = {}
        self.cookie = cookie
        self.subprotocol = subprotocol
        self._headers = {"Cookie": cookie} if cookie else {}
        if origin is not None:
            self._headers["Origin"] = origin
        self._pong = pong
        self._taken: set[int] = set()
        self._changed = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None

    @property
    def socket(self) -> ClientConnection:
        """The connection below, for tests that misbehave."""
        assert self._socket is not None, "not connected"
        return self._socket

    @property
    def messages(self) -> list[Frame]:
        """All chat messages so far, in the order in which they came."""
        kind = "message"
        if self.subprotocol is None:
            return list(self.frames)
        return [frame for frame in self.frames if frame.get("type") == kind]

    @property
    def texts(self) -> list[str]:
        return [str(frame["message"]) for frame in self.messages]

    @property
    def position(self) -> str:
        """What to come back with: the last message's position, else the welcome's."""
        return str(([self.welcome, *self.messages])[-1]["position"])

    @property
    def closed(self) -> bool:
        return self._reader is None or self._reader.done()

    @property
    def close_code(self) -> int | None:
        return None if self._socket is None else self._socket.close_code

    async def open(self) -> Self:
        """Connect; in v1 wait for the welcome. A refusal raises `websockets.InvalidStatus`."""
        offered = [Subprotocol(self.subprotocol)] if self.subprotocol else None
        self._socket = await connect(
            self.url,
            subprotocols=offered,
            additional_headers=self._headers,
            compression=None,
            open_timeout=self.timeout,
            ping_interval=None,
            max_size=None,
            proxy=None,
        )
        self._reader = asyncio.create_task(self._read())
        if self.subprotocol is not None:
            self.welcome = await self.expect("welcome")
        return self

    async def close(self) -> None:
        """Leave in an orderly way."""
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader

    def drop(self) -> None:
        """Vanish: reset the connection, without a close frame."""
        self.socket.transport.abort()

    async def send(self, text: str, id: str | None = None) -> str:
        """Send one message; answers its id (the plain dialect has none)."""
        if self.subprotocol is None:
            await self.send_frame({"message": text})
            return ""
        sent = id or secrets.token_urlsafe(12)
        await self.send_frame({"type": "send", "id": sent, "message": text})
        return sent

    async def say(self, text: str, id: str | None = None) -> Frame:
        """Send one message and wait until it is acked; answers the ack."""
        return await self.expect("ack", id=await self.send(text, id))

    async def send_frame(self, frame: Frame | str | bytes) -> None:
        """Send anything."""
        await self.socket.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def next(self, timeout: float | None = None) -> Frame:
        """The oldest frame that was not taken yet."""
        return await self._take(lambda _: True, timeout, "any frame")

    async def expect(self, type: str, timeout: float | None = None, **fields: Any) -> Frame:
        """Take the oldest frame of a type (with these fields); others stay where they are."""

        def fits(frame: Frame) -> bool:
            if self.subprotocol is not None and frame.get("type") != type:
                return False
            return all(name in frame and frame[name] == value for name, value in fields.items())

        return await self._take(fits, timeout, f"{type} {fields or ''}")

    async def wait_texts(self, texts: list[str], timeout: float | None = None) -> None:
        """Until exactly these messages have come."""
        await self.wait(lambda: len(self.texts) >= len(texts), timeout, f"{len(texts)} messages")
        assert self.texts == texts

    async def wait_close(self, timeout: float | None = None) -> int | None:
        """Until the connection is closed; the code."""
        assert self._reader is not None
        async with asyncio.timeout(timeout or self.timeout):
            await asyncio.shield(self._reader)
        return self.close_code

    async def wait(self, predicate: Any, timeout: float | None = None, what: str = "") -> None:
        """Until `predicate()` is true; looked at after every frame."""
        async with self._changed:
            try:
                async with asyncio.timeout(timeout or self.timeout):
                    while not predicate():
                        if self.closed:
                            break
                        await self._changed.wait()
            except TimeoutError:
                pass
        if not predicate():
            end = f"closed with {self.close_code}" if self.closed else "open"
            raise AssertionError(
                f"not within {timeout or self.timeout} s: {what}; the connection is {end}; "
                f"the last frames: {self.frames[-12:]}"
            )

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        # A frozen or killed instance never answers the close frame.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await self.socket.close()
        if self._socket is not None:
            self._socket.transport.abort()
        if self._reader is not None:
            await self._reader

    async def _take(self, fits: Any, timeout: float | None, what: str) -> Frame:
        found: list[int] = []

        def look() -> bool:
            for index, frame in enumerate(self.frames):
                if index not in self._taken and fits(frame):
                    found.append(index)
                    return True
            return False

        await self.wait(look, timeout, what)
        self._taken.add(found[-1])
        return self.frames[found[-1]]

    async def _read(self) -> None:
        try:
            async for text in self.socket:
                assert isinstance(text, str), f"a binary frame: {text!r}"
                frame = json.loads(text)
                assert isinstance(frame, dict), f"not an object: {text}"
                self.frames.append(frame)
                if self._pong and self.subprotocol and frame.get("type") == "ping":
                    await self.send_frame({"type": "pong"})
                async with self._changed:
                    self._changed.notify_all()
        except (websockets.ConnectionClosed, OSError):
            pass
        finally:
            async with self._changed:
                self._changed.notify_all()


def _urls(where: Instance | str) -> tuple[str, str]:
    if isinstance(where, Instance):
        return where.url, where.ws_url
    host = where.partition("://")[2].rstrip("/")
    secure = where.startswith(("https", "wss"))
    return f"http{'s' if secure else ''}://{host}", f"ws{'s' if secure else ''}://{host}"
