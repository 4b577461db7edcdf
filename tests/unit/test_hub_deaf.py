"""What a hub does with its members while its broker is away."""

from __future__ import annotations

import pytest

from brokers import Unavailable
from quartchat.hub import DEAF_SECONDS, SWEEP_SECONDS
from quartchat.member import Member
from tests.unit.clock import later
from tests.unit.doubles import World, wire_of


async def away(w: World, *, silent: bool) -> tuple[Member, Member]:
    """Two members, and a broker that has gone just now."""
    w.hub.start()
    member, plain = await w.enter(), await w.enter(v1=False)
    w.broker.up = False
    w.broker.silent = silent
    return member, plain


async def test_members_are_sent_on_where_the_broker_stays_silent(w: World) -> None:
    members = await away(w, silent=True)
    await later(DEAF_SECONDS - SWEEP_SECONDS)
    assert [wire_of(member).closed for member in members] == [None, None]
    assert [frame["connected"] for frame in wire_of(members[0]).of("status")] == [False]
    await w.enter()  # it may be over soon
    await later(3 * SWEEP_SECONDS)
    assert w.hub.members == {}
    assert [wire_of(member).closed[0] for member in members] == [1012, 1012]  # type: ignore[index]
    with pytest.raises(Unavailable):
        await w.enter()


async def test_a_broker_that_is_known_to_be_down_sends_nobody_away(w: World) -> None:
    member, plain = await away(w, silent=False)
    await later(5 * DEAF_SECONDS)
    assert wire_of(plain).closed is None
    await w.enter()
    assert [frame["connected"] for frame in wire_of(member).of("status")] == [False]


async def test_an_instance_that_hears_again_takes_people_again(w: World) -> None:
    await away(w, silent=True)
    await later(2 * DEAF_SECONDS)
    w.broker.up = True
    await later(SWEEP_SECONDS)
    member = await w.enter()
    w.broker.up = False
    await later(DEAF_SECONDS - SWEEP_SECONDS)
    assert wire_of(member).closed is None, "the patience begins anew"
