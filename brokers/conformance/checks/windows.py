"""The window: how much of a log is retained, and what is said of the rest."""

from __future__ import annotations

import asyncio

from ...base import Window
from ...codec import now_ms
from ..site import PATIENCE, Site
from .common import Checks


class WindowChecks(Checks):
    """Logs end somewhere."""

    async def test_the_window_by_entries(self, site: Site) -> None:
        one, room = await site.open(Window(entries=10)), site.room()
        positions = await one.fill(room, 35)
        page = await one.read(room, limit=100)
        assert [entry.position for entry in page.entries] == positions[-10:]
        await one.follow(room)
        tail, _ = one[room].tails[0]
        assert [entry.position for entry in tail.entries] == positions[-10:]
        assert tail.complete

    async def test_resuming_before_the_window_says_trimmed(self, site: Site) -> None:
        one, room = await site.open(Window(entries=10)), site.room()
        positions = await one.fill(room, 35)
        for after in (positions[0], positions[10], positions[23]):
            page = await one.read(room, after=after, limit=100)
            assert [entry.position for entry in page.entries] == positions[-10:]
            assert (page.complete, page.reason) == (False, "trimmed")
            page = await one.read(room, before=after)
            assert (page.entries, page.complete) == ([], False)
        for number in range(25, 35):
            page = await one.read(room, after=positions[number], limit=100)
            assert [entry.position for entry in page.entries] == positions[number + 1 :]
            assert page.complete
        # Right before the oldest: its successor is there, so either answer is honest.
        page = await one.read(room, after=positions[24], limit=100)
        assert [entry.position for entry in page.entries] == positions[-10:]

    async def test_resuming_after_the_empty_log_of_a_trimmed_room(self, site: Site) -> None:
        one, room = await site.open(Window(entries=5)), site.room()
        await one.follow(room)
        empty = one[room].tails[0][0].top
        positions = await one.fill(room, 12)
        page = await one.read(room, after=empty, limit=100)
        assert [entry.position for entry in page.entries] == positions[-5:]
        assert (page.complete, page.reason) == (False, "trimmed")

    async def test_a_short_page_says_trimmed_too(self, site: Site) -> None:
        one, room = await site.open(Window(entries=10)), site.room()
        positions = await one.fill(room, 30)
        page = await one.read(room, after=positions[3], limit=4)
        assert [entry.position for entry in page.entries] == positions[20:24]
        assert (page.complete, page.reason) == (False, "trimmed")

    async def test_live_delivery_does_not_depend_on_the_window(self, site: Site) -> None:
        one, room = await site.open(Window(entries=5)), site.room()
        await one.follow(room)
        keys = [f"k{number}" for number in range(200)]
        await one.appends(room, keys)
        await one.hears(room, keys)
        assert not one[room].resets

    async def test_a_key_counts_inside_the_window(self, site: Site) -> None:
        one, room = await site.open(Window(entries=20)), site.room()
        positions = await one.fill(room, 50)
        for number in range(31, 51):
            again = await one.append(room, f"k{number}", f"k{number}".encode())
            assert (again.position, again.duplicate) == (positions[number - 1], True)

    async def test_the_window_by_seconds(self, site: Site) -> None:
        """What is older than the window is gone for every reader."""
        one, room = await site.open(Window(seconds=60)), site.room()
        old = now_ms() - 90_000
        for number in range(3):
            await one.append(room, f"old{number}", time=old + number)
        gone = await one.append(room, "old3", time=old + 3)
        kept = [(await one.append(room, f"new{number}")).position for number in range(3)]
        page = await one.read_all(room)
        assert [entry.position for entry in page.entries] == kept
        await one.follow(room)
        tail, _ = one[room].tails[0]
        assert [entry.position for entry in tail.entries] == kept
        assert tail.complete
        page = await one.read(room, after=gone.position)
        assert [entry.position for entry in page.entries] == kept

    async def test_a_room_that_grew_old_altogether(self, site: Site) -> None:
        one, room = await site.open(Window(seconds=1)), site.room()
        last = (await one.fill(room, 3))[-1]
        async with asyncio.timeout(PATIENCE):
            while (await one.read_all(room)).entries:  # noqa: ASYNC110 - only the clock ends it
                await asyncio.sleep(0.1)
        assert await one.read(room, after=last) == ([], True, None)
        await one.follow(room)
        tail, _ = one[room].tails[0]
        assert (tail.entries, tail.complete, tail.top) == ([], True, last)
        position = (await one.append(room, "k4")).position
        await one.hears(room, ["k4"])
        page = await one.read(room, after=last)
        assert [entry.position for entry in page.entries] == [position]
