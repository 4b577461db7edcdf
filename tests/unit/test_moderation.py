"""What owners can do: here what depends on when an instance hears of what."""

from __future__ import annotations

import pytest

from quartchat.links import Links
from quartchat.moderation import Moderation, Refused
from tests.unit.doubles import ANN, EVE, ROOM, World


async def test_who_spoke_first_elsewhere_owns_the_room_also_before_this_instance_has_heard_it(
    w: World,
) -> None:
    moderation = Moderation(w.hub, Links(("a key that is long enough",)))
    await w.enter(ANN)
    w.broker.lagging = True
    w.broker.put(user=EVE)
    assert w.room.lines == []
    with pytest.raises(Refused, match="begun"):
        await moderation.claim(ROOM, ANN)
    w.broker.lagging = False
    assert await moderation.claim(ROOM, EVE)
