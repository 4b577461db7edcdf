"""Pages, sessions, the API and what machines ask, from outside, as docs/protocol.md says."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
import socket
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.places import FORM, HISTORY
from tests.e2e.tables import BAD_ROOMS, BAD_ROOMS_ENCODED, GOOD_ROOMS, ORIGINS
from tests.support.client import ChatClient, new_session
from tests.support.instance import Answer, Instance


async def post_name(where: Instance, name: str, headers: dict[str, str] | None = None, **more: str) -> Answer:
    body = urlencode({"name": name, **more}).encode()
    return await where.post("/session", body, {**FORM, **(headers or {})})


async def api(where: Instance, room: str, **query: Any) -> tuple[int, Any]:
    tail = "?" + urlencode(query) if query else ""
    answer = await where.get(f"/api/rooms/{quote(room, safe='')}/messages{tail}")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status, json.loads(answer.body)


async def fill(where: Instance, room: str, count: int) -> list[dict[str, Any]]:
    """Say m0, m1, ... in a room; the messages as the sender saw them."""
    async with ChatClient(where, room) as client:
        for number in range(count):
            await client.send(f"m{number}")
        await client.wait(lambda: len(client.messages) == count, what=f"{count} messages")
        return client.messages


# Pages --------------------------------------------------------------------------------------------


async def test_the_root_redirects_to_the_lobby(lone: Instance) -> None:
    answer = await lone.get("/")
    assert answer.status in (301, 302, 303, 307, 308)
    assert answer.headers["Location"].endswith("/chat/")


async def test_the_lobby_asks_for_a_room(lone: Instance) -> None:
    answer = await lone.get("/chat/")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert 'id="room-name-input"' in answer.text


async def test_the_lobby_leads_to_a_room_without_a_script(lone: Instance) -> None:
    answer = await lone.get("/chat/?room=" + quote("한국어 방"))
    assert answer.status == 303
    assert answer.headers["Location"] == "/chat/" + quote("한국어 방") + "/"
    assert (await lone.get("/chat/?room=..")).status == 400


async def test_a_room_has_the_log_and_the_input_of_the_tutorial(lone: Instance, room: str) -> None:
    page = (await lone.get(f"/chat/{room}/")).text
    for name in ("chat-log", "chat-message-input", "chat-message-submit"):
        assert f'id="{name}"' in page


async def test_a_room_without_its_last_slash_is_found(lone: Instance) -> None:
    answer = await lone.get("/chat/lobby")
    assert answer.status in (301, 307, 308)
    assert answer.headers["Location"].endswith("/chat/lobby/")


async def test_a_room_page_shows_what_was_said_and_escapes_it(place: Instance, room: str) -> None:
    async with ChatClient(place, room) as client:
        await client.say('<script>alert("x")</script> & 안녕')
        # Stored it is by the ack; what this instance shows is what came back to it.
        await client.expect("message")
    page = (await place.get(f"/chat/{room}/")).text
    assert "<script>alert(" not in page
    assert "&lt;script&gt;" in page
    assert "안녕" in page


@pytest.mark.parametrize("name", GOOD_ROOMS, ids=ascii)
async def test_a_good_room_name_has_a_page_and_an_api(lone: Instance, name: str) -> None:
    path = quote(name, safe="")
    assert (await lone.get(f"/chat/{path}/")).status == 200
    status, body = await api(lone, name)
    assert status == 200
    assert body["complete"] is True


@pytest.mark.parametrize("path", [*(quote(name, safe="") for name in BAD_ROOMS), *BAD_ROOMS_ENCODED])
async def test_a_bad_room_name_is_404_everywhere(lone: Instance, path: str) -> None:
    page = await lone.get(f"/chat/{path}/")
    assert page.status == 404
    assert "Traceback" not in page.text
    assert (await lone.get(f"/api/rooms/{path}/messages")).status == 404


@pytest.mark.parametrize("path", ["/nothing", "/chat/a/b/", "/static/nothing.js", "/api/", "/ws/"])
async def test_what_is_not_there_is_404(lone: Instance, path: str) -> None:
    assert (await lone.get(path)).status == 404


async def test_a_wrong_method_is_405(lone: Instance) -> None:
    assert (await lone.get("/session")).status == 405
    assert (await lone.get("/session/end")).status == 405
    assert (await lone.post("/chat/", b"")).status == 405


async def test_the_socket_s_address_asked_as_a_page_is_refused(lone: Instance) -> None:
    assert 400 <= (await lone.get("/ws/chat/lobby/")).status < 500


async def test_nothing_that_depends_on_who_asks_is_kept_in_between(lone: Instance) -> None:
    for path in ("/chat/", "/chat/lobby/", "/api/rooms/lobby/messages", "/chat/../"):
        answer = await lone.get(path)
        assert answer.headers["Cache-Control"] == "no-store", path
        assert "Cookie" in answer.headers["Vary"], path
    answer = await post_name(lone, "Ada")
    assert answer.headers["Cache-Control"] == "no-store"


async def test_pages_name_no_other_site_and_allow_none(lone: Instance) -> None:
    answer = await lone.get("/chat/lobby/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", answer.text)
    assert "Server" not in answer.headers


async def test_every_file_that_a_page_names_is_there(lone: Instance) -> None:
    for page in ("/chat/", "/chat/lobby/"):
        text = (await lone.get(page)).text
        for path in sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', text))):
            assert (await lone.get(path)).status == 200, path


# Sessions -----------------------------------------------------------------------------------------


def cookie_of(answer: Answer) -> SimpleCookie:
    return SimpleCookie("; ".join(answer.headers.get_all("Set-Cookie") or []))


async def test_a_name_makes_a_session(lone: Instance, room: str) -> None:
    answer = await post_name(lone, "Ada", next=f"/chat/{room}/")
    assert answer.status == 303
    assert answer.headers["Location"] == f"/chat/{room}/"
    set_cookie = "; ".join(answer.headers.get_all("Set-Cookie") or []).lower()
    assert "httponly" in set_cookie
    assert "samesite=lax" in set_cookie
    assert "path=/" in set_cookie
    assert "domain" not in set_cookie


async def test_people_with_equal_names_are_told_apart(lone: Instance, room: str) -> None:
    one, two = await new_session(lone, "Ada"), await new_session(lone, "Ada")
    assert one.user_id != two.user_id
    async with (
        ChatClient(lone, room, one.cookie) as first,
        ChatClient(lone, room, two.cookie) as second,
    ):
        await first.say("hello")
        seen = await second.expect("message")
        assert seen["user"] == {"id": one.user_id, "name": "Ada"}


async def test_a_renamed_session_stays_the_same_person(lone: Instance, room: str) -> None:
    one = await new_session(lone, "Ada")
    answer = await post_name(lone, "Ada Lovelace", {"Cookie": one.cookie})
    cookie = "; ".join(f"{name}={m.value}" for name, m in cookie_of(answer).items())
    async with ChatClient(lone, room, cookie) as client:
        assert client.welcome["you"] == {"id": one.user_id, "name": "Ada Lovelace"}


@pytest.mark.parametrize(
    ("typed", "kept_as"),
    [("  Ada  ", "Ada"), ("e\u0301", "é"), ("김철수", "김철수"), ("x" * 32, "x" * 32), ("👩‍🚀", "👩‍🚀")],
)
async def test_names_are_kept_in_one_form(lone: Instance, typed: str, kept_as: str) -> None:
    answer = await post_name(lone, typed, {"Accept": "application/json"})
    assert json.loads(answer.body)["name"] == kept_as


@pytest.mark.parametrize(
    "name",
    ["", " ", "x" * 33, "a\x00b", "a\nb", "\u202eada", "\u200b", "a\u2066b", "a/b", ".", "\u3164"],
    ids=ascii,
)
async def test_a_bad_name_of_a_person_makes_no_session(lone: Instance, name: str) -> None:
    answer = await post_name(lone, name)
    assert answer.status == 400
    assert not answer.headers.get_all("Set-Cookie")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "http:/evil.example",
        "/a\r\nSet-Cookie: x=y",
        "evil.example",
        "///evil.example",
        "",
    ],
    ids=ascii,
)
async def test_a_form_leads_to_no_other_site(lone: Instance, target: str) -> None:
    answer = await post_name(lone, "Ada", next=target)
    assert answer.status == 303
    assert answer.headers["Location"] == "/chat/"
    assert "x=y" not in str(answer.headers)


@pytest.mark.parametrize(
    "cookie",
    ["quartchat=x", "quartchat=", "quartchat=a.b.c", "quartchat=" + "x" * 3000, "=;=;;;"],
    ids=lambda text: ascii(text)[:20],
)
async def test_a_forged_cookie_is_nobody(lone: Instance, room: str, cookie: str) -> None:
    assert (await lone.get("/chat/", {"Cookie": cookie})).status == 200
    async with ChatClient(lone, room, cookie) as client:
        assert client.welcome["you"]["id"]


async def test_a_session_of_another_key_is_nobody(lone: Instance, room: str) -> None:
    async with Instance("memory://", {"QUARTCHAT_SECRET_KEY": secrets.token_hex(16)}) as elsewhere:
        stranger = await new_session(elsewhere, "Mallory")
    async with ChatClient(lone, room, stranger.cookie) as client:
        assert client.welcome["you"]["id"] != stranger.user_id


async def test_a_body_that_is_no_form_is_refused_and_too_big_a_one_is_413(lone: Instance) -> None:
    assert (await lone.post("/session", b"\xff\xfe", FORM)).status == 400
    assert (await lone.post("/session", b'{"name": 1}', {"Content-Type": "x"})).status == 400
    assert (await post_name(lone, "x" * 100_000)).status == 413


async def test_an_ended_session_is_forgotten_and_its_cookie_worth_nothing(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    answer = await place.post("/session/end", b"", {**FORM, "Cookie": ada.cookie})
    assert answer.status == 303
    assert cookie_of(answer)["quartchat"].value == ""
    async with ChatClient(place, room, ada.cookie) as client:
        assert client.welcome["you"]["id"] != ada.user_id


async def test_ending_no_session_is_fine(lone: Instance) -> None:
    assert (await lone.post("/session/end", b"", FORM)).status == 303


@pytest.mark.parametrize(("headers", "good"), ORIGINS, ids=lambda value: str(value))
async def test_forms_of_other_sites_are_refused(lone: Instance, headers: dict[str, str], good: bool) -> None:
    sent = {name: text.replace("{port}", str(lone.port)) for name, text in headers.items()}
    answer = await post_name(lone, "Ada", sent)
    assert answer.status == (303 if good else 403)
    assert bool(answer.headers.get_all("Set-Cookie")) == good
    ended = await lone.post("/session/end", b"", {**FORM, **sent})
    assert ended.status == (303 if good else 403)


# The API ------------------------------------------------------------------------------------------


async def test_the_api_gives_the_log_as_the_socket_does(place: Instance, room: str) -> None:
    said = await fill(place, room, 5)
    status, body = await api(place, room)
    assert status == 200
    assert body["complete"] is True
    expected = [{k: v for k, v in message.items() if k != "type"} for message in said]
    assert body["messages"] == expected


async def test_the_api_gives_the_newest_fifty_first(place: Instance, room: str) -> None:
    said = [message["message"] for message in await fill(place, room, 120)]
    _, body = await api(place, room)
    assert [message["message"] for message in body["messages"]] == said[-50:]
    _, body = await api(place, room, limit=200)
    assert [message["message"] for message in body["messages"]] == said


@pytest.mark.parametrize("step", [1, 7, 50])
async def test_the_log_can_be_read_in_pages_both_ways(place: Instance, room: str, step: int) -> None:
    said = await fill(place, room, 23)
    texts = [message["message"] for message in said]
    found: list[str] = []
    before: dict[str, str] = {}
    while True:
        _, body = await api(place, room, limit=step, **before)
        assert body["complete"] is True
        if not body["messages"]:
            break
        found = [message["message"] for message in body["messages"]] + found
        before = {"before": body["messages"][0]["position"]}
    assert found == texts
    found, after = [texts[0]], said[0]["position"]
    while True:
        _, body = await api(place, room, limit=step, after=after)
        assert body["complete"] is True
        if not body["messages"]:
            break
        found += [message["message"] for message in body["messages"]]
        after = body["messages"][-1]["position"]
    assert found == texts


async def test_prev_names_the_message_before_on_every_page(place: Instance, room: str) -> None:
    await fill(place, room, 9)
    _, whole = await api(place, room)
    messages = whole["messages"]
    assert messages[0]["prev"] is None
    for earlier, later in itertools.pairwise(messages):
        assert later["prev"] == earlier["position"]
    _, page = await api(place, room, after=messages[3]["position"], limit=2)
    assert page["messages"][0]["prev"] == messages[3]["position"]


@pytest.mark.parametrize("query", ["after", "before"])
async def test_a_position_that_never_was_is_told(place: Instance, room: str, query: str) -> None:
    await fill(place, room, 3)
    status, body = await api(place, room, **{query: "nonsense"})
    assert status == 200
    assert body["complete"] is False


async def test_the_window_s_end_is_told(place: Instance, room: str) -> None:
    # The window is what is kept for sure; a little more may still be there for a while.
    count = HISTORY + 400
    said = await fill(place, room, count)
    _, body = await api(place, room, after=said[0]["position"], limit=200)
    assert body["complete"] is False
    # What is left begins where the log begins now, and nothing is missing from there on.
    first = body["messages"][0]["message"]
    assert int(first[1:]) <= count - HISTORY
    found, after = list(body["messages"]), body["messages"][-1]["position"]
    while body["messages"]:
        _, body = await api(place, room, after=after, limit=200)
        assert body["complete"] is True
        found += body["messages"]
        after = found[-1]["position"]
    texts = [message["message"] for message in found]
    assert texts == [f"m{number}" for number in range(int(first[1:]), count)]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1e2",
        "limit=%D9%A3",
        "limit=" + "9" * 5000,
        "after=a&before=b",
    ],
    ids=lambda text: text[:12],
)
async def test_bad_parameters_are_400(lone: Instance, query: str) -> None:
    answer = await lone.get(f"/api/rooms/lobby/messages?{query}")
    assert answer.status == 400
    assert json.loads(answer.body)["error"]


@pytest.mark.parametrize("position", ["", "x" * 65, "a b", "é", "\x00", "..", "a" * 5000, "1.1.1"])
@pytest.mark.parametrize("query", ["after", "before"])
async def test_odd_positions_do_no_harm(place: Instance, room: str, query: str, position: str) -> None:
    status, body = await api(place, room, **{query: position})
    assert status == 200
    assert body["messages"] == []


async def test_both_limits_are_good(lone: Instance, room: str) -> None:
    await fill(lone, room, 3)
    assert len((await api(lone, room, limit=1))[1]["messages"]) == 1
    assert len((await api(lone, room, limit=200))[1]["messages"]) == 3


async def test_reading_a_room_does_not_enter_it(lone: Instance, room: str) -> None:
    await api(lone, room)
    await lone.get(f"/chat/{room}/")
    async with ChatClient(lone, room) as client:
        assert client.welcome["count"] == 1


# Machines -----------------------------------------------------------------------------------------


async def test_a_living_process_says_so(place: Instance) -> None:
    assert (await place.get("/healthz")).status == 200


async def test_readiness_is_a_message_that_came_back(place: Instance) -> None:
    answer = await place.get("/readyz")
    assert answer.status == 200
    assert json.loads(answer.body)["broker_seconds"] >= 0


async def test_many_who_ask_for_readiness_at_once_are_all_answered(place: Instance) -> None:
    answers = await asyncio.gather(*(place.get("/readyz") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}


async def test_metrics_are_prometheus_text(lone: Instance, room: str) -> None:
    async with ChatClient(lone, room) as client:
        await client.say("counted")
        await client.send("", "e1")
        await client.expect("nack", id="e1")
        answer = await lone.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    values: dict[str, float] = {}
    for line in answer.text.splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE) \w+ .+", line), line
        else:
            found = re.fullmatch(r"(\w+(?:\{[^}]*\})?) ([0-9.e+-]+)", line)
            assert found, line
            values[found[1]] = float(found[2])
    assert values["quartchat_members"] >= 1
    assert values["quartchat_acks_total"] >= 1
    assert values['quartchat_nacks_total{code="empty"}'] >= 1
    assert room not in answer.text
    assert "counted" not in answer.text


# Bytes that no browser sends ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /chat/%zz/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /chat/lobby/ HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "POST /session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n=",
        "POST /session HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        "Content-Length: 3\r\n\r\nabc",
        "GET /chat/ HTTP/1.1\r\nHost: x\r\nCookie: \xff\xfe=\xff\r\n\r\n",
        "GET /ws/chat/a/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
        "GET /ws/chat/a/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=x\r\n\r\n",
        "GET /ws/chat/a/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: \xe9\r\n\r\n",
        "GET /ws/chat/a/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ,,\r\n\r\n",
    ],
    ids=range(10),
)
async def test_bytes_that_no_browser_sends_leave_no_trace(lone: Instance, head: str) -> None:
    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", lone.port), 5) as link:
            link.sendall(head.encode("latin-1"))
            return link.recv(65536)

    before = len(lone.log)
    await asyncio.to_thread(ask)
    assert (await lone.get("/healthz")).status == 200
    assert "Traceback" not in lone.log[before:]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET /chat/ HTTP/1.1\r\nHost: {'a' * 64}\r\n\r\n", b"400"),
        (f"GET /ws/chat/a/ HTTP/1.1\r\nHost: {'a' * 5000}:80\r\n\r\n", b"400"),
        ("GET /chat/ HTTP/1.1\r\nHost: a..b\r\n\r\n", b"400"),
        (f"GET /static/{'a' * 256} HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (f"GET /static/{'%ED%95%9C' * 90} HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"400"),
    ],
    ids=range(6),
)
async def test_a_client_s_fault_is_never_told_as_the_server_s(
    lone: Instance, head: str, status: bytes
) -> None:
    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", lone.port), 5) as link:
            link.sendall(head.encode("latin-1"))
            return link.recv(65536)

    before = len(lone.log)
    assert (await asyncio.to_thread(ask)).split(b" ")[1] == status
    assert "Traceback" not in lone.log[before:]
