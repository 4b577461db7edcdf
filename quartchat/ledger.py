"""A log at the broker of facts that must outlive it.

A room's log forgets: after so many entries, or so long. What every instance has to know for longer stands
in a log of its own, and before it falls out of there, whoever notices says all of it again. So as long as
one instance runs, nothing is forgotten; and one that was cut off, or starts later, hears of everything.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from brokers import Broker, BrokerError, Entry, Reason, Tail

PAGE = 1000
"""Entries of one read."""


class Ledger:
    """Follows one log, and says its facts again in time.

    `hear` takes an entry and answers how many facts in it were new. `facts` gives everything that still
    counts, as the data of at most so many entries; what it gives is heard again by all, so a fact that is
    said twice must change nothing.
    """

    def __init__(
        self,
        broker: Broker,
        name: str,
        hear: Callable[[Entry], int],
        facts: Callable[[int], Iterable[bytes]],
    ) -> None:
        self.name = name
        self.known = False
        """The whole log was read once: what is not known is not there."""
        self._broker = broker
        self._hear = hear
        self._facts = facts
        self._new = 0
        """Facts since this instance said all of them."""
        self._said = 0.0
        """And when it did, in seconds since 1970."""
        self._missed = False
        """A link was made anew, and what is in the log may reach further back than what came with it."""
        self._lost = False
        """The broker has begun another log: nothing of what is known stands in it."""
        self._busy: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()

    def tail(self, tail: Tail, reason: Reason | None) -> None:
        """The end of the log, each time that a link to the broker was made."""
        self.take(tail.entries)
        self._missed = self._missed or not tail.complete
        self._lost = self._lost or reason is not None

    def take(self, entries: Sequence[Entry]) -> None:
        """What the log says."""
        self.grow(sum(map(self._hear, entries)))

    def grow(self, facts: int) -> None:
        """So many more facts are known, from the log or before they stand in it."""
        self._new += facts

    async def learn(self) -> None:
        """Return when everything is known. Raise `BrokerError` where the broker does not answer."""
        if not self.known:
            async with self._reading:
                if not self.known:
                    await self._broker.follow(self.name)
                    await self._read_all()
                    self.known = True

    async def follow(self) -> None:
        """Learn everything as soon as the broker is there."""
        while True:
            try:
                await self.learn()
            except BrokerError:
                await asyncio.sleep(1)
            else:
                return

    def beat(self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Called every few seconds: do what is due, in a task of the caller's. What fails is tried again."""
        if not self.known or (self._busy is not None and not self._busy.done()):
            return
        window = self._broker.window
        old = time.time() - self._said > window.seconds / 4
        if self._missed:
            self._busy = spawn(self._read_all())
        elif old or self._lost or self._new > window.entries // 4:
            self._busy = spawn(self._say_again())

    async def _read_all(self) -> None:
        page = await self._broker.read(self.name, limit=PAGE)
        self.take(page.entries)
        while len(page.entries) == PAGE:
            page = await self._broker.read(self.name, before=page.entries[0].position, limit=PAGE)
            self.take(page.entries)
        self._missed = False

    async def _say_again(self) -> None:
        now, window, new = time.time(), self._broker.window, self._new
        self._lost = False
        # Instances that know the same say it once: the second one's is in the log already.
        turn = int(now / max(1.0, window.seconds / 8))
        # However short the log is, all of this has to stand in it at once, beside the next facts.
        for data in self._facts(max(1, window.entries // 4)):
            key = f"again-{turn}-{hashlib.sha256(data).hexdigest()[:24]}"
            try:
                await self._broker.append(self.name, key, data)
            except BrokerError:
                self._lost = True
                return
        self._new, self._said = self._new - new, now
