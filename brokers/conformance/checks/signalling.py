"""Signals and probes: what is never stored."""

from __future__ import annotations

import asyncio

from ...base import CALL_DEADLINE, Durability
from ..site import Site
from .common import Checks


class SignalChecks(Checks):
    """Whoever follows a room hears its signals; nobody else does."""

    async def test_a_signal_reaches_the_own_listener(self, site: Site) -> None:
        """Also in a process that never appended anything."""
        one, room, other = await site.open(), site.room(), site.room("other")
        await one.follow(room, other)
        one.broker.signal(room, b"typing")
        await one.hears_signal(room)
        one.broker.signal(other, b"end")
        await one.hears_signal(other)
        assert (one[room].signals, one[other].signals) == ([b"typing"], [b"end"])

    async def test_signals_are_bytes(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        sent = [b"\x00", bytes(range(256)), b"E", b"S", b"x" * 8192, b"{}"]
        for data in sent:
            one.broker.signal(room, data)
        await one.hears_signal(room, len(sent))
        assert sorted(one[room].signals) == sorted(sent)

    async def test_signals_are_not_stored(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        one.broker.signal(room, b"typing")
        await one.hears_signal(room)
        await one.append(room, "k1")
        await one.hears(room, ["k1"])
        assert len((await one.read_all(room)).entries) == 1

    async def test_signals_of_rooms_that_nobody_follows(self, site: Site) -> None:
        one, silent, loud = await site.open(), site.room("silent"), site.room("loud")
        await one.follow(loud, silent)
        one.unfollow(silent)
        for room in (silent, site.room("never"), loud):
            one.broker.signal(room, b"s")
        await one.hears_signal(loud)
        assert one[silent].signals == []

    async def test_probe_measures_a_round_trip(self, site: Site) -> None:
        one = await site.open()
        seconds = await one.broker.probe()
        assert 0 <= seconds <= CALL_DEADLINE
        both = await asyncio.gather(*(one.broker.probe() for _ in range(20)))
        assert all(0 <= each <= CALL_DEADLINE for each in both)
        assert one.broker.connected

    async def test_a_probe_is_heard_by_nobody(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        calls = one[room].calls
        await asyncio.gather(*(one.broker.probe() for _ in range(3)))
        assert one[room].calls == calls

    async def test_durability_is_one_of_four(self, site: Site) -> None:
        one = await site.open()
        await one.append(site.room(), "k1")
        assert one.broker.durability in tuple(Durability)
