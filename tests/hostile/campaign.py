"""Says everything to one instance, and judges each answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from . import frames, requests, texts
from .inputs import Input, Kind, seeded, shares
from .link import Breach, Link

KINDS = [*frames.KINDS, *texts.KINDS, *requests.KINDS]

ATTACKERS = 12
"""At work side by side."""

SHORT = 0.2
"""Seconds for the answer to a request that may not be whole."""

MANY = 500
"""Parts of messages, and pings, that one session may send within some seconds; of more the instance reads fifty
a second (docs/design/limits.md)."""

HELD = 2.0
"""Seconds after which we leave then. What comes of all of them is seen where there are not too many."""

TEXTS = 25
"""Said on one socket before the next one: below the burst that one session may send."""

_LAST = frames.frame(b'{"type":"send","id":"last","message":""}')
"""After each text: refused at once, whatever happens to what stands before it."""

_MORE = b"\x81\x8f\x00\x00\x00\x00" + b'{"type":"ping"}'
"""A good frame after each input: what comes of it tells whether the connection lives."""


class Finding(NamedTuple):
    """An input whose outcome is not allowed."""

    kind: str
    number: int
    outcome: str
    made: Input

    def __str__(self) -> str:
        data = self.made.data
        return (
            f"{self.kind}:{self.number}: {self.outcome}, allowed {sorted(self.made.allowed)}; "
            f"{len(data)} bytes: {data[:160]!r}"
        )


class Campaign:
    """Inputs of some classes against the instance on a port. `outcomes` and `findings` tell what came of it."""

    def __init__(self, port: int, seed: int, kinds: list[Kind], inputs: int) -> None:
        self.port = port
        self.seed = seed
        self.outcomes: dict[str, Counter[str]] = {kind.name: Counter() for kind in kinds}
        self.findings: list[Finding] = []
        self._enough: Callable[[], bool] = lambda: False
        self._todo: list[tuple[Kind, range]] = []
        for kind, share in shares(kinds, inputs):
            step = TEXTS if kind.make in _ON_ONE_SOCKET else 8
            self._todo += [(kind, range(at, min(at + step, share))) for at in range(0, share, step)]
        # Mixed, but the same way for the same seed.
        seeded(seed, "order", 0).shuffle(self._todo)

    @property
    def done(self) -> int:
        return sum(sum(counted.values()) for counted in self.outcomes.values())

    async def run(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Until everything was said, or `enough` says so; what was begun then is finished."""
        self._enough = enough

        async def attack() -> None:
            while self._todo and not enough():
                kind, numbers = self._todo.pop()
                await self._say_all(kind, numbers)

        async with asyncio.TaskGroup() as group:
            for _ in range(ATTACKERS):
                group.create_task(attack())

    async def one(self, kind: Kind, number: int) -> None:
        """One input again, as a finding names it."""
        await self._say_all(kind, range(number, number + 1))

    async def _say_all(self, kind: Kind, numbers: range) -> None:
        made = [(number, kind.make(seeded(self.seed, kind.name, number))) for number in numbers]
        together = [(number, each) for number, each in made if each.way == "text"]
        if together:
            await self._texts(kind, together)
        for number, each in made:
            if self._enough():
                return  # the instance reads noise slowly: an input can take ten seconds
            if each.way != "text":
                self._judge(kind, number, each, await self._outcome(each))

    def _judge(self, kind: Kind, number: int, made: Input, outcome: str) -> None:
        self.outcomes[kind.name][outcome] += 1
        if outcome not in made.allowed and outcome != "held":
            self.findings.append(Finding(kind.name, number, outcome, made))

    async def _outcome(self, made: Input) -> str:
        link = Link(self.port)
        try:
            await link.open()
            if made.way == "request":
                return await _asked(link, made)
            if made.way == "plain":
                await link.shake("plain", plain=True)
                return await _plain(link, made)
            await link.shake(f"frames-{hash(made.data) % 50}", query="?history=0")
            try:
                async with asyncio.timeout(HELD if made.parts > MANY else None):
                    return await _framed(link, made)
            except TimeoutError:
                return "held" if made.parts > MANY else "no answer"
        except Breach as breach:
            return f"breach: {breach}"
        except TimeoutError:
            return "no answer"
        finally:
            link.cut()

    async def _texts(self, kind: Kind, made: list[tuple[int, Input]]) -> None:
        """Each one is answered before the next is said, so it is known which answer is whose."""
        link = Link(self.port)
        try:
            await link.open()
            await link.shake(f"texts-{made[0][0] // TEXTS % 50}", query="?history=0")
            for number, each in made:
                try:
                    outcome = await _answered(link, each)
                except Breach as breach:
                    outcome = f"breach: {breach}"
                except TimeoutError:
                    outcome = "no answer"
                self._judge(kind, number, each, outcome)
                if outcome.isdigit() or outcome in ("ended", "no answer"):
                    link.cut()
                    await link.open()
                    await link.shake("texts", query="?history=0")
        finally:
            link.cut()


_ON_ONE_SOCKET = {kind.make for kind in texts.KINDS}


async def _say(link: Link, made: Input) -> bool:
    edges = [0, *made.pieces, len(made.data)]
    for start, stop in pairwise(edges):
        if not await link.send(made.data[start:stop]):
            return False
        if made.pieces:
            await asyncio.sleep(0)
    return True


async def _framed(link: Link, made: Input) -> str:
    await _say(link, made)
    if made.allowed == {"left"}:
        return "left"
    await link.send(_MORE)
    if made.open_ended:
        link.finish()  # the end of our half ends the rest
    pong = False
    while (found := await link.frame()) is not None:
        opcode, said = found
        if opcode == 8:
            return str(said)
        if opcode == 1 and said.get("type") == "pong":
            pong = True
            if not made.open_ended:
                return "lives"
    return "lives" if pong else "left" if made.open_ended else "ended"


async def _plain(link: Link, made: Input) -> str:
    await link.send(frames.frame(made.data))
    await link.send(frames.frame(b"\x00\x00", 9))
    while (found := await link.frame()) is not None:
        opcode, said = found
        if opcode == 8:
            return str(said)
        if opcode == 10:
            return "lives"
    return "ended"


async def _answered(link: Link, made: Input) -> str:
    await link.send(frames.frame(made.data) + _LAST)
    outcome = "quiet"
    while (found := await link.frame()) is not None:
        opcode, said = found
        if opcode == 8:
            return str(said)
        kind = said.get("type") if opcode == 1 else None
        if kind == "nack" and said["id"] == "last":
            # Everything but a `send` that was taken is answered at once; its ack comes from the broker.
            if outcome != "quiet" or b"send" not in made.data:
                return outcome
            outcome = "taken"
        elif kind in ("error", "pong") or (
            kind in ("ack", "nack", "unknown") and said["id"].encode() in made.data
        ):
            if outcome == "taken":
                return str(kind)
            outcome = str(kind)
    return "ended"


async def _asked(link: Link, made: Input) -> str:
    await _say(link, made)
    head = b""
    if made.open_ended and b"\r\n\r\n" in made.data:
        # It may be whole for the server: what it answers counts. Then the end of our half is the end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHORT):
                head = await link.head()
    if made.open_ended and not head:
        link.finish()
    head = head or await link.head()
    if head.startswith(b"HTTP/1.1 100 "):
        link.finish()
        head = await link.head()
    if not head:
        return "left" if made.open_ended else "ended"
    if head[9:12].isdigit() and head.startswith(b"HTTP/1."):
        return head[9:12].decode()
    return "h2" if made.data.startswith(b"PRI ") else f"breach: {head[:40]!r}"
