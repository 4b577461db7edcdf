"""Twelve ways in which a chat hands one person's identity to another, each with what would have caught it.

All of them have happened to somebody. Why none does here: docs/design/identity.md.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from quartchat.identity import Identities, Session
from quartchat.protocol import User
from tests.e2e.browsers import Jar, Line, Reply, SharedCache, Shown, log_in, shown, who
from tests.e2e.places import FORM, FULL, ROOMY
from tests.e2e.routes import forms, routes
from tests.support.client import ChatClient
from tests.support.instance import SECRET_KEY, Answer, Instance
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.require import require

Pair = tuple[Instance, Instance]

MIXED = 10_200 if FULL else 1_200
"""Requests of many people at once on an instance; on all of the brokers together."""

CANCELLED = 10_200 if FULL else 900
"""Requests whose client vanished before the answer; on all of the brokers together."""

BROKERS = 3

WORKERS = 12


class Person(NamedTuple):
    """Somebody with a session."""

    user_id: str
    name: str
    cookie: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie}

    @property
    def shown(self) -> Shown:
        return Shown(self.user_id, self.name)


async def person(where: Instance, name: str) -> Person:
    answer = await where.post("/session", urlencode({"name": name}).encode(), {**FORM, **JSON})
    assert answer.status == 200, answer.text
    jar = Jar()
    jar.take(answer.headers.get_all("Set-Cookie") or [])
    return Person(json.loads(answer.body)["id"], name, jar.header)


JSON = {"Accept": "application/json"}


async def people(where: Instance, count: int) -> list[Person]:
    return [await person(where, f"Person {number}") for number in range(count)]


async def log_of(where: Instance, room: str) -> list[dict[str, Any]]:
    """All that is kept of a room."""
    found: list[dict[str, Any]] = []
    before = ""
    while True:
        answer = await where.get(f"/api/rooms/{room}/messages?limit=200{before}")
        messages = json.loads(answer.body)["messages"]
        if not messages:
            return found
        found = messages + found
        before = f"&before={messages[0]['position']}"


async def share(total: int, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    """Have some workers do so much together; each is given its numbers."""
    numbers = itertools.count()

    async def worker() -> None:
        while (number := next(numbers)) < total:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(worker())


@asynccontextmanager
async def lines(where: Instance) -> AsyncIterator[asyncio.Queue[Line]]:
    """Kept connections, taken and given back: a next request is another person's."""
    queue: asyncio.Queue[Line] = asyncio.Queue()
    made = [Line(where) for _ in range(WORKERS)]
    for line in made:
        queue.put_nowait(line)
    try:
        yield queue
    finally:
        for line in made:
            line.drop()


# 1. Requests at the same time share what belongs to one --------------------------------------------


@pytest.mark.timeout(600 if FULL else 120)
async def test_many_requests_at_once_are_each_answered_as_who_sent_them(place: Instance, room: str) -> None:
    crowd, dice = await people(place, 30), random.Random(1)
    crossings: list[str] = []

    async def one(number: int, free: asyncio.Queue[Line]) -> None:
        line, me = await free.get(), dice.choice([*crowd, None])
        headers = {} if me is None else me.headers
        kind = dice.choice(["page", "session", "say", "socket"])
        if (me is None and kind in ("session", "say")) or (kind == "socket" and number % 4):
            kind = "page"
        found: object = None
        expected: object = None
        if kind == "page":
            expected = me.shown if me else Shown(None, None)
            found = shown((await line.ask(f"/chat/{room}/", headers)).text)
        elif kind == "session":
            assert me is not None
            reply = await line.ask("/session", {**FORM, **JSON, **headers}, b"name=")
            expected = {"id": me.user_id, "name": me.name}, []
            found = json.loads(reply.text), reply.set_cookies
        elif kind == "say":
            assert me is not None
            body = urlencode({"id": f"n{number}", "message": f"I am {me.user_id}"}).encode()
            reply = await line.ask(f"/chat/{room}-said/messages", {**FORM, **headers}, body)
            expected, found = (303, []), (reply.status, reply.set_cookies)
        else:
            async with ChatClient(place, f"{room}-{number % 7}", None if me is None else me.cookie) as client:
                expected = found = client.welcome["you"]["id"]
                if me is not None:
                    expected = me.user_id
                elif found in {each.user_id for each in crowd}:
                    expected = "somebody new"
        free.put_nowait(line)
        if found != expected:
            crossings.append(f"{number} {kind}: {found} instead of {expected}")

    async with lines(place) as free:
        await share(MIXED // BROKERS, lambda number: one(number, free))
    assert crossings == []
    said = await log_of(place, f"{room}-said")
    assert said
    assert [m for m in said if m["message"] != f"I am {m['user']['id']}"] == []


# 2. A proxy in between keeps an answer and gives it to the next one ---------------------------------


async def test_a_cache_in_between_gives_nobody_s_page_to_another(lone: Instance, room: str) -> None:
    cache = SharedCache(lone)
    crowd = await people(lone, 3)
    for path in (f"/chat/{room}/", "/chat/", f"/chat/{room}", "/nothing", "/chat/%00/"):
        for me in [*crowd, *crowd]:
            answer = await cache.get(path, me.headers)
            others = [text for each in crowd if each is not me for text in (each.user_id, each.name)]
            assert [text for text in others if text in answer.text] == [], path
            assert answer.status != 200 or me.name in answer.text, path
        nobody = (await cache.get(path, {})).text
        assert [each for each in crowd if each.name in nobody or each.user_id in nobody] == []
    assert cache.hits == 0


async def test_a_cache_in_between_makes_no_two_guests_one(lone: Instance, room: str) -> None:
    cache = SharedCache(lone)
    tokens = set()
    for _ in range(3):
        page = (await cache.get(f"/chat/{room}/", {})).text
        tokens.add(page.partition('name="guest" value="')[2].partition('"')[0])
    assert "" not in tokens
    assert len(tokens) == 3


async def test_the_cache_of_these_tests_would_have_kept_what_it_may(lone: Instance) -> None:
    class Careless:
        async def get(self, path: str, headers: dict[str, str]) -> Answer:
            answer = await lone.get(path, headers)
            del answer.headers["Cache-Control"], answer.headers["Vary"]
            return answer

    cache = SharedCache(Careless())  # type: ignore[arg-type]
    ada = await person(lone, "Ada")
    assert shown((await cache.get("/chat/lobby/", ada.headers)).text) == ada.shown
    assert shown((await cache.get("/chat/lobby/", {})).text) == ada.shown
    assert cache.hits == 1


# 3. A command is cancelled, and its answer is the next one's ----------------------------------------


@asynccontextmanager
async def far_from_its_broker(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[Instance]:
    """An instance whose broker takes a moment, so that a request is cancelled in the middle of a command."""
    if kind == "memory":
        async with Instance("memory://", ROOMY) as instance:
            yield instance
        return
    server = request.getfixturevalue(f"{kind}_server")
    url = f"{server.url}?prefix=cancel{secrets.token_hex(3)}"
    async with Proxy.before(url) as link, Instance(link.through(url), ROOMY) as instance:
        await instance.wait_ready()
        link.delay(0.002)
        yield instance


@pytest.mark.timeout(600 if FULL else 120)
@pytest.mark.parametrize("kind", ["memory", "redis", "rabbitmq"])
async def test_who_vanishes_leaves_no_answer_for_the_next_one(
    kind: str, request: pytest.FixtureRequest, room: str
) -> None:
    async with far_from_its_broker(kind, request) as place:
        crowd, dice = await people(place, 12), random.Random(3)
        for number, me in enumerate(crowd):
            body = urlencode({"id": "first", "message": f"of {me.user_id}"}).encode()
            said = await place.post(f"/chat/{room}-{number}/messages", body, {**FORM, **me.headers})
            assert said.status == 303
        crossings: list[str] = []

        async def vanish(line: Line, number: int, me: Person) -> None:
            mine = f"{room}-{crowd.index(me)}"
            if dice.random() < 0.3:
                body = urlencode({"id": f"n{number}", "message": f"of {me.user_id}"}).encode()
                await line.begin(f"/chat/{mine}/messages", {**FORM, **me.headers}, body)
            else:
                path = dice.choice([f"/api/rooms/{mine}/messages", f"/chat/{mine}/"])
                await line.begin(path, me.headers)
            # Somewhere between the request and its answer: that is what is tested.
            await asyncio.sleep(dice.random() * 0.012)
            line.drop()

        async def one(number: int, free: asyncio.Queue[Line]) -> None:
            line, me = await free.get(), dice.choice(crowd)
            await vanish(line, number, me)
            if number % 5 == 0:
                me = dice.choice(crowd)
                mine = f"{room}-{crowd.index(me)}"
                reply = await line.ask(f"/api/rooms/{mine}/messages", me.headers)
                if reply.status == 200:
                    found = {(m["message"], m["user"]["id"]) for m in json.loads(reply.text)["messages"]}
                    if found != {(f"of {me.user_id}", me.user_id)}:
                        crossings.append(f"{number} log: {found}")
                elif reply.status != 503:
                    crossings.append(f"{number}: {reply.status}")
                page = (await line.ask(f"/chat/{mine}/", me.headers)).text
                if shown(page) != me.shown or [x for x in crowd if x is not me and x.user_id in page]:
                    crossings.append(f"{number} page: {shown(page)} instead of {me.shown}")
            free.put_nowait(line)

        async with lines(place) as free:
            await share(CANCELLED // BROKERS, lambda number: one(number, free))
        assert crossings == []
        for number, me in enumerate(crowd):
            kept = await log_of(place, f"{room}-{number}")
            assert {(m["message"], m["user"]["id"]) for m in kept} == {(f"of {me.user_id}", me.user_id)}


# 4. A slow old answer comes after a newer login -----------------------------------------------------


async def answers_of(where: Instance, headers: dict[str, str], room: str) -> list[Reply]:
    """What a browser gets for everything that it may ask for without changing who it is."""
    found: list[Reply] = []
    async with Line(where) as line:
        for route in routes():
            if "GET" in route.methods:
                found.append(await line.ask(route.path, headers))
        for path in ("/nothing", "/chat/%00/", "/chat/lobby", "/session"):
            found.append(await line.ask(path, headers))
        for path in sorted(set(forms()) - {"/session", "/session/end"}):
            body = urlencode({"id": secrets.token_hex(8), "message": "x", "lang": "ko"}).encode()
            found.append(await line.ask(path, {**FORM, **headers}, body))
        found.append(await line.ask("/session", {**FORM, **JSON, **headers}, b"name="))
    return found


async def test_a_slow_old_answer_does_not_undo_a_newer_login(lone: Instance, room: str) -> None:
    jar = Jar()
    await log_in(lone, jar, "Ada")
    under_way = await answers_of(lone, jar.headers, room)
    assert len(under_way) > 12
    jar = Jar()
    await log_in(lone, jar, "Bob")
    for late in under_way:
        jar.take(late.set_cookies)
        assert (await who(lone, jar)).name == "Bob"


async def test_not_even_where_the_old_session_was_about_to_expire(lone: Instance, room: str) -> None:
    """Sessions that are renewed by the way are given again by every answer."""
    value = Identities((SECRET_KEY,)).dump(Session(User("ada-id", "Ada"), time.time() + 60))
    old = {"Cookie": f"quartchat={value}"}
    assert (await who(lone, Jar(old["Cookie"]))).name == "Ada"
    for late in await answers_of(lone, old, room):
        given = [text.partition("=")[0] for text in late.set_cookies]
        assert not {"quartchat", "__Host-quartchat"} & set(given)


async def test_who_has_left_is_not_called_back_by_a_slow_answer(lone: Instance) -> None:
    jar = Jar()
    await log_in(lone, jar, "Ada")
    slow = await lone.post("/session", b"name=Countess", {**FORM, **jar.headers})
    ended = await lone.post("/session/end", b"", {**FORM, **jar.headers})
    jar.take(ended.headers.get_all("Set-Cookie") or [])
    jar.take(slow.headers.get_all("Set-Cookie") or [])
    assert (await who(lone, jar)) == Shown(None, None)


# 5. Every instance has a key of its own -------------------------------------------------------------


async def test_instances_of_one_chat_agree_on_who_everybody_is(shared_pair: Pair) -> None:
    for number in range(10):
        me = await person(shared_pair[number % 2], f"Person {number}")
        for place in (*shared_pair, *reversed(shared_pair)):
            assert await who(place, Jar(me.cookie)) == me.shown


async def test_an_instance_with_another_key_takes_nobody_for_somebody(redis_url: str, room: str) -> None:
    env: dict[str, str | None] = {"QUARTCHAT_SECRET_KEY": secrets.token_urlsafe(32)}
    async with Instance(redis_url) as one, Instance(redis_url, env) as stray:
        await stray.wait_ready()
        ada = await person(one, "Ada")
        assert await who(stray, Jar(ada.cookie)) == Shown(None, None)
        async with ChatClient(stray, room, ada.cookie) as client:
            assert client.welcome["you"]["id"] != ada.user_id
        assert await who(one, Jar(ada.cookie)) == ada.shown


async def test_two_workers_of_one_instance_know_the_same_people(redis_url: str) -> None:
    async with Instance(redis_url, workers=2) as one:
        ada = await person(one, "Ada")
        # Each request is a connection of its own, and goes to either.
        assert {await who(one, Jar(ada.cookie)) for _ in range(20)} == {ada.shown}


# 6. Cookies know no ports: another program on the same host -----------------------------------------


async def test_two_chats_on_two_ports_of_a_host_take_nobody_from_each_other(
    lone: Instance, room: str
) -> None:
    env: dict[str, str | None] = {"QUARTCHAT_SECRET_KEY": secrets.token_urlsafe(32)}
    async with Instance("memory://", env) as other:
        jar = Jar()
        await log_in(lone, jar, "Ada")
        assert await who(other, jar) == Shown(None, None)
        async with ChatClient(other, room, jar.header) as client:
            assert client.welcome["you"]["name"] != "Ada"
        await log_in(other, jar, "Bob")
        assert (await who(other, jar)).name == "Bob"
        assert await who(lone, jar) == Shown(None, None)


@pytest.mark.parametrize("name", ["session", "user", "user_id", "auth", "quartchat_user", "quartchat-id"])
async def test_the_cookies_of_other_programs_are_nobody(lone: Instance, name: str) -> None:
    ada = await person(lone, "Ada")
    for value in (ada.user_id, "Ada", ada.cookie.partition("=")[2]):
        assert await who(lone, Jar(f"{name}={value}")) == Shown(None, None)
    assert await who(lone, Jar(f"{name}=x; {ada.cookie}")) == ada.shown


@pytest.mark.parametrize("salt", ["cookie-session", "itsdangerous", "quartchat", "remember-token"])
async def test_what_another_program_signed_with_our_key_is_nobody(lone: Instance, salt: str) -> None:
    content = ["ada-id", "Ada", int(time.time()) + 1000]
    for kind in (URLSafeSerializer, URLSafeTimedSerializer):
        value = kind(SECRET_KEY, salt=salt).dumps(content)
        assert await who(lone, Jar(f"quartchat={value}")) == Shown(None, None)


# 7. The name that is shown is taken for who it is ---------------------------------------------------


async def test_people_of_one_name_are_two_in_everything(place: Instance, room: str) -> None:
    one, two = await person(place, "Ada"), await person(place, "Ada")
    assert one.user_id != two.user_id
    async with (
        ChatClient(place, room, one.cookie) as first,
        ChatClient(place, room, two.cookie) as second,
    ):
        await second.wait(
            lambda: any(frame.get("count") == 2 for frame in second.frames), what="two people are here"
        )
        # The same id of a message, from each.
        await first.say("mine", "same")
        await second.say("mine too", "same")
        for client in (first, second):
            await client.wait_texts(["mine", "mine too"])
            assert [m["user"]["id"] for m in client.messages] == [one.user_id, two.user_id]
        page = (await place.get(f"/chat/{room}/", one.headers)).text
        rows = page.split("<article ")[1:]
        assert [" mine" in row.partition(">")[0] for row in rows] == [True, False]
        await place.post("/session/end", b"", {**FORM, **one.headers})
        assert await first.wait_close(5) == 4401
        await second.say("still here")
    assert await who(place, Jar(two.cookie)) == two.shown


async def test_a_flooder_s_name_silences_nobody_else() -> None:
    async with Instance("memory://", {"QUARTCHAT_MESSAGE_RATE": "1"}) as slow:
        one, two = await person(slow, "Ada"), await person(slow, "Ada")
        async with ChatClient(slow, "x", one.cookie) as first, ChatClient(slow, "x", two.cookie) as second:
            for number in range(10):
                await first.send(f"m{number}", f"m{number}")
            assert (await first.expect("nack"))["code"] == "rate_limited"
            await second.say("hello")


# 8. Two tabs, one jar of cookies --------------------------------------------------------------------


async def test_two_people_in_two_tabs_of_one_browser_never_become_each_other(
    place: Instance, room: str
) -> None:
    jar = Jar()
    await log_in(place, jar, "Ada")
    ada = await who(place, jar, room)
    async with ChatClient(place, room, jar.header, as_=ada.user_id) as tab:
        old = Jar(jar.header)
        jar.cookies.clear()  # in another tab somebody made the browser forget, and said who they are
        await log_in(place, jar, "Bob")
        bob = await who(place, jar, room)
        assert bob.user_id != ada.user_id
        # What is open stays who it was.
        await tab.say("still Ada")
        said = await tab.expect("message", message="still Ada")
        assert said["user"]["id"] == ada.user_id
        await tab.close()
        # What comes back from the old page with the new cookie is nobody: it is told, and gets nothing.
        back = ChatClient(place, room, jar.header, since=tab.position, as_=ada.user_id)
        with pytest.raises(AssertionError, match="4401"):
            await back.open()
        assert back.frames == []
        async with ChatClient(place, room, jar.header, as_=bob.user_id) as other:
            assert other.welcome["you"]["id"] == bob.user_id
        async with ChatClient(place, room, old.header, as_=ada.user_id) as other:
            assert other.welcome["you"]["id"] == ada.user_id


async def test_the_form_of_a_page_that_was_made_for_another_is_not_posted(lone: Instance, room: str) -> None:
    ada, bob = await person(lone, "Ada"), await person(lone, "Bob")
    body = urlencode({"id": "one", "message": "from the old tab", "as": ada.user_id}).encode()
    for headers in (bob.headers, {}):
        answer = await lone.post(f"/chat/{room}/messages", body, {**FORM, **headers})
        assert answer.status == 409
        assert "from the old tab" in answer.text
        assert not answer.headers.get_all("Set-Cookie")
    assert await log_of(lone, room) == []
    assert (await lone.post(f"/chat/{room}/messages", body, {**FORM, **ada.headers})).status == 303
    assert [m["user"]["id"] for m in await log_of(lone, room)] == [ada.user_id]


# 9. A name that looks like another's ----------------------------------------------------------------


@pytest.mark.parametrize(
    "look_alike",
    ["Аda", "Adа", "ADA", "ada", "Ａｄａ", "Adá", "A\u0501a", "Ада"],
    ids=ascii,
)
async def test_who_looks_like_somebody_is_not_that_person(lone: Instance, room: str, look_alike: str) -> None:
    ada = await person(lone, "Ada")
    jar = Jar()
    answer = await lone.post("/session", urlencode({"name": look_alike}).encode(), {**FORM, **JSON})
    jar.take(answer.headers.get_all("Set-Cookie") or [])
    if answer.status >= 400:  # refused is as good as told apart
        assert jar.cookies == {}
        return
    await lone.post(f"/chat/{room}/messages", b"id=one&message=x", {**FORM, **ada.headers})
    await lone.post(f"/chat/{room}/messages", b"id=two&message=x", {**FORM, **jar.headers})
    ids = [m["user"]["id"] for m in await log_of(lone, room)]
    assert len(ids) == len(set(ids)) == 2
    assert ids[0] == ada.user_id
    # In the page, who they are stands beside what they are called.
    page = (await lone.get(f"/chat/{room}/")).text
    assert [f'<span class="tag">{user_id[-4:]}</span>' in page for user_id in ids] == [True] * len(ids)


# 10. Somebody says who they are ---------------------------------------------------------------------

CLAIMS = [
    "X-User",
    "X-User-Id",
    "X-Forwarded-User",
    "X-Remote-User",
    "Remote-User",
    "X-Auth-Request-User",
    "X-Authenticated-User",
    "X-Quartchat-User",
    "X-WebAuth-User",
    "Authorization",
    "From",
    "Sec-WebSocket-Protocol",
]


async def test_a_header_that_says_who_somebody_is_says_nothing(lone: Instance, room: str) -> None:
    ada = await person(lone, "Ada")
    basic = base64.b64encode(f"{ada.user_id}:x".encode()).decode()
    for value in (ada.user_id, "Ada", f"Bearer {ada.cookie.partition('=')[2]}", f"Basic {basic}"):
        headers = {name: value for name in CLAIMS}
        assert shown((await lone.get(f"/chat/{room}/", headers)).text) == Shown(None, None)
        await lone.post(f"/chat/{room}/messages", b"id=one&message=x", {**FORM, **headers})
    said = await log_of(lone, room)
    assert len(said) == 4
    assert [m for m in said if m["user"]["id"] == ada.user_id or m["user"]["name"] == "Ada"] == []


async def test_a_frame_that_says_who_it_is_from_is_from_who_sent_it(place: Instance, room: str) -> None:
    ada, bob = await person(place, "Ada"), await person(place, "Bob")
    claim = {"id": ada.user_id, "name": "Ada"}
    async with ChatClient(place, room, ada.cookie) as victim, ChatClient(place, room, bob.cookie) as client:
        for number, more in enumerate(
            [
                {"user": claim},
                {"user": ada.user_id},
                {"sender": claim, "from": claim, "you": claim, "as": ada.user_id},
                {"user_id": ada.user_id, "name": "Ada", "cookie": ada.cookie, "session": ada.cookie},
            ]
        ):
            await client.send_frame({"type": "send", "id": f"c{number}", "message": "x", **more})
            await client.expect("ack", id=f"c{number}")
            await client.send_frame({"type": "typing", **more})
        typing = await victim.expect("typing")
        assert typing["user"]["id"] == bob.user_id
        await victim.wait(lambda: len(victim.messages) == 4, what="four messages")
        assert {m["user"]["id"] for m in victim.messages} == {bob.user_id}


async def test_an_address_or_form_that_says_who_it_is_says_nothing(lone: Instance, room: str) -> None:
    ada = await person(lone, "Ada")
    claims = {"user": ada.user_id, "user_id": ada.user_id, "session": ada.user_id, "name": "Ada", "u": "Ada"}
    page = (await lone.get(f"/chat/{room}/?{urlencode(claims)}")).text
    assert shown(page) == Shown(None, None)
    body = urlencode({**claims, "id": "one", "message": "x", "guest": ada.user_id}).encode()
    await lone.post(f"/chat/{room}/messages", body, FORM)
    answer = await lone.post("/session", urlencode({**claims, "id": ada.user_id}).encode(), {**FORM, **JSON})
    assert json.loads(answer.body)["id"] != ada.user_id
    with pytest.raises(AssertionError, match="4401"):
        await ChatClient(lone, room, as_=ada.user_id).open()
    assert [m for m in await log_of(lone, room) if m["user"]["id"] == ada.user_id] == []


async def test_a_cookie_that_nobody_signed_is_nobody(lone: Instance) -> None:
    ada = await person(lone, "Ada")
    payload, _, signature = ada.cookie.partition("=")[2].rpartition(".")
    content = json.dumps([ada.user_id, "Ada", int(time.time()) + 1000]).encode()
    made_up = base64.urlsafe_b64encode(content).decode().rstrip("=")
    for value in (
        payload,
        f"{payload}.",
        made_up,
        f"{made_up}.{signature}",
        f"{made_up}.{'A' * 27}",
        f"{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        f"{payload[:-1]}A.{signature}",
        ada.user_id,
        "Ada",
    ):
        assert await who(lone, Jar(f"quartchat={value}")) == Shown(None, None), value


# 11. What one connection knows is left for the next --------------------------------------------------


async def test_a_kept_connection_belongs_to_nobody(lone: Instance, room: str) -> None:
    """A proxy sends everybody's requests through the same few."""
    crowd = await people(lone, 4)
    async with Line(lone) as line:
        for number in range(60):
            me = ([*crowd, None])[number % 5]
            page = (await line.ask(f"/chat/{room}/", me.headers if me else {})).text
            assert shown(page) == (me.shown if me else Shown(None, None))
            if number % 7 == 0:
                await line.ask("/session", {**FORM, **JSON}, b"name=Newcomer")
            if number % 11 == 0 and me:
                reply = await line.ask("/session", {**FORM, **JSON, **me.headers}, b"name=")
                assert json.loads(reply.text) == {"id": me.user_id, "name": me.name}


async def test_the_sockets_of_a_process_know_nothing_of_each_other(place: Instance, room: str) -> None:
    crowd = await people(place, 12)
    clients = [ChatClient(place, room, me.cookie) for me in crowd]
    await asyncio.gather(*(client.open() for client in clients))
    try:
        assert [client.welcome["you"]["id"] for client in clients] == [me.user_id for me in crowd]
        await asyncio.gather(*(client.say(me.user_id) for client, me in zip(clients, crowd, strict=True)))
        for client in clients:
            await client.wait(lambda c=client: len(c.messages) == len(crowd), what="everybody's message")
            assert [m for m in client.messages if m["message"] != m["user"]["id"]] == []
            # An ack goes to its sender alone.
            assert len([frame for frame in client.frames if frame["type"] == "ack"]) == 1
    finally:
        for client in clients:
            await client.__aexit__()


async def test_a_cookie_that_comes_in_crumbs_is_put_together(lone: Instance) -> None:
    ada = await person(lone, "Ada")
    reader, writer = await asyncio.open_connection("127.0.0.1", lone.port)
    head = [
        "GET /chat/lobby/ HTTP/1.1",
        "Host: x",
        "Connection: close",
        "Cookie: a=1",
        f"Cookie: {ada.cookie}",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    page = (await reader.read()).decode()
    writer.close()
    assert shown(page) == ada.shown


# 12. Keys are changed --------------------------------------------------------------------------------


async def test_while_keys_are_changed_everybody_is_themselves_or_nobody(redis_server: Any) -> None:
    require(RedisServer)
    url = f"{redis_server.url}?prefix=rotate{secrets.token_hex(3)}"
    old, new = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    met: dict[str, Person] = {}

    async def with_keys(keys: str) -> dict[str, Shown]:
        """Whom an instance knows of those met so far; then it meets one more."""
        async with Instance(url, {"QUARTCHAT_SECRET_KEY": keys}) as one:
            found = {name: await who(one, Jar(each.cookie)) for name, each in met.items()}
            met[keys] = await person(one, f"Met under {len(met)}")
            assert await who(one, Jar(met[keys].cookie)) == met[keys].shown
        return found

    nobody = Shown(None, None)
    before, during, after = f"{old},{new}", f"{new},{old}", new
    assert await with_keys(old) == {}
    assert await with_keys(before) == {old: met[old].shown}
    assert await with_keys(during) == {old: met[old].shown, before: met[before].shown}
    # The new key verifies what it signed; what the old one signed is nobody, not somebody else.
    assert await with_keys(after) == {old: nobody, before: nobody, during: met[during].shown}
