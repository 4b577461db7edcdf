"""An event loop whose clock moves only when nothing else is left to do.

Ten seconds of patience cost nothing, nothing depends on how fast the machine is, and where every task waits
for something that cannot come the test fails at once.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

BUSY = 1_000_000
"""Turns of the loop without any waiting that are taken for a loop without end."""

TICK = 1e-6


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            self._turns += 1
            if self._turns > BUSY:
                self._turns = 0
                raise AssertionError("a task turns in a circle and never waits")
            return ready
        self._turns = 0
        if timeout is None:
            raise AssertionError("every task waits for something that never comes")
        self.now += timeout
        return []


class ClockLoop(asyncio.SelectorEventLoop):
    """No network, no threads: only tasks and timers."""

    def __init__(self, *_: Any) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


async def settled() -> None:
    """Return when everything that can happen without time going on has happened."""
    await asyncio.sleep(TICK)


async def later(seconds: float) -> None:
    """Let so many seconds go by; all that falls due in them happens."""
    await asyncio.sleep(seconds)
    await settled()
