"""Many messages: scrolling back through a thousand, and five thousand that come in while one looks."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Browser, CDPSession, expect

from tests.browser.chat_page import ChatPage, fill, numbered
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

THOUSAND = 1000
FLOOD = 5000
ROWS = 400
"""At most so many stand in the page, and a few dividers."""
AT_ONCE = 44
"""At most so many elements come into the log in one frame: forty rows, and dividers."""
LONGEST = 100
"""Milliseconds of the processor's time that the page's longest task may take."""
FLOOD_PATIENCE = 90_000
TRACED = ["toplevel", "disabled-by-default-devtools.timeline"]

COUNT = """(() => {
  // What the page does to its log: how often in a frame, how much at once, and whether a row is missing.
  const work = (window.work = { renders: 0, frames: 0, added: 0, most: 0, rows: 0, again: 0, holes: [] });
  const inOrder = (list) => {
    const texts = [...list.querySelectorAll('.row .text')].map((text) => text.textContent);
    const numbers = texts.map((text) => Number(text.split(' ').at(-1)));
    const at = numbers.findIndex((n, i) => i && n !== numbers[i - 1] + 1);
    if (at > 0 && window.numbered) work.holes.push(numbers.slice(at - 1, at + 1));
    work.rows = Math.max(work.rows, numbers.length);
  };
  let last = -1;
  (function frame() {
    work.frames++;
    requestAnimationFrame(frame);
  })();
  document.addEventListener('DOMContentLoaded', () => {
    const list = document.getElementById('chat-rows');
    new MutationObserver((changes) => {
      const added = changes.reduce((sum, { addedNodes }) => sum + addedNodes.length, 0);
      work.renders++;
      work.added += added;
      work.most = Math.max(work.most, added);
      if (last === work.frames) work.again++;
      last = work.frames;
      inOrder(list);
    }).observe(list, { childList: true });
  });
})()"""

IN_SIGHT = """
  const log = document.getElementById('chat-log');
  const top = (node) => node.getBoundingClientRect().top;
  const rows = () => [...log.querySelectorAll('.row[data-position]')];
  const read = () => rows().find((row) => top(row) > top(log));
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
"""

NUMBER = f"() => {{ {IN_SIGHT} return Number(read().querySelector('.text').textContent.split(' ').at(-1)); }}"
"""The number of the message that one reads: the first one wholly in sight."""

SCROLL_BACK = f"""async () => {{
  // Scrolls to the very first row as a reader would. The row that is read stays where the scrolling left it,
  // whatever comes in above or goes below.
  {IN_SIGHT}
  const first = document.getElementById('older');
  let slips = 0, pages = 0, oldest = rows()[0];
  for (let still = 0; still < 5; ) {{
    const row = read(), before = log.scrollTop;
    log.scrollTop -= 350;
    still = log.scrollTop === before && !first.hidden ? still + 1 : 0;
    // The words: the first row of a group loses its head to an older one, above them.
    const text = row.querySelector('.text'), place = top(text);
    for (let i = 0; i < 3; i++) {{
      await frame();
      if (row.isConnected) slips = Math.max(slips, Math.abs(top(text) - place));
      else slips = Infinity;
    }}
    if (rows()[0] !== oldest) pages++;
    oldest = rows()[0];
  }}
  return {{ slips, pages, first: oldest.querySelector('.text').textContent }};
}}"""

ECHOES = """() => {
  // Keys that stood in the field before the flood was over.
  window.echoes = 0;
  document.getElementById('chat-message-input').addEventListener('input', () => {
    const text = [...document.querySelectorAll('.row .text')].at(-1).textContent;
    if (/^flood [0-8]?[0-9]?[0-9]$/.test(text)) window.echoes++;
  });
}"""

LEAP = """async (newest) => {
  // From the first of a thousand to as far down as there is something, in one step.
  const log = document.getElementById('chat-log');
  const last = () => [...log.querySelectorAll('.row .text')].at(-1);
  const end = last();
  log.scrollTop = 0;
  while (last() === end && end.textContent !== newest) await new Promise(requestAnimationFrame);
  const { top, bottom } = log.getBoundingClientRect();
  const at = end.isConnected && end.getBoundingClientRect();
  return [Boolean(at) && at.top < bottom && at.bottom > top, end.textContent];
}"""

READ = (
    f"() => {{ {IN_SIGHT} const row = read(); return [row.querySelector('.text').textContent, top(row)]; }}"
)


async def flood(instance: Instance, room: str) -> None:
    """From several people, within seconds; in a process of its own: whoever types is not kept waiting."""
    command = [sys.executable, "-m", "tests.browser.flood", instance.url, room, str(FLOOD)]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Work(NamedTuple):
    """What the main thread of a page did."""

    longest: float
    """Milliseconds of its own time. Beside other tests it is twice as much: they share the core's caches."""
    layouts: int
    heap: float
    """Bytes more than before."""
    nodes: int


async def metrics(devtools: CDPSession) -> dict[str, float]:
    await devtools.send("HeapProfiler.collectGarbage")
    answer = await devtools.send("Performance.getMetrics")
    return {each["name"]: each["value"] for each in answer["metrics"]}


@asynccontextmanager
async def watched(window: ChatPage, browser: Browser) -> AsyncIterator[list[Work]]:
    """The list has the page's work once the block has ended."""
    devtools = await window.page.context.new_cdp_session(window.page)
    await devtools.send("Performance.enable")
    before = await metrics(devtools)
    await browser.start_tracing(page=window.page, categories=TRACED)
    done: list[Work] = []
    try:
        yield done
    finally:
        trace = await browser.stop_tracing()
    after = await metrics(devtools)
    done.append(
        Work(
            longest_task(json.loads(trace)["traceEvents"]),
            round(after["LayoutCount"] - before["LayoutCount"]),
            after["JSHeapUsedSize"] - before["JSHeapUsedSize"],
            round(after["Nodes"]),
        )
    )


def longest_task(events: list[dict[str, Any]]) -> float:
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [event for event in events if event.get("name") == "RunTask" and "tdur" in event]
    threads = Counter((event["pid"], event["tid"]) for event in tasks)
    page = max(mains, key=lambda thread: threads[thread])
    assert threads[page] > FLOOD / 2, threads  # each message is a task of its own
    return max(event["tdur"] for event in tasks if (event["pid"], event["tid"]) == page) / 1000


async def counted(visitor: Visitor) -> ChatPage:
    window = await visitor()
    await window.page.context.add_init_script(COUNT)
    return window


async def counted_in(visitor: Visitor, instance: Instance, room: str) -> ChatPage:
    """In a room of numbered texts: a missing row is seen, too."""
    window = await counted(visitor)
    await window.enter(instance, room)
    await window.page.evaluate("window.numbered = true")
    return window


async def work(window: ChatPage) -> dict[str, Any]:
    done: dict[str, Any] = await window.page.evaluate("work")
    return done


async def reads_further_up(window: ChatPage) -> None:
    await window.log.hover()
    await window.page.mouse.wheel(0, -500)
    await expect(window.page.locator("#newest")).to_be_visible()
    await window.page.wait_for_function("() => document.querySelectorAll('.row').length > 60")


async def test_a_thousand_messages_are_read_back_to_the_first_without_losing_the_place(
    instance: Instance, visitor: Visitor
) -> None:
    texts = numbered(THOUSAND)
    await fill(instance, "thousand", texts)
    window = await counted_in(visitor, instance, "thousand")
    await expect(window.row(texts[-1])).to_be_in_viewport()
    back = await window.page.evaluate(SCROLL_BACK)
    assert back["first"] == texts[0]
    assert back["slips"] <= 2, back
    assert back["pages"] >= 9, back
    await expect(window.page.locator("#older")).to_be_in_viewport()
    assert await window.whole_conversation() == texts  # up again and down, each once and in order
    done = await work(window)
    assert done["holes"] == []
    assert done["rows"] <= ROWS
    await expect(window.page.locator("#newest")).to_be_hidden()


async def test_who_leaps_down_skips_nothing(alone: Instance, visitor: Visitor) -> None:
    """The end of what is drawn is not the end of the room: the next ones come below it."""
    await fill(alone, "leap", numbered(THOUSAND))
    window = await counted_in(visitor, alone, "leap")
    await window.page.evaluate(SCROLL_BACK)
    newest = f"message {THOUSAND - 1}"
    text = ""
    while text != newest:
        kept, text = await window.page.evaluate(LEAP, newest)
        assert kept, f"{text} was the last one, and is out of sight"
    assert (await work(window))["holes"] == []


async def test_a_keyboard_alone_reads_back_to_the_first_and_returns(
    alone: Instance, visitor: Visitor
) -> None:
    texts = numbered(THOUSAND)
    await fill(alone, "keys", texts)
    window = await counted_in(visitor, alone, "keys")
    page = window.page
    await window.log.focus()

    async def leads_to(key: str, there: Callable[[int], bool]) -> None:
        """Pressed again and again: at an end it leads nowhere as long as what comes there is under way."""

        async def reads() -> bool:
            await page.keyboard.press(key)
            return there(await page.evaluate(NUMBER))

        await until(reads, 60, f"{key} leads there")

    await leads_to("PageUp", lambda n: n < THOUSAND - 50)  # older than the page came with
    await leads_to("Home", lambda n: n == 0)
    await leads_to("PageDown", lambda n: n > 60)
    await expect(window.row(texts[0])).not_to_be_in_viewport()
    await page.keyboard.press("End")
    await expect(window.row(texts[-1])).to_be_in_viewport()
    await expect(page.locator("#newest")).to_be_hidden()
    done = await work(window)
    assert done["rows"] <= ROWS
    assert done["holes"] == []


@pytest.mark.alone
async def test_five_thousand_messages_leave_whoever_types_undisturbed(
    alone: Instance, visitor: Visitor, browser: Browser
) -> None:
    window = await counted(visitor)
    await fill(alone, "flood", numbered(60))
    await window.enter(alone, "flood")
    last = window.rows.last.locator(".text")
    typed = ""
    await window.page.evaluate(ECHOES)
    async with watched(window, browser) as watch:
        flooding = asyncio.create_task(flood(alone, "flood"))
        while not flooding.done():  # from before its first message to after its last
            await window.input.press_sequentially("echo? ", delay=30)
            typed += "echo? "
        await flooding
        await expect(window.input).to_have_value(typed)
        async with ChatClient(alone, "flood") as client:
            await client.say("the end")
        await expect(last).to_have_text("the end", timeout=FLOOD_PATIENCE)
        await expect(window.rows).to_have_count(200)
    done = await work(window)
    assert await window.page.evaluate("echoes") > 0, "no key came during the flood"
    assert watch[0].longest < LONGEST
    assert done["again"] == 0, "more than one render in a frame"
    assert done["most"] <= AT_ONCE
    assert done["rows"] <= ROWS
    assert done["added"] <= FLOOD * 1.2
    assert watch[0].layouts <= 4 * done["frames"]
    assert watch[0].heap < 8e6
    assert watch[0].nodes < 12_000
    assert await window.page.title() == "flood · QuartChat"  # all of it was seen


@pytest.mark.alone
async def test_five_thousand_messages_do_not_move_whoever_reads_further_up(
    alone: Instance, visitor: Visitor, browser: Browser
) -> None:
    window = await counted(visitor)
    await fill(alone, "further-up", numbered(160))
    await window.enter(alone, "further-up")
    await reads_further_up(window)
    text, place = await window.page.evaluate(READ)
    async with watched(window, browser) as watch:
        await flood(alone, "further-up")
        await expect(window.page.locator("#newest")).to_have_text(
            f"{FLOOD} new messages ↓", timeout=FLOOD_PATIENCE
        )
        await expect(window.rows).to_have_count(ROWS)
    done = await work(window)
    now_text, now_place = await window.page.evaluate(READ)
    assert now_text == text
    assert abs(now_place - place) <= 2
    assert watch[0].longest < LONGEST
    assert done["again"] == 0, "more than one render in a frame"
    assert done["most"] <= AT_ONCE
    assert done["rows"] <= ROWS
    assert done["added"] <= 2 * ROWS  # what nobody reads is not drawn
    assert watch[0].heap < 8e6
    assert watch[0].nodes < 12_000
    assert await window.page.title() == f"({FLOOD}) further-up · QuartChat"
