"""Whole conversations through the chat, while an instance is killed and the broker restarted."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quartchat.replay.conversation import Conversation, parse, pieces
from tests.e2e.made_up import LINES, SPEAKERS, as_file
from tests.e2e.people import Listener, read_all
from tests.e2e.places import FULL, instances
from tests.support.client import ChatClient
from tests.support.instance import CHECKOUT, Instance
from tests.support.ports import free_port
from tests.support.waiting import until

if TYPE_CHECKING:
    from tests.browser.chat_page import ChatPage

DATA = CHECKOUT.parent / "shared" / "data"
"""Real conversations, where somebody put them beside the checkout; docs/replay.md says which."""

REAL = [
    # file, messages, people, and the rows that are replayed where not everything is wanted
    ("irc-2007-06-04.txt", 1377, 152, None),
    ("irc-2008-04-27.txt", 1939, 179, 300),
    ("korean-chat.csv", 8000, 40, 150),
]

real = pytest.mark.skipif(not DATA.is_dir(), reason="no real conversations beside the checkout")


@dataclass
class Ended:
    """How the command ended."""

    code: int
    out: str
    errors: str

    @property
    def summary(self) -> dict[str, Any]:
        assert self.out.count("\n") == 1, self.out + self.errors
        found: dict[str, Any] = json.loads(self.out)
        return found


async def replay(*words: str) -> Ended:
    """Run the command from the checkout."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "quartchat.replay", *words],
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), errors.decode())


def expected(conversation: Conversation) -> list[str]:
    """The texts that a room then holds."""
    return [piece for line in conversation.lines for piece in pieces(line.text, 8192) if piece.strip()]


def texts(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["message"] for frame in frames if frame["type"] == "message"]


@pytest.fixture
def server(request: pytest.FixtureRequest, broker_kind: str) -> Any:
    """The broker's server; None for the memory broker."""
    return None if broker_kind == "memory" else request.getfixturevalue(f"{broker_kind}_server")


@asynccontextmanager
async def window_on(place: Instance, room: str) -> AsyncIterator[ChatPage | None]:
    """Somebody who reads along in a browser from the start; nobody, at a desk that has none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not os.environ.get("CI") and not (chromium and find_spec("playwright")):
        yield None
        return
    from playwright.async_api import async_playwright

    from tests.browser.chat_page import ChatPage
    from tests.browser.conftest import FLAGS

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        window = ChatPage(await browser.new_page())
        await window.enter(place, room)
        yield window
        await browser.close()


async def is_read_in(window: ChatPage, wanted: list[str]) -> None:
    """These messages stand on the page, and no others, once the last one does."""
    shown: list[str] = await window.page.evaluate(WITHOUT_MARKS, wanted)

    async def there() -> bool:
        return bool(await window.log.evaluate(LAST_TEXT) == shown[-1])

    await until(there, 30, "the last message is on the page")
    assert await window.whole_conversation() == shown


WITHOUT_MARKS = """async texts => {
  // What is left to read of *this* and `that` in the rows.
  const { parse } = await import('/static/core/markup.js');
  const words = part => part.kids ? part.kids.map(words).join('') : part;
  return texts.map(text => parse(text).map(words).join(''));
}"""

LAST_TEXT = "log => [...log.querySelectorAll('.row[data-position] .text')].at(-1)?.textContent"


async def go_through_it(
    path: Path,
    conversation: Conversation,
    broker_url: str,
    server: Any,
    room: str,
    *,
    browser: bool,
) -> None:
    """Replay a file with everything that may happen on the way, and compare what everybody has."""
    wanted = expected(conversation)
    places_wanted = 1 if server is None else 2
    async with instances(places_wanted, broker_url) as places, AsyncExitStack() as stack:
        sites = [place.url for place in places]
        observers = []
        for number in range(len(sites)):
            mine = sites[number:] + sites[:number]
            observers.append(await stack.enter_async_context(Listener(mine, room)))
        # On the instance that is killed: this page has to come back, too.
        window = await stack.enter_async_context(window_on(places[0], room)) if browser else None
        words = [str(path), "--room", room, "--speed", "max", "--verify"]
        for site in sites:
            words += ["--url", site]
        running = asyncio.create_task(replay(*words))

        async def hears(count: int) -> None:
            """Until the observer on the instance that lives has heard so many, or it ended too soon."""
            heard = asyncio.create_task(observers[-1].reaches(count, 240))
            await asyncio.wait({heard, running}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                heard.cancel()
                await asyncio.gather(heard, return_exceptions=True)
                assert observers[-1].count >= count, running.result()
            await heard

        if server is not None:
            await hears(len(wanted) // 4)
            places[0].kill()
            await hears(len(wanted) // 2)
            server.kill()
            await asyncio.to_thread(server.start)
            await places[0].start(ready=True)
        ended = await running
        assert ended.code == 0, ended
        for observer in observers:
            await observer.reaches(len(wanted))
            assert texts(observer.seen) == wanted
            assert observer.resets == []
        for place in places:
            assert texts(await read_all(place, room)) == wanted
        async with ChatClient(places[-1], room, history=len(wanted) + 1) as late:
            await late.wait_texts(wanted, 60)
        if window is not None:
            await is_read_in(window, wanted)
        summary = ended.summary
        assert summary["lines"] == len(conversation.lines)
        assert summary["speakers"] == len(conversation.speakers)
        assert summary["acked"] == len(wanted)
        assert summary["resets"] == 0
        assert not any(summary["verdict"].values())
        assert (summary["reconnects"] > 0) == (server is not None)


@pytest.mark.timeout(120)
async def test_a_conversation_survives_everything(
    broker_url: str, server: Any, room: str, tmp_path: Path
) -> None:
    path = tmp_path / "made up"
    path.write_bytes(as_file())
    conversation = parse(path.read_bytes())
    assert len(conversation.lines) == LINES
    assert len(conversation.speakers) == SPEAKERS
    await go_through_it(path, conversation, broker_url, server, room, browser=True)


@real
@pytest.mark.timeout(600 if FULL else 240)
@pytest.mark.parametrize(("name", "messages", "people", "rows"), REAL, ids=[row[0] for row in REAL])
async def test_a_real_conversation_survives_everything(
    broker_url: str,
    server: Any,
    room: str,
    tmp_path: Path,
    name: str,
    messages: int,
    people: int,
    rows: int | None,
) -> None:
    path = DATA / name
    conversation = parse(path.read_bytes())
    assert len(conversation.lines) == messages
    assert len(conversation.speakers) == people
    if rows is not None and not FULL:
        path = tmp_path / name
        path.write_text("\n".join((DATA / name).read_text().split("\n")[: rows + 1]))
        conversation = parse(path.read_bytes())
    await go_through_it(path, conversation, broker_url, server, room, browser=FULL)


# The command --------------------------------------------------------------------------------------


@pytest.fixture
def three_lines(tmp_path: Path) -> Path:
    path = tmp_path / "three.jsonl"
    rows = [{"name": n, "text": t, "at": a} for n, t, a in [("A", "1", 0), ("B", "2", 1), ("A", "3", 2)]]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


async def test_the_log_s_own_timing_is_kept(lone: Instance, room: str, three_lines: Path) -> None:
    ended = await replay(str(three_lines), "--url", lone.url, "--room", room, "--speed", "2")
    assert ended.code == 0, ended
    assert 1.0 <= ended.summary["seconds"] < 5
    frames = await read_all(lone, room)
    assert texts(frames) == ["1", "2", "3"]
    assert [frame["user"]["name"] for frame in frames] == ["A", "B", "A"]


async def test_the_rate_limit_is_waited_for(room: str, tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_text("\n".join(json.dumps({"name": "A", "text": str(n)}) for n in range(25)))
    async with Instance("memory://", {"QUARTCHAT_MESSAGE_RATE": "5"}) as one:
        words = [str(path), "--url", one.url, "--room", room, "--speed", "max", "--verify"]
        ended = await replay(*words)
        assert ended.code == 0, ended
        assert ended.summary["acked"] == 25
        assert ended.summary["seconds"] > 1
        assert texts(await read_all(one, room)) == [str(number) for number in range(25)]


async def test_many_in_flight_keep_each_speaker_s_order(room: str, tmp_path: Path) -> None:
    path = tmp_path / "made up"
    path.write_bytes(as_file())
    async with instances(1, "memory://") as places:
        words = [str(path), "--url", places[0].url, "--room", room, "--speed", "max", "--verify"]
        ended = await replay(*words, "--in-flight", "20")
        assert ended.code == 0, ended
        assert not any(ended.summary["verdict"].values())


async def test_what_the_room_no_longer_keeps_is_told(room: str, tmp_path: Path) -> None:
    path = tmp_path / "many"
    path.write_text("\n".join(json.dumps({"name": "A", "text": str(n)}) for n in range(700)))
    env = {"QUARTCHAT_MESSAGE_RATE": "0", "QUARTCHAT_HISTORY": "100"}
    async with Instance("memory://", env) as one:
        words = [str(path), "--url", one.url, "--room", room, "--speed", "max", "--verify"]
        ended = await replay(*words)
        assert ended.code == 0, ended
        verdict = ended.summary["verdict"]
        assert 0 < verdict.pop("beyond") <= 600
        assert not any(verdict.values())


async def test_a_chat_that_loses_what_it_acked_is_found_out(room: str, tmp_path: Path) -> None:
    """The memory broker is killed on the way: what was said before is gone, and --verify says so."""
    path = tmp_path / "made up"
    path.write_bytes(as_file())
    async with instances(1, "memory://") as places:
        async with Listener([places[0].url], room) as observer:
            # Three seconds of talk: it has to be under way still when the fifty are noticed here.
            words = [str(path), "--url", places[0].url, "--room", room, "--verify", "--speed", "10"]
            running = asyncio.create_task(replay(*words))
            await observer.reaches(50)
            places[0].kill()
            await places[0].start()
            ended = await running
            await until(lambda: observer.resets, 20, "the observer is back, and told")
        assert ended.code == 1
        # The last one may not have been acknowledged yet: then it was said again.
        assert ended.summary["verdict"]["missing"] >= 49
        assert ended.summary["resets"] > 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [([], "required"), (["nothing.txt"], "No such file"), (["FILE"], "cannot reach")],
    ids=["nothing", "no file", "nobody there"],
)
async def test_bad_input_is_one_line(three_lines: Path, words: list[str], complaint: str) -> None:
    given = [str(three_lines) if word == "FILE" else word for word in words]
    if words:
        given += ["--room", "r", "--url", f"http://127.0.0.1:{free_port()}"]
    ended = await replay(*given)
    assert ended.code == 2, ended
    assert complaint in ended.errors
    assert len(ended.errors.splitlines()) == 1, ended.errors
    assert ended.out == ""


async def test_a_server_that_is_no_chat_is_told(three_lines: Path) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        # All of the request: who closes before that resets the connection, under the answer.
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.1", 0) as web:
        port = web.sockets[0].getsockname()[1]
        ended = await replay(str(three_lines), "--url", f"http://127.0.0.1:{port}", "--room", "r")
    assert ended.code == 2
    assert len(ended.errors.splitlines()) == 1
    assert "QuartChat" in ended.errors


async def test_patience_ends(lone: Instance, three_lines: Path, room: str) -> None:
    async with Instance("redis://127.0.0.1:1") as one:
        started = time.monotonic()
        words = [str(three_lines), "--url", one.url, "--room", room, "--patience", "1"]
        ended = await replay(*words)
        assert time.monotonic() - started < 20
        assert ended.code == 1
        assert len(ended.errors.splitlines()) == 1
