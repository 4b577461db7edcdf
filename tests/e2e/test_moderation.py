"""Owners of rooms: what they do holds on every instance, soon, and after any of them was restarted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import quote, urlencode

import pytest
from websockets import ConnectionClosed, InvalidStatus
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.e2e.owners import Owner, ask
from tests.e2e.places import FORM
from tests.support.client import ChatClient, Session, new_session
from tests.support.instance import Answer, Instance, request
from tests.support.waiting import until

SOON = 2.0
"""Seconds within which an act holds on every instance."""

Places = list[Instance]


@pytest.fixture
async def places(broker_url: str) -> AsyncIterator[Places]:
    """Two instances, or one where the broker is in its memory: then both are the same."""
    async with AsyncExitStack() as stack:
        count = 1 if broker_url == "memory://" else 2
        # No limit on the rate: who asks again until something holds is not to be told to slow down.
        env: dict[str, str | None] = {"QUARTCHAT_MESSAGE_RATE": "0"}
        made = [await stack.enter_async_context(Instance(broker_url, env)) for _ in range(count)]
        for each in made:
            await each.wait_ready()
        yield [made[0], made[-1]]


async def holds(places: Places, owner: Owner) -> None:
    """Until what the owner did last is known to the other instance, too, in the time that is promised."""
    wanted = await owner.does("look")

    async def known() -> bool:
        there = await ask(places[1], owner.room, "rules", owner.who, owner=owner.link, do="look")
        return there.status == 200 and json.loads(there.body) == wanted

    await until(known, SOON, "the other instance knows what the owner did")


async def refused(where: Instance, room: str, who: Session | None) -> str:
    """The reason with which somebody's socket is closed at once; empty where it is welcome."""
    async with connect(
        f"{where.ws_url}/ws/chat/{quote(room, safe='')}/",
        subprotocols=[Subprotocol("quartchat.v1")],
        additional_headers={"Cookie": who.cookie} if who else {},
    ) as socket:
        try:
            first = json.loads(await asyncio.wait_for(socket.recv(), 15))
        except ConnectionClosed:
            assert socket.close_code == 1008
            return socket.close_reason or ""
        assert first["type"] == "welcome"
        return ""


async def get(where: Instance, path: str, who: Session | None = None) -> Answer:
    return await request(f"{where.url}{path}", "GET", None, {"Cookie": who.cookie} if who else {})


def page_of(room: str) -> str:
    return f"/chat/{quote(room, safe='')}/"


async def log_of(where: Instance, room: str, who: Session | None = None) -> list[dict[str, object]]:
    found = await get(where, f"/api/rooms/{room}/messages", who)
    assert found.status == 200, found.text
    messages: list[dict[str, object]] = json.loads(found.body)["messages"]
    return messages


# Owning -----------------------------------------------------------------------------------------------------


async def test_who_says_the_first_word_in_a_room_can_own_it_and_nobody_else(
    places: Places, room: str
) -> None:
    ada, eve = await new_session(places[0], "Ada"), await new_session(places[0], "Eve")
    async with ChatClient(places[0], room, ada.cookie) as one, ChatClient(places[1], room, eve.cookie) as two:
        await one.say("first")
        await two.say("second")
    assert (await ask(places[1], room, "owner", eve)).status == 409
    await Owner.of(places[1], room, ada)
    assert (await ask(places[0], room, "owner", ada)).status == 409
    assert (await ask(places[0], room, "owner", eve)).status == 409


async def test_of_many_who_claim_an_empty_room_at_once_one_gets_it(places: Places, room: str) -> None:
    people = [await new_session(places[0], f"P{number}") for number in range(6)]
    found = await asyncio.gather(
        *(ask(places[number % 2], room, "owner", who) for number, who in enumerate(people))
    )
    assert sorted(answer.status for answer in found) == [201, 409, 409, 409, 409, 409]


async def test_a_room_is_owned_by_a_link_and_not_by_a_person(places: Places, room: str) -> None:
    ada, ben = await new_session(places[0], "Ada"), await new_session(places[0], "Ben")
    owner = await Owner.of(places[0], room, ada)
    await holds(places, owner)
    handed_on = Owner(places[1], room, ben, owner.link)
    assert (await handed_on.does("look"))["closed"] is False
    owner.link = ""
    assert await owner.tries("look") == 403


async def test_a_new_owner_link_takes_the_place_of_the_old_one(places: Places, room: str) -> None:
    ada = await new_session(places[0], "Ada")
    owner = await Owner.of(places[0], room, ada)
    new = (await owner.does("renew"))["owner"]
    assert await owner.tries("look") == 403
    owner.link = new
    await owner.does("look")


@pytest.mark.parametrize("do", ["look", "close", "renew", "delete", "mute"])
async def test_without_the_room_s_own_link_nothing_is_done(lone: Instance, room: str, do: str) -> None:
    ada = await new_session(lone, "Ada")
    owner = await Owner.of(lone, room, ada)
    other = await Owner.of(lone, f"{room}-other", ada)
    invite = (await owner.does("invite", seconds="60"))["invites"][0]["invite"]
    fields = {"position": "p", "user": "u", "seconds": "60"}
    for link in ("", "x", "é", other.link, invite, owner.link[:-1], ada.cookie.partition("=")[2]):
        answer = await ask(lone, room, "rules", ada, owner=link, do=do, **fields)
        assert answer.status == 403, (link, answer.text)
    assert (await ask(lone, room, "rules", None, owner=owner.link, do=do, **fields)).status == 401


@pytest.mark.parametrize(
    ("do", "fields"),
    [
        ("", {}),
        ("dance", {}),
        ("mute", {"user": "u"}),
        ("mute", {"user": "", "seconds": "60"}),
        ("mute", {"user": "a b", "seconds": "60"}),
        ("mute", {"user": "u", "seconds": "59"}),
        ("mute", {"user": "u", "seconds": "2592001"}),
        ("ban", {"user": "u", "seconds": "-60"}),
        ("ban", {"user": "u", "seconds": "١٢٣"}),
        ("ban", {"user": "u", "seconds": "1e3"}),
        ("pardon", {}),
        ("close", {"inside": "a b"}),
        ("close", {"inside": "a,/"}),
        ("invite", {"seconds": "0"}),
        ("invite", {}),
        ("revoke", {"invite": "x"}),
        ("delete", {}),
        ("delete", {"position": "a b"}),
        ("delete", {"position": "x" * 65}),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_changes(
    lone: Instance, room: str, do: str, fields: dict[str, str]
) -> None:
    owner = await Owner.of(lone, room, await new_session(lone, "Ada"))
    before = await owner.does("look")
    assert await owner.tries(do, **fields) == 400
    assert await owner.does("look") == before


@pytest.mark.parametrize("what", ["owner", "enter", "rules"])
async def test_another_site_s_page_cannot_act_for_anybody(lone: Instance, room: str, what: str) -> None:
    ada = await new_session(lone, "Ada")
    url = f"{lone.url}/api/rooms/{room}/{what}"
    for told in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        headers = {**FORM, "Cookie": ada.cookie, **told}
        assert (await request(url, "POST", b"link=x", headers)).status == 403
    assert (await request(url, "GET", None, {"Cookie": ada.cookie})).status == 405


# Removing ---------------------------------------------------------------------------------------------------


async def test_a_removed_message_is_gone_for_everybody_and_everybody_is_told(
    places: Places, room: str
) -> None:
    ada, eve = await new_session(places[0], "Ada"), await new_session(places[1], "Eve")
    owner = await Owner.of(places[0], room, ada)
    async with (
        ChatClient(places[0], room, ada.cookie) as one,
        ChatClient(places[1], room, eve.cookie) as two,
        ChatClient(places[1], room, subprotocol=None) as plain,
    ):
        before = await two.say("fine")
        rude = await two.say("something rude")
        await one.wait_texts(["fine", "something rude"])
        await owner.does("delete", position=rude["position"])
        for client in (one, two):
            told = await client.expect("message", timeout=SOON, deletes=rude["position"])
            assert (told["message"], told["user"]["id"]) == ("", ada.user_id)
            assert told["prev"] == rude["position"]
        after = await one.say("and on")
        for client in (one, two):
            found = await client.expect("message", position=after["position"])
            assert found["prev"] == told["position"]
        await plain.wait_texts(["fine", "something rude", "and on"])
    for place in places:

        async def removed(place: Instance = place) -> bool:
            return "something rude" not in [message["message"] for message in await log_of(place, room)]

        # Rules come by another way than messages: either may be the first.
        await until(removed, SOON, "the text is gone")
        messages = await log_of(place, room)
        assert [message["message"] for message in messages] == ["fine", "", "", "and on"]
        assert [message.get("deleted", False) for message in messages] == [False, True, False, False]
        assert messages[2]["deletes"] == rude["position"]
        assert messages[1]["user"] == {"id": eve.user_id, "name": "Eve"}
        assert "something rude" not in (await get(place, page_of(room))).text
        async with ChatClient(place, room, since=before["position"]) as back:
            replayed = await back.expect("message")
            assert (replayed["position"], replayed["deleted"]) == (rude["position"], True)
            assert (await back.expect("message"))["deletes"] == rude["position"]
        async with ChatClient(place, room, subprotocol=None, history=10) as plain:
            await plain.wait_texts(["fine", "and on"])


async def test_removed_twice_a_message_is_removed_once(places: Places, room: str) -> None:
    ada = await new_session(places[0], "Ada")
    owner = await Owner.of(places[0], room, ada)
    async with ChatClient(places[0], room, ada.cookie) as one:
        rude = await one.say("rude")
    for _ in range(3):
        await owner.does("delete", position=rude["position"])
    assert len(await log_of(places[1], room)) == 2


async def test_a_removed_message_stays_removed_where_nobody_holds_it_in_memory(
    places: Places, room: str
) -> None:
    if places[0] is places[1]:
        pytest.skip("what is in memory ends with its process")
    ada = await new_session(places[0], "Ada")
    owner = await Owner.of(places[0], room, ada)
    async with ChatClient(places[0], room, ada.cookie) as one:
        rude = await one.say("rude")
    await owner.does("delete", position=rude["position"])
    for place in places:
        place.kill()
        await place.wait_exit()
    for place in places:
        await place.start(ready=True)
        assert [message["message"] for message in await log_of(place, room)] == ["", ""]
        async with ChatClient(place, room, history=10) as late:
            assert (await late.expect("message"))["deleted"] is True


# Muting and banning -----------------------------------------------------------------------------------------


async def test_who_is_muted_reads_on_and_cannot_write_by_any_way(places: Places, room: str) -> None:
    ada, eve = await new_session(places[0], "Ada"), await new_session(places[0], "Eve")
    owner = await Owner.of(places[0], room, ada)
    async with (
        ChatClient(places[0], room, ada.cookie) as one,
        ChatClient(places[1], room, eve.cookie) as two,
        ChatClient(places[1], room, eve.cookie, subprotocol=None) as plain,
    ):
        await two.say("before")
        found = await owner.does("mute", user=eve.user_id, name="Eve", seconds="600")
        assert [(who["id"], who["name"]) for who in found["muted"]] == [(eve.user_id, "Eve")]
        assert found["muted"][0]["until"] == pytest.approx(time.time() + 600, abs=60)
        await nacked_soon(two)
        form = urlencode({"message": "by form", "id": "f1"}).encode()
        posted = await request(
            f"{places[1].url}{page_of(room)}messages", "POST", form, {**FORM, "Cookie": eve.cookie}
        )
        assert posted.status == 403
        await plain.send("plain")
        assert await plain.wait_close() == 1008
        await one.say("still heard")
        await two.expect("message", message="still heard")
        await owner.does("pardon", user=eve.user_id)
        await spoken_soon(two)
    said = [message["message"] for message in await log_of(places[0], room)]
    assert "by form" not in said
    assert "plain" not in said


async def nacked_soon(client: ChatClient) -> None:
    """Until a message of this client is refused, within the time that is promised; none before it counts."""
    end = time.monotonic() + SOON
    while True:
        sent = await client.send("may I?")
        await client.wait(
            lambda sent=sent: any(
                f.get("id") == sent and f["type"] in ("ack", "nack") for f in client.frames
            ),
            what="an answer",
        )
        answer = next(f for f in client.frames if f.get("id") == sent and f["type"] in ("ack", "nack"))
        if answer["type"] == "nack":
            assert answer["code"] == "forbidden"
            return
        assert time.monotonic() < end, "it holds too late"


async def spoken_soon(client: ChatClient) -> None:
    end = time.monotonic() + SOON
    while True:
        sent = await client.send("now?")
        await client.wait(
            lambda sent=sent: any(
                f.get("id") == sent and f["type"] in ("ack", "nack") for f in client.frames
            ),
            what="an answer",
        )
        if any(f.get("id") == sent and f["type"] == "ack" for f in client.frames):
            return
        assert time.monotonic() < end, "it holds too late"


async def test_who_is_banned_is_turned_out_everywhere_and_stays_out(places: Places, room: str) -> None:
    ada, eve = await new_session(places[0], "Ada"), await new_session(places[0], "Eve")
    owner = await Owner.of(places[0], room, ada)
    async with (
        ChatClient(places[0], room, eve.cookie) as one,
        ChatClient(places[1], room, eve.cookie) as two,
        ChatClient(places[1], f"{room}-other", eve.cookie) as other,
        ChatClient(places[1], room) as guest,
    ):
        await owner.does("ban", user=eve.user_id, name="Eve", seconds="600")
        for client in (one, two):
            assert await client.wait_close(SOON) == 1008
            assert client.socket.close_reason == "banned"
        await other.say("other rooms are no matter of this one's owner")
        await guest.say("nor are other people")
    for place in places:
        assert await refused(place, room, eve) == "banned"
        assert (await get(place, page_of(room), eve)).status == 403
        assert (await get(place, f"/api/rooms/{room}/messages", eve)).status == 403
        form = urlencode({"message": "hello", "id": "f1"}).encode()
        posted = await request(
            f"{place.url}{page_of(room)}messages", "POST", form, {**FORM, "Cookie": eve.cookie}
        )
        assert posted.status == 403
    await owner.does("pardon", user=eve.user_id)
    async with ChatClient(places[0], room, eve.cookie) as back:
        await back.say("thank you")


# Closing ----------------------------------------------------------------------------------------------------


async def test_into_a_closed_room_come_those_who_were_there_and_nobody_else(
    places: Places, room: str
) -> None:
    ada, ben, eve = [await new_session(places[0], name) for name in ("Ada", "Ben", "Eve")]
    owner = await Owner.of(places[0], room, ada)
    async with (
        ChatClient(places[0], room, ada.cookie) as one,
        ChatClient(places[1], room, ben.cookie) as two,
        ChatClient(places[1], room) as guest,
    ):
        await one.say("among us")
        assert (await owner.does("close", inside=ben.user_id))["closed"] is True
        assert await guest.wait_close(SOON) == 1008
        assert guest.socket.close_reason == "closed"
        await two.say("we two")
        for client in (one, two):
            await client.expect("message", message="we two")
    for place in places:
        for who in (ada, ben):
            assert await refused(place, room, who) == ""
            assert "among us" in (await get(place, page_of(room), who)).text
            assert len(await log_of(place, room, who)) == 2
        for stranger in (eve, None):
            assert await refused(place, room, stranger) == "closed"
            page = await get(place, page_of(room), stranger)
            assert page.status == 403
            assert "among us" not in page.text
            found = await get(place, f"/api/rooms/{room}/messages", stranger)
            assert (found.status, json.loads(found.body)) == (403, {"error": "closed"})
        lobby = await get(place, "/chat/")
        assert room not in lobby.text
    await owner.does("open")
    await holds(places, owner)
    async with ChatClient(places[1], room) as anybody:
        await anybody.say("open again")


async def test_an_invite_lets_in_and_who_was_let_in_stays_after_it_was_revoked(
    places: Places, room: str
) -> None:
    ada, ben, eve = [await new_session(places[0], name) for name in ("Ada", "Ben", "Eve")]
    owner = await Owner.of(places[0], room, ada)
    await owner.does("close")
    invite = (await owner.does("invite", seconds="3600"))["invites"][0]
    assert invite["until"] == pytest.approx(time.time() + 3600, abs=60)
    await holds(places, owner)
    assert (await ask(places[1], room, "enter", ben, link=invite["invite"])).status == 200
    async with ChatClient(places[1], room, ben.cookie) as two:
        await two.say("thank you for having me")
    assert (await owner.does("revoke", invite=invite["invite"]))["invites"] == []
    await holds(places, owner)
    assert (await ask(places[1], room, "enter", eve, link=invite["invite"])).status == 403
    assert await refused(places[1], room, eve) == "closed"
    assert await refused(places[0], room, ben) == ""


async def test_who_is_banned_is_not_let_in_by_any_invite(places: Places, room: str) -> None:
    ada, eve = await new_session(places[0], "Ada"), await new_session(places[0], "Eve")
    owner = await Owner.of(places[0], room, ada)
    await owner.does("close", inside=eve.user_id)
    await owner.does("ban", user=eve.user_id, seconds="600")
    invite = (await owner.does("invite", seconds="3600"))["invites"][0]["invite"]
    await holds(places, owner)  # else the invite alone would be unknown there
    assert (await ask(places[1], room, "enter", eve, link=invite)).status == 403


async def test_an_invite_link_is_pasted_into_a_form_where_there_is_no_script(
    places: Places, room: str
) -> None:
    ada = await new_session(places[0], "Ada")
    owner = await Owner.of(places[0], room, ada)
    await owner.does("close")
    invite = (await owner.does("invite", seconds="3600"))["invites"][0]["invite"]
    await holds(places, owner)
    pasted = f"https://chat.example{page_of(room)}#invite={invite}"

    async def posts(**fields: str) -> Answer:
        return await request(f"{places[1].url}{page_of(room)}enter", "POST", urlencode(fields).encode(), FORM)

    assert (await posts(link="nothing", name="Ben")).status == 403
    assert (await posts(link=pasted, name="\u202e")).status == 403
    entered = await posts(link=pasted, name="Ben")
    assert (entered.status, entered.headers["Location"]) == (303, page_of(room))
    cookie = (entered.headers["Set-Cookie"] or "").partition(";")[0]

    async def welcome() -> bool:
        return await refused(places[0], room, Session(cookie, "")) == ""

    await until(welcome, SOON, "the other instance knows who was let in")
    async with ChatClient(places[0], room, cookie) as ben:
        assert ben.welcome["you"]["name"] == "Ben"


# Holding ----------------------------------------------------------------------------------------------------


async def test_rules_outlive_every_instance(places: Places, room: str) -> None:
    if places[0] is places[1]:
        pytest.skip("what is in memory ends with its process")
    ada, ben, eve = [await new_session(places[0], name) for name in ("Ada", "Ben", "Eve")]
    owner = await Owner.of(places[0], room, ada)
    await owner.does("close", inside=f"{ben.user_id},{eve.user_id}")
    await owner.does("ban", user=eve.user_id, seconds="600")
    await owner.does("mute", user=ben.user_id, seconds="600")
    before = await owner.does("look")
    for place in places:
        place.kill()
        await place.wait_exit()
    for place in places:
        await place.start(ready=True)
        assert await refused(place, room, eve) == "banned"
        assert await refused(place, room, None) == "closed"
        async with ChatClient(place, room, ben.cookie) as two:
            await nacked_soon(two)
        owner.where = place
        assert await owner.does("look") == before


async def test_an_instance_that_cannot_know_the_rules_lets_nobody_in(
    redis_server, namespace: str, room: str
) -> None:
    url = f"{redis_server.url}?prefix={namespace}"
    async with Instance(url) as one, Instance(url) as two:
        await one.wait_ready()
        await two.wait_ready()
        ada, eve = await new_session(one, "Ada"), await new_session(one, "Eve")
        owner = await Owner.of(one, room, ada)
        async with ChatClient(one, room, ada.cookie) as client:
            await client.say("among us")
        await owner.does("close")
        await two.terminate()
        redis_server.freeze()
        try:
            await two.start()
            with pytest.raises(InvalidStatus) as found:
                await refused(two, room, eve)
            assert found.value.response.status_code == 503
            assert (await get(two, f"/api/rooms/{room}/messages", eve)).status == 503
            page = await get(two, page_of(room), eve)
            assert "among us" not in page.text
            assert await owner.tries("open") == 503
        finally:
            redis_server.thaw()
        await two.wait_ready()
        assert await refused(two, room, eve) == "closed"
