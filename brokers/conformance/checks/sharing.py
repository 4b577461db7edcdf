"""Sharing: brokers of one URL, as in several processes, are one."""

from __future__ import annotations

import asyncio

from ...base import Appended
from ...errors import Conflict
from ..site import Site
from .common import Checks


class SharedChecks(Checks):
    """Two processes, one log."""

    async def test_everyone_hears_everyone(self, site: Site) -> None:
        one, two, room = await site.open(), await site.open(), site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        await one.append(room, "k1", b"from one")
        await two.append(room, "k2", b"from two")
        for each in (one, two):
            await each.hears(room, ["k1", "k2"])
        assert one[room].log == two[room].log

    async def test_everyone_sees_the_same_order(self, site: Site) -> None:
        stations = [await site.open() for _ in range(3)]
        room = site.room()
        await asyncio.gather(*(each.follow(room) for each in stations))
        total = 0

        async def write(number: int) -> None:
            nonlocal total
            for turn in range(20):
                keys = [f"s{number}-{turn}-{i}" for i in range(5)]
                await stations[number].appends(room, keys)
                total += len(keys)

        await asyncio.gather(*(write(number) for number in range(3)))
        for each in stations:
            await each.hears_count(room, total)
        logs = [each[room].log for each in stations]
        assert logs[0] == logs[1] == logs[2]
        assert logs[0] == (await stations[0].read_all(room)).entries
        # C5: each one's own entries in the order in which it wrote them.
        for number in range(3):
            own = [key for key in stations[0][room].keys if key.startswith(f"s{number}-")]
            assert own == [f"s{number}-{turn}-{i}" for turn in range(20) for i in range(5)]

    async def test_one_key_from_two_processes_is_one_entry(self, site: Site) -> None:
        one, two, room = await site.open(), await site.open(), site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        keys = [f"k{number}" for number in range(100)]
        first, second = await asyncio.gather(one.appends(room, keys), two.appends(room, keys))
        assert [answer.position for answer in first] == [answer.position for answer in second]
        for left, right in zip(first, second, strict=True):
            assert left.duplicate != right.duplicate, "stored twice, or by nobody"
        for each in (one, two):
            await each.hears_count(room, 100)
        assert sorted(one[room].keys) == sorted(keys)
        assert one[room].log == two[room].log

    async def test_a_conflict_is_seen_by_the_other_process(self, site: Site) -> None:
        one, two, room = await site.open(), await site.open(), site.room()
        stored = await one.append(room, "k1", b"one", digest=b"1")
        assert isinstance(await two.submit(room, "k1", b"two", digest=b"2"), Conflict)
        assert await two.append(room, "k1", b"one", digest=b"1") == Appended(stored.position, True)

    async def test_a_race_of_two_digests_has_one_winner(self, site: Site) -> None:
        one, two, room = await site.open(), await site.open(), site.room()
        for number in range(30):
            key = f"k{number}"
            outcomes = await asyncio.gather(
                one.submit(room, key, b"one", digest=b"1"),
                two.submit(room, key, b"two", digest=b"2"),
            )
            assert {type(outcome) for outcome in outcomes} == {Appended, Conflict}
            winner = b"one" if isinstance(outcomes[0], Appended) else b"two"
            assert (await one.read(room, limit=1)).entries[0].data == winner

    async def test_positions_mean_the_same_everywhere(self, site: Site) -> None:
        one, two, room = await site.open(), await site.open(), site.room()
        await one.follow(room)
        empty = one[room].tails[0][0].top
        positions = await one.fill(room, 10)
        page = await two.read(room, after=empty)
        assert [entry.position for entry in page.entries] == positions
        assert page.complete
        page = await two.read(room, after=positions[4])
        assert [entry.position for entry in page.entries] == positions[5:]
        assert page.complete
        assert page.entries == (await one.read(room, after=positions[4])).entries
        await two.follow(room)
        assert two[room].tails[0][0].top == positions[-1]

    async def test_two_who_meet_in_a_new_room(self, site: Site) -> None:
        """Both follow and append first, at the same time: one epoch, one log."""
        one, two = await site.open(), await site.open()
        rooms = [site.room(f"r{number}") for number in range(15)]
        await asyncio.gather(
            *(each.follow(room) for each in (one, two) for room in rooms),
            *(each.append(r, f"k{n}") for n, each in enumerate((one, two)) for r in rooms),
        )
        for room in rooms:
            for each in (one, two):
                await each.hears_count(room, 2)
                assert not each[room].resets
            assert one[room].log == two[room].log
            assert sorted(one[room].keys) == ["k0", "k1"]

    async def test_first_and_last_members_come_and_go(self, site: Site) -> None:
        """One stays and hears everything while others join and leave the same room."""
        one, two, three = [await site.open() for _ in range(3)]
        room = site.room()
        await one.follow(room)
        keys: list[str] = []

        async def come_and_go() -> None:
            for _ in range(25):
                await three.follow(room)
                three.unfollow(room)

        async def write() -> None:
            for number in range(50):
                keys.append(f"k{number}")
                await two.append(room, keys[-1])

        await asyncio.gather(come_and_go(), write())
        await one.hears(room, keys)
        await three.follow(room)
        await two.append(room, "end")
        await three.hears(room, [*keys, "end"])
        assert len(one[room].tails) == 1

    async def test_signals_reach_all_who_follow(self, site: Site) -> None:
        one, two, room, other = *[await site.open() for _ in "12"], site.room(), site.room("other")
        await asyncio.gather(one.follow(room), two.follow(room, other))
        one.broker.signal(room, b"from one")
        for each in (one, two):
            await each.hears_signal(room)
            assert each[room].signals == [b"from one"]
        assert two[other].signals == []

    async def test_a_newcomer_reads_what_was_before_it(self, site: Site) -> None:
        one, room = await site.open(), site.room()
        positions = await one.fill(room, 10)
        await one.close()
        two = await site.open()
        await two.follow(room)
        assert two[room].positions == positions
        again = await two.append(room, "k3", b"k3")
        assert again == Appended(positions[2], duplicate=True)


class PrivateChecks(Checks):
    """The opposite, for brokers that live in one process."""

    async def test_brokers_do_not_share(self, site: Site) -> None:
        one, two, room = await site.open(), await site.open(), site.room()
        await asyncio.gather(one.follow(room), two.follow(room))
        stored = await one.append(room, "k1")
        assert (await two.append(room, "k1")).duplicate is False
        await one.hears(room, ["k1"])
        page = await two.read(room, after=stored.position)
        assert (page.complete, page.reason) == (False, "epoch")
