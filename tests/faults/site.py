"""What a trial is played on: a broker's server, instances of the chat, and a proxy in every link."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlencode

from tests.support.instance import Instance, request
from tests.support.proxy import Proxy
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import Persistence, RedisServer

Kind = Literal["memory", "redis-none", "redis-snapshots", "redis-everysec", "redis-always", "rabbitmq"]
KINDS: tuple[Kind, ...] = get_args(Kind)

KEEPS: dict[Kind, int] = {"memory": 0, "redis-none": 1, "redis-snapshots": 1, "redis-always": 3}
"""The durability that a kind gives, as the contract's table has it; 2 for the others."""

WINDOW = 5000
"""Entries that a room keeps: more than is said in one trial."""

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
"""Moves the clock of one process; from Debian's package faketime."""


class Place:
    """One instance, the proxy in its link to the broker, and the one that its clients come by."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.link: Proxy | None = None
        """None with the memory broker, which has no link."""
        self.clock = folder / f"clock{number}"
        self.instance: Instance
        self.front: Proxy

    async def start(self, broker_url: str, options: str, seconds: float) -> None:
        env = {
            "QUARTCHAT_MESSAGE_RATE": "0",
            "QUARTCHAT_HISTORY": str(WINDOW),
            "QUARTCHAT_HISTORY_SECONDS": f"{seconds:g}",
        }
        if broker_url.startswith("memory"):
            url = broker_url
        else:
            self.link = Proxy.before(broker_url)
            await self.link.listen()
            url = self.link.through(broker_url) + options
        if FAKETIME is not None and self.number == 0:
            self.set_clock(0)
            env |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_CACHE_DURATION": "1",
                # Nobody moves a clock that only goes forward.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
        self.instance = Instance(url, env, loop="uvloop" if self.number else "asyncio")
        self.front = Proxy("127.0.0.1", self.instance.port)
        await self.front.listen()
        await self.instance.start(ready=True)

    @property
    def site(self) -> str:
        """Where clients connect to."""
        return f"ws://127.0.0.1:{self.front.port}"

    def set_clock(self, seconds: float) -> None:
        """Move the instance's clock by so much against the true time."""
        self.clock.write_text(f"{seconds:+g}s\n")

    async def clock_is_off(self) -> float:
        """By how many seconds."""
        answer = await self.instance.get("/healthz")
        return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()

    async def close(self) -> str:
        """End it; what it printed."""
        self.instance.kill()
        log = self.instance.log
        self.instance.remove()
        await self.front.close()
        if self.link is not None:
            await self.link.close()
        return log


class Site:
    """One broker and two instances, or three; one with the memory broker. Use it with `async with`."""

    def __init__(
        self, kind: Kind, folder: Path, places: int = 2, *, options: str = "", seconds: float = 86_400
    ) -> None:
        """`options`: for the broker's URL. `seconds`: how long messages are retained."""
        self.kind = kind
        self.folder = folder
        self._options = options
        self._seconds = seconds
        self.server: RedisServer | RabbitMQServer | None = None
        self.places = [Place(number, folder) for number in range(1 if kind == "memory" else places)]
        self.tracebacks: list[str] = []
        """Logs of instances in which there was one; known when the site is closed."""
        self._sessions: list[tuple[str, str, str]] = []

    @property
    def ways(self) -> list[str]:
        """Where clients may connect to."""
        return [place.site for place in self.places]

    async def __aenter__(self) -> Site:
        if self.kind == "rabbitmq":
            self.server = RabbitMQServer()
        elif self.kind != "memory":
            persistence: Persistence = self.kind.removeprefix("redis-")  # type: ignore[assignment]
            self.server = RedisServer(persistence)
        try:
            if self.server is not None:
                await asyncio.to_thread(self.server.start)
            url = self.server.url if self.server is not None else "memory://"
            await asyncio.gather(*(place.start(url, self._options, self._seconds) for place in self.places))
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        for place in self.places:
            if hasattr(place, "front"):
                log = await place.close()
                if "Traceback" in log:
                    self.tracebacks.append(log)
        if self.server is not None:
            await asyncio.to_thread(self.server.remove)

    async def people(self, count: int) -> list[tuple[str, str, str]]:
        """Cookie, user id and name of so many people, the same ones each time."""
        while len(self._sessions) < count:
            name = f"Person {len(self._sessions)}"
            answer = await request(
                self.places[0].instance.url + "/session",
                "POST",
                urlencode({"name": name}).encode(),
                {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            )
            cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
            self._sessions.append((cookie, json.loads(answer.body)["id"], name))
        return self._sessions[:count]

    def forget_people(self) -> None:
        """The next ones are new."""
        self._sessions.clear()
