"""A hundred attackers at a time, and what they cost the instance in memory."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.e2e.lean import resident

from . import frames
from .link import Link

ATTACKERS = 100
ALLOWED = 5_000_000
"""Bytes that so many may cost beside what so many people cost who are merely there."""

STRICT = ("messages that never end", "messages that wait for their end", "deflate bombs")

SECONDS = 3.0
"""That an attack lasts, each time."""

Attack = Callable[[Link, random.Random], Awaitable[None]]


class Cost(NamedTuple):
    """What one attack did to the instance's memory, in bytes."""

    name: str
    before: int
    """With as many good members connected, after the same attack had been tried once."""
    most: int
    """The most that was seen during the attack."""
    after: int

    @property
    def growth(self) -> int:
        return self.most - self.before

    @property
    def allowed(self) -> int:
        """Where one frame is as short as can be, or answers are not read, the buffers of the way out count too."""
        return ALLOWED if self.name in STRICT else 2 * ALLOWED


async def _endless(link: Link, rng: random.Random) -> None:
    """A message that never ends, as fast as it is taken."""
    part = frames.frame("🎉".encode() * 4000, 0, fin=False)
    await link.send(frames.frame(b"x", fin=False))
    while await link.send(part):
        await asyncio.sleep(0)


async def _waiting(link: Link, rng: random.Random) -> None:
    """All of a message but its end, and then silence."""
    unit = rng.choice(("x", "한", "🎉")).encode()
    text = unit * (frames.LIMIT // len(unit) - 8)
    at = len(unit) * 100
    await link.send(frames.frame(text[:at], fin=False) + frames.frame(text[at:], 0, fin=False))
    await asyncio.sleep(SECONDS)


async def _one_byte(link: Link, rng: random.Random) -> None:
    """The same in frames of one character."""
    part = frames.frame("한".encode(), 0, fin=False) * 4000
    await link.send(frames.frame(b"x", fin=False))
    while await link.send(part):
        await asyncio.sleep(0)


async def _bomb(link: Link, rng: random.Random) -> None:
    await link.send(frames.bombs(rng).data)
    await asyncio.sleep(SECONDS / 10)


async def _deaf(link: Link, rng: random.Random) -> None:
    """Pings that are answered, and answers that are never read."""
    pings = frames.frame(b"p" * 125, 9) * 500
    while await link.send(pings):
        await asyncio.sleep(0)


async def _asking(link: Link, rng: random.Random) -> None:
    """Frames that are refused one by one, and refusals that are never read."""
    asked = frames.frame(b'{"type":"send","id":"x"}') * 2000
    while await link.send(asked):
        await asyncio.sleep(0)


async def _quiet(link: Link, rng: random.Random) -> None:
    """A good member, who says nothing."""
    await asyncio.sleep(SECONDS)


ATTACKS: dict[str, Attack] = {
    "messages that never end": _endless,
    "messages that wait for their end": _waiting,
    "the same in one-character fragments": _one_byte,
    "deflate bombs": _bomb,
    "pings whose answers are not read": _deaf,
    "refusals that are not read": _asking,
}


async def measure(port: int, pid: int, seed: int) -> list[Cost]:
    """Try each attack twice, and look at memory the second time."""
    found = []
    for name, attack in ATTACKS.items():
        await _storm(port, attack, seed, lambda: None)  # what the allocator keeps from it, it keeps once
        calm: list[int] = []
        await _storm(port, _quiet, seed, lambda: calm.append(resident(pid)))
        seen: list[int] = []
        await _storm(port, attack, seed + 1, lambda: seen.append(resident(pid)))
        gc.collect()
        found.append(Cost(name, max(calm), max(seen), resident(pid)))
    return found


async def _storm(port: int, attack: Attack, seed: int, look: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + SECONDS

    async def attacker(number: int) -> None:
        rng = random.Random(f"{seed}/{number}")
        while loop.time() < end:
            link = Link(port)
            try:
                await link.open()
                await link.shake(f"crowd-{number % 10}", query="?history=0")
                async with asyncio.timeout_at(end):
                    await attack(link, rng)
            except TimeoutError:
                pass
            finally:
                link.cut()

    attacking = [asyncio.create_task(attacker(number)) for number in range(ATTACKERS)]
    while loop.time() < end:
        await asyncio.sleep(0.02)
        look()
    await asyncio.gather(*attacking)
