"""Pages as a browser without a script has them: languages, the lobby's rooms, a message by form."""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.places import FORM
from tests.e2e.tables import BAD_ROOMS, ORIGINS
from tests.support.client import ChatClient, new_session
from tests.support.instance import Answer, Instance
from tests.support.proxy import Proxy
from tests.support.waiting import until

Pair = tuple[Instance, Instance]


def path_of(room: str) -> str:
    return f"/chat/{quote(room, safe='')}/"


def cookies_of(answer: Answer) -> str:
    """What a browser sends back."""
    found = [text.partition(";")[0] for text in answer.headers.get_all("Set-Cookie") or []]
    return "; ".join(found)


class Reader:
    """A browser without a script: it keeps cookies, and posts the form as the page has it."""

    def __init__(self, where: Instance, room: str, cookie: str = "") -> None:
        self.where = where
        self.room = room
        self.cookie = cookie
        self.page = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie} if self.cookie else {}

    async def look(self) -> str:
        self.page = (await self.where.get(path_of(self.room), self.headers)).text
        return self.page

    @property
    def form(self) -> str:
        return re.search(r'<noscript>\s*<form class="plain".*?</noscript>', self.page, re.DOTALL)[0]

    @property
    def hidden(self) -> dict[str, str]:
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', self.form)
        return {name: html.unescape(value) for name, value in fields}

    @property
    def kept(self) -> str:
        """The text in the form."""
        return html.unescape(re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", self.form, re.DOTALL)[1])

    @property
    def error(self) -> str | None:
        found = re.search(r'<p class="error" role="alert">(.*?)</p>', self.form)
        return html.unescape(found[1]) if found else None

    @property
    def texts(self) -> list[str]:
        return [
            html.unescape(text) for text in re.findall(r'<div class="text"[^>]*>(.*?)</div>', self.page, re.S)
        ]

    @property
    def names(self) -> list[str]:
        return [
            html.unescape(name)
            for name in re.findall(r'<div class="who"><bdi class="name">(.*?)</bdi>', self.page)
        ]

    async def post(self, message: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        action = html.unescape(re.search(r'action="([^"]+)"', self.form)[1])
        body = urlencode({**self.hidden, "message": message, **fields}).encode()
        return await self.where.post(action, body, {**FORM, **self.headers, **(headers or {})})

    async def say(self, message: str) -> Answer:
        """Post, keep the cookie, and look at what comes."""
        answer = await self.post(message)
        self.take(answer)
        if answer.status == 303:
            await self.look()
        return answer

    def take(self, answer: Answer) -> None:
        self.cookie = cookies_of(answer) or self.cookie
        if answer.status != 303:
            self.page = answer.text


async def log_of(where: Instance, room: str) -> list[dict[str, Any]]:
    answer = await where.get(f"/api/rooms/{quote(room, safe='')}/messages")
    found: list[dict[str, Any]] = json.loads(answer.body)["messages"]
    return found


# Languages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, "en"),
        ("ko", "ko"),
        ("ko-KR", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-GB,en;q=0.9,ko;q=0.8", "en"),
        ("en;q=0.1,ko;q=0.2", "ko"),
        ("fr,de;q=0.9,ko;q=0.1", "ko"),
        ("fr,de", "en"),
        ("ko;q=0", "en"),
        ("*", "en"),
        ("", "en"),
        ("KO-kr", "ko"),
        (";;,,q=ko", "en"),
        ("ko;q=much", "en"),
        ("x" * 5000, "en"),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("path", ["/chat/", "/chat/lobby/", "/nothing"])
async def test_pages_speak_the_language_that_is_liked_best(
    lone: Instance, path: str, asked: str | None, language: str
) -> None:
    answer = await lone.get(path, {} if asked is None else {"Accept-Language": asked})
    if asked == "ko;q=much":  # whatever that means: a page all the same
        assert '<html lang="' in answer.text
    else:
        assert f'<html lang="{language}"' in answer.text
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in answer.headers["Vary"].split(",")}


async def test_the_switch_is_remembered_and_leads_back(lone: Instance, room: str) -> None:
    page = (await lone.get(path_of(room), {"Accept-Language": "en"})).text
    assert 'name="lang" value="ko"' in page
    assert 'name="lang" value="en"' not in page
    answer = await lone.post("/language", urlencode({"lang": "ko", "next": path_of(room)}).encode(), FORM)
    assert answer.status == 303
    assert answer.headers["Location"] == path_of(room)
    cookie = answer.headers["Set-Cookie"].lower()
    assert "samesite=lax" in cookie
    assert "domain" not in cookie
    for path in (path_of(room), "/chat/", "/nothing"):
        page = (await lone.get(path, {"Accept-Language": "en", "Cookie": cookies_of(answer)})).text
        assert '<html lang="ko"' in page
        assert 'name="lang" value="en"' in page


async def test_who_one_is_has_nothing_to_do_with_the_language(lone: Instance, room: str) -> None:
    ada = await new_session(lone, "Ada")
    answer = await lone.post("/language", b"lang=ko", {**FORM, "Cookie": ada.cookie})
    assert "quartchat=" not in answer.headers["Set-Cookie"]
    cookie = f"{ada.cookie}; {cookies_of(answer)}"
    assert 'data-me-name="Ada"' in (await lone.get(path_of(room), {"Cookie": cookie})).text
    async with ChatClient(lone, room, cookie) as client:
        assert client.welcome["you"]["id"] == ada.user_id


@pytest.mark.parametrize(
    "language", ["", "fr", "KO", "../ko", "ko; Domain=evil.example", "ko\r\nx: y", "x" * 9999]
)
async def test_a_language_that_is_not_there_is_not_remembered(lone: Instance, language: str) -> None:
    answer = await lone.post("/language", urlencode({"lang": language}).encode(), FORM)
    assert answer.status == 303
    assert not answer.headers.get_all("Set-Cookie")


async def test_the_switch_leads_to_no_other_site(lone: Instance) -> None:
    answer = await lone.post("/language", b"lang=ko&next=//evil.example/", FORM)
    assert answer.headers["Location"] == "/chat/"


@pytest.mark.parametrize(
    "cookie", ["quartchat_lang=fr", "quartchat_lang=", "quartchat_lang=\xff", "=;\xfe=;;quartchat_theme=x<y"]
)
async def test_an_odd_cookie_does_no_harm(lone: Instance, cookie: str) -> None:
    answer = await lone.get("/chat/", {"Cookie": cookie})
    assert answer.status == 200
    assert '<html lang="en">' in answer.text


async def test_a_page_comes_in_the_colours_that_were_chosen(lone: Instance) -> None:
    for path in ("/chat/", "/chat/lobby/", "/nothing"):
        page = (await lone.get(path, {"Cookie": "quartchat_theme=dark"})).text
        assert '<html lang="en" data-theme="dark">' in page


async def test_refusals_are_told_in_the_reader_s_language(lone: Instance) -> None:
    korean = {"Accept-Language": "ko", **FORM}
    for answer in (
        await lone.get("/nothing", korean),
        await lone.get("/chat/../", korean),
        await lone.get("/session", korean),
        await lone.post("/session", b"name=", korean),
        await lone.post("/session", b"name=" + b"x" * 100, korean),
        await lone.post("/session", b"name=x" * 100_000, korean),
        await lone.post("/session", b"name=Ada", {**korean, "Origin": "https://evil.example"}),
        await lone.post("/session/end", b"", {**korean, "Origin": "https://evil.example"}),
        await lone.post("/language", b"lang=en", {**korean, "Origin": "https://evil.example"}),
    ):
        assert answer.status >= 400
        assert '<html lang="ko"' in answer.text
        told = re.search(r'class="(?:lead|error)"[^>]*>([^<]+)<', answer.text)[1]
        assert re.search("[가-힣]", told), told
    answer = await lone.post("/session", b"name=a%2Fb", {**korean, "Accept": "application/json"})
    assert re.search("[가-힣]", json.loads(answer.body)["error"])


async def test_a_script_gets_its_words_in_the_page(lone: Instance) -> None:
    for path, key in (("/chat/", "room_empty"), ("/chat/lobby/", "sending")):
        page = (await lone.get(path, {"Accept-Language": "ko"})).text
        block = re.search(r'<script type="application/json" id="words">(.*?)</script>', page, re.DOTALL)[1]
        assert re.search("[가-힣]", json.loads(block)[key])


# The lobby ----------------------------------------------------------------------------------------


async def rooms_of(where: Instance) -> dict[str, int]:
    answer = await where.get("/api/rooms")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    found = json.loads(answer.body)["rooms"]
    assert [each["count"] for each in found] == sorted((each["count"] for each in found), reverse=True)
    return {each["name"]: each["count"] for each in found}


async def shows(where: Instance, room: str, count: int | None, within: float = 12) -> None:
    """Until a room is listed with so many people, or not any more."""

    async def good() -> bool:
        return (await rooms_of(where)).get(room) == count

    await until(good, within, f"{room} has {count}")


async def test_people_on_any_instance_are_counted_on_each(shared_pair: Pair, room: str) -> None:
    name = f"{room} 한국어 방 <🎉>"
    ada = await new_session(shared_pair[0], "Ada")
    async with ChatClient(shared_pair[0], name, ada.cookie):
        await shows(shared_pair[0], name, 1)
        await shows(shared_pair[1], name, 1)
        async with (
            ChatClient(shared_pair[1], name, ada.cookie),
            ChatClient(shared_pair[1], name),
            ChatClient(shared_pair[1], name, subprotocol=None),
        ):
            for where in shared_pair:
                await shows(where, name, 3)
                page = (await where.get("/chat/")).text
                link = f'<a href="{path_of(name)}"><bdi>{html.escape(name)}</bdi>'
                assert link in page
                assert re.search(re.escape(link) + r' <span class="count"[^>]*>3</span>', page)
        for where in shared_pair:
            await shows(where, name, 1)
    for where in shared_pair:
        await shows(where, name, None)
        assert html.escape(name) not in (await where.get("/chat/")).text


async def test_looking_at_the_rooms_enters_none(shared_pair: Pair, room: str) -> None:
    async with ChatClient(shared_pair[0], room) as client:
        await shows(shared_pair[1], room, 1)
        await shared_pair[1].get("/chat/")
        assert client.welcome["count"] == 1
        assert (await rooms_of(shared_pair[0]))[room] == 1


async def test_an_instance_that_is_killed_takes_its_rooms_along(redis_server: Any, room: str) -> None:
    url = f"{redis_server.url}?prefix=killed{room}"
    async with Instance(url) as one, Instance(url) as two:
        client = ChatClient(one, room)
        await client.open()
        await shows(two, room, 1)
        one.kill()
        began = time.monotonic()
        await shows(two, room, None, within=30)
        assert time.monotonic() - began < 25
        client.drop()


async def test_the_lobby_s_form_leads_to_the_room_without_a_script(lone: Instance, room: str) -> None:
    async def enter(**fields: str) -> Answer:
        return await lone.post("/session", urlencode({"next": "/chat/", **fields}).encode(), FORM)

    answer = await enter(name="Ada", room=f" {room} 방 ")
    assert answer.status == 303
    assert answer.headers["Location"] == path_of(f"{room} 방")
    assert 'data-me-name="Ada"' in (await lone.get(path_of(room), {"Cookie": cookies_of(answer)})).text
    # Who gives no name goes as a guest.
    answer = await enter(name="", room=room)
    assert (answer.status, answer.headers["Location"]) == (303, path_of(room))
    assert not answer.headers.get_all("Set-Cookie")
    # What was typed is not lost, whichever of both is wrong.
    for fields in ({"name": "Ada", "room": "a/b"}, {"name": "A/da", "room": "ab"}):
        answer = await enter(**fields)
        assert answer.status == 400
        assert not answer.headers.get_all("Set-Cookie")
        for value in fields.values():
            assert f'value="{value}"' in answer.text


# A message by form --------------------------------------------------------------------------------


async def test_a_page_without_a_script_says_so_and_shows_what_was_said(place: Instance, room: str) -> None:
    async with ChatClient(place, room) as client:
        await client.say("안녕 <b>")
        # Stored it is by the ack; what this instance shows is what came back to it.
        await client.expect("message")
    reader = Reader(place, room)
    await reader.look()
    assert reader.texts == ["안녕 <b>"]
    notes = re.findall(r"<noscript>(.*?)</noscript>", reader.page, re.DOTALL)
    assert any("JavaScript" in note for note in notes)
    outside = re.sub(r"<noscript>.*?</noscript>", "", reader.page, flags=re.DOTALL)
    assert "/messages" not in outside
    assert 'name="guest"' not in outside


async def test_a_guest_writes_and_is_somebody_from_then_on(place: Instance, room: str) -> None:
    reader = Reader(place, room)
    await reader.look()
    assert reader.cookie == ""
    async with ChatClient(place, room) as listener:
        answer = await reader.say("hello & <goodbye>\r\n\r\n   안녕 🎉")
        assert answer.status == 303
        assert answer.headers["Location"] == path_of(room)
        # It stands in the page that the sender sees next, also where people are in the room.
        assert reader.texts == ["hello & <goodbye>\n\n   안녕 🎉"]
        heard = await listener.expect("message")
        assert heard["message"] == "hello & <goodbye>\n\n   안녕 🎉"
    assert "httponly" in answer.headers["Set-Cookie"].lower()
    assert "guest" not in reader.hidden
    await reader.say("again")
    assert reader.texts == ["hello & <goodbye>\n\n   안녕 🎉", "again"]
    assert len(set(reader.names)) == 1
    assert len({message["user"]["id"] for message in await log_of(place, room)}) == 1
    async with ChatClient(place, room, reader.cookie) as client:
        assert client.welcome["you"]["id"] == heard["user"]["id"]


async def test_who_has_a_name_writes_under_it(place: Instance, room: str) -> None:
    ada = await new_session(place, "Ada")
    reader = Reader(place, room, ada.cookie)
    await reader.look()
    answer = await reader.say("I am Ada")
    assert not answer.headers.get_all("Set-Cookie")
    assert [message["user"] for message in await log_of(place, room)] == [{"id": ada.user_id, "name": "Ada"}]


@pytest.mark.parametrize("named", [False, True])
async def test_a_form_that_is_posted_twice_is_one_message(place: Instance, room: str, named: bool) -> None:
    reader = Reader(place, room, (await new_session(place, "Ada")).cookie if named else "")
    await reader.look()
    # A double click, before there was any answer; later a reload that sends it again, with its cookie.
    answers = await asyncio.gather(*(reader.post("once") for _ in range(5)))
    assert {answer.status for answer in answers} == {303}
    reader.take(answers[3])
    assert (await reader.post("once")).status == 303
    assert len(await log_of(place, room)) == 1
    await reader.look()
    assert (await reader.post("twice")).status == 303
    assert [message["message"] for message in await log_of(place, room)] == ["once", "twice"]


async def test_two_guests_are_two_people(place: Instance, room: str) -> None:
    readers = [Reader(place, room), Reader(place, room)]
    for reader in readers:
        await reader.look()
        await reader.say("same")
    assert len({message["user"]["id"] for message in await log_of(place, room)}) == 2


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 3000])
async def test_a_guest_cannot_be_made_up(place: Instance, room: str, token: str) -> None:
    reader = Reader(place, room)
    await reader.look()
    promised = reader.hidden["guest"]
    assert (await reader.post("mine")).status == 303
    assert promised
    assert (await reader.post("forged", guest=token, id="other")).status == 409
    # A program that does not say whom it speaks for is somebody new.
    body = urlencode({"message": "nobody's", "guest": token}).encode()
    assert (await place.post(f"{path_of(room)}messages", body, FORM)).status == 303
    first, second = await log_of(place, room)
    assert first["user"]["id"] != second["user"]["id"]


async def test_who_was_forgotten_is_not_called_back_by_an_old_page(place: Instance, room: str) -> None:
    reader = Reader(place, room)
    await reader.look()
    answer = await reader.post("before")
    await place.post("/session/end", b"", {**FORM, "Cookie": cookies_of(answer)})
    assert (await reader.post("after", id="other")).status == 409
    assert [message["message"] for message in await log_of(place, room)] == ["before"]


# Two people, one browser: their tabs share its cookie -------------------------------------------


async def become(where: Instance, name: str, cookie: str = "", **fields: str) -> Answer:
    body = urlencode({"name": name, **fields}).encode()
    return await where.post("/session", body, {**FORM, **({"Cookie": cookie} if cookie else {})})


def shown(page: str) -> str:
    """Whom a page's forms were made for."""
    return re.search(r'<input type="hidden" name="as" value="([^"]*)">', page)[1]


async def test_what_one_wrote_is_not_said_by_who_came_after(place: Instance, room: str) -> None:
    anna = Reader(place, room, cookies_of(await become(place, "Anna")))
    await anna.look()
    ben = cookies_of(await become(place, "Ben"))
    anna.cookie = ben  # by another tab
    refused = await anna.say("I am Anna")
    assert refused.status == 409
    assert "someone else" in (anna.error or "")
    assert anna.kept == "I am Anna"
    assert await log_of(place, room) == []
    # The page that came back is Ben's, and says so: what is sent from it is his.
    assert (await anna.say("I am Ben")).status == 303
    assert anna.names == ["Ben"]


async def test_a_guest_s_page_does_not_speak_for_who_came_after(place: Instance, room: str) -> None:
    guest = Reader(place, room)
    await guest.look()
    guest.cookie = cookies_of(await become(place, "Ben"))
    assert (await guest.say("nobody yet")).status == 409
    assert await log_of(place, room) == []


async def test_the_page_of_who_signed_out_speaks_for_nobody(place: Instance, room: str) -> None:
    anna = Reader(place, room, cookies_of(await become(place, "Anna")))
    await anna.look()
    anna.cookie = ""
    assert (await anna.say("still here?")).status == 409
    assert await log_of(place, room) == []


async def test_nobody_renames_or_forgets_who_came_after(lone: Instance) -> None:
    anna = cookies_of(await become(lone, "Anna"))
    page = (await lone.get("/chat/", {"Cookie": anna})).text
    ben = cookies_of(await become(lone, "Ben"))
    for path, fields in (("/session", {"name": "Annabel"}), ("/session/end", {})):
        body = urlencode({**fields, "as": shown(page)}).encode()
        for accept in ("text/html", "application/json"):
            refused = await lone.post(path, body, {**FORM, "Cookie": ben, "Accept": accept})
            assert refused.status == 409
            assert "someone else" in refused.text
            assert not cookies_of(refused)
    assert shown((await lone.get("/chat/", {"Cookie": ben})).text) not in ("", shown(page))
    assert "Ben" in (await lone.get("/chat/", {"Cookie": ben})).text


async def test_a_page_that_was_made_for_nobody_makes_somebody_new(lone: Instance) -> None:
    page = (await lone.get("/chat/")).text
    ben = cookies_of(await become(lone, "Ben"))
    anna = cookies_of(await become(lone, "Anna", ben, **{"as": shown(page)}))
    ids = [shown((await lone.get("/chat/", {"Cookie": cookie})).text) for cookie in (ben, anna)]
    assert all(ids)
    assert ids[0] != ids[1]


async def test_who_has_a_name_renames_oneself(lone: Instance) -> None:
    anna = cookies_of(await become(lone, "Anna"))
    mine = shown((await lone.get("/chat/", {"Cookie": anna})).text)
    for fields in ({"as": mine}, {}):
        renamed = cookies_of(await become(lone, "Annabel", anna, **fields))
        page = (await lone.get("/chat/", {"Cookie": renamed})).text
        assert shown(page) == mine
        assert "Annabel" in page


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [("", 400, "empty"), (" \n ", 400, "empty"), ("x" * 8193, 413, "too long"), ("가" * 2731, 413, "8192")],
    ids=["nothing", "blank", "long", "long in bytes"],
)
async def test_what_is_refused_is_told_and_kept(
    lone: Instance, room: str, text: str, status: int, told: str
) -> None:
    reader = Reader(lone, room)
    await reader.look()
    answer = await reader.say(text)
    assert answer.status == status
    assert told in reader.error
    assert reader.kept == text
    assert await log_of(lone, room) == []
    assert (await reader.say("short")).status == 303
    assert reader.texts == ["short"]


async def test_what_was_typed_is_kept_as_text(lone: Instance, room: str) -> None:
    reader = Reader(lone, room)
    await reader.look()
    text = "</textarea></noscript><script>alert(1)</script>" + "x" * 9000
    await reader.say(text)
    assert reader.kept == text
    assert "<script>alert" not in reader.page


async def test_who_writes_too_fast_is_told_and_may_try_again(room: str) -> None:
    async with Instance("memory://", {"QUARTCHAT_MESSAGE_RATE": "1"}) as slow:
        reader = Reader(slow, room, (await new_session(slow, "Ada")).cookie)
        await reader.look()
        # All at once: one after the other, a slow machine would write as slowly as is allowed.
        answers = await asyncio.gather(*(reader.post(f"m{number}", id=f"i{number}") for number in range(10)))
        taken = [answer.status for answer in answers].count(303)
        number, answer = next((n, each) for n, each in enumerate(answers) if each.status != 303)
        assert taken >= 3
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1
        reader.take(answer)
        assert "at once" in reader.error
        assert reader.kept == f"m{number}"
        said = reader.hidden["id"]
        assert said == f"i{number}"

        async def again() -> bool:
            return (await reader.say(reader.kept)).status == 303

        await until(again, 5, "it is taken")
        assert said in [message["id"] for message in await log_of(slow, room)]
        assert len(await log_of(slow, room)) == taken + 1


async def test_one_id_is_not_two_messages(place: Instance, room: str) -> None:
    reader = Reader(place, room, (await new_session(place, "Ada")).cookie)
    await reader.look()
    used = reader.hidden["id"]
    await reader.post("one")
    answer = await reader.say("another")
    assert answer.status == 409
    assert reader.kept == "another"
    assert reader.hidden["id"] != used
    assert (await reader.say(reader.kept)).status == 303
    assert reader.texts == ["one", "another"]


@pytest.mark.parametrize("message_id", ["a b", "x" * 65, "é", "a\x00"], ids=ascii)
async def test_an_odd_id_is_refused_and_the_next_is_good(lone: Instance, room: str, message_id: str) -> None:
    reader = Reader(lone, room)
    await reader.look()
    answer = await reader.post("hello", id=message_id)
    assert answer.status == 400
    reader.take(answer)
    assert (await reader.say(reader.kept)).status == 303


async def test_an_answer_that_did_not_come_is_told_and_trying_again_posts_once(
    redis_server: Any, room: str
) -> None:
    url = f"{redis_server.url}?prefix=unknown{room}"
    async with Proxy.before(url) as link, Instance(link.through(url)) as place:
        reader = Reader(place, room)
        await reader.look()
        # What it writes arrives, and nothing comes back.
        link.black_hole("down")
        began = time.monotonic()
        answer = await reader.say("perhaps")
        assert time.monotonic() - began < 12
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert "there was no answer" in reader.error
        assert reader.kept == "perhaps"
        await link.heal()

        async def again() -> bool:
            return (await reader.say(reader.kept)).status == 303

        await until(again, 20, "it is taken")
        assert reader.texts == ["perhaps"]
        assert len(await log_of(place, room)) == 1


@pytest.mark.parametrize(("headers", "good"), ORIGINS, ids=lambda value: str(value))
async def test_forms_of_other_sites_write_nothing(
    lone: Instance, room: str, headers: dict[str, str], good: bool
) -> None:
    sent = {name: text.replace("{port}", str(lone.port)) for name, text in headers.items()}
    reader = Reader(lone, room)
    await reader.look()
    answer = await reader.post("hello", sent)
    assert answer.status == (303 if good else 403)
    assert bool(answer.headers.get_all("Set-Cookie")) == good
    assert len(await log_of(lone, room)) == good
    changed = await lone.post("/language", b"lang=ko", {**FORM, **sent})
    assert changed.status == (303 if good else 403)


@pytest.mark.parametrize(
    "name", [name for name in BAD_ROOMS if "/" not in name and name not in (".", "..")], ids=ascii
)
async def test_a_bad_room_takes_no_message(lone: Instance, name: str) -> None:
    answer = await lone.post(f"{path_of(name)}messages", b"message=x&id=a", FORM)
    assert answer.status == 404


async def test_where_guests_are_not_taken_a_name_comes_first(room: str) -> None:
    async with Instance("memory://", {"QUARTCHAT_GUESTS": "deny"}) as strict:
        page = (await strict.get(path_of(room))).text
        assert 'class="plain"' not in page
        assert 'name="guest"' not in page
        answer = await strict.post(f"{path_of(room)}messages", b"message=x&id=a", FORM)
        assert answer.status == 401
        assert not answer.headers.get_all("Set-Cookie")
        assert await log_of(strict, room) == []
        ada = await new_session(strict, "Ada")
        reader = Reader(strict, room, ada.cookie)
        await reader.look()
        assert (await reader.say("hello")).status == 303
        assert reader.texts == ["hello"]


async def test_a_long_text_that_is_allowed_arrives(room: str) -> None:
    async with Instance("memory://", {"QUARTCHAT_MAX_MESSAGE_BYTES": "60000"}) as roomy:
        reader = Reader(roomy, room)
        await reader.look()
        assert (await reader.say("가" * 20_000)).status == 303
        assert reader.texts == ["가" * 20_000]
