"""What stands between a person and the chat: a browser's cookies, a kept connection, a shared cache."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Mapping
from typing import NamedTuple, Self

from tests.e2e.places import FORM
from tests.support.instance import Answer, Instance


class Jar:
    """The cookies of one browser for one host. As in browsers, all ports of it share them."""

    def __init__(self, cookie: str = "") -> None:
        self.cookies: dict[str, str] = {}
        for item in filter(None, cookie.split("; ")):
            name, _, value = item.partition("=")
            self.cookies[name] = value

    def take(self, set_cookies: list[str]) -> None:
        """What an answer says, at the moment at which it arrives."""
        for text in set_cookies:
            pair, *attributes = (part.strip() for part in text.split(";"))
            name, _, value = pair.partition("=")
            if "max-age=0" in (attribute.lower() for attribute in attributes):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    @property
    def header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.header} if self.cookies else {}


class Reply(NamedTuple):
    """An answer on a kept connection."""

    status: int
    set_cookies: list[str]
    text: str


class Line:
    """A kept HTTP/1.1 connection, which one request after another uses, whoever's it is."""

    def __init__(self, where: Instance) -> None:
        self.port = where.port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def begin(
        self, path: str, headers: Mapping[str, str], body: bytes | None = None, method: str | None = None
    ) -> None:
        """Send a request, and read nothing."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1", "Host: 127.0.0.1"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    async def ask(
        self, path: str, headers: Mapping[str, str], body: bytes | None = None, method: str | None = None
    ) -> Reply:
        await self.begin(path, headers, body, method)
        return await self.answer()

    async def answer(self) -> Reply:
        assert self._reader is not None
        async with asyncio.timeout(30):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = [line.partition(": ")[::2] for line in head[1:] if line]
            found = {name.lower(): text for name, text in fields}
            if "chunked" in found.get("transfer-encoding", ""):
                body = b""
                while size := int(await self._reader.readline(), 16):
                    body += (await self._reader.readexactly(size + 2))[:-2]
                await self._reader.readline()
            else:
                body = await self._reader.readexactly(int(found.get("content-length", "0")))
        cookies = [text for name, text in fields if name.lower() == "set-cookie"]
        return Reply(int(head[0].split()[1]), cookies, body.decode())

    def drop(self) -> None:
        """Vanish, whatever is under way."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop()


class SharedCache:
    """A proxy that keeps whatever is not forbidden (RFC 9111), for everybody behind it."""

    def __init__(self, where: Instance) -> None:
        self.where = where
        self.hits = 0
        self._kept: dict[str, list[tuple[dict[str, str | None], Answer]]] = {}

    async def get(self, path: str, headers: Mapping[str, str]) -> Answer:
        for asked, kept in self._kept.get(path, []):
            if all(headers.get(name) == text for name, text in asked.items()):
                self.hits += 1
                return kept
        answer = await self.where.get(path, headers)
        control = answer.headers.get("Cache-Control", "").lower()
        vary = [name.strip().title() for name in answer.headers.get("Vary", "").split(",") if name.strip()]
        if "*" not in vary and not re.search(r"no-store|private|no-cache|max-age=0\b", control):
            self._kept.setdefault(path, []).append(({name: headers.get(name) for name in vary}, answer))
        return answer


class Shown(NamedTuple):
    """Whom a page takes its reader for; None: nobody."""

    user_id: str | None
    name: str | None


def shown(page: str) -> Shown:
    """Read from a room's page."""
    user_id = re.search(r'data-me-id="([^"]*)"', page)
    name = re.search(r'data-me-name="([^"]*)"', page)
    return Shown(user_id and html.unescape(user_id[1]), name and html.unescape(name[1]))


async def who(where: Instance, jar: Jar, room: str = "lobby") -> Shown:
    """Whom an instance takes this browser for."""
    return shown((await where.get(f"/chat/{room}/", jar.headers)).text)


async def log_in(where: Instance, jar: Jar, name: str) -> None:
    """Choose a name, as the lobby's form does."""
    answer = await where.post("/session", f"name={name}".encode(), {**FORM, **jar.headers})
    assert answer.status == 303
    jar.take(answer.headers.get_all("Set-Cookie") or [])
