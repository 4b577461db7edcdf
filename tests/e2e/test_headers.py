"""What guards a browser stands in every answer: pages, files, errors and refusals, whoever made them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.e2e.places import FORM, kept
from tests.e2e.routes import Route, forms, routes
from tests.support.client import ChatClient, new_session
from tests.support.instance import Answer, Instance, request

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
HTTPS = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Host": "chat.example.org",
}
EVIL = {"Origin": "https://evil.example"}


@pytest.fixture(scope="session")
def behind() -> Iterator[Instance]:
    """One instance behind a proxy, which each test plays."""
    with kept("memory://", {"QUARTCHAT_TRUSTED_PROXIES": "1", "QUARTCHAT_MESSAGE_RATE": "1"}) as instance:
        yield instance


def directives(text: str) -> dict[str, list[str]]:
    """A policy's parts."""
    return {words[0]: words[1:] for words in (part.split() for part in text.split(";")) if words}


def assert_guarded(answer: Answer, *, secure: bool = False, static: bool = False) -> None:
    headers = answer.headers
    for name in set(headers.keys()) - {"set-cookie", "Set-Cookie"}:
        assert len(headers.get_all(name) or []) == 1, name
    policy = directives(headers["Content-Security-Policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == ["'self'"]
    for sources in policy.values():
        # Nothing inline, nothing made from text, nothing from elsewhere.
        assert not {"'unsafe-inline'", "'unsafe-eval'", "'unsafe-hashes'", "*", "http:", "https:"} & set(
            sources
        )
    assert "data:" not in policy["script-src"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    for feature in ("camera", "microphone", "geolocation"):
        assert f"{feature}=()" in headers["Permissions-Policy"]
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers.get("Access-Control-Allow-Origin") is None
    assert headers.get("Server") is None
    if secure:
        assert headers["Strict-Transport-Security"].startswith("max-age=")
    else:
        assert headers.get("Strict-Transport-Security") is None
    if static and answer.status < 400:
        assert headers["Cache-Control"] == "no-cache"
        assert not headers.get_all("Set-Cookie")
    else:
        assert headers["Cache-Control"] == "no-store"
        assert {"Accept-Language", "Cookie"} <= {part.strip() for part in headers["Vary"].split(",")}


async def ask(
    where: Instance, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> Answer:
    return await request(where.url + path, method, body or None, headers)


@pytest.mark.parametrize("route", routes(), ids=lambda route: route.path)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_every_address_by_every_method(
    behind: Instance, route: Route, method: str, secure: bool
) -> None:
    headers = {**FORM, **(HTTPS if secure else {})}
    answer = await ask(behind, method, route.path, headers, b"x=1" if method == "POST" else b"")
    assert answer.status < 500
    if method not in route.methods:
        assert answer.status == 405
        assert answer.headers["Allow"]
    # What says which methods there are is no file.
    assert_guarded(answer, secure=secure, static=route.static and method != "OPTIONS")


Kind = tuple[int, str, str, dict[str, str], bytes]

KINDS: list[Kind] = [
    (302, "GET", "/", {}, b""),
    (308, "GET", "/chat/lobby", {}, b""),
    (303, "GET", "/chat/?room=lobby", {}, b""),
    (400, "GET", "/chat/?room=..", {}, b""),
    (404, "GET", "/nothing", {}, b""),
    (404, "GET", "/chat/%00/", {}, b""),
    (404, "GET", "/static/nothing.js", {}, b""),
    (404, "GET", "/api/nothing", {}, b""),
    (404, "GET", "/api/rooms/%00/messages", {}, b""),
    (400, "GET", "/api/rooms/lobby/messages?limit=x", {}, b""),
    (405, "PUT", "/chat/", {}, b""),
    (400, "POST", "/session", FORM, b"name="),
    (400, "POST", "/session", FORM, b"\xff\xfe"),
    (400, "POST", "/session", {**FORM, "Accept": "application/json"}, b"name=a%2Fb"),
    (403, "POST", "/session", {**FORM, **EVIL}, b"name=Ada"),
    (403, "POST", "/session", {**FORM, **EVIL, "Accept": "application/json"}, b"name=Ada"),
    (413, "POST", "/session", FORM, b"name=" + b"x" * 100_000),
    (303, "POST", "/session", FORM, b"name=Ada"),
    (200, "POST", "/session", {**FORM, "Accept": "application/json"}, b"name=Ada"),
    (303, "POST", "/session/end", FORM, b""),
    (303, "POST", "/language", FORM, b"lang=ko"),
    (400, "POST", "/chat/lobby/messages", FORM, b"message=&id=a"),
    (404, "POST", "/chat/%00/messages", FORM, b"message=x"),
    (413, "POST", "/chat/lobby/messages", FORM, b"id=a&message=" + b"x" * 9000),
    (404, "GET", "/ws/", UPGRADE, b""),
    (404, "GET", "/ws/chat/%00/", UPGRADE, b""),
    (403, "GET", "/ws/chat/lobby/", {**UPGRADE, **EVIL}, b""),
    (400, "GET", "/ws/chat/lobby/?history=x", UPGRADE, b""),
    (400, "GET", "/ws/chat/lobby/", {**UPGRADE, "Sec-WebSocket-Version": "8"}, b""),
    (400, "GET", "/ws/chat/lobby/", {**UPGRADE, "Sec-WebSocket-Protocol": "\xe9"}, b""),
    (404, "GET", "/ws/chat/lobby/", {}, b""),
]


@pytest.mark.parametrize(("status", "method", "path", "headers", "body"), KINDS, ids=lambda v: str(v)[:40])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_every_kind_of_answer(
    behind: Instance, status: int, method: str, path: str, headers: dict[str, str], body: bytes, secure: bool
) -> None:
    answer = await ask(behind, method, path, {**headers, **(HTTPS if secure else {})}, body)
    assert answer.status == status
    # What is refused before the application hears of it is no answer to a browser; it cannot know of proxies.
    early = headers.get("Sec-WebSocket-Version") == "8"
    assert_guarded(answer, secure=secure and not early)


async def test_a_file_that_the_browser_has_already(behind: Instance) -> None:
    first = await behind.get("/static/chat.css")
    again = await behind.get("/static/chat.css", {"If-None-Match": first.headers["ETag"]})
    assert (first.status, again.status) == (200, 304)
    # They are small: nobody gets a part of one (RFC 9110, section 14.2).
    for wanted in ("bytes=0-9", "bytes=99999999-"):
        whole = await behind.get("/static/chat.css", {"Range": wanted})
        assert (whole.status, whole.body) == (200, first.body)
        assert_guarded(whole, static=True)
    for answer in (first, again):
        assert_guarded(answer, static=True)


async def test_a_fault_of_our_own() -> None:
    async with Instance("memory://", app="tests.e2e.faulty:app", tracebacks=True) as faulty:
        answer = await faulty.get("/fault")
        assert answer.status == 500
        assert_guarded(answer)
        assert "ZeroDivision" not in answer.text


async def test_what_is_refused_for_now(behind: Instance, room: str) -> None:
    ada = await new_session(behind, "Ada")
    headers = {**FORM, "Cookie": ada.cookie}
    # All at once: one after the other, a slow machine would write as slowly as is allowed.
    bodies = [urlencode({"id": f"m{number}", "message": "x"}).encode() for number in range(8)]
    answers = await asyncio.gather(*(behind.post(f"/chat/{room}/messages", body, headers) for body in bodies))
    for answer in answers:
        assert_guarded(answer)
    answer = await behind.post(f"/chat/{room}/messages", b"id=m0&message=y&as=somebody-else", headers)
    assert answer.status == 409
    assert_guarded(answer)
    assert {each.status for each in answers} == {303, 429}


async def test_where_guests_are_refused_and_where_an_instance_is_full(room: str) -> None:
    env: dict[str, str | None] = {"QUARTCHAT_GUESTS": "deny", "QUARTCHAT_MAX_CONNECTIONS": "1"}
    async with Instance("memory://", env) as strict:
        answer = await ask(strict, "GET", f"/ws/chat/{room}/", UPGRADE)
        assert answer.status == 401
        assert_guarded(answer)
        answer = await strict.post(f"/chat/{room}/messages", b"message=x", FORM)
        assert answer.status == 401
        assert_guarded(answer)
        ada = await new_session(strict, "Ada")
        async with ChatClient(strict, room, ada.cookie):
            answer = await ask(strict, "GET", f"/ws/chat/{room}/", {**UPGRADE, "Cookie": ada.cookie})
            assert answer.status == 503
            assert answer.headers["Retry-After"]
            assert_guarded(answer)


async def test_an_address_that_is_no_url(behind: Instance) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", behind.port)
    writer.write(b"GET http://[::1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode("latin-1").lower()
    writer.close()
    assert text.startswith("http/1.1 400")
    for name in ("content-security-policy: default-src 'none'", "nosniff", "cache-control: no-store"):
        assert name in text


async def test_a_browser_that_asked_by_https_is_bound_to_it_also_without_a_word_of_the_proxy(
    lone: Instance,
) -> None:
    own = {"Origin": f"https://127.0.0.1:{lone.port}", "Sec-Fetch-Site": "same-origin"}
    answer = await lone.post("/session", b"name=Ada", {**FORM, **own})
    assert answer.status == 303
    assert_guarded(answer, secure=True)


async def test_nobody_s_own_word_of_a_proxy_counts_where_there_is_none(lone: Instance) -> None:
    for path in ("/chat/", "/static/chat.css", "/nothing"):
        assert_guarded(await lone.get(path, HTTPS), static=path.startswith("/static"))


def test_there_is_something_to_look_at() -> None:
    paths = {route.path for route in routes()}
    assert {"/", "/chat/", "/chat/lobby/", "/api/rooms", "/healthz", "/metrics", "/session"} <= paths
    assert {"/session", "/session/end", "/language", "/chat/lobby/messages"} <= set(forms())


def test_the_table_has_a_row_for_each_kind() -> None:
    statuses: dict[int, Any] = {status: path for status, _, path, _, _ in KINDS}
    assert {302, 303, 308, 400, 403, 404, 405, 413} <= set(statuses)
