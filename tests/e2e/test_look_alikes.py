"""Two people whose names look alike, by way of two instances: every page can tell them apart."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance

ANNA, SPOOF = "Anna", "\u0410nna"
"""The second begins with a Cyrillic letter."""


def looks(users: list[dict[str, Any]]) -> dict[str, str | None]:
    return {user["name"]: user.get("look") for user in users}


async def test_the_look_of_a_name_is_told_on_every_instance_by_every_way(
    shared_pair: tuple[Instance, Instance], room: str
) -> None:
    here, there = shared_pair
    async with ChatClient(here, room, (await new_session(here, ANNA)).cookie) as anna:
        await anna.say("the one")
        async with ChatClient(there, room, (await new_session(there, SPOOF)).cookie) as spoof:
            joined = await anna.expect("presence")
            while SPOOF not in looks(joined["joined"]):
                joined = await anna.expect("presence")
            assert looks(joined["joined"])[SPOOF] == "anna"
            await spoof.say("the other")
            await anna.wait_texts(["the one", "the other"])
            assert looks([message["user"] for message in anna.messages]) == {ANNA: None, SPOOF: "anna"}
    for instance in shared_pair:
        async with ChatClient(instance, room) as late:
            await late.wait_texts(["the one", "the other"])
            assert looks([message["user"] for message in late.messages]) == {ANNA: None, SPOOF: "anna"}
        log = json.loads((await instance.get(f"/api/rooms/{room}/messages")).body)
        assert looks([message["user"] for message in log["messages"]]) == {ANNA: None, SPOOF: "anna"}
        page = (await instance.get(f"/chat/{room}/")).text
        assert re.findall(r'<article [^>]*data-look="([^"]*)"', page) == ["anna"]
