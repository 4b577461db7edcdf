"""Input methods: Korean and Japanese, composed as the browser's own engine does it (by DevTools)."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visitor
from tests.browser.input_method import InputMethod
from tests.support.client import ChatClient
from tests.support.instance import Instance

pytestmark = pytest.mark.asyncio(loop_scope="session")

HELLO = {
    "안": "ㅇ 아 안",
    "녕": "ㄴ 녀 녕",
    "하": "ㅎ 하",
    "세": "ㅅ 세",
    "요": "ㅇ 요",
}
"""Syllables, and what stands there while each is composed."""


@pytest.mark.parametrize("code", [229, 13])
async def test_korean_written_syllable_by_syllable_is_sent_once(
    code: int, alone: Instance, visitor: Visitor
) -> None:
    """Chromium says 229 for a key that the input method took, Firefox 13 and `isComposing`."""
    window = await visitor()
    await window.enter(alone)
    ime = await InputMethod.of(window)
    for syllable, parts in HELLO.items():
        await ime.compose(*parts.split())
        if syllable != "요":
            await ime.commit(syllable)
    await expect(window.input).to_have_value("안녕하세요")
    await ime.enter(code)  # ends the composition of the last one, and no more
    await ime.commit("요")
    assert f"Enter composing {code}" in await ime.events()
    assert (await ime.events()).count("compositionstart") == len(HELLO)
    await expect(window.input).to_have_value("안녕하세요")
    await expect(window.rows).to_have_count(0)
    await window.input.press("Enter")
    await window.has_sent("안녕하세요")
    await window.input.press("Enter")  # nothing is left to send
    await window.say("반갑습니다")
    await window.has_sent("반갑습니다")
    await window.reads("안녕하세요", "반갑습니다")


async def test_an_enter_that_comes_after_its_composition_does_not_send(
    alone: Instance, visitor: Visitor
) -> None:
    """Safari ends the composition first, and then tells of the key: 229, but not composing."""
    window = await visitor()
    await window.enter(alone)
    ime = await InputMethod.of(window)
    await ime.compose("ㅎ", "하", "한")
    await ime.commit("한")
    await ime.enter(229)
    assert (await ime.events())[-2:] == ["compositionend", "Enter plain 229"]
    await expect(window.input).to_have_value("한")
    await expect(window.rows).to_have_count(0)
    await window.input.press("Enter")
    await window.has_sent("한")
    await window.reads("한")


async def test_japanese_in_two_lines_while_others_write(alone: Instance, visitor: Visitor) -> None:
    window = await visitor()
    await window.enter(alone)
    ime = await InputMethod.of(window)
    async with ChatClient(alone, "lobby") as other:
        await ime.compose("n", "に", "にh", "にほ", "にほn", "にほんご")
        await other.say("meanwhile")  # a row more must not end the composition
        await expect(window.row("meanwhile")).to_be_visible()
        await ime.compose("日本語", "二本後", "日本語")  # candidates
        await ime.enter(229)
        await ime.commit("日本語")
        assert (await ime.events()).count("compositionend") == 1
        await window.input.press("Shift+Enter")
        await ime.compose("で", "です")
        await ime.enter(229)
        await ime.commit("です")
        await expect(window.input).to_have_value("日本語\nです")
        await window.reads("meanwhile")
        await window.input.press("Enter")
        await other.wait_texts(["meanwhile", "日本語\nです"])
    await window.has_sent("日本語\nです")
    await expect(window.input).to_have_value("")
