"""Appending: ack, order, one key one entry (C1, C2, C5)."""

from __future__ import annotations

import asyncio
import re

import pytest

from ...base import Appended
from ...codec import now_ms
from ...errors import Conflict
from ..site import PATIENCE, Site
from .common import Checks


class AppendChecks(Checks):
    """Entries go in."""

    async def test_the_acked_position_is_the_delivered_one(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        stored = await one.append(room, "k1", b"hello")
        await one.hears(room, ["k1"])
        assert stored == Appended(one[room].positions[0], duplicate=False)

    async def test_an_entry_comes_out_as_it_went_in(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        every_byte = bytes(range(256)) * 2
        time = now_ms() - 12_345
        await one.append(room, "k1", every_byte, digest=b"\x00\xff digest", time=time)
        await one.append(room, "k2", b"", digest=b"", time=time + 1)
        await one.append(room, "k3", b"\x93\xa1", digest=bytes(range(16)), time=time + 2)
        await one.hears(room, ["k1", "k2", "k3"])
        first, second, third = one[room].log
        assert (first.data, first.digest, first.time) == (every_byte, b"\x00\xff digest", time)
        assert (second.data, second.digest, second.time) == (b"", b"", time + 1)
        assert (third.data, third.digest, third.time) == (b"\x93\xa1", bytes(range(16)), time + 2)
        assert (await one.read_all(room)).entries == one[room].log

    async def test_positions_are_short_tokens_and_all_differ(self, site: Site) -> None:
        one, rooms = await site.open(), [site.room("a"), site.room("b")]
        positions = [*await one.fill(rooms[0], 50), *await one.fill(rooms[1], 50)]
        assert len(set(positions)) == 100
        assert all(re.fullmatch(r"[A-Za-z0-9_.\-]{1,64}", position) for position in positions)

    async def test_the_same_key_again_gives_the_same_position(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        first = await one.append(room, "k1", b"text")
        await one.append(room, "k2", b"between")
        again = await one.append(room, "k1", b"text")
        assert again == Appended(first.position, duplicate=True)
        await one.append(room, "k3", b"end")
        await one.hears(room, ["k1", "k2", "k3"])

    async def test_the_digest_decides_what_is_the_same(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        first = await one.append(room, "k1", b"by one instance", digest=b"d")
        again = await one.append(room, "k1", b"by another", digest=b"d")
        assert again == Appended(first.position, duplicate=True)
        assert [entry.data for entry in (await one.read_all(room)).entries] == [b"by one instance"]

    async def test_another_digest_is_a_conflict_and_stores_nothing(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        await one.append(room, "k1", b"one", digest=b"1")
        for _ in range(2):
            outcome = await one.submit(room, "k1", b"two", digest=b"2")
            assert isinstance(outcome, Conflict)
        await one.append(room, "k2", b"end")
        await one.hears(room, ["k1", "k2"])
        assert [entry.data for entry in one[room].log] == [b"one", b"end"]

    async def test_one_key_many_times_in_one_batch_is_one_entry(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        outcomes = await asyncio.gather(*(one.submit(room, "k1", b"same") for _ in range(30)))
        stored = [outcome for outcome in outcomes if isinstance(outcome, Appended)]
        assert len(stored) == 30
        assert len({outcome.position for outcome in stored}) == 1
        assert [outcome.duplicate for outcome in stored].count(False) == 1
        await one.append(room, "k2")
        await one.hears(room, ["k1", "k2"])

    async def test_two_digests_in_one_batch_the_first_one_wins(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        outcomes = await asyncio.gather(
            one.submit(room, "k1", b"one", digest=b"1"),
            one.submit(room, "k1", b"two", digest=b"2"),
            one.submit(room, "k2", b"three"),
            one.submit(room, "k1", b"one", digest=b"1"),
        )
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [Appended, Conflict, Appended, Appended]
        entries = (await one.read_all(room)).entries
        assert [(entry.key, entry.data) for entry in entries] == [("k1", b"one"), ("k2", b"three")]

    async def test_a_key_counts_in_its_room_only(self, site: Site) -> None:
        one, rooms = await site.open(), [site.room("a"), site.room("b")]
        answers = [await one.append(room, "k1", room.encode()) for room in rooms]
        assert [answer.duplicate for answer in answers] == [False, False]
        assert answers[0].position != answers[1].position

    @pytest.mark.parametrize(
        "key",
        ["k", "user:id", "a b", "ключ", "\N{GRINNING FACE}", "0", "-1", "x" * 140, "'\"\\\n\x00{}"],
        ids=ascii,
    )
    async def test_any_key_is_a_key(self, site: Site, key: str) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        first = await one.append(room, key, b"1")
        assert await one.append(room, key, b"1") == Appended(first.position, duplicate=True)
        await one.append(room, "end")
        await one.hears(room, [key, "end"])

    async def test_entries_stand_in_the_order_of_their_submission(self, site: Site) -> None:
        one, rooms = await site.open(), [site.room("a"), site.room("b"), site.room("c")]
        await one.follow(*rooms)
        answers = []
        for number in range(150):
            for room in rooms:
                answers.append(one.submit(room, f"k{number}"))
            if number % 10 == 0:
                await asyncio.sleep(0)  # so that one batch is under way while the next one gathers
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*answers)
        assert all(isinstance(outcome, Appended) for outcome in outcomes)
        for index, room in enumerate(rooms):
            await one.hears(room, [f"k{number}" for number in range(150)])
            acked = [o.position for o in outcomes[index::3] if isinstance(o, Appended)]
            assert acked == one[room].positions

    async def test_a_burst_of_2000_entries_comes_through_in_order(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        keys = [f"k{number}" for number in range(2000)]
        await one.appends(room, keys)
        await one.hears(room, keys)

    async def test_entries_of_64_kib(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        blocks = [bytes([number]) * 65_536 for number in range(30)]
        answers = [one.submit(room, f"k{number}", data) for number, data in enumerate(blocks)]
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*answers)
        assert all(isinstance(outcome, Appended) for outcome in outcomes)
        await one.hears(room, [f"k{number}" for number in range(30)])
        assert [entry.data for entry in one[room].log] == blocks
        assert (await one.read_all(room)).entries == one[room].log

    async def test_append_raises_what_submit_answers(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        stored = await one.broker.append(room, "k1", b"one")
        assert stored.duplicate is False
        assert await one.broker.append(room, "k1", b"one") == Appended(stored.position, True)
        with pytest.raises(Conflict):
            await one.broker.append(room, "k1", b"two")

    async def test_nobody_needs_to_follow_a_room_to_append(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 5)
        page = await one.read_all(room)
        assert [entry.position for entry in page.entries] == positions
        assert one[room].calls == 0
