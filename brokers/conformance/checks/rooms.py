"""Rooms: two different names never share a log."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from ...base import MAX_ROOM_BYTES
from ..site import Site
from .common import Checks

ODD = [
    *("a", "A", "aa", "a ", " a", "a  b", "a b", "a+b", "a%20b", "a%2520b", "a_b", "a-b"),
    *("*", "#", ".", "..", "...", "a.b", "a.*", "a.#", "a.b.c", "a/b", "a\\b", "/", "//"),
    *("{}", "{", "}", "{a}", "{a}b", "}{", "{{a}}", "a}", "a{b}c", "[a]", "?", "a?b", "^", "$"),
    *("%", "%%", "%7B%7D", "%7b%7d", "%41", "&", "=", "a=b&c=d", ":", "a:b", ";", ",", "'", '"'),
    *("\n", "a\n", "a\nb", "\r\n", "\t", "\x00", "a\x00", "a\x00b", "\x7f", "\u200b", "\ufeff"),
    *("é", "e\u0301", "É", "ﬁ", "fi", "ß", "ss", "ẞ", "ſ", "s", "İ", "i", "ı", "I", "K", "\u212a"),
    *("комната", "комнатa", "部屋", "ﾍﾔ", "ヘヤ", "방", "\u1107\u1161\u11bc", "غرفة", "\u202eabc"),
    *("\N{GRINNING FACE}", "\N{WOMAN}\u200d\N{ROCKET}", "\N{WOMAN}\N{ROCKET}", "\U0010ffff"),
    *("meta", "log", "ids", "0", "1", "01", "-", "--", "true", "null", "__proto__", "amq.topic"),
    *("x" * 200, "x" * 199, "é" * 100, "x" * 199 + "y", "\N{GRINNING FACE}" * 50),
]


class RoomChecks(Checks):
    """Names as people and attackers write them."""

    async def test_odd_names_stay_apart(self, site: Site) -> None:
        """All at once, by delivery, by tail, by read and by signal."""
        assert len(set(ODD)) == len(ODD)
        one = await site.open()
        # The names cannot be made unique, so what this run writes is.
        run = secrets.token_hex(4)
        await one.follow(*ODD)
        await asyncio.gather(*(one.append(r, f"{run}/{n}", r.encode()) for n, r in enumerate(ODD)))
        for number, room in enumerate(ODD):
            one.broker.signal(room, f"{run}/{number}".encode())
        for number, room in enumerate(ODD):
            await one.hears_key(room, f"{run}/{number}")
            await one.hears_signal(room)
        await one.broker.probe()
        pages = await asyncio.gather(*(one.read(room, limit=1000) for room in ODD))
        for number, (room, page) in enumerate(zip(ODD, pages, strict=True)):
            mine = [(f"{run}/{number}", room.encode())]
            heard = [(e.key, e.data) for e in one[room].log if e.key.startswith(run)]
            assert heard == mine, f"heard in {room!r}"
            read = [(e.key, e.data) for e in page.entries if e.key.startswith(run)]
            assert read == mine, f"read in {room!r}"
            assert one[room].signals == [f"{run}/{number}".encode()], f"signals in {room!r}"
        one.unfollow(*ODD[::2])
        await asyncio.gather(*(one.append(room, f"{run}/end", room.encode()) for room in ODD))
        for room in ODD[1::2]:
            await one.hears_key(room, f"{run}/end")

    @pytest.mark.parametrize(
        "room",
        ["", "x" * (MAX_ROOM_BYTES + 1), "é" * 101, "\ud800"],
        ids=["0", "201", "202", "half"],
    )
    async def test_names_that_no_broker_takes(self, site: Site, room: str) -> None:
        one = await site.open()
        with pytest.raises(ValueError):  # noqa: PT011 - the text is the broker's own
            await one.broker.follow(room)
        with pytest.raises(ValueError):  # noqa: PT011
            await one.broker.append(room, "k", b"")
        with pytest.raises(ValueError):  # noqa: PT011
            await one.broker.read(room)
        one.broker.unfollow(room)

    async def test_many_rooms_cost_nothing_that_lasts(self, site: Site) -> None:
        """A hundred rooms come and go; the next one works as before."""
        one = await site.open()
        for turn in range(4):
            rooms = [site.room(f"turn{turn}-{number}") for number in range(100)]
            await one.follow(*rooms)
            await asyncio.gather(*(one.append(room, "k1") for room in rooms))
            for room in rooms:
                await one.hears(room, ["k1"])
            one.unfollow(*rooms)
