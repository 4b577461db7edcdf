"""Hostile texts stay texts, wherever they stand: messages, names, rooms, drafts; live and from the server.

Every window is watched (`watch.py`): scripts that run, requests to other hosts, blocked attempts and errors
fail the test that opened it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import quote, unquote, urlencode

import pytest
from playwright.async_api import Browser, Locator, Route, expect

from quartchat import words
from tests.browser.chat_page import PATIENCE, ChatPage, fill
from tests.browser.conftest import Visitor
from tests.browser.hostile import LINKS, SHORT, TEXTS
from tests.browser.watch import Watch
from tests.support.client import ChatClient, new_session
from tests.support.instance import Answer, Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

say = words.languages()["en"].say

ALL = {**TEXTS, **{text: text for text in LINKS}}

# Every kind of element in the page, with its attributes but for those that come and go: hostile texts add
# none. Not what a page keeps of having been slow to connect: what the banner is made of, an empty class.
SHAPES = """() => {
  const fleeting = ['hidden', 'aria-live'];
  const stays = (node, name) => !fleeting.includes(name) && (name !== 'class' || node.className);
  const names = (node) => node.getAttributeNames().filter((name) => stays(node, name));
  const all = Array.from(document.querySelectorAll('head *, body :not(#connection *)'));
  const shapes = all.map((node) => [node.tagName, ...names(node)]);
  return [...new Set(shapes.map((each) => each.sort().join()))];
}"""

# Whatever handlers there might be: each gets its event.
POKE = """() => {
  for (const node of document.querySelectorAll('body *')) {
    for (const kind of ['mouseover', 'focus', 'load', 'error', 'toggle', 'begin', 'start']) {
      node.dispatchEvent(new Event(kind));
    }
  }
}"""

SHOWN = "all => all.map((node) => node.textContent)"


async def shown(of: Locator) -> list[str]:
    texts: list[str] = await of.evaluate_all(SHOWN)
    return texts


async def are(of: Locator, texts: Iterable[str]) -> None:
    """Exactly these, to the last space."""
    wanted = list(texts)

    async def same() -> bool:
        assert await shown(of) == wanted
        return True

    await until(same, 20)


def rows(window: ChatPage) -> Locator:
    return window.log.locator(".text")


async def shapes(window: ChatPage) -> set[str]:
    await expect(window.banner).to_be_hidden(timeout=PATIENCE)
    return set(await window.page.evaluate(SHAPES))


async def harmless(instance: Instance, visitor: Visitor) -> set[str]:
    """The elements of a room in which nobody means harm, with all marks that a message can have."""
    marks = ["plain", "**a** *b* `c`", "> d", "```e```", "http://example.org/"]
    found: set[str] = set()
    # Of a name that may be taken for another one, rows say so.
    for name in ("Ann", "Anna1"):
        room, writer = f"harmless {name}", await new_session(instance, name)
        await fill(instance, room, marks, writer.cookie)
        window = await visitor()
        await window.enter(instance, room)
        await fill(instance, room, marks, writer.cookie)
        await expect(window.rows).to_have_count(2 * len(marks))
        found |= await shapes(window)
        await window.say("mine")
        await window.has_sent("mine")
        found |= await shapes(window)
    return found


async def test_the_watching_itself_works(alone: Instance, browser: Browser) -> None:
    async with await browser.new_context() as context:
        watch = Watch(context)
        await watch.begin()
        page = await context.new_page()
        await page.goto(f"{alone.url}/chat/watched/")
        for planted, noticed in {
            "document.head.append(Object.assign(document.createElement('script'), {text: 'boom()'}))": (
                "script-src"
            ),
            "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=boom()>')": "script-src",
            "document.body.insertAdjacentHTML('beforeend', '<img src=http://other.example/x>')": "img-src",
            "document.body.insertAdjacentHTML('beforeend', '<p style=color:red>')": "style-src",
            "document.body.insertAdjacentHTML('beforeend', '<iframe src=/chat/></iframe>')": "frame-src",
            "fetch('http://other.example/').catch(() => {})": "connect-src",
            "setTimeout(() => { throw new Error('planted') })": "error: planted",
            "setTimeout(() => alert('planted'))": "dialog: planted",
            "boom()": "a text ran",
        }.items():
            watch.seen.clear()
            await page.evaluate(f"() => {{ {planted} }}")
            await until(lambda noticed=noticed: any(noticed in line for line in watch.seen), 10, planted)
        watch.seen.clear()
        await page.route("**/*", lambda route: route.abort())
        await page.evaluate("() => { location.href = 'http://other.example/' }")
        await until(lambda: "request: http://other.example/" in watch.seen, 10)


async def test_a_hostile_message_is_text_live_and_from_the_server(alone: Instance, visitor: Visitor) -> None:
    allowed = await harmless(alone, visitor)
    texts = list(ALL)
    # A page from the server holds fifty messages.
    for n, part in enumerate((texts[:48], texts[48:])):
        room, wanted = f"hostile {n}", [ALL[text] for text in part]
        live, late, plain = await visitor(), await visitor(), await visitor(java_script_enabled=False)
        await live.enter(alone, room)
        await fill(alone, room, part)
        await late.enter(alone, room)
        await plain.enter(alone, room, live=False)
        for window in (live, late):
            await are(rows(window), wanted)
            await window.page.evaluate(POKE)
            assert await shapes(window) <= allowed
            links = await window.log.locator("a").evaluate_all(
                "all => all.map(({ protocol, rel, target }) => [protocol, rel, target].join())"
            )
            assert set(links) <= {"http:,noopener nofollow ugc,_blank"}
        for text in set(part) & set(LINKS):
            link = (
                live.row(text).locator("a")
                if text in TEXTS
                else rows(live).nth(part.index(text)).locator("a")
            )
            await expect(link).to_have_attribute("href", LINKS[text])
        await are(rows(plain), part)
        # One's own, on its way and then sent.
        await live.say(part[-1])
        await are(rows(live), [*wanted, ALL[part[-1]]])


async def test_a_hostile_draft_outlives_a_reload_and_is_sent_as_text(
    alone: Instance, visitor: Visitor
) -> None:
    draft = "\n".join(text for text in ALL if not re.search(r"[\x00-\x1f]|```", text) and len(text) < 100)
    window = await visitor()
    await window.enter(alone, "__proto__")
    await window.page.reload()
    await window.is_live()
    before = await shapes(window)
    await window.input.fill(draft)
    await window.page.reload()
    await window.is_live()
    await expect(window.input).to_have_value(draft)
    assert await shapes(window) <= before
    await window.input.press("Enter")
    await expect(window.log.locator(".row")).to_have_attribute("data-state", "sent")
    await expect(window.input).to_have_value("")
    [text] = await shown(rows(window))
    assert "<script>boom()</script>" in text
    assert await window.page.evaluate("() => ({}).boom === undefined && boom === globalThis.boom")


async def test_a_hostile_name_is_text_in_rows_roster_and_typing(alone: Instance, visitor: Visitor) -> None:
    allowed = await harmless(alone, visitor)
    window = await visitor()
    await window.enter(alone, "names")
    typing = window.page.locator("#typing")
    async with AsyncExitStack() as people:
        for name in SHORT:
            session = await new_session(alone, name)
            client = await people.enter_async_context(ChatClient(alone, "names", cookie=session.cookie))
            if name in SHORT[::6]:
                await client.send_frame({"type": "typing"})
                await expect(typing).to_have_text(say("typing_one").replace("{a}", f"\u2068{name}\u2069"))
            await client.say("hello")
            if name in SHORT[::6]:
                await expect(typing).to_be_empty()
        await are(window.log.locator(".name"), SHORT)
        listed = window.page.locator("#people-list .name")
        await expect(listed).to_have_count(len(SHORT) + 1)
        assert set(SHORT) < set(await shown(listed))
        late = await visitor()
        await late.enter(alone, "names")
        plain = await visitor(java_script_enabled=False)
        await plain.enter(alone, "names", live=False)
        for each in (late, plain):
            await are(each.log.locator(".name"), SHORT)
        for each in (window, late):
            await each.page.evaluate(POKE)
            assert await shapes(each) <= allowed


NOTES = """
  globalThis.notes = [];
  globalThis.Notification = class {
    static permission = 'granted';
    static requestPermission = async () => 'granted';
    constructor(title, { body }) { notes.push([title, body]); }
    close() {}
  };
"""


@pytest.mark.parametrize("name", ["<img src=x onerror=boom()>", "(.*)+[a-", "$& $1 {a} {n}|{b}", "__proto__"])
async def test_who_has_a_hostile_name_is_shown_it_and_is_called_by_it(
    name: str, alone: Instance, visitor: Visitor
) -> None:
    window = await visitor()
    await window.log_in((await new_session(alone, name)).cookie, alone.url)
    await window.page.add_init_script(NOTES)
    await window.enter(alone, name)
    await expect(window.page.locator("#self .name")).to_have_text(name)
    await expect(window.page.locator("#self-name")).to_have_value(name)
    await window.page.locator("#notify").click()
    await expect(window.page.locator("#notify")).to_have_text(say("notify_on"))
    await window.say("mine")
    await window.has_sent("mine")
    await window.page.evaluate(
        "() => Object.defineProperty(document, 'hidden', { get: () => true })"
    )  # headless windows are never hidden
    namesake = await new_session(alone, name)
    async with ChatClient(alone, name, cookie=namesake.cookie) as other:
        await other.say(f"hello {name}!")
        await other.say("hello boom")
    await expect(window.rows).to_have_count(3)
    await expect(window.log.locator(".row.called .text")).to_have_text(f"hello {name}!")

    async def rang() -> bool:
        # Of two with one name it says which.
        told = f"{name} #{namesake.user_id[-4:]}: hello {name}!"
        assert await window.page.evaluate("notes") == [[name, told]]
        return True

    await until(rang, 10)
    await expect(window.page).to_have_title(f"(2) {name} · QuartChat")
    await window.page.goto(f"{alone.url}/chat/")
    await expect(window.page.locator("#name-input")).to_have_value(name)
    await expect(window.page.locator("footer bdi")).to_have_text(name)


async def test_a_hostile_room_is_text_in_the_lobby_and_leads_where_it_says(
    alone: Instance, visitor: Visitor
) -> None:
    rooms = SHORT[:28]  # the lobby lists thirty
    window = await visitor()
    await window.page.goto(f"{alone.url}/chat/")
    links = window.page.locator("#busy-list a")
    async with AsyncExitStack() as people:
        for room in rooms:
            await people.enter_async_context(ChatClient(alone, room))
        await window.page.reload()
        await expect(links).to_have_count(len(rooms))
        before = await shapes(window)
        for again in (False, True):
            if again:  # by the script, as on the return to the window
                await window.page.evaluate(
                    "() => { const old = document.querySelector('#busy-list a'); old.id = 'old';"
                    " document.dispatchEvent(new Event('visibilitychange')); }"
                )
                await expect(window.page.locator("#old")).to_have_count(0)
            assert set(await shown(links.locator("bdi"))) == set(rooms)
            paths = await links.evaluate_all("all => all.map((link) => [link.textContent, link.pathname])")
            for text, path in paths:
                assert unquote(path) == f"/chat/{text.rsplit(' ', 1)[0]}/"
            await window.page.evaluate(POKE)
            assert await shapes(window) <= before
        await links.filter(has_text="hasOwnProperty").click()
        await expect(window.page.locator("h1")).to_have_text("hasOwnProperty")


async def test_who_was_in_hostile_rooms_finds_them_again(alone: Instance, visitor: Visitor) -> None:
    rooms = [SHORT[n] for n in (2, 20, 21, 25, 30)]
    window = await visitor()
    for room in rooms:
        await window.page.goto(f"{alone.url}/chat/")
        await window.page.locator("#room-name-input").fill(room)
        await window.page.locator("#room-name-input").press("Enter")
        await window.is_live()
        await expect(window.page.locator("h1")).to_have_text(room)
        assert await window.page.title() == f"{room} · QuartChat"
        await window.say(f"in {room}")
        await window.has_sent(f"in {room}")
    await window.page.goto(f"{alone.url}/chat/")
    recent = window.page.locator("#recent-list a")
    await are(recent, reversed(rooms))
    await window.page.evaluate(POKE)
    await recent.last.click()
    await window.is_live()
    await window.reads(f"in {rooms[0]}")


async def serving(answer: Answer, route: Route) -> None:
    await route.fulfill(status=200, body=answer.text, headers=dict(answer.headers))


async def test_hostile_fields_come_back_as_text_where_they_are_refused(
    alone: Instance, visitor: Visitor
) -> None:
    """The pages that answer a form: as with scripts off, read with scripts on."""
    window = await visitor()
    page = window.page
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for n, text in enumerate(list(TEXTS)[::7]):
        long = text[:60] * 12
        answers = [
            await alone.post("/session", urlencode({"name": long, "room": "x"}).encode(), form),
            await alone.post("/session", urlencode({"name": "x", "room": long}).encode(), form),
            await alone.get(f"/chat/?{urlencode({'room': long})}"),
            await alone.get(f"/{quote(long)}"),
            await alone.get(f"/chat/{quote(long, safe='')}/"),
            await alone.post("/chat/x/messages", urlencode({"message": text * 9000}).encode()[:24000], form),
        ]
        assert [answer.status for answer in answers] == [400, 400, 400, 404, 404, 413], text
        if n % 12:
            continue  # in the browser only some: it is the server who writes them
        for answer in answers:
            serve = partial(serving, answer)
            await page.route("**/answered", serve)
            await page.goto(f"{alone.url}/answered")
            await page.evaluate(POKE)
            assert await page.locator("body script, iframe, base, style, object, [onerror]").count() == 0
            for field in ("#name-input", "#room-name-input", "noscript textarea"):
                assert await page.locator(field).count() <= 1
            await page.unroute("**/answered", serve)


async def test_lines_cannot_be_broken_into_a_header(alone: Instance) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for field in ("name", "room", "next"):
        body = {"name": "x", field: "a\r\nSet-Cookie: planted=1\r\n\r\n<script>boom()</script>"}
        answer = await alone.post("/session", urlencode(body).encode(), form)
        assert answer.status in (303, 400)
        assert "planted" not in str(answer.headers)
    answer = await alone.post("/language", b"lang=ko&next=/%0d%0aSet-Cookie:%20planted=1", form)
    assert (answer.status, answer.headers["Location"]) == (303, "/chat/")


async def test_no_form_leads_to_another_site(alone: Instance) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    away = (
        "//other.example",
        "/\\other.example",
        "http://other.example",
        "https:other.example",
        "///other.example",
        "/\t/other.example",
        " //other.example",
        "javascript:boom()",
        "data:text/html,x",
    )
    for path, fields in (("/session", {"name": "x"}), ("/language", {"lang": "ko"}), ("/session/end", {})):
        answers = await asyncio.gather(
            *(alone.post(path, urlencode({**fields, "next": to}).encode(), form) for to in away)
        )
        for to, answer in zip(away, answers, strict=True):
            assert answer.headers["Location"] == "/chat/", (path, to)
