"""Reading: history by pages, resuming, and honest answers where that cannot be (C4)."""

from __future__ import annotations

import pytest

from ...codec import place, position
from ..site import Site, Station
from .common import Checks

GARBAGE = [
    "",
    "garbage",
    ".",
    "..",
    "...",
    "a.b.c",
    "0.0.0",
    "null",
    "-1",
    "\x00",
    "a b",
    "п.о.з",
    "{}*#",
    "abcdefghijkl.1",
    "abcdefghijkl.1.00000000.x",
    "abcdefghijkl.+1.00000000",
    "abcdefghijkl.01.00000000",
    "abcdefghijkl.-1.00000000",
    "abcdefghijkl.ffffffffffffffffffffffff.00000000",
    "x" * 64,
    "x" * 5000,
]


class ReadChecks(Checks):
    """The retained log."""

    async def test_a_room_where_nothing_was_written(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        assert await one.read(room) == ([], True, None)

    async def test_the_newest_page(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 60)
        for limit in (1, 7, 59, 60, 61, 200):
            page = await one.read(room, limit=limit)
            assert [entry.position for entry in page.entries] == positions[-limit:]
            assert page.complete
        assert len((await one.read(room)).entries) == 50

    async def test_pages_forward_are_the_log(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 40)
        for limit in (1, 7, 39, 100):
            read, after = [positions[0]], positions[0]
            while True:
                page = await one.read(room, after=after, limit=limit)
                assert page.complete
                assert len(page.entries) <= limit
                if not page.entries:
                    break
                assert page.entries[0].prev == after
                read += [entry.position for entry in page.entries]
                after = read[-1]
            assert read == positions

    async def test_pages_backward_are_the_log(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 40)
        for limit in (1, 7, 39, 100):
            read = [positions[-1]]
            while True:
                page = await one.read(room, before=read[0], limit=limit)
                assert page.complete
                assert len(page.entries) <= limit
                if not page.entries:
                    break
                read = [entry.position for entry in page.entries] + read
            assert read == positions

    async def test_after_and_before_together_are_an_error(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        (p,) = await one.fill(room, 1)
        with pytest.raises(ValueError, match="both"):
            await one.broker.read(room, after=p, before=p)

    async def test_after_the_top_nothing_is_missing(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 3)
        assert await one.read(room, after=positions[-1]) == ([], True, None)

    async def test_resuming_after_any_position(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 12)
        for number, after in enumerate(positions):
            page = await one.read(room, after=after)
            assert [entry.position for entry in page.entries] == positions[number + 1 :]
            assert (page.complete, page.reason) == (True, None)

    async def test_resuming_after_the_empty_log(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        empty = one[room].tails[0][0].top
        assert await one.read(room, after=empty) == ([], True, None)
        positions = await one.fill(room, 3)
        page = await one.read(room, after=empty)
        assert [entry.position for entry in page.entries] == positions
        assert page.complete
        assert (await one.read(room, before=empty)).entries == []

    async def test_reads_give_what_was_delivered(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        await one.fill(room, 20)
        await one.hears(room, [f"k{number}" for number in range(1, 21)])
        assert (await one.read_all(room)).entries == one[room].log

    @pytest.mark.parametrize("token", GARBAGE, ids=lambda token: ascii(token)[:40])
    async def test_what_never_was_a_position_is_a_mismatch(self, site: Site, token: str) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 3)
        page = await one.read(room, after=token, limit=2)
        assert [entry.position for entry in page.entries] == positions[:2]
        assert not page.complete
        assert page.reason in ("mismatch", "epoch", "ahead")
        page = await one.read(room, before=token)
        assert (page.entries, page.complete) == ([], False)

    async def test_a_position_of_another_room_is_not_continued(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 3)
        for other in [site.room(f"other{number}") for number in range(6)]:
            for foreign in await one.fill(other, 3):
                page = await one.read(room, after=foreign)
                assert [entry.position for entry in page.entries] == positions
                assert not page.complete
                assert page.reason in ("epoch", "mismatch", "ahead", "trimmed")
                page = await one.read(room, before=foreign)
                assert (page.entries, page.complete) == ([], False)

    async def test_invented_positions(self, site: Site) -> None:
        """Where `brokers.codec` makes the positions: each part is checked, the reason is right."""
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 5)
        parts = place(positions[2])
        if parts is None:
            return  # a broker with tokens of its own form
        ahead = place(positions[-1])
        assert ahead is not None
        invented = {
            position("abcdefghijkl", parts.offset, parts.proof): "epoch",
            position(parts.epoch, parts.offset, "00000000"): "mismatch",
            position(parts.epoch, ahead.offset + 1000, parts.proof): "ahead",
        }
        for token, reason in invented.items():
            page = await one.read(room, after=token)
            assert [entry.position for entry in page.entries] == positions
            assert (page.complete, page.reason) == (False, reason), token
            page = await one.read(room, before=token)
            assert (page.entries, page.complete) == ([], False), token

    async def test_reading_leaves_no_trace(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.read(room)
        await one.read(room, after="garbage")
        await one.follow(room)
        await one.append(room, "k1")
        await one.read_all(room)
        await one.hears(room, ["k1"])

    async def test_history_and_live_join_without_a_hole(self, site: Site) -> None:
        """What a page does: follow, then read backwards from the tail's oldest entry."""
        one, room = await site.open(), site.room()
        positions = await one.fill(room, one.broker.tail_entries + 30)
        await one.follow(room)
        oldest = one[room].log[0].position
        page = await one.read(room, before=oldest, limit=100)
        read = [entry.position for entry in page.entries]
        assert read + one[room].positions == positions
        await self._resumes(one, room, positions)

    async def _resumes(self, one: Station, room: str, positions: list[str]) -> None:
        page = await one.read(room, after=positions[0], limit=len(positions))
        assert [entry.position for entry in page.entries] == positions[1:]
        assert page.complete
