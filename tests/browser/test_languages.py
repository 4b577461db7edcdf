"""English and Korean: the whole page in one of them, remembered; and texts that run from right to left."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from quartchat import words
from tests.browser.between import Between
from tests.browser.chat_page import ChatPage
from tests.browser.conftest import Visitor
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOCALES = {"en": "en-US", "ko": "ko-KR"}
OTHER = {"en": "ko", "ko": "en"}

# All that a page says itself: texts and labels, without what people wrote or are called.
SAID = """() => {
  const theirs = ['script, noscript, bdi, time, .text, .name, .tag, .face, .status-code',
    'form[action="/language"]'].join();
  const said = [document.title];
  const visible = (node) => node.checkVisibility({ visibilityProperty: true });
  const seen = (node) => visible(node) && !node.closest(theirs);
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) if (seen(walk.currentNode.parentElement)) said.push(walk.currentNode.data);
  for (const node of document.querySelectorAll('body *')) {
    if (!seen(node)) continue;
    const labels = ['aria-label', 'title', 'placeholder', 'alt'].map((name) => node.getAttribute(name));
    said.push(...labels.filter(Boolean));
  }
  return said.map((text) => text.trim()).filter(Boolean);
}"""

# Neither English nor Korean.
NEUTRAL = re.compile(r"[\W\d]*|QuartChat( [\w.+]+)?", re.ASCII)


def catalogue(language: str) -> re.Pattern[str]:
    """Every sentence there is in a language, whatever stands in its holes."""
    sections = json.loads((Path(words.__file__).parent / f"{language}.json").read_text("utf-8"))
    texts = {form for section in sections.values() for text in section.values() for form in text.split("|")}
    return re.compile("|".join(re.sub(r"\\\{\w\\\}", ".+?", re.escape(text)) for text in texts))


async def speaks(window: ChatPage, language: str) -> None:
    """Nothing on the page is in another language."""
    known, foreign = catalogue(language), re.compile("[가-힣]" if language == "en" else "[A-Za-z]{2}")
    await expect(window.page.locator("html")).to_have_attribute("lang", language)

    async def pure() -> bool:
        said = await window.page.evaluate(SAID)
        strange = []
        for text in said:
            bare = re.sub(r"^\(\d+\) |\s*[↓·]\s*(QuartChat)?$", "", text)
            if known.fullmatch(bare) or NEUTRAL.fullmatch(bare):
                continue
            if foreign.search(re.sub("\u2068.*?\u2069|QuartChat", "", bare)) or not is_date(bare, language):
                strange.append(text)
        assert strange == []
        return True

    await until(pure, 10)


def is_date(text: str, language: str) -> bool:
    wanted = r"\d{4}년 \d+월 \d+일 .요일" if language == "ko" else r"\w+day, \w+ \d+, \d{4}"
    return re.fullmatch(wanted, text) is not None


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_a_page_is_in_one_language_in_every_state(
    language: str, alone: Instance, visitor: Visitor
) -> None:
    say = words.languages()[language].say
    window = await visitor(locale=LOCALES[language], viewport={"width": 1280, "height": 800})
    page = window.page
    between = Between(lambda text: text == "2")
    await between.begin(window)
    async with ChatClient(alone, "1") as one, ChatClient(alone, "1") as two:
        for path in ("/chat/", f"/chat/?room={'1' * 80}", "/2"):
            await page.goto(alone.url + path)
            await speaks(window, language)
        await window.log_in((await new_session(alone, "33")).cookie, alone.url)
        await page.goto(f"{alone.url}/chat/")
        await speaks(window, language)
        await page.locator("#room-name-input").fill("1/1")
        await page.locator("#room-name-submit").click()
        wrong = await page.locator("#room-name-input").evaluate("field => field.validationMessage")
        assert wrong == say("room_characters")
        await window.enter(alone, "2")
        await speaks(window, language)  # an empty room
        await window.enter(alone, "1")
        await one.say("1")
        await window.say("1 1")
        await window.has_sent("1 1")
        await window.say("2")
        await expect(window.row("2")).to_have_attribute("data-state", "failed")
        for client in (one, two):
            await client.send_frame({"type": "typing"})
        await expect(page.locator("#typing")).not_to_be_empty()
        await speaks(window, language)
        between.tells(type="status", connected=False)
        between.tells(type="reset", reason="expired", position=one.position)
        await expect(window.log.locator(".gap")).to_be_visible()
        await expect(window.banner).to_have_text(say("trouble"))
        await window.input.fill("한" * 3000)
        await expect(page.locator(".warning")).to_be_visible()
        await page.locator("#self-name").fill("a\u202e")
        await page.locator("#self-name").press("Enter")
        asked = page.locator("#self-name")
        await until(
            lambda: same(asked.evaluate("field => field.validationMessage"), say("name_characters")), 10
        )
        await speaks(window, language)
        await page.reload()
        await window.is_live()
        await speaks(window, language)


async def same(told: Any, wanted: str) -> bool:
    text = await told
    assert text == wanted
    return True


async def test_the_switch_holds_in_every_page_and_after_a_return(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(locale="ko-KR")
    page = window.page
    await page.goto(f"{alone.url}/chat/")
    await speaks(window, "ko")
    await page.get_by_role("button", name="English").click()
    await speaks(window, "en")
    await window.enter(alone, "두 번째 방")
    address = page.url
    await expect(window.log).to_have_attribute("aria-label", words.languages()["en"].say("messages"))
    again = await visitor(beside=window)
    await again.page.goto(f"{alone.url}/nothing-here")
    await speaks(again, "en")
    await again.page.get_by_role("button", name="한국어").click()
    await speaks(again, "ko")
    await page.reload()
    await window.is_live()
    await expect(page.locator("html")).to_have_attribute("lang", "ko")
    assert page.url == address
    [cookie] = [each for each in await page.context.cookies() if each["name"] == "quartchat_lang"]
    assert cookie["expires"] > datetime.now(UTC).timestamp() + 300 * 86400


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ko", "ko"),
        ("KO-kr", "ko"),
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("fr,ko;q=0.4", "ko"),
        ("en-GB,ko;q=0.5", "en"),
        ("fr", "en"),
        ("ko;q=0", "en"),
        ("*", "en"),
        ("", "en"),
        ("x" * 4000, "en"),
    ],
)
async def test_the_browsers_own_order_decides(header: str, language: str, alone: Instance) -> None:
    text = (await alone.get("/chat/", {"Accept-Language": header})).text
    assert f'<html lang="{language}"' in text


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_dates_and_counts_are_said_as_in_the_language(
    language: str, alone: Instance, visitor: Visitor
) -> None:
    say = words.languages()[language].say
    async with ChatClient(alone, "days") as client, ChatClient(alone, "another"):
        await client.say("some days ago")
        sent = datetime.fromisoformat((await client.expect("message"))["time"])
        window = await visitor(locale=LOCALES[language], timezone_id="Asia/Seoul")
        await window.page.clock.set_fixed_time(sent + timedelta(days=1))
        await window.enter(alone, "days")
        day = window.log.locator(".day")
        await expect(day).to_have_text(say("yesterday"))
        await window.page.clock.set_fixed_time(sent + timedelta(days=5))
        await window.page.reload()
        await window.is_live()
        seoul = sent + timedelta(hours=9)
        wanted = (
            f"{seoul.year}년 {seoul.month}월 {seoul.day}일"
            if language == "ko"
            else f"{seoul:%A, %B} {seoul.day},"
        )
        await expect(day).to_contain_text(wanted)
        time = window.log.locator("time")
        await expect(time).to_have_text(re.compile("오전|오후" if language == "ko" else "AM|PM"))
        assert wanted in (await time.get_attribute("title") or "")
        await expect(window.page.locator("#people-toggle")).to_have_attribute("aria-label", say("people", 2))
        await window.page.goto(f"{alone.url}/chat/")
        another = window.page.locator("#busy-list a", has_text="another").locator(".count")
        await expect(another).to_have_attribute("title", say("people", 1))


# Where a text's lines break inside a word, how often, and whether all of it is in its box.
BROKEN = """(node) => {
  const text = node.firstChild, range = document.createRange(), broken = [];
  const topOf = (i) => {
    range.setStart(text, i);
    range.setEnd(text, i + 1);
    return range.getBoundingClientRect().top;
  };
  for (let i = 1; i < text.length; i++) {
    if (!/\\s/.test(text.data[i - 1] + text.data[i]) && topOf(i) > topOf(i - 1) + 4) broken.push(i);
  }
  return [broken.length, node.scrollWidth <= node.clientWidth];
}"""


async def test_korean_breaks_between_words_and_never_spills(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(locale="ko-KR", viewport={"width": 320, "height": 640})
    sentence = "오늘 저녁에 다 같이 만나서 이야기하면 어떨까요 정말 좋을 것 같아요"
    await window.enter(alone, "한국어 방")
    for text in (sentence, "띄어쓰기없이" * 40):
        await window.say(text)
        await window.has_sent(text)
    short, long = window.log.locator(".text").first, window.log.locator(".text").last
    assert await short.evaluate(BROKEN) == [0, True]
    breaks, inside = await long.evaluate(BROKEN)
    assert breaks > 0
    assert inside
    await window.page.goto(f"{alone.url}/chat/")
    lead = window.page.locator(".lead")
    assert await lead.evaluate(BROKEN) == [0, True]


RTL = {"name": "عبد الرحمن", "hebrew": "דנה כהן"}


async def test_names_from_right_to_left_keep_the_line_in_order(alone: Instance, visitor: Visitor) -> None:
    window = await visitor(viewport={"width": 1280, "height": 800})
    await window.log_in((await new_session(alone, RTL["name"])).cookie, alone.url)
    await window.enter(alone, "غرفة 1")
    async with ChatClient(alone, "غرفة 1", cookie=(await new_session(alone, RTL["hebrew"])).cookie) as other:
        await other.say("hello 123")
        await window.say("مرحبا")
        await window.has_sent("مرحبا")
        await expect(window.page.locator("#people-list .name")).to_have_count(2)
        for row in await window.rows.all():
            name, time = [await row.locator(part).bounding_box() for part in (".name", "time")]
            assert name is not None
            assert time is not None
            assert name["x"] + name["width"] <= time["x"]
        # In running text they are isolated: in the roster, in "you are", in the typing line.
        for name in await window.page.locator(".name").all():
            assert await name.evaluate("node => node.tagName") == "BDI"
        await other.send_frame({"type": "typing"})
        await expect(window.page.locator("#typing")).to_have_text(
            words.languages()["en"].say("typing_one").replace("{a}", f"\u2068{RTL['hebrew']}\u2069")
        )
    assert await window.page.evaluate("getComputedStyle(document.body).direction") == "ltr"
    await window.page.goto(f"{alone.url}/chat/")
    for field in ("#name-input", "#room-name-input"):
        await expect(window.page.locator(field)).to_have_attribute("dir", "auto")


# Which way the letters of a line go, as they are painted.
LETTERS = """(node) => {
  const walk = document.createTreeWalker(node, NodeFilter.SHOW_TEXT), range = document.createRange();
  const text = walk.nextNode(), at = text.data.search(/[\\w:]{2}/);
  const leftOf = (i) => {
    range.setStart(text, i);
    range.setEnd(text, i + 1);
    return range.getBoundingClientRect().left;
  };
  return leftOf(at) < leftOf(at + 1) ? 'ltr' : 'rtl';
}"""


async def test_each_text_runs_in_its_own_direction(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    texts = {
        "مرحبا 123 hello": "rtl",
        "שלום עולם": "rtl",
        "hello مرحبا": "ltr",
        "123 שלום": "rtl",
        "> اقتباس": "rtl",
        "안녕": "ltr",
        "\u202eturned around\nand the next line": "ltr",
        "\u2067\u202b\u202e never closed": "ltr",
        "after all that": "ltr",
    }
    for text in texts:
        await window.say(text)
    await expect(window.rows).to_have_count(len(texts))
    await window.has_sent("after all that")  # and so is all before it: the reader's page is made once
    reader = await visitor(java_script_enabled=False)
    await reader.enter(alone, live=False)
    for each in (window, reader):
        rows = each.log.locator(".text")
        directions = await rows.evaluate_all("all => all.map((node) => getComputedStyle(node).direction)")
        assert directions == list(texts.values())
        assert await rows.evaluate_all("all => all.every((node) => node.dir === 'auto')")
    # What a message turns around ends with it: the row's own line and the next row stand as ever.
    turned = window.log.locator(".row").nth(6)
    plain = window.log.locator(".row").last
    left = [await row.locator(".text").evaluate(LETTERS) for row in (turned, plain)]
    assert left[0] == "rtl"
    assert left[1] == "ltr"
    for row in (turned, plain):
        assert await row.locator(".status, time").last.evaluate(LETTERS) == "ltr"
    await window.input.fill("مرحبا")
    assert await window.input.evaluate("field => getComputedStyle(field).direction") == "rtl"
