"""One person in one room: a correct client of `quartchat.v1`, over all its reconnects."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from .conversation import pieces

ANSWER_SECONDS = 12.0
"""The server promises an answer within ten; after this the connection is given up."""

PATIENCE = 60.0
"""Seconds after which a message that nobody stores is given up, and the replay with it."""

BACKOFF_BASE, BACKOFF_CAP = 0.1, 5.0
STABLE_SECONDS = 5.0
"""A connection that held for so long earns a quick return."""

_LEAVING = 1012
_FINAL = {1003: "binary", 1008: "policy", 1009: "too big", 4401: "the session ended"}
"""Close codes after which coming back would not help."""


class ReplayError(Exception):
    """Why the replay cannot go on, in one line."""

    code = 1
    """What the command ends with."""


class Unreachable(ReplayError):
    """Nobody answers at any of the addresses, or nothing that is a chat."""

    code = 2


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    name: str
    look: str | None = None


class Frame(msgspec.Struct, frozen=True):
    """Any frame from the server, with the fields that matter here."""

    type: str
    id: str = ""
    position: str = ""
    prev: str | None = None
    message: str = ""
    user: User | None = None
    code: str = ""
    detail: str = ""
    reason: str = ""
    retry_after: float = 1.0
    resumed: bool | None = None
    you: User | None = None
    limits: dict[str, float] = {}
    window: dict[str, float] = {}


class Said(NamedTuple):
    """What became of one message."""

    user_id: str
    id: str
    text: str
    position: str | None
    """Where it stands; None where it was refused."""
    refused: str = ""
    """The code of the refusal."""


_decode = msgspec.json.Decoder(Frame).decode


class Client:
    """Connects to any of the sites, resumes where it stopped, and says one message after the other.

    One at a time, because only then does the answer to the first decide before the second is under way:
    order survives refusals, unknown ends and lost connections alike. Start it with `async with`.
    """

    def __init__(
        self,
        sites: Sequence[str],
        room: str,
        cookie: str = "",
        *,
        patience: float = PATIENCE,
        heard: Callable[[Frame], None] | None = None,
    ) -> None:
        self.sites = list(sites)
        self.room = room
        self.user_id = ""
        self.position: str | None = None
        self.resent = self.reconnects = self.resets = 0
        self.window = 0
        """How many messages the room keeps, as the server says."""
        self._cookie = cookie
        self._turn = 0
        """Which of the sites is next."""
        self._patience = patience
        self._heard = heard
        self._most = 0
        self._socket: ClientConnection | None = None
        """Only after its welcome, and not a moment longer than it lives."""
        self._awaited: tuple[str, asyncio.Future[Frame | None]] | None = None
        self._changed = asyncio.Event()
        self._sent_on = False
        """The last connection ended because its instance leaves."""
        self._failure: ReplayError | None = None
        self._saying = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Client:
        self._task = asyncio.create_task(self._live())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # Saying -----------------------------------------------------------------------------------------------

    async def connected(self) -> None:
        """Return when the server has said welcome. Raise `ReplayError` where it never will."""
        try:
            async with asyncio.timeout(self._patience):
                await self._ready()
        except TimeoutError:
            raise ReplayError(f"no connection within {self._patience:g} s") from None

    async def say(self, text: str) -> list[Said]:
        """Say something, in several messages where it is too long for one; what became of each.

        Raise `ReplayError` where nobody stores or refuses it in time.
        """
        async with self._saying:
            await self.connected()
            said: list[Said] = []
            for piece in pieces(text, self._most):
                try:
                    async with asyncio.timeout(self._patience):
                        said.append(await self._say(piece))
                except TimeoutError:
                    raise ReplayError(f"a message had no answer within {self._patience:g} s") from None
            return said

    async def _say(self, text: str) -> Said:
        message_id, again = secrets.token_urlsafe(12), False
        while True:
            socket = await self._ready()
            self.resent += again
            answer = await self._ask(socket, message_id, text)
            again = True
            if answer is None:
                continue
            if answer.type == "ack":
                return Said(self.user_id, message_id, text, answer.position)
            if answer.code == "rate_limited":
                # A refused id is spent: whatever comes of it must not be mistaken for this message.
                message_id, again = secrets.token_urlsafe(12), False
            elif answer.type != "unknown":
                return Said(self.user_id, message_id, text, None, answer.code or answer.type)
            await asyncio.sleep(answer.retry_after)

    async def _ask(self, socket: ClientConnection, message_id: str, text: str) -> Frame | None:
        """The answer to one frame; None where the connection ended first, or was given up."""
        answer: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()
        self._awaited = message_id, answer
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await socket.send(json.dumps({"type": "send", "id": message_id, "message": text}))
                return await answer
        except ConnectionClosed:
            self._lost(socket)  # at once: the reader may hear of it later than the next try
            return None
        except TimeoutError:
            self.cut()
            return None
        finally:
            self._awaited = None

    def cut(self) -> None:
        """Give the connection up, without a word; a new one follows."""
        if self._socket is not None:
            self._socket.transport.abort()
            self._lost(self._socket)

    async def _ready(self) -> ClientConnection:
        while self._socket is None:
            if self._failure is not None:
                raise self._failure
            await self._changed.wait()
        return self._socket

    # Connecting -------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        tries = 0
        try:
            while True:
                began = time.monotonic()
                wait = await self._connect()
                # Who is sent on by an instance that leaves did not fail.
                steady = self._sent_on or time.monotonic() - began > STABLE_SECONDS
                tries = 0 if steady else tries + 1
                # Full jitter: all who lost one instance must not come back in the same instant.
                ceiling = min(BACKOFF_CAP, BACKOFF_BASE * 2 ** min(tries, 10))
                await asyncio.sleep(wait + random.uniform(0, ceiling))  # noqa: S311
                self._turn += 1
                self.reconnects += 1
        except ReplayError as error:
            self._failure = error
            self._change()

    async def _connect(self) -> float:
        """One connection from beginning to end; seconds that the server wants us to wait."""
        self._sent_on = False
        try:
            async with connect(
                self._address(),
                subprotocols=[Subprotocol("quartchat.v1")],
                additional_headers={"Cookie": self._cookie} if self._cookie else {},
                compression=None,
                max_size=None,
                open_timeout=10,
                close_timeout=1,
                ping_timeout=10,
                proxy=None,
            ) as socket:
                try:
                    await self._read(socket)
                except ConnectionClosed:
                    pass  # what its code says is for `_ended`
                finally:
                    self._lost(socket)
            self._ended(socket)
        except InvalidStatus as error:
            return self._refused(error)
        except (msgspec.MsgspecError, KeyError) as error:
            raise ReplayError(f"the server does not speak quartchat.v1: {error}") from None
        except (OSError, TimeoutError, WebSocketException):
            pass  # not there now, or not a moment longer
        return 0.0

    def _ended(self, socket: ClientConnection) -> None:
        """What a close code means for the next try. Raise `ReplayError` where there is to be none."""
        self._sent_on = socket.close_code == _LEAVING
        if socket.close_code in _FINAL:
            why = socket.close_reason or _FINAL[socket.close_code]
            raise ReplayError(f"the server closed with {socket.close_code}: {why}")

    @staticmethod
    def _refused(error: InvalidStatus) -> float:
        status = error.response.status_code
        if status < 500:
            body = (error.response.body or b"").decode(errors="replace").strip()
            raise ReplayError(f"the server refuses the connection with {status}: {body[:200]}")
        wait = error.response.headers.get("Retry-After", "")
        return min(float(wait), BACKOFF_CAP) if wait.isdigit() else 0.0

    def _address(self) -> str:
        site = self.sites[self._turn % len(self.sites)]
        query: dict[str, str | int] = {"as": self.user_id} if self.user_id and self._cookie else {}
        query |= {"history": 0} if self.position is None else {"since": self.position}
        return f"ws{site.removeprefix('http')}/ws/chat/{quote(self.room, safe='')}/?{urlencode(query)}"

    def _lost(self, socket: ClientConnection) -> None:
        if self._socket is socket:
            self._socket = None
            self._answer(None)

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # Hearing ----------------------------------------------------------------------------------------------

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = _decode(text)
            if frame.type == "message":
                self.position = frame.position
            elif frame.type in ("ack", "nack", "unknown"):
                if self._awaited is not None and self._awaited[0] == frame.id:
                    self._answer(frame)
            elif frame.type == "ping":
                await socket.send('{"type":"pong"}')
            elif frame.type == "reset":
                self.resets += 1
                self.position = frame.position
            elif frame.type == "error":
                self._answer(frame)  # about what was sent last, which can only be our message
            elif frame.type == "welcome":
                self._welcome(socket, frame)
            if self._heard is not None:
                self._heard(frame)

    def _welcome(self, socket: ClientConnection, frame: Frame) -> None:
        if frame.you is None or (self._cookie and self.user_id not in ("", frame.you.id)):
            raise ReplayError("the server takes us for somebody else")
        self.user_id = frame.you.id
        self._most = int(frame.limits["message_bytes"])
        self.window = int(frame.window["entries"])
        if self.position is None:
            self.position = frame.position
        self._socket = socket
        self._change()

    def _answer(self, frame: Frame | None) -> None:
        if self._awaited is not None and not self._awaited[1].done():
            self._awaited[1].set_result(frame)


# Plain HTTP -----------------------------------------------------------------------------------------------


def begin_session(sites: Sequence[str], name: str) -> str:
    """A session's Cookie header from the first site that answers. Blocks. Raise `ReplayError`."""
    body = urlencode({"name": name})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    trouble: ReplayError = Unreachable("no address to ask")
    for site in sites:
        try:
            status, cookie, _ = ask(site, "POST", "/session", body, headers)
        except Unreachable as error:
            trouble = error
            continue
        if status == 303 and cookie:
            return cookie
        trouble = Unreachable(f"{site} does not give sessions as QuartChat does: POST /session is {status}")
        if status < 500:
            break
    raise trouble


def ask(
    site: str, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str, bytes]:
    """One request: status, cookie given, body. Blocks. Raise `Unreachable`."""
    parts = urlsplit(site)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    link = kind(parts.netloc, timeout=15)
    try:
        link.request(method, parts.path + path, body, headers or {})
        answer = link.getresponse()
        cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
        return answer.status, cookie, answer.read()
    except (OSError, HTTPException) as error:
        raise Unreachable(f"cannot reach {site}: {str(error) or type(error).__name__}") from None
    finally:
        link.close()
