"""A message that comes by a form: said once, or told why not."""

from __future__ import annotations

import asyncio

import pytest

from brokers import Refused, Unknown
from quartchat import form
from quartchat.form import STATUS, Trouble, deliver
from tests.unit.doubles import ANN, BOB, ROOM, World, world


def texts_of(w: World) -> list[bytes]:
    return [entry.data for entry in w.broker.log().entries]


async def say(w: World, text: str = "hello", message_id: str = "i1") -> Trouble | None:
    return await deliver(w.hub, ROOM, ANN, message_id, text)


async def test_a_message_is_stored_and_counted(w) -> None:
    assert await say(w) is None
    assert len(texts_of(w)) == 1
    assert w.hub.counters.acks == 1
    assert w.broker.follows == [], "nobody is in the room, so nobody follows it"


async def test_the_same_id_again_is_stored_once_and_good(w) -> None:
    assert [await say(w), await say(w)] == [None, None]
    assert len(texts_of(w)) == 1


async def test_the_same_id_with_another_text_is_told(w) -> None:
    await say(w)
    assert await say(w, "another") == Trouble("id_conflict")
    assert len(texts_of(w)) == 1
    assert w.hub.counters.nacks == {"id_conflict": 1}


async def test_line_ends_of_forms_become_those_of_messages(w) -> None:
    await say(w, "a\r\nb")
    await say(w, "a\nb")
    assert len(texts_of(w)) == 1
    assert b"a\\nb" in texts_of(w)[0]


@pytest.mark.parametrize(
    ("text", "message_id", "code"),
    [
        ("", "i", "empty"),
        (" \r\n", "i", "empty"),
        ("x" * 8193, "i", "too_long"),
        ("x", "", "bad_request"),
        ("x", "a b", "bad_request"),
        ("x", "i\n", "bad_request"),
        ("x", "x" * 65, "bad_request"),
        ("\ud800", "i", "bad_request"),
    ],
)
async def test_what_cannot_be_a_message_is_refused(w, text: str, message_id: str, code: str) -> None:
    trouble = await say(w, text, message_id)
    assert trouble is not None
    assert trouble.code == code
    assert w.broker.submitted == []


async def test_one_person_s_rate_is_one_rate_however_it_is_sent() -> None:
    async with world(message_rate=1.0) as w:
        member = await w.enter()
        member.receive('{"type":"send","id":"s","message":"by socket"}')
        troubles = [await say(w, "by form", f"i{number}") for number in range(3)]
        assert troubles == [None, None, Trouble("rate_limited", 1)]
        assert await deliver(w.hub, ROOM, BOB, "b", "somebody else") is None


@pytest.mark.parametrize(("outcome", "code"), [(Unknown("x"), "unknown"), (Refused("x"), "bad_request")])
async def test_what_the_broker_says_is_told(w, outcome, code: str) -> None:
    w.broker.hold_appends = True
    saying = asyncio.create_task(say(w))
    await asyncio.sleep(0.1)
    w.broker.answer(outcome)
    trouble = await saying
    assert trouble is not None
    assert trouble.code == code


async def test_an_instance_that_leaves_takes_no_message(w) -> None:
    w.hub.draining = True
    assert await say(w) == Trouble("unknown", 1)
    assert w.broker.submitted == []


async def test_who_posts_sees_it_in_the_page_that_comes_next(w) -> None:
    await w.enter(BOB)
    w.broker.lagging = True
    loop = asyncio.get_running_loop()
    loop.call_later(0.5, w.broker.deliver)
    assert await say(w) is None
    lines, _ = await w.hub.read(ROOM, None, None, 50, behind=True)
    assert [line.message.message for line in lines] == ["hello"]
    # But it is not waited for without end.
    began = loop.time()
    assert await say(w, "late", "i2") is None
    assert loop.time() - began <= form.SHOWN_STEPS * form.STEP_SECONDS + 0.1
    # And by an instance that leaves not at all: it is stored, and the answer has to go out.
    began = loop.time()
    loop.call_later(0.2, setattr, w.hub, "draining", True)
    assert await say(w, "later", "i3") is None
    assert loop.time() - began <= 0.3


def test_every_trouble_has_a_status() -> None:
    assert {400, 403, 409, 413, 429, 503} == set(STATUS.values())
