"""Two instances on one broker behave as one chat."""

from __future__ import annotations

import asyncio
import json
import time
from urllib.parse import urlencode

import pytest
from websockets import InvalidStatus

from tests.e2e.people import read_all
from tests.e2e.places import FORM
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance

Pair = tuple[Instance, Instance]


async def test_what_is_said_on_one_is_heard_on_both_in_one_order(shared_pair: Pair, room: str) -> None:
    # One name is told with its look, the other without.
    names = [
        await new_session(place, name)
        for place, name in zip(shared_pair, ("Mole", "Clever Lynx"), strict=True)
    ]
    async with (
        ChatClient(shared_pair[0], room, names[0].cookie) as one,
        ChatClient(shared_pair[1], room, names[1].cookie) as two,
        ChatClient(shared_pair[1], room, subprotocol=None) as plain,
    ):
        for number in range(40):
            await (one, two)[number % 2].send(f"m{number}")
        for client in (one, two, plain):
            await client.wait(lambda c=client: len(c.messages) == 40, what="40 messages")
        assert one.messages == two.messages
        assert plain.texts == one.texts
        assert await read_all(shared_pair[1], room) == one.messages


async def test_what_one_acked_the_other_acks_again(shared_pair: Pair, room: str) -> None:
    ada = await new_session(shared_pair[0], "Ada")
    async with (
        ChatClient(shared_pair[0], room, ada.cookie) as one,
        ChatClient(shared_pair[1], room, ada.cookie) as two,
    ):
        first = await one.say("once", "same")
        assert await two.say("once", "same") == first
        await two.send("other", "same")
        assert (await two.expect("nack", id="same"))["code"] == "id_conflict"
        await two.say("end")
        await one.wait_texts(["once", "end"])
        await two.wait_texts(["once", "end"])


async def test_one_id_sent_to_both_at_once_is_one_message(shared_pair: Pair, room: str) -> None:
    ada = await new_session(shared_pair[0], "Ada")
    async with (
        ChatClient(shared_pair[0], room, ada.cookie) as one,
        ChatClient(shared_pair[1], room, ada.cookie) as two,
    ):
        for number in range(20):
            acks = await asyncio.gather(
                one.say(f"m{number}", f"i{number}"), two.say(f"m{number}", f"i{number}")
            )
            assert acks[0] == acks[1]
        await one.wait_texts([f"m{number}" for number in range(20)])
        await two.wait_texts([f"m{number}" for number in range(20)])


async def test_a_position_of_one_is_resumed_on_the_other(shared_pair: Pair, room: str) -> None:
    async with ChatClient(shared_pair[0], room) as one:
        empty = one.welcome["position"]
        positions = [(await one.say(f"m{number}"))["position"] for number in range(5)]
        middle = positions[2]
    async with ChatClient(shared_pair[1], room, since=middle) as two:
        assert two.welcome["resumed"] is True
        await two.wait_texts(["m3", "m4"])
    async with ChatClient(shared_pair[1], room, since=empty) as two:
        assert two.welcome["resumed"] is True
        await two.wait_texts([f"m{number}" for number in range(5)])


def named(client: ChatClient) -> dict[str, str]:
    """Ids of all whom it was told of, by name."""
    told = [frame.get("members") or frame.get("joined") or [] for frame in client.frames]
    return {person["name"]: person["id"] for people in told for person in people}


async def test_who_is_on_one_is_seen_on_the_other(shared_pair: Pair, room: str) -> None:
    ada, bob = await new_session(shared_pair[0], "Ada"), await new_session(shared_pair[1], "Bob")
    async with ChatClient(shared_pair[0], room, ada.cookie) as one:
        async with ChatClient(shared_pair[1], room, bob.cookie) as two:
            # Whoever came a moment before may be told in the same frame.
            await one.wait(lambda: "Bob" in named(one), what="Bob is seen")
            await two.wait(lambda: "Ada" in named(two), what="Ada is seen")
            seen = {"Ada": ada.user_id, "Bob": bob.user_id}
            assert named(one) == named(two) == seen
            assert [frame["count"] for frame in one.frames if "count" in frame][-1] == 2
        await one.expect("presence", left=[{"id": bob.user_id, "name": "Bob"}], count=1)


async def test_one_person_on_both_is_one(shared_pair: Pair, room: str) -> None:
    ada = await new_session(shared_pair[0], "Ada")
    async with (
        ChatClient(shared_pair[0], room) as watcher,
        ChatClient(shared_pair[0], room, ada.cookie),
        ChatClient(shared_pair[1], room, ada.cookie) as two,
        ChatClient(shared_pair[1], room) as last,
    ):
        await last.say("x")
        await watcher.expect("presence", count=3)
        await two.close()
        await last.close()
        gone = last.welcome["you"]["id"]
        await watcher.wait(
            lambda: any(
                frame["count"] == 2 and gone in [each["id"] for each in frame["left"]]
                for frame in watcher.frames
                if frame["type"] == "presence"
            ),
            what="the last one is gone, and nobody else",
        )


async def test_typing_crosses(shared_pair: Pair, room: str) -> None:
    ada = await new_session(shared_pair[0], "Ada")
    async with (
        ChatClient(shared_pair[0], room, ada.cookie) as one,
        ChatClient(shared_pair[1], room) as two,
    ):
        await one.send_frame({"type": "typing"})
        typing = await two.expect("typing")
        assert typing["user"] == {"id": ada.user_id, "name": "Ada"}


async def test_an_ended_session_is_over_on_both_within_five_seconds(shared_pair: Pair, room: str) -> None:
    ada = await new_session(shared_pair[0], "Ada")
    async with (
        ChatClient(shared_pair[0], room, ada.cookie) as one,
        ChatClient(shared_pair[1], room, ada.cookie) as two,
        ChatClient(shared_pair[1], f"{room}-2", ada.cookie, subprotocol=None) as three,
    ):
        started = time.monotonic()
        await shared_pair[0].post("/session/end", b"", {**FORM, "Cookie": ada.cookie})
        for client in (one, two, three):
            assert await client.wait_close(5) == 4401
        assert time.monotonic() - started < 5
    for place in shared_pair:
        async with ChatClient(place, room, ada.cookie) as client:
            assert client.welcome["you"]["id"] != ada.user_id


async def test_an_instance_that_starts_later_knows_who_left(
    redis_url: str, rabbitmq_url: str, room: str
) -> None:
    for url in (redis_url, rabbitmq_url):
        async with Instance(url) as one:
            await one.wait_ready()
            ada = await new_session(one, "Ada")
            await one.post("/session/end", b"", {**FORM, "Cookie": ada.cookie})
            async with Instance(url, {"QUARTCHAT_GUESTS": "deny"}) as two:
                await two.wait_ready()
                with pytest.raises(InvalidStatus):
                    await ChatClient(two, room, ada.cookie).open()


async def test_a_name_is_known_on_both(shared_pair: Pair, room: str) -> None:
    ada = await new_session(shared_pair[0], "Ada")
    body = urlencode({"name": "Countess"}).encode()
    answer = await shared_pair[1].post(
        "/session", body, {**FORM, "Cookie": ada.cookie, "Accept": "application/json"}
    )
    assert json.loads(answer.body) == {"id": ada.user_id, "name": "Countess"}


async def test_rooms_stay_apart(shared_pair: Pair, room: str) -> None:
    rooms = [f"{room}-{number}" for number in range(10)]
    ones = [await ChatClient(shared_pair[0], name).open() for name in rooms]
    twos = [await ChatClient(shared_pair[1], name).open() for name in rooms]
    await asyncio.gather(*(one.say(f"in {one.room}") for one in ones))
    await asyncio.gather(*(two.say(f"too in {two.room}") for two in twos))
    for client in [*ones, *twos]:
        await client.wait_texts([f"in {client.room}", f"too in {client.room}"])
        await client.close()


async def test_both_pages_show_what_was_said_on_one(shared_pair: Pair, room: str) -> None:
    async with ChatClient(shared_pair[0], room) as one:
        await one.say("hello from one")
        await one.wait_texts(["hello from one"])  # the page is made of what came, not of what was sent
    for place in shared_pair:
        assert "hello from one" in (await place.get(f"/chat/{room}/")).text
