"""Secrets stay where they belong: planted all over a day of use and abuse, and looked for everywhere else.

The instance says as much as an operator can have it say: every level of every logger, an access log, asyncio
in debug mode with a line for each step, and tracebacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import os
import re
import reprlib
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from quartchat.application import create_app
from quartchat.identity import Identities, Session
from quartchat.protocol import User
from quartchat.settings import SettingsError
from tests.e2e.canaries import Canaries
from tests.e2e.places import FORM
from tests.support.client import ChatClient
from tests.support.instance import Answer, Instance, request
from tests.support.openid import OpenIdProvider, Said
from tests.support.proxy import Proxy
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer
from tests.support.waiting import until

ALL_LEVELS = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"all": {"class": "logging.StreamHandler"}},
    "root": {"level": "DEBUG", "handlers": ["all"]},
}

ACCESS = re.compile(rb'^\[[^]]+\] \[\d+\] \[INFO\] \S+ - - \[[^]]+\] ".*"\r?\n', re.MULTILINE)
"""A line of the access log, as Hypercorn writes it by default."""


def awkward() -> str:
    """A password that has to be percent-encoded in a URL."""
    return f"{secrets.token_hex(3)}@/:#?%ü{secrets.token_hex(12)}"


class Day:
    """One campaign: what was planted, and what each place has seen."""

    def __init__(self, folder: Path) -> None:
        self.canaries = Canaries()
        self.places: dict[str, bytes] = {}
        self._logging = folder / "logging.json"
        self._logging.write_text(json.dumps(ALL_LEVELS))

    def plant(self, name: str, text: str | None = None, may: str = "") -> str:
        """`may`: places, with spaces between them."""
        return self.canaries.plant(name, text, may=_places(may))

    def plant_token(self, name: str, text: str, may: str = "") -> str:
        return self.canaries.plant_token(name, text, may=_places(may))

    def note(self, place: str, seen: bytes | str) -> None:
        more = seen.encode(errors="replace") if isinstance(seen, str) else seen
        self.places[place] = self.places.get(place, b"") + b"\n" + more

    def talkative(self, url: str, env: Mapping[str, str | None]) -> Instance:
        """An instance that says all it can."""
        return Instance(
            url,
            {**env, "PYTHONASYNCIODEBUG": "1"},
            app="tests.e2e.talkative:app",
            options=(
                *("--debug", "--log-level", "debug", "--access-logfile", "-"),
                *("--log-config", f"json:{self._logging}"),
            ),
            tracebacks=True,
        )

    def note_log(self, one: Instance) -> None:
        log = one.log.encode()
        self.note("access log", b"".join(ACCESS.findall(log)))
        self.note("log", ACCESS.sub(b"", log))

    def note_process(self, one: Instance) -> None:
        """What every user of the machine may see of it; its environment is for its owner alone."""
        place = Path(f"/proc/{one.pid}")
        for name in ("cmdline", "comm", "status"):
            self.note("process", (place / name).read_bytes())
        for link in (place / "fd").iterdir():
            with contextlib.suppress(OSError):
                self.note("process", os.readlink(link))

    async def ask(
        self,
        who: str,
        one: Instance,
        path: str,
        body: Mapping[str, str] | bytes | None = None,
        **headers: str,
    ) -> Answer:
        """One request; what is answered is seen by `who`."""
        form = isinstance(body, Mapping)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await request(
            one.url + path,
            "GET" if body is None else "POST",
            urlencode(body).encode() if isinstance(body, Mapping) else body,
            {**(FORM if form else {}), **sent},
        )
        self.note(who, f"{answer.status}\n{answer.headers}\n".encode() + answer.body)
        return answer

    @contextlib.asynccontextmanager
    async def member(
        self, who: str, one: Instance, room: str, cookie: str | None
    ) -> AsyncIterator[ChatClient]:
        """A socket, all of whose frames are seen by `who`."""
        client = ChatClient(one, room, cookie)
        try:
            async with client:
                yield client
        finally:
            self.note(who, json.dumps(client.frames, ensure_ascii=False))
            self.note(who, client.socket.close_reason or "")

    async def handshake(self, who: str, one: Instance, path: str, **headers: str) -> int:
        """One handshake with headers of all kinds; 101, or what it was refused with."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            async with connect(
                one.ws_url + path,
                subprotocols=[Subprotocol("quartchat.v1")],
                additional_headers=more,
                compression=None,
                proxy=None,
            ) as socket:
                self.note(who, str(socket.response.headers if socket.response else ""))
                with contextlib.suppress(websockets.ConnectionClosed):
                    self.note(who, await socket.recv(decode=False))
                self.note(who, socket.close_reason or "")
                return 101
        except websockets.InvalidStatus as refused:
            self.note(who, f"{refused.response.headers}\n".encode() + (refused.response.body or b""))
            return refused.response.status_code

    def judge(self) -> None:
        """Nothing is where it must not be, and what should be somewhere was found there."""
        leaks = self.canaries.leaks(self.places)
        assert not leaks, "\n".join(map(str, leaks))
        # A search that finds nothing anywhere proves nothing.
        assert len(self.canaries.planted) >= 20
        there = {name for name, canary in self.canaries.planted.items() if canary.may}
        assert there == self.canaries.seen(self.places)
        log = self.places["log"]
        assert log.count(b"Traceback") >= 2, "the faults are in the log"
        assert log.count(b"Executing <") > 100, "asyncio tells of its steps"


def _places(may: str) -> tuple[str, ...]:
    return tuple(may.replace("access", "access log").split(" and ")) if may else ()


def cookie_of(answer: Answer) -> str:
    return (answer.headers["Set-Cookie"] or "").partition(";")[0]


async def day_of_use(day: Day, url: str, link: Proxy | None) -> None:
    """Good people, bad ones, and mistakes; `link` is the way to the broker where there is one."""
    plant, ask = day.plant, day.ask
    async with contextlib.AsyncExitStack() as stack:
        provider = stack.enter_context(OpenIdProvider(plant("the secret at the provider", awkward())))
        signing, old, older = (
            plant(f"{which} secret key", secrets.token_urlsafe(32)) for which in ("the", "an old", "an older")
        )
        token = plant("the metrics token", secrets.token_urlsafe(24))
        env: dict[str, str | None] = {
            "QUARTCHAT_SECRET_KEY": f"{signing},{old},{older}",
            "QUARTCHAT_METRICS_TOKEN": token,
            "QUARTCHAT_TRUSTED_PROXIES": "1",
            "QUARTCHAT_ID_KEY": plant("the key of ids", secrets.token_urlsafe(32)),
            **provider.environ,
            "PASSWORD_OF_SOMETHING_ELSE": plant("another variable of the environment"),
        }
        talkative, quiet = day.talkative(url, env), Instance(url, env, tracebacks=True)
        here = "Ada and Bob" if link is None else "Ada and Bob and broker"
        await stack.enter_async_context(talkative)
        await talkative.wait_ready()
        other = talkative
        if link is not None:  # what one instance tells another goes by the broker
            other = await stack.enter_async_context(quiet)
            await other.wait_ready()

        # People, each with what only they may see.
        name = plant("Ada's name", may=here)
        room = plant("a room's name", may=f"{here} and Carol and Eve and Guest and access")
        places = f"/chat/{room}/"
        cookies = {}
        for who, called in (("Ada", name), ("Bob", "Bob"), ("Eve", "Eve")):
            begun = await ask(
                who, talkative, "/session", {"name": called, "next": places if who != "Eve" else ""}
            )
            assert begun.status == 303
            cookies[who] = cookie_of(begun)
            day.plant_token(f"{who}'s cookie", cookies[who].partition("=")[2], may=who)
        text, reply = plant("a message", may=here), plant("a message by form", may=here)
        async with (
            day.member("Ada", talkative, room, cookies["Ada"]) as ada,
            day.member("Bob", other, room, cookies["Bob"]) as bob,
            day.member("Eve", talkative, "another room", cookies["Eve"]) as eve,
        ):
            await ada.say(text)
            await bob.expect("message", message=text)
            said = await ask("Ada", talkative, places + "messages", {"message": reply}, Cookie=cookies["Ada"])
            assert said.status == 303
            await bob.expect("message", message=reply)
            await ada.send_frame({"type": "typing"})
            await bob.expect("typing")
            page = await ask("Ada", talkative, places, Cookie=cookies["Ada"])
            assert text in page.text
            await ask("Bob", other, f"/api/rooms/{room}/messages", Cookie=cookies["Bob"])
            for path in (
                "/",
                "/chat/",
                "/chat/another%20room/",
                "/api/rooms",
                "/api/rooms/another%20room/messages",
            ):
                await ask("Eve", talkative, path, Cookie=cookies["Eve"])

            await own_a_room(day, talkative, cookies, here)
            await log_in_in_vain(day, talkative, provider)
            await log_in(day, talkative, other, provider)

            # A stranger's page holds a session of their own, in a form.
            page = await ask("Guest", talkative, "/chat/a%20third%20room/")
            found = re.search(r'name="guest" value="([^"]+)"', page.text)
            assert found
            guest = day.plant_token("a guest's token in a form", found[1], may="Guest")
            hello = plant("a guest's message", may="Guest" if link is None else "Guest and broker")
            said = await ask(
                "Guest", talkative, "/chat/a%20third%20room/messages", {"message": hello, "guest": guest}
            )
            assert said.status == 303
            await ask("Guest", talkative, "/chat/a%20third%20room/", Cookie=cookie_of(said))
            day.plant_token("the cookie that came of it", cookie_of(said).partition("=")[2], may="Guest")

            # Sessions that are none: of another key, long over, without an end.
            forged = Identities((secrets.token_urlsafe(32),)).new("Ada")
            made = {
                "a forged cookie": Identities((secrets.token_urlsafe(32),)).dump(forged),
                "an expired cookie": Identities((old,)).dump(
                    Session(User(secrets.token_urlsafe(12), "Old"), 1e9)
                ),
                "a cookie that is none": f"{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(24)}",
            }
            for what, value in made.items():
                cookie = f"quartchat={day.plant_token(what, value)}"
                for path in (
                    "/chat/a/",
                    "/chat/",
                    "/api/rooms",
                    "/nowhere",
                    "/metrics",
                    "/fault",
                    "/chat/%00/",
                ):
                    await ask("Eve", talkative, path, Cookie=cookie)
                assert await day.handshake("Eve", talkative, "/ws/chat/a/?as=me", Cookie=cookie) == 101
                assert await day.handshake("Eve", talkative, "/ws/chat/%00/", Cookie=cookie) == 404

            # What a request brings along.
            along = {
                "Cookie": cookies["Eve"],
                "Authorization": f"Basic {plant('somebody else’s password')}",
                "X_Forwarded_For": plant("the address of somebody", "2001:db8:5ca1:ab1e:7e57::c0de"),
                "X_Forwarded_Host": f"{plant('a forwarded host')}.example",
                "Forwarded": f"for={plant('another forwarded header')}",
                "X_Api_Key": plant("a header that nobody knows"),
                "Accept_Language": f"en, x-{plant('a language')}",
            }
            query = f"?room={plant('a room in a query', may='Eve')}&next={plant('a query string')}"
            for path in (
                "/chat/",
                "/healthz",
                "/readyz",
                "/nowhere",
                "/fault",
                "/static/nothing.js",
                "/metrics",
            ):
                await ask("Eve", talkative, path + query, **along)
            alone = {**along, "X_Forwarded_Host": talkative.url.removeprefix("http://")}
            assert await day.handshake("Eve", talkative, f"/ws/chat/b/?{query[1:]}", **alone) == 101
            renamed = await ask("Eve", talkative, "/session", {"name": "Eva"}, **alone)
            day.plant_token("Eve's second cookie", cookie_of(renamed).partition("=")[2], may="Eve")
            foreign = {**along, "Origin": f"https://{plant('a foreign origin')}.example"}
            assert await day.handshake("Eve", talkative, f"/ws/chat/b/?{query[1:]}", **foreign) == 403

            # Forms that are refused, and one in the middle of which the server fails.
            big = plant("a form that is too big").encode() * 9000
            assert (await ask("Eve", talkative, "/session", b"name=" + big, **FORM, **along)).status == 413
            body = {"name": plant("a form of another site"), "message": plant("a message of another site")}
            for path in ("/session", "/session/end", "/language", f"{places}messages"):
                assert (await ask("Eve", talkative, path, body, **foreign)).status == 403
            bad = {"name": "\x00" + plant("a name that cannot be", may="Eve"), "next": "//x"}
            assert (await ask("Eve", talkative, "/session", bad)).status == 400
            failed = await ask(
                "Eve",
                talkative,
                "/fault",
                {"x": plant("a form that the server failed at")},
                Cookie=cookies["Eve"],
            )
            assert failed.status == 500

            # Frames that are refused.
            long = plant("a message that is too long")
            await eve.send(long * 1000)
            await eve.expect("nack")
            for frame in (
                {"type": "send", "id": 1, "message": plant("a message without an id")},
                {"type": plant("a frame of no type")},
                f"{{{plant('a frame that is no JSON')}",
            ):
                await eve.send_frame(frame)
                await eve.expect("error")

            # Numbers for the operator.
            for wrong in (plant("a wrong metrics token"), token[:-1], f"{token}x"):
                assert (
                    await ask("Eve", talkative, "/metrics", Authorization=f"Bearer {wrong}")
                ).status == 401
            scraped = await ask("Scraper", talkative, "/metrics", Authorization=f"Bearer {token}")
            assert scraped.status == 200
            assert "quartchat_members 3" in scraped.text or link is not None

            if link is not None:
                await failing_broker(day, ada, bob, talkative, link)

            # The end of a session, and of the day.
            assert (await ask("Bob", talkative, "/session/end", {}, Cookie=cookies["Bob"])).status == 303
            await bob.wait_close()
            day.note_process(talkative)
            await talkative.terminate()
            day.note_log(talkative)
            if other is quiet:
                await quiet.terminate()
                day.note_log(quiet)


async def own_a_room(day: Day, one: Instance, cookies: Mapping[str, str], here: str) -> None:
    """Links that give a right are for whom they were given to."""
    room = day.plant("the name of a closed room", may=f"{here} and access")

    async def act(who: str, what: str, **fields: str) -> Answer:
        return await day.ask(who, one, f"/api/rooms/{room}/{what}", fields, Cookie=cookies[who])

    link = day.plant_token(
        "an owner's link", json.loads((await act("Ada", "owner")).body)["owner"], may="Ada"
    )
    await act("Ada", "rules", owner=link, do="close")
    invited = await act("Ada", "rules", owner=link, do="invite", seconds="600")
    (invite,) = json.loads(invited.body)["invites"]
    day.plant_token("an invite", invite["invite"], may="Ada")
    assert (await act("Bob", "enter", link=invite["invite"])).status == 200
    forged = day.plant("a forged link", f"{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(20)}")
    for what, fields in (("enter", {"link": forged}), ("rules", {"owner": forged, "do": "look"})):
        assert (
            await day.ask("Eve", one, f"/api/rooms/a/{what}", fields, Cookie=cookies["Eve"])
        ).status == 403


async def log_in_in_vain(day: Day, one: Instance, provider: OpenIdProvider) -> None:
    """At a provider that does not say how, and with a code that nobody gave."""
    provider.said["/.well-known/openid-configuration"] = Said(500, day.plant("what a provider says").encode())
    assert (await day.ask("Guest", one, "/login?next=/chat/")).status == 503
    provider.said.clear()
    back = f"?code={day.plant('a code of the provider')}&state={day.plant('the state of a login')}"
    assert (await day.ask("Guest", one, f"/login/callback{back}")).status in range(400, 500)


async def log_in(day: Day, one: Instance, other: Instance, provider: OpenIdProvider) -> None:
    """Carol goes to the provider, agrees and comes back; what the provider says of Eve is not believed."""
    signed: list[str] = []
    provider.sign = lambda claims: signed.append(provider.signed(claims)) or signed[-1]
    name = day.plant("a name that the provider tells", f"Carol {secrets.token_hex(8)}", may="Carol")
    come = await _come_back(day, "Carol", one, other, provider, name)
    assert come.status == 303, come.text
    cookies = [each.partition(";")[0] for each in come.headers.get_all("Set-Cookie") or []]
    (cookie,) = (each for each in cookies if each.startswith("quartchat="))
    day.plant_token("the cookie of who logged in", cookie.partition("=")[2], may="Carol")
    assert name in (await day.ask("Carol", one, "/chat/", Cookie=cookie)).text

    provider.claims = lambda claims: {**claims, "aud": day.plant("whom a token is for")}
    nobody = await _come_back(day, "Eve", one, other, provider, day.plant("a name that is not believed"))
    assert nobody.status == 403, nobody.text
    for number, (token, access) in enumerate(zip(signed, provider.tokens, strict=True)):
        day.plant_token(f"ID token {number}", token)
        day.plant(f"access token {number}", access)


async def _come_back(
    day: Day, who: str, one: Instance, other: Instance, provider: OpenIdProvider, name: str
) -> Answer:
    """By the provider, which tells this name, to the other instance: what that answers."""
    target = day.plant(f"where {who} wants to go", may=who)
    away = await day.ask(who, one, f"/login?next=/chat/{target}/")
    assert away.status == 303, away.text
    location = away.headers["Location"] or ""
    asked = parse_qs(urlsplit(location).query)
    for part in ("state", "nonce", "code_challenge"):
        day.plant(f"the {part} of {who}'s login", asked[part][0], may=who)
    pending = cookie_of(away)
    day.plant_token(f"the cookie of {who}'s login", pending.partition("=")[2], may=who)
    subject = day.plant(f"who {who} is at the provider")
    mail = f"{day.plant(f'an address of {who}')}@a.example"
    back = urlsplit(provider.allow(location, subject, name=name, email=mail))
    day.plant(f"the code of {who}'s login", parse_qs(back.query)["code"][0])
    return await day.ask(who, other, f"{back.path}?{back.query}", Cookie=pending)


async def failing_broker(day: Day, ada: ChatClient, bob: ChatClient, one: Instance, link: Proxy) -> None:
    """A link that takes and gives nothing, is cut, and comes back."""
    late = day.plant("a message without an answer", may="Ada and Bob and broker")
    link.black_hole()
    sent = await ada.send(late)
    # First, while the answer is waited for: who waits too long altogether is sent to another instance.
    assert (await day.ask("Eve", one, "/readyz")).status == 503
    await ada.expect("unknown", id=sent)
    link.cut()
    await link.heal()
    await one.wait_ready()
    await ada.say(late, id=sent)
    await bob.expect("message", message=late)


async def test_a_day_on_the_memory_broker(tmp_path: Path) -> None:
    day = Day(tmp_path)
    await day_of_use(day, "memory://", None)
    day.judge()


async def test_a_day_on_redis(tmp_path: Path, redis_server: RedisServer, namespace: str) -> None:
    day = Day(tmp_path)
    user, password = day.plant("the broker's user"), day.plant("the broker's password", awkward())
    assert (
        redis_server.command("ACL", "SETUSER", user, "on", f">{password}", "~*", "&*", "+@all") == b"+OK\r\n"
    )
    before = sizes(redis_server.folder)
    try:
        async with Proxy("127.0.0.1", redis_server.port) as link:
            url = f"redis://{user}:{quote(password, safe='')}@127.0.0.1:{link.port}/0?prefix={namespace}"
            direct = url.replace(f":{link.port}/", f":{redis_server.port}/")
            await asyncio.gather(
                day_of_use(day, url, link), refused_logins(day, direct, quote(password, safe=""))
            )
    finally:
        redis_server.command("ACL", "DELUSER", user)
    day.note("broker", grown(redis_server.folder, before))
    day.judge()


async def test_a_day_on_rabbitmq(tmp_path: Path, rabbitmq_server: RabbitMQServer, namespace: str) -> None:
    day = Day(tmp_path)
    user, password = (
        day.plant("the broker's user", may="broker"),
        day.plant("the broker's password", awkward()),
    )
    await asyncio.to_thread(rabbitmq_server.ctl, "add_user", user, password)
    await asyncio.to_thread(rabbitmq_server.ctl, "set_permissions", user, ".*", ".*", ".*")
    before = sizes(rabbitmq_server.folder)
    try:
        async with Proxy("127.0.0.1", rabbitmq_server.port) as link:
            host = f"127.0.0.1:{link.port}"
            url = f"amqp://{user}:{quote(password, safe='')}@{host}/?prefix={namespace}&buckets=2"
            direct = url.replace(f":{link.port}/", f":{rabbitmq_server.port}/")
            await asyncio.gather(
                day_of_use(day, url, link), refused_logins(day, direct, quote(password, safe=""))
            )
    finally:
        await asyncio.to_thread(rabbitmq_server.ctl, "delete_user", user)
    day.note("broker", grown(rabbitmq_server.folder, before))
    day.judge()


async def refused_logins(day: Day, url: str, password: str) -> None:
    """A broker that does not let the instance in: said so in the log, with nothing of how it tried."""
    wrong = quote(day.plant("a wrong password of the broker", awkward()), safe="")
    rabbitmq = url.startswith("amqp")  # writes into its log who comes
    nobody = day.plant("a user that the broker does not know", may="broker" if rabbitmq else "")
    host = url.partition("@")[2].partition("/")[0]
    urls = [url.replace(password, wrong), f"{url.partition(':')[0]}://{nobody}:{wrong}@{host}/"]
    if rabbitmq:
        urls.append(url.replace(f"@{host}/", f"@{host}/{day.plant('a virtual host', may='broker')}"))
    await asyncio.gather(*(refused_login(day, day.talkative(each, {})) for each in urls))


async def refused_login(day: Day, one: Instance) -> None:
    async with one:
        await until(lambda: TOLD.search(one.log), 20, "the log tells of the broker")
        asked = ("/chat/", "/readyz", "/chat/a/", "/api/rooms/a/messages")
        answers = await asyncio.gather(*(day.ask("Eve", one, path) for path in asked))
        assert {answer.status for answer in answers} == {200, 503}
        await one.terminate()
        day.note_log(one)


TOLD = re.compile(r"^(RabbitMQ: |.*link to Redis lost: Auth)", re.MULTILINE)


def sizes(folder: Path) -> dict[Path, int]:
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # the server removes some of its files, at any time
            if path.is_file():
                found[path] = path.stat().st_size
    return found


def grown(folder: Path, before: Mapping[Path, int]) -> bytes:
    """What was written into it since, its server's log included."""
    parts = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                parts.append(path.read_bytes()[before.get(path, 0) :])
    return b"".join(parts)


SECRET = "q7Xv2LmZ-t4Rw0dBnC8sJf3"

MISTAKES = {
    "QUARTCHAT_BROKER": [
        *(f"{scheme}://{{}}:x@host:port" for scheme in ("redis", "amqp", "unix", "memory", "kafka")),
        *(f"{scheme}://user:{{}}@host:port" for scheme in ("redis", "amqp", "unix", "memory", "kafka")),
        # Signs in a password that had to be percent-encoded.
        *(
            f"{scheme}://user:1{sign}{{}}@host"
            for scheme in ("redis", "amqp", "memory")
            for sign in "/#?[]@%:"
        ),
        *(f"{scheme}://user:1?{{}}=1@host" for scheme in ("redis", "amqp", "memory")),
        *(f"{scheme}://host/0?{{}}=1" for scheme in ("redis", "amqp")),
        *(
            f"redis://host/0?{option}={{}}"
            for option in ("db", "socket_timeout", "protocol", "max_connections")
        ),
        *(f"amqp://host/?{option}={{}}%21" for option in ("prefix", "buckets", "bucket_bytes", "heartbeat")),
        # No scheme, or half of one; the value of another variable.
        *(
            "{}",
            "{}:x@host",
            "user:{}@host",
            "//user:{}@host",
            "redis:user:{}@host",
            "amqp:/user:{}@host",
        ),
    ],
    "QUARTCHAT_SECRET_KEY": ["{0},,{0}", "{},short", "{0}{0}", "change-me-{}", "{}, "],
    "QUARTCHAT_METRICS_TOKEN": ["{0}{0}", "change-me-{}"],
    **{
        name: ["{}", "{},{}", "1,{}"]
        for name in ("QUARTCHAT_GUESTS", "QUARTCHAT_METRICS", "QUARTCHAT_HISTORY")
    },
    **{
        name: ["{}", "1,{}"]
        for name in ("QUARTCHAT_MESSAGE_RATE", "QUARTCHAT_TRUSTED_PROXIES", "QUARTCHAT_NONE")
    },
    "QUARTCHAT_ALLOWED_ORIGINS": ["{}", "{},{}", "https://a.example,{}", "https://user:{}@a.example"],
}


@pytest.mark.parametrize(
    ("variable", "form"), [(name, form) for name, forms in MISTAKES.items() for form in forms]
)
def test_a_refusal_to_start_never_repeats_what_it_was_given(variable: str, form: str) -> None:
    canaries = Canaries()
    secret = canaries.plant("what was given", SECRET)
    env = {"QUARTCHAT_SECRET_KEY": secrets.token_urlsafe(32), variable: form.format(secret, secret)}
    said = ""
    try:
        create_app(env)
    except SettingsError as error:
        said = str(error)
    assert said.startswith(f"{variable}: ") or (variable, said) == ("QUARTCHAT_BROKER", "")
    assert not canaries.leaks({"the one line": said.encode()})


WRITTEN = {
    "raw": str,
    "in small letters": str.lower,
    "percent-encoded": lambda text: quote(text, safe=""),
    "in a form": lambda text: urlencode({"x": text}),
    "JSON": json.dumps,
    "HTML": html.escape,
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 behind a user": lambda text: b64encode(f"user:{text}".encode()).decode(),
    "base64 in an object": lambda text: urlsafe_b64encode(f"[1,{text}]".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "its first twelve": lambda text: text[:12],
    "its last twelve": lambda text: text[-12:],
    "cut short": reprlib.repr,
}


@pytest.mark.parametrize(
    "text",
    [secrets.token_urlsafe(24), awkward(), "한국어로 된 비밀번호 <하나> & 'x'"],
    ids=["a key", "awkward", "Korean"],
)
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_secret_is_found_in_every_form(text: str, write: Callable[[str], str]) -> None:
    canaries = Canaries()
    canaries.plant("a secret", text, may=("home",))
    line = f"[INFO] something: {write(text)} and so on".encode()
    (leak,) = canaries.leaks({"log": b"harmless\n" + line, "home": line})
    assert (leak.canary, leak.place) == ("a secret", "log")
    assert not canaries.leaks({"log": b"harmless", "home": line})
    assert canaries.seen({"home": line}) == {"a secret"}


@pytest.mark.parametrize("bad", ["eleven char", "", "x"])
def test_what_could_be_anything_is_no_canary(bad: str) -> None:
    with pytest.raises(ValueError, match="12 characters"):
        Canaries().plant("too short", bad)
