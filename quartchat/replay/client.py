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

_FINAL = {1003: "binary", 1008: "policy", 1009: "too big", 4401: "the session ended"}
"""Close codes after which coming back would not help."""


class ReplayError(Exception):
    """Why the replay cannot go on, in one line."""


class Unreachable(ReplayError):
    """Nobody answers at any of the addresses."""


class User(msgspec.Struct, frozen=True):
    id: str
    name: str


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
        turn: int = 0,
        history: int = 0,
        patience: float = PATIENCE,
        heard: Callable[[Frame], None] | None = None,
    ) -> None:
        self.sites = list(sites)
        self.room = room
        self.user_id = ""
        self.position: str | None = None
        self.resent = self.reconnects = self.resets = 0
        self._cookie = cookie
        self._turn = turn
        """Which of the sites is next."""
        self._history = history
        self._patience = patience
        self._heard = heard
        self._most = 0
        self._socket: ClientConnection | None = None
        self._awaited: tuple[str, asyncio.Future[Frame | None]] | None = None
        self._welcomed = asyncio.Event()
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
        await self._within(self._ready(), "no connection")

    async def say(self, text: str) -> list[Said]:
        """Say something, in several messages where it is too long for one; what became of each."""
        async with self._saying:
            await self.connected()
            return [
                await self._within(self._say(piece), "a message was not answered")
                for piece in pieces(text, self._most)
            ]

    async def _within[T](self, work: Callable[[], T], what: str) -> T: ...

    async def _ready(self) -> ClientConnection:
        while True:
            await self._welcomed.wait()
            if self._failure is not None:
                raise self._failure
            if self._socket is not None:
                return self._socket
