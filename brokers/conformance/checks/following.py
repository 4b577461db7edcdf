"""Following: the tail, what comes after it, and silence afterwards (C3, C7)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from ...base import Entry, Reason, Tail
from ...codec import digest_of
from ..recorder import CALLER, Recorder
from ..site import PATIENCE, Site
from .common import Checks


class FollowChecks(Checks):
    """Entries come out."""

    async def test_the_tail_of_an_empty_room(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        tail, reason = one[room].tails[0]
        assert (tail.entries, tail.complete, reason) == ([], True, None)
        await one.fill(room, 2)
        await one.hears(room, ["k1", "k2"])
        assert one[room].log[0].prev in (None, tail.top)

    async def test_the_tail_brings_the_newest_entries(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        many = one.broker.tail_entries
        positions = await one.fill(room, many)
        await one.follow(room)
        tail, _ = one[room].tails[0]
        assert [entry.position for entry in tail.entries] == positions
        assert tail.complete
        assert tail.top == positions[-1]

        one.unfollow(room)
        positions += await one.fill(room, 1, first=many + 1)
        await one.follow(room)
        tail, _ = one[room].tails[1]
        assert [entry.position for entry in tail.entries] == positions[1:]
        assert not tail.complete

    async def test_entries_go_on_right_after_the_tail(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.fill(room, 5)
        await one.follow(room)
        await one.fill(room, 5, first=6)
        await one.hears(room, [f"k{number}" for number in range(1, 11)])
        assert len(one[room].tails) == 1

    async def test_following_twice_does_nothing(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        await one.follow(room)
        await one.fill(room, 3)
        await one.hears(room, ["k1", "k2", "k3"])
        assert len(one[room].tails) == 1

    async def test_many_who_follow_at_once_get_one_tail(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.fill(room, 3)
        await one.follow(*[room] * 20)
        assert len(one[room].tails) == 1
        await one.append(room, "k4")
        await one.hears(room, ["k1", "k2", "k3", "k4"])

    async def test_each_of_several_rooms_hears_its_own(self, site: Site) -> None:
        one, rooms = await site.open(), [site.room(f"r{number}") for number in range(25)]
        await one.follow(*rooms)
        await asyncio.gather(*(one.append(r, f"{r}/{i}") for i in range(4) for r in rooms))
        for room in rooms:
            await one.hears_count(room, 4)
            assert sorted(one[room].keys) == [f"{room}/{number}" for number in range(4)]

    async def test_who_does_not_follow_hears_nothing(self, site: Site) -> None:
        one, silent, loud = await site.open(), site.room("silent"), site.room("loud")
        await one.follow(loud)
        await one.fill(silent, 3)
        await one.fill(loud, 3)
        await one.hears(loud, ["k1", "k2", "k3"])
        assert one[silent].calls == 0

    async def test_after_unfollow_nothing_is_heard(self, site: Site) -> None:
        one, room, other = await site.open(), site.room(), site.room("other")
        await one.follow(room, other)
        await one.fill(room, 3)
        await one.hears(room, ["k1", "k2", "k3"])
        answers = [one.submit(room, f"late{number}") for number in range(100)]
        one.unfollow(room)
        calls = one[room].calls
        await asyncio.gather(*answers)
        # What is appended now comes after all of those: when it was heard, they had passed.
        await one.append(other, "end")
        await one.hears(other, ["end"])
        await one.broker.probe()
        assert one[room].calls == calls

    async def test_unfollow_of_unknown_rooms_is_fine(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        one.unfollow(site.room("never"))
        await one.follow(room)
        one.unfollow(room)
        one.unfollow(room)
        await one.append(room, "k1")
        assert [entry.key for entry in (await one.read_all(room)).entries] == ["k1"]

    async def test_following_again_begins_with_a_new_tail(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.follow(room)
        await one.fill(room, 2)
        await one.hears(room, ["k1", "k2"])
        one.unfollow(room)
        await one.fill(room, 2, first=3)
        await one.follow(room)
        tail, reason = one[room].tails[-1]
        assert reason is None
        assert [entry.key for entry in tail.entries] == ["k1", "k2", "k3", "k4"]
        await one.append(room, "k5")
        await one.hears(room, ["k1", "k2", "k3", "k4", "k5"])

    async def test_follow_and_unfollow_in_quick_turns(self, site: Site) -> None:
        """Without waiting for one another, under traffic: the last word counts."""
        one, rooms = await site.open(), [site.room(f"r{number}") for number in range(4)]
        chance = random.Random(7)  # noqa: S311
        keys: list[str] = []
        for turn in range(30):
            for room in rooms:
                one.submit(room, f"k{turn}", digest=b"")
            keys.append(f"k{turn}")
            overtaken, last = [], []
            for room in rooms:
                if chance.random() < 0.6:
                    overtaken.append(asyncio.create_task(one.follow(room)))
                    if chance.random() < 0.5:
                        await asyncio.sleep(chance.choice((0, 0, 0.001, 0.003)))
                    one.unfollow(room)
                    last.append(asyncio.create_task(one.follow(room)))
                else:
                    one.unfollow(room)
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*last)
                # One that was overtaken by an unfollow may end as it likes, but it ends.
                await asyncio.gather(*overtaken, return_exceptions=True)
        for room in rooms:
            one.unfollow(room)
        await one.follow(*rooms)
        for room in rooms:
            await one.append(room, "end")
            await one.hears(room, [*keys, "end"])
            assert not one[room].resets

    async def test_unfollow_while_following_wins(self, site: Site) -> None:
        one, room, other = await site.open(), site.room(), site.room("other")
        await one.follow(other)
        one.heard.expect(room)
        task = asyncio.create_task(one.broker.follow(room))
        await asyncio.sleep(0)
        one.unfollow(room)
        await asyncio.gather(task, return_exceptions=True)
        await one.append(room, "k1")
        await one.append(other, "end")
        await one.hears(other, ["end"])
        await one.broker.probe()

    async def test_unfollow_from_within_a_delivery(self, site: Site) -> None:
        """C7 holds in the middle of a batch, too: for this room and for others."""

        class Leaving(Recorder):
            def entries(self, room: str, entries: Sequence[Entry]) -> None:
                super().entries(room, entries)
                for name in rooms:
                    if entries[0].data == b"leave":
                        one.unfollow(name)

        one, rooms = site.make(), [site.room(f"r{number}") for number in range(5)]
        one.heard = Leaving()
        await one.open()
        await one.follow(*rooms)
        answers = [one.submit(room, f"k{turn}", b"leave") for turn in range(20) for room in rooms]
        await asyncio.gather(*answers)
        await one.heard.wait(lambda: any(one[room].log for room in rooms), "the first delivery")
        room = site.room("end")
        await one.follow(room)
        await one.append(room, "end")
        await one.hears(room, ["end"])

    async def test_calls_from_within_a_delivery(self, site: Site) -> None:
        """A listener may append, signal and begin to follow."""

        class Busy(Recorder):
            def entries(self, room: str, entries: Sequence[Entry]) -> None:
                super().entries(room, entries)
                for entry in entries:
                    if len(entry.key) < 4:
                        one.submit(room, entry.key + "+")
                        one.broker.signal(room, entry.key.encode())

        one, room = site.make(), site.room()
        one.heard = Busy()
        await one.open()
        await one.follow(room)
        await one.append(room, "a")
        await one.hears(room, ["a", "a+", "a++", "a+++"])

    async def test_a_listener_that_fails_is_logged_and_delivery_goes_on(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        site.tolerant = True

        class Failing(Recorder):
            def tail(self, room: str, tail: Tail, reason: Reason | None) -> None:
                super().tail(room, tail, reason)
                raise RuntimeError("the tail of this test")

            def entries(self, room: str, entries: Sequence[Entry]) -> None:
                super().entries(room, entries)
                raise RuntimeError("the entries of this test")

            def signal(self, room: str, data: bytes) -> None:
                super().signal(room, data)
                raise RuntimeError("the signal of this test")

        one, room = site.make(), site.room()
        one.heard = Failing()
        await one.open()
        await one.follow(room)
        for number in range(3):
            await one.append(room, f"k{number}")
            await one.hears_count(room, number + 1)
        one.broker.signal(room, b"s")
        await one.hears_signal(room)
        await one.append(room, "end")
        await one.hears(room, ["k0", "k1", "k2", "end"])
        assert "of this test" in caplog.text

    async def test_deliveries_do_not_run_in_a_callers_context(self, site: Site) -> None:
        """A task or callback made in a request carries that user along (seen with Quart 0.22)."""
        one, room = site.make(), site.room()
        CALLER.set("alice")
        await one.open()
        await one.follow(room)
        await one.append(room, "k1")
        one.broker.signal(room, b"s")
        await one.hears(room, ["k1"])
        await one.hears_signal(room)
        assert one.heard.contexts == {""}

    async def test_prev_names_the_entry_before(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        await one.fill(room, 3)
        await one.follow(room)
        await one.fill(room, 30, first=4)
        await one.hears(room, [f"k{number}" for number in range(1, 34)])
        log = one[room].log
        assert [entry.prev for entry in log[1:]] == [entry.position for entry in log[:-1]]
        page = (await one.read_all(room)).entries
        assert [entry.prev for entry in page[1:]] == [entry.position for entry in page[:-1]]
        assert all(entry.digest == digest_of(entry.data) for entry in log)
