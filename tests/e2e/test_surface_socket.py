"""Both dialects of the socket, from outside, as docs/protocol.md says."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

import pytest
from websockets import InvalidStatus
from websockets.asyncio.client import connect

from tests.e2e.places import FORM, HISTORY
from tests.e2e.tables import BAD_ROOMS, BAD_ROOMS_ENCODED, DIFFERENT_ROOMS, GOOD_ROOMS, ORIGINS, SAME_ROOM
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until

POSITION = re.compile(r"[A-Za-z0-9_.~-]{1,64}")


async def refused(client: ChatClient) -> Any:
    """The HTTP answer to a handshake that must not succeed."""
    with pytest.raises(InvalidStatus) as caught:
        await client.open()
    return caught.value.response


# Welcome ------------------------------------------------------------------------------------------


async def test_welcome_comes_first_and_tells_everything(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    async with ChatClient(place, room, ada.cookie) as client:
        welcome = client.frames[0]
        assert welcome["type"] == "welcome"
        assert welcome["room"] == room
        assert welcome["you"] == {"id": ada.user_id, "name": "Ada"}
        assert POSITION.fullmatch(welcome["position"])
        assert welcome["resumed"] is None
        assert welcome["durability"] in ("D0", "D1", "D2", "D3")
        assert welcome["window"] == {"entries": HISTORY, "seconds": 86400}
        assert welcome["limits"] == {"message_bytes": 8192, "rate": 0}
        assert welcome["count"] == 1
        assert welcome["members"] == [{"id": ada.user_id, "name": "Ada"}]


async def test_the_durability_told_is_the_broker_s(
    place: Instance, room: str, request: pytest.FixtureRequest
) -> None:
    # Redis runs with AOF everysec here, RabbitMQ with a stream.
    expected = "D0" if request.node.callspec.params["kept_place"] == "memory" else "D2"

    async def told() -> bool:
        async with ChatClient(place, room) as client:
            return bool(client.welcome["durability"] == expected)

    # It is told once it was checked, which may be a moment after the start.
    await until(told, 5, f"{expected} is told")


async def test_only_quartchat_v1_is_chosen_among_subprotocols(lone: Instance, room: str) -> None:
    url = f"{lone.ws_url}/ws/chat/{room}/"
    async with connect(url, subprotocols=["x", "quartchat.v1", "y"], proxy=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "quartchat.v1"
        assert json.loads(await socket.recv())["type"] == "welcome"
    async with connect(url, subprotocols=["quartchat.v2"], proxy=None) as socket:  # type: ignore[list-item]
        assert socket.subprotocol is None
        await socket.send('{"message": "plain"}')
        assert json.loads(await socket.recv()) == {"message": "plain"}


async def test_compression_is_not_negotiated(lone: Instance, room: str) -> None:
    async with connect(f"{lone.ws_url}/ws/chat/{room}/", compression="deflate", proxy=None) as s:
        assert s.response is not None
        assert "Sec-WebSocket-Extensions" not in s.response.headers


# History and resuming -----------------------------------------------------------------------------


async def fill(where: Instance, room: str, count: int, first: int = 0) -> list[dict[str, Any]]:
    async with ChatClient(where, room, history=0) as client:
        for number in range(first, first + count):
            await client.send(f"m{number}")
        await client.wait(lambda: len(client.messages) == count, what=f"{count} messages")
        return client.messages


@pytest.mark.parametrize(("asked", "given"), [(None, 50), (0, 0), (1, 1), (70, 70), (99999, 80)])
async def test_the_history_asked_for_comes_before_what_is_new(
    place: Instance, room: str, asked: int | None, given: int
) -> None:
    said = await fill(place, room, 80)
    async with ChatClient(place, room, history=asked) as client:
        await client.say("new")
        expected = [*[message["message"] for message in said][80 - given :], "new"]
        await client.wait_texts(expected)
        assert client.welcome["position"] == said[-1]["position"]


@pytest.mark.parametrize("asked", ["x", "-1", "1.5", "%D9%A3", ""])
async def test_a_history_that_is_no_number_is_refused(lone: Instance, room: str, asked: str) -> None:
    client = ChatClient(lone, room)
    client.url += f"?history={asked}"
    assert (await refused(client)).status_code == 400


async def test_a_client_resumes_right_after_any_position(place: Instance, room: str) -> None:
    said = await fill(place, room, 12)
    for index in range(12):
        async with ChatClient(place, room, since=said[index]["position"]) as client:
            assert client.welcome["resumed"] is True
            await client.wait_texts([message["message"] for message in said[index + 1 :]])
            if index < 11:
                assert client.messages[0]["prev"] == said[index]["position"]
                assert client.messages == said[index + 1 :]


async def test_the_position_of_an_empty_room_can_be_resumed(place: Instance, room: str) -> None:
    async with ChatClient(place, room) as client:
        empty = client.welcome["position"]
        assert client.messages == []
    said = await fill(place, room, 3)
    async with ChatClient(place, room, since=empty) as client:
        assert client.welcome["resumed"] is True
        await client.wait_texts([message["message"] for message in said])


async def test_resuming_far_back_gives_everything_after_it(place: Instance, room: str) -> None:
    said = await fill(place, room, HISTORY - 1)
    async with ChatClient(place, room, since=said[0]["position"]) as client:
        assert client.welcome["resumed"] is True
        await client.wait(lambda: len(client.messages) >= HISTORY - 2, what="all")
        assert client.messages == said[1:]


async def test_what_is_past_the_window_is_a_reset_and_a_page(place: Instance, room: str) -> None:
    said = await fill(place, room, HISTORY + 400)
    async with ChatClient(place, room, since=said[0]["position"]) as client:
        assert client.welcome["resumed"] is False
        reset = await client.expect("reset")
        assert reset["reason"] == "trimmed"
        assert reset["position"] == said[-1]["position"]
        assert client.frames[1]["type"] == "reset"
        await client.say("after")
        await client.expect("message", message="after")
        page = client.messages
        assert page[:-1] == said[-len(page) + 1 :]
        assert len(page) > 1


@pytest.mark.parametrize("since", ["nonsense", "x" * 64, "1.1.1", "a.b.c.d", "~", "x" * 5000])
async def test_a_position_that_never_was_is_a_reset(place: Instance, room: str, since: str) -> None:
    said = await fill(place, room, 3)
    async with ChatClient(place, room, since=since) as client:
        assert client.welcome["resumed"] is False
        reset = await client.expect("reset")
        assert reset["reason"] in ("mismatch", "epoch")
        await client.wait_texts([message["message"] for message in said])


async def test_the_position_of_another_room_is_a_reset(place: Instance, room: str) -> None:
    said = await fill(place, room, 3)
    other = await fill(place, room + "-other", 3)
    async with ChatClient(place, room, since=other[1]["position"]) as client:
        assert client.welcome["resumed"] is False
        assert (await client.expect("reset"))["reason"] in ("epoch", "mismatch", "ahead")
        await client.wait_texts([message["message"] for message in said])


async def test_positions_are_short_and_safe_in_an_address(place: Instance, room: str) -> None:
    said = await fill(place, room, 40)
    assert all(POSITION.fullmatch(message["position"]) for message in said)
    assert len({message["position"] for message in said}) == 40


async def test_there_is_no_hole_between_history_and_what_is_new(place: Instance, room: str) -> None:
    count, joined = 150, 12
    async with ChatClient(place, room) as speaker:

        async def talk() -> None:
            for number in range(count):
                await speaker.say(f"m{number}")

        talking = asyncio.create_task(talk())
        clients: list[ChatClient] = []
        for number in range(joined):
            await speaker.wait(lambda n=number: len(speaker.messages) >= n * 10, what="traffic")
            clients.append(await ChatClient(place, room, history=HISTORY).open())
        await talking
        for client in clients:
            await client.wait_texts([f"m{number}" for number in range(count)])
            chain = client.messages
            assert all(b["prev"] == a["position"] for a, b in itertools.pairwise(chain))
            await client.close()


async def test_a_restarted_memory_broker_is_another_epoch(room: str) -> None:
    async with Instance("memory://") as one:
        said = await fill(one, room, 3)
        one.kill()
        await one.start()
        async with ChatClient(one, room, since=said[0]["position"]) as client:
            assert client.welcome["resumed"] is False
            assert (await client.expect("reset"))["reason"] == "epoch"
            await client.say("again")
            await client.wait_texts(["again"])


# Sending ------------------------------------------------------------------------------------------

TEXTS = [
    "plain",
    "안녕하세요, 여러분!",
    "🎉👩‍👩‍👧🇰🇷❤️",
    "שלום عليكم",
    "a\u202eb\u2066c",
    "tab\tnewline\nreturn\r\n",
    "nul\x00 bell\x07 escape\x1b[31m del\x7f c1\x85",
    "line\u2028paragraph\u2029",
    "\ufeffbom \ufffe \uffff",
    "e\u0301 stays decomposed",
    '"quotes" \\ back </script><!-- &amp;',
    " spaces around ",
    "Z̸̧̢̛͇̗̫͍͕̰͔a̵̧̢̛͇̗̫͍͕̰͔ļ̴̢̛͇̗̫͍͕̰͔g̸̛o",
    "\U0010ffff \ue000",
    '{"type":"message"}',
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:24])
async def test_a_text_arrives_as_it_was_sent(place: Instance, room: str, text: str) -> None:
    async with ChatClient(place, room) as one, ChatClient(place, room) as two:
        await one.say(text)
        assert (await two.expect("message"))["message"] == text
    async with ChatClient(place, room) as late:
        assert (await late.expect("message"))["message"] == text


async def test_a_message_tells_who_when_and_where(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    async with ChatClient(place, room, ada.cookie) as one, ChatClient(place, room) as two:
        ack = await one.say("hello", "id-1")
        assert set(ack) == {"type", "id", "position"}
        for client in (one, two):
            seen = await client.expect("message")
            assert seen["id"] == "id-1"
            assert seen["user"] == {"id": ada.user_id, "name": "Ada"}
            assert seen["position"] == ack["position"]
            assert seen["prev"] is None
            sent = datetime.fromisoformat(seen["time"])
            assert seen["time"].endswith("Z")
            assert abs(sent.timestamp() - time.time()) < 30


@pytest.mark.parametrize("id", ["a", "A" * 64, "0-_z", "-", "_"])
async def test_good_ids_are_acked(lone: Instance, room: str, id: str) -> None:
    async with ChatClient(lone, room) as client:
        assert (await client.say("text", id))["id"] == id


async def test_the_same_id_again_is_the_same_ack_and_no_second_message(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    async with ChatClient(place, room, ada.cookie) as client:
        first = await client.say("once", "same")
        again = await client.say("once", "same")
        assert again == first
    async with ChatClient(place, room, ada.cookie) as client:
        assert await client.say("once", "same") == first
        await client.say("end")
        await client.wait_texts(["once", "end"])


async def test_the_same_id_twice_in_flight_is_one_message(place: Instance, room: str) -> None:
    async with ChatClient(place, room) as client:
        for _ in range(5):
            await client.send("once", "same")
        await client.expect("ack", id="same")
        await client.say("end")
        await client.wait_texts(["once", "end"])


async def test_one_id_of_two_people_is_two_messages(place: Instance, room: str) -> None:
    async with ChatClient(place, room) as one, ChatClient(place, room) as two:
        await one.say("from one", "same")
        await two.say("from two", "same")
        await one.wait_texts(["from one", "from two"])


async def test_the_same_id_with_another_text_is_a_conflict(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    async with ChatClient(place, room, ada.cookie) as client:
        await client.say("first", "same")
        await client.send("second", "same")
        assert (await client.expect("nack", id="same"))["code"] == "id_conflict"
        await client.send("one", "flight")
        await client.send("two", "flight")
        assert (await client.expect("nack", id="flight"))["code"] == "id_conflict"
        await client.expect("ack", id="flight")
        await client.say("end")
        await client.wait_texts(["first", "one", "end"])


async def test_messages_of_one_connection_keep_their_order(place: Instance, room: str) -> None:
    async with ChatClient(place, room) as one, ChatClient(place, room) as two:
        texts = [f"{number}" for number in range(250)]
        for text in texts:
            await one.send(text)
        await one.wait_texts(texts)
        await two.wait_texts(texts)

        def acked() -> set[str]:
            return {frame["id"] for frame in one.frames if frame["type"] == "ack"}

        # A message may come before its ack.
        await one.wait(lambda: len(acked()) == 250, what="an ack for each")


async def test_all_see_one_order(place: Instance, room: str) -> None:
    clients = [await ChatClient(place, room).open() for _ in range(5)]
    await asyncio.gather(*(c.send(f"{i}:{n}") for n in range(20) for i, c in enumerate(clients)))
    for client in clients:
        await client.wait(lambda c=client: len(c.messages) == 100, what="100 messages")
    assert all(client.messages == clients[0].messages for client in clients)
    for client in clients:
        await client.close()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"message": ""}, "empty"),
        ({"message": "   \n\t"}, "empty"),
        ({"message": "\u3000"}, "empty"),
        ({"message": "x" * 8193}, "too_long"),
        ({"message": "한" * 2731}, "too_long"),
        ({}, "bad_request"),
        ({"message": None}, "bad_request"),
        ({"message": 1}, "bad_request"),
        ({"message": ["a"]}, "bad_request"),
        ({"message": {"a": "b"}}, "bad_request"),
        ({"message": "\ud800"}, "bad_request"),
        ({"message": "ok \udfff\ud83d"}, "bad_request"),
    ],
    ids=range(12),
)
async def test_a_refused_message_is_told_and_never_appears(
    place: Instance, room: str, frame: dict[str, Any], code: str
) -> None:
    async with ChatClient(place, room) as client:
        await client.send_frame({"type": "send", "id": "bad", **frame})
        nack = await client.expect("nack", id="bad")
        assert nack["code"] == code
        assert nack["detail"]
        await client.say("good")
        await client.wait_texts(["good"])


@pytest.mark.parametrize("text", ["x" * 8192, "한" * 2730, "\x00" * 8192, "🎉" * 2048])
async def test_the_longest_message_passes(place: Instance, room: str, text: str) -> None:
    async with ChatClient(place, room) as client:
        await client.say(text)
        await client.wait_texts([text])


async def test_too_many_messages_are_told_when_to_come_back(lone: Instance, room: str) -> None:
    ada = await new_session(lone, "Ada")
    async with (
        ChatClient(lone, room, ada.cookie) as first,
        ChatClient(lone, room, ada.cookie) as second,
        ChatClient(lone, room) as other,
    ):
        began = time.monotonic()
        for number in range(60):
            await first.send(f"m{number}", f"i{number}")
            await second.send(f"n{number}", f"j{number}")

        def answers(client: ChatClient) -> list[dict[str, Any]]:
            return [frame for frame in client.frames if frame["type"] in ("ack", "nack")]

        for client in (first, second):
            await client.wait(lambda client=client: len(answers(client)) == 60, what="an answer to each")
        took = time.monotonic() - began
        nacks = [each for client in (first, second) for each in answers(client) if each["type"] == "nack"]
        # Three seconds' worth at once, and ten a second; it is the session's, not the connection's.
        assert 30 <= 120 - len(nacks) <= 31 + 10 * took
        assert {nack["code"] for nack in nacks} == {"rate_limited"}
        assert all(0 < nack["retry_after"] < 5 for nack in nacks)
        # One person's limit is nobody else's.
        await other.say("mine")
        await other.expect("message", message="mine")
        refused_ids = {nack["id"] for nack in nacks}
        assert not refused_ids & {message["id"] for message in other.messages}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "null",
        "1",
        "[]",
        "{}",
        '{"type": 1}',
        '{"type": null}',
        '{"type": ""}',
        '{"type": "dance"}',
        '{"type": "welcome"}',
        '{"type": "message", "message": "x"}',
        '{"type": "SEND", "id": "a", "message": "x"}',
        '{"type": "send"}',
        '{"type": "send", "message": "x"}',
        '{"type": "send", "id": "", "message": "x"}',
        '{"type": "send", "id": "a b", "message": "x"}',
        '{"type": "send", "id": "é", "message": "x"}',
        '{"type": "send", "id": "' + "a" * 65 + '", "message": "x"}',
        '{"type": "send", "id": 1, "message": "x"}',
        '{"type": "send", "id": null, "message": "x"}',
        '{"message": "plain"}',
        '{"type": "send", "id": "a", "message": "x"',
        '{"type": "send", "id": "a\\n", "message": "x"}',
        "[" * 5000,
        '{"a":' * 5000,
        '{"type": "ping", "type": }',
        "NaN",
        '{"type": "\ud55c"}',
        "\x00",
    ],
    ids=range(30),
)
async def test_a_frame_that_is_not_understood_is_told_and_the_connection_lives(
    lone: Instance, room: str, text: str
) -> None:
    async with ChatClient(lone, room) as client:
        await client.send_frame(text)
        error = await client.expect("error")
        assert error["code"]
        assert error["detail"]
        await client.say("still here")
        await client.wait_texts(["still here"])


async def test_unknown_fields_are_ignored(lone: Instance, room: str) -> None:
    async with ChatClient(lone, room) as client:
        await client.send_frame(
            {"type": "send", "id": "a", "message": "x", "user": {"id": "evil"}, "time": 0, "n": [1]}
        )
        await client.expect("ack", id="a")
        seen = await client.expect("message")
        assert seen["user"] == client.welcome["you"]
        await client.send_frame({"type": "ping", "more": {"x": 1}})
        await client.expect("pong")


async def test_a_ping_is_answered_with_the_top_of_the_log(place: Instance, room: str) -> None:
    async with ChatClient(place, room) as client:
        await client.send_frame({"type": "ping"})
        assert (await client.expect("pong"))["position"] == client.welcome["position"]
        await client.say("x")
        message = await client.expect("message")
        await client.send_frame({"type": "ping"})
        assert (await client.expect("pong"))["position"] == message["position"]
        await client.send_frame({"type": "pong"})


# The plain dialect --------------------------------------------------------------------------------


async def test_a_tutorial_s_page_gets_texts_and_nothing_else(place: Instance, room: str) -> None:
    await fill(place, room, 3)
    async with (
        ChatClient(place, room, subprotocol=None) as one,
        ChatClient(place, room, subprotocol=None) as two,
        ChatClient(place, room, history=0) as modern,
    ):
        await one.send("hello")
        await two.wait_texts(["hello"])
        await modern.send_frame({"type": "typing"})
        await modern.say("안녕")
        await two.send("bye")
        for client in (one, two):
            await client.wait_texts(["hello", "안녕", "bye"])
            assert all(set(frame) == {"message"} for frame in client.frames)
        await modern.wait_texts(["hello", "안녕", "bye"])


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (2, 2), (99, 5)])
async def test_a_plain_client_may_ask_for_history(place: Instance, room: str, asked: int, given: int) -> None:
    await fill(place, room, 5)
    async with ChatClient(place, room, history=asked, subprotocol=None) as client:
        await client.send("new")
        await client.wait_texts([*[f"m{n}" for n in range(5)][5 - given :], "new"])


@pytest.mark.parametrize(
    "text",
    ["", "x", "{}", "[]", '{"message": 1}', '{"message": ""}', '{"message": "\\ud800"}', "LONG"],
)
async def test_a_refused_plain_message_closes_with_1008(lone: Instance, room: str, text: str) -> None:
    async with ChatClient(lone, room, subprotocol=None) as client:
        await client.send_frame(json.dumps({"message": "x" * 8193}) if text == "LONG" else text)
        assert await client.wait_close() == 1008
        assert client.socket.close_reason
    async with ChatClient(lone, room) as late:
        await late.say("end")
        await late.wait_texts(["end"])


async def test_a_plain_client_s_unknown_fields_are_ignored(lone: Instance, room: str) -> None:
    async with ChatClient(lone, room, subprotocol=None) as client:
        await client.send_frame('{"message": "x", "type": "chat_message"}')
        await client.wait_texts(["x"])


# Presence and typing ------------------------------------------------------------------------------


async def test_who_comes_and_goes_is_told_in_gathered_frames(place: Instance, room: str) -> None:
    people = [await new_session(place, f"P{number}") for number in range(8)]
    async with ChatClient(place, room) as watcher:
        started = time.monotonic()
        others = [await ChatClient(place, room, person.cookie).open() for person in people]

        def known() -> set[str]:
            here: set[str] = set()
            for frame in watcher.frames:
                if frame["type"] == "presence":
                    here |= {user["id"] for user in frame["joined"]}
                    here -= {user["id"] for user in frame["left"]}
            return here - {watcher.welcome["you"]["id"]}

        def count() -> Any:
            return [f["count"] for f in watcher.frames if f["type"] in ("presence", "welcome")][-1]

        await watcher.wait(lambda: len(known()) == 8 and count() == 9, what="all eight joined")
        assert known() == {person.user_id for person in people}
        for other in others:
            await other.close()
        await watcher.wait(lambda: not known() and count() == 1, what="all eight left")
        frames = [frame for frame in watcher.frames if frame["type"] == "presence"]
        assert len(frames) <= time.monotonic() - started + 2


async def test_a_person_with_two_windows_is_one(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    async with (
        ChatClient(place, room, ada.cookie) as one,
        ChatClient(place, room, ada.cookie) as two,
    ):
        assert two.welcome["count"] == 1
        await one.close()
        async with ChatClient(place, room) as other:
            assert other.welcome["count"] == 2
            assert {"id": ada.user_id, "name": "Ada"} in other.welcome["members"]


async def test_typing_is_told_to_others_at_most_each_three_seconds(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    async with ChatClient(place, room, ada.cookie) as one, ChatClient(place, room) as two:
        for _ in range(30):
            await one.send_frame({"type": "typing"})
        typing = await two.expect("typing")
        assert typing["user"] == {"id": ada.user_id, "name": "Ada"}
        await one.say("done")
        await two.expect("message")
        assert len([frame for frame in two.frames if frame["type"] == "typing"]) == 1


# Ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"x", b"", b"\xff\xfe"])
@pytest.mark.parametrize("subprotocol", ["quartchat.v1", None])
async def test_a_binary_frame_ends_with_1003(
    lone: Instance, room: str, data: bytes, subprotocol: str | None
) -> None:
    async with ChatClient(lone, room, subprotocol=subprotocol) as client:
        await client.send_frame(data)
        assert await client.wait_close() == 1003


async def test_a_frame_too_big_ends_with_1009(lone: Instance, room: str) -> None:
    async with ChatClient(lone, room) as client:
        await client.send_frame("x" * 200_000)
        assert await client.wait_close() == 1009


async def test_a_message_that_never_ends_is_cut_off(lone: Instance, room: str) -> None:
    async with ChatClient(lone, room) as client:

        async def pour() -> None:
            async def fragments() -> Any:
                for _ in range(2000):
                    yield "x" * 10_000

            await client.socket.send(fragments())

        pouring = asyncio.create_task(pour())
        code = await client.wait_close()
        await asyncio.gather(pouring, return_exceptions=True)
        assert code in (1009, 1006)


async def test_text_that_is_not_utf8_ends_with_1007(lone: Instance, room: str) -> None:
    async with ChatClient(lone, room) as client:
        await client.socket.send(b"\xff\xfe", text=True)
        assert await client.wait_close() in (1007, 1002)


async def test_an_ended_session_s_sockets_are_closed_with_4401(place: Instance, room: str) -> None:
    ada, bob = await new_session(place, "Ada"), await new_session(place, "Bob")
    async with (
        ChatClient(place, room, ada.cookie) as one,
        ChatClient(place, room, ada.cookie, subprotocol=None) as two,
        ChatClient(place, room, bob.cookie) as other,
    ):
        await other.say("x")
        started = time.monotonic()
        await place.post("/session/end", b"", {**FORM, "Cookie": ada.cookie})
        assert await one.wait_close(5) == 4401
        assert await two.wait_close(5) == 4401
        assert time.monotonic() - started < 5
        await other.say("still here")


async def test_a_page_made_for_somebody_else_is_told_with_4401(lone: Instance, room: str) -> None:
    ada, bob = await new_session(lone, "Ada"), await new_session(lone, "Bob")
    async with ChatClient(lone, room, ada.cookie, as_=ada.user_id) as client:
        assert client.welcome["you"]["id"] == ada.user_id
        for cookie in (bob.cookie, None, "quartchat=forged"):
            stranger = ChatClient(lone, room, cookie, as_=ada.user_id)
            with pytest.raises(AssertionError, match="4401"):
                await stranger.open()
            assert stranger.frames == []
        await client.say("end")
        await client.expect("message", message="end")
        assert all(message["user"]["id"] == ada.user_id for message in client.messages)

        def came() -> set[str]:
            told = [frame["joined"] for frame in client.frames if frame["type"] == "presence"]
            return {person["id"] for people in told for person in people}

        # Nobody was seen coming in, until somebody does.
        async with ChatClient(lone, room) as late:
            they = late.welcome["you"]["id"]
            await client.wait(lambda: they in came(), what="who comes is told")
        assert came() <= {ada.user_id, they}


# Refused before the handshake ---------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD_ROOMS, ids=ascii)
async def test_a_good_room_name_opens_a_room_of_its_own(place: Instance, name: str) -> None:
    async with ChatClient(place, name, history=0) as client:
        await client.say(f"in {name}")
        await client.wait_texts([f"in {name}"])


@pytest.mark.parametrize("path", [*(quote(name, safe="") for name in BAD_ROOMS), *BAD_ROOMS_ENCODED])
async def test_a_bad_room_name_is_404(lone: Instance, path: str) -> None:
    client = ChatClient(lone, "x")
    client.url = f"{lone.ws_url}/ws/chat/{path}/"
    assert (await refused(client)).status_code == 404


@pytest.mark.parametrize("names", SAME_ROOM, ids=ascii)
async def test_two_spellings_of_one_name_are_one_room(lone: Instance, names: tuple[str, str]) -> None:
    async with (
        ChatClient(lone, names[0], history=0) as one,
        ChatClient(lone, names[1], history=0) as two,
    ):
        assert one.welcome["room"] == two.welcome["room"]
        await one.say("hello")
        await two.wait_texts(["hello"])


@pytest.mark.parametrize("names", DIFFERENT_ROOMS, ids=ascii)
async def test_names_that_look_alike_are_two_rooms(place: Instance, names: tuple[str, str]) -> None:
    async with (
        ChatClient(place, names[0], history=0) as one,
        ChatClient(place, names[1], history=0) as two,
    ):
        await one.say("one")
        await two.say("two")
        await two.wait_texts(["two"])
        await one.wait_texts(["one"])


@pytest.mark.parametrize(("headers", "good"), ORIGINS, ids=str)
async def test_sockets_of_other_sites_are_refused(
    lone: Instance, room: str, headers: dict[str, str], good: bool
) -> None:
    sent = {name: text.replace("{port}", str(lone.port)) for name, text in headers.items()}
    opening = connect(f"{lone.ws_url}/ws/chat/{room}/", additional_headers=sent, proxy=None)
    if good:
        async with opening as socket:
            await socket.send('{"message": "hello"}')
            assert await socket.recv() == '{"message":"hello"}'
    else:
        with pytest.raises(InvalidStatus) as caught:
            await opening
        assert caught.value.response.status_code == 403


async def test_listed_origins_may_and_no_others(room: str) -> None:
    listed = "https://chat.example.org, https://other.example:8443"
    async with Instance("memory://", {"QUARTCHAT_ALLOWED_ORIGINS": listed}) as one:
        for origin in ("https://chat.example.org", "https://other.example:8443"):
            async with ChatClient(one, room, origin=origin):
                pass
        for origin in (
            one.url,
            "http://chat.example.org",
            "https://other.example",
            "https://chat.example.org:8443",
            "https://chat.example.org.evil.example",
            "https://evil.chat.example.org",
        ):
            assert (await refused(ChatClient(one, room, origin=origin))).status_code == 403


async def test_guests_are_refused_where_they_are_denied(room: str) -> None:
    async with Instance("memory://", {"QUARTCHAT_GUESTS": "deny"}) as one:
        for subprotocol in ("quartchat.v1", None):
            client = ChatClient(one, room, subprotocol=subprotocol)
            assert (await refused(client)).status_code == 401
        answer = await one.post("/session", b"name=Ada", FORM)
        cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
        async with ChatClient(one, room, cookie) as client:
            assert client.welcome["you"]["name"] == "Ada"
            await one.post("/session/end", b"", {**FORM, "Cookie": cookie})
            assert await client.wait_close(5) == 4401
        assert (await refused(ChatClient(one, room, cookie))).status_code == 401


async def test_a_full_instance_says_when_to_come_back(room: str) -> None:
    async with (
        Instance("memory://", {"QUARTCHAT_MAX_CONNECTIONS": "2"}) as one,
        ChatClient(one, room) as first,
        ChatClient(one, room),
    ):
        answer = await refused(ChatClient(one, room))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 1
        await first.close()

        async def place_is_free() -> bool:
            try:
                async with ChatClient(one, room):
                    return True
            except InvalidStatus:
                return False

        await until(place_is_free, 5, "a place is free again")


@pytest.mark.parametrize("setting", ["1", "100"])
async def test_the_limit_of_a_message_can_be_set(room: str, setting: str) -> None:
    async with (
        Instance("memory://", {"QUARTCHAT_MAX_MESSAGE_BYTES": setting}) as one,
        ChatClient(one, room) as client,
    ):
        assert client.welcome["limits"]["message_bytes"] == int(setting)
        await client.say("x" * int(setting))
        await client.send("x" * (int(setting) + 1), "long")
        assert (await client.expect("nack", id="long"))["code"] == "too_long"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_client_that_speaks_with_its_handshake_is_400_and_leaves_no_member(
    room: str, loop: Literal["asyncio", "uvloop"]
) -> None:
    """A text frame in the same segment as the request: nobody has accepted it yet."""
    lines = [
        f"GET /ws/chat/{room}/ HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "",
        "",
    ]
    early = "\r\n".join(lines).encode() + b"\x81\x82" + bytes(4) + b"{}"
    async with Instance("memory://", loop=loop) as one:
        for _ in range(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
            writer.write(early)
            assert (await reader.readuntil(b"\r\n")).split()[1] == b"400"
            writer.close()
            await writer.wait_closed()
        async with ChatClient(one, room) as client:
            assert client.welcome["count"] == 1
            await client.say("alone")

            async def alone() -> bool:
                return "\nquartchat_members 1.0\n" in (await one.get("/metrics")).text

            await until(alone, 5, "nobody else is counted")


# Silence ------------------------------------------------------------------------------------------


async def sit_quietly(where: Instance) -> None:
    room = "silence"
    async with (
        ChatClient(where, room) as good,
        ChatClient(where, room, pong=False) as dead,
        ChatClient(where, room, subprotocol=None) as plain,
    ):
        ping = await good.expect("ping", timeout=35)
        assert ping["position"] == good.welcome["position"]
        await dead.expect("ping", timeout=10)
        assert await dead.wait_close(60) == 1013
        assert not good.closed
        assert not plain.closed
        await good.say("still here")
        await plain.wait_texts(["still here"])


@pytest.fixture(scope="session", autouse=True)
def silence(lone: Instance) -> Iterator[Future[None]]:
    """Clients that say nothing for a minute, beside all the other tests."""
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(lambda: asyncio.run(sit_quietly(lone)))


@pytest.mark.slow  # so that it comes last
async def test_a_silent_client_is_pinged_and_lives_while_it_answers(silence: Future[None]) -> None:
    await asyncio.wrap_future(silence)
