"""What a room's rules mean for its members and its ring."""

from __future__ import annotations

import time
from typing import Any

import pytest

from brokers import Unknown
from quartchat import protocol
from quartchat.form import Trouble, deliver
from quartchat.frames import payloads
from quartchat.member import Member
from quartchat.rulebook import Rulebook
from quartchat.rules import Rules, Sentence
from tests.unit.clock import settled
from tests.unit.doubles import ANN, BOB, EVE, ROOM, World, send, wire_of

FOREVER = Sentence("", 2**33)


def owned(w: World) -> Rulebook:
    return w.hub.rules


def told(member: Member) -> list[tuple[str, str]]:
    frames = [frame for kind in ("ack", "nack", "unknown") for frame in wire_of(member).of(kind)]
    return sorted((frame["type"], frame["id"]) for frame in frames)


async def muted(w: World, user_id: str = ANN.id) -> None:
    await w.hub.rules.change(ROOM, lambda rules: rules.owned("o").mute(user_id, FOREVER))


# Muted ------------------------------------------------------------------------------------------------------


async def test_who_is_muted_gets_a_nack_and_nothing_is_stored(w: World) -> None:
    member, other = await w.enter(ANN), await w.enter(BOB)
    await muted(w)
    member.receive(send("a", "hi"))
    other.receive(send("b", "hi"))
    await settled()
    (nack,) = wire_of(member).of("nack")
    assert (nack["id"], nack["code"], "retry_after" in nack) == ("a", "forbidden", False)
    assert told(other) == [("ack", "b")]
    assert len(w.broker.log().entries) == 1
    assert w.hub.counters.nacks == {"forbidden": 1}


async def test_a_resend_of_what_may_be_stored_is_not_refused_for_being_muted_since(w: World) -> None:
    """What was refused never appears: so what may appear is not refused."""
    member = await w.enter(ANN)
    w.broker.hold_appends = True
    member.receive(send("a", "hi"))
    append = w.broker.waiting[0]
    w.broker.log().append(append.key, append.digest, append.time, append.data)  # the confirm is lost
    w.broker.answer(Unknown("no answer"))
    w.broker.hold_appends = False
    await muted(w)
    member.receive(send("a", "hi"))
    await settled()
    assert told(member) == [("ack", "a"), ("unknown", "a")]


async def test_a_resend_after_a_reconnect_is_answered_for_what_it_is(w: World) -> None:
    member = await w.enter(ANN)
    member.receive(send("a", "hi"))
    await settled()
    w.hub.leave(member)  # before the ack got through
    await muted(w)
    again = await w.enter(ANN)
    again.receive(send("a", "hi"))
    again.receive(send("b", "something new"))
    await settled()
    assert told(again) == [("ack", "a"), ("nack", "b")]


async def test_a_plain_client_that_is_muted_is_closed_when_it_speaks(w: World) -> None:
    member = await w.enter(ANN, v1=False)
    await muted(w)
    assert member.closing is None
    member.receive('{"message":"hi"}')
    assert member.closing is not None
    assert member.closing.code == 1008


@pytest.mark.parametrize("how", [Rules.mute, Rules.ban])
async def test_a_form_is_no_way_around(w: World, how: Any) -> None:
    await w.hub.rules.change(ROOM, lambda rules: how(rules.owned("o"), ANN.id, FOREVER))
    assert await deliver(w.hub, ROOM, ANN, "a", "hi") == Trouble("forbidden")
    assert await deliver(w.hub, ROOM, BOB, "b", "hi") is None
    await w.hub.rules.change(ROOM, lambda rules: rules.close({ANN.id}))
    assert await deliver(w.hub, ROOM, BOB, "c", "hi") == Trouble("forbidden")
    assert len(w.broker.log().entries) == 1


# Turned out -------------------------------------------------------------------------------------------------


async def test_who_is_banned_is_turned_out_at_once_with_all_their_sockets_and_nobody_else(w: World) -> None:
    mine = [await w.enter(EVE), await w.enter(EVE, v1=False)]
    others = [await w.enter(ANN), await w.enter(EVE, room="other")]
    await w.hub.rules.change(ROOM, lambda rules: rules.owned("o").ban(EVE.id, FOREVER))
    assert [member.closing and member.closing.reason for member in mine] == ["banned", "banned"]
    assert [member.closing for member in others] == [None, None]


async def test_who_is_let_in_while_a_ban_is_on_its_way_does_not_stay(w: World) -> None:
    member = await w.enter(EVE)
    member.room.rules = Rules(banned={EVE.id: FOREVER})
    assert w.hub.turn_out(member)
    assert member.closing is not None


async def test_a_room_that_is_entered_anew_has_its_rules(w: World) -> None:
    await muted(w)
    assert (await w.enter(ANN)).room.rules.muted_for(ANN.id, time.time()) > 0


# Removed ----------------------------------------------------------------------------------------------------


def seen(member: Member) -> list[tuple[str, bool]]:
    return [(frame["message"], frame.get("deleted", False)) for frame in wire_of(member).of("message")]


@pytest.mark.parametrize("count", [0, 1, 4])
async def test_a_removed_message_is_removed_wherever_it_stands_in_the_ring(w: World, count: int) -> None:
    await w.enter(ANN)
    entries = w.broker.put(5)
    await settled()
    await w.hub.rules.change(ROOM, lambda rules: rules.owned("o").delete(entries[count].position))
    late = await w.enter(BOB, history=10)
    await settled()
    assert [deleted for _, deleted in seen(late)] == [number == count for number in range(5)]
    assert [text for text, deleted in seen(late) if deleted] == [""]
    lines, _ = await w.hub.read(ROOM, None, None, 10, behind=True)
    assert [line.message.deleted for line in lines if line.message] == [n == count for n in range(5)]


async def test_a_removed_message_is_removed_where_it_comes_out_of_the_broker(w: World) -> None:
    entries = w.broker.put(50, text="rude")
    await w.hub.rules.change(ROOM, lambda rules: rules.owned("o").delete(entries[0].position))
    lines, _ = await w.hub.read(ROOM, None, None, 50)
    assert [line.message.message for line in lines if line.message] == [""] + ["rude"] * 49
    w.broker.tail_entries = 5  # type: ignore[misc]
    member = await w.enter(ANN, history=50)
    await settled()
    assert [text for text, _ in seen(member)] == [""] + ["rude"] * 49


async def test_a_plain_client_sees_neither_removed_messages_nor_their_removal(w: World) -> None:
    (rude,) = w.broker.put(1, text="rude")
    w.broker.put(1, text="fine")
    await w.hub.rules.change(ROOM, lambda rules: rules.owned("o").delete(rude.position))
    key, digest, data = protocol.tombstone(rude.position, ANN, 1)
    live = await w.enter(BOB, v1=False)
    await w.hub.broker.append(ROOM, key, data, digest=digest)
    late = await w.enter(BOB, v1=False, history=10)
    await settled()
    assert [frame["message"] for frame in wire_of(live).frames] == []
    assert [frame["message"] for frame in wire_of(late).frames] == ["fine"]


@pytest.mark.parametrize("open_", [False, True])
async def test_that_something_was_removed_cannot_be_removed(w: World, open_: bool) -> None:
    (rude,) = w.broker.put(1, text="rude")
    if open_:
        await w.enter(BOB)
    key, digest, data = protocol.tombstone(rude.position, ANN, 1)
    tombstone = await w.hub.broker.append(ROOM, key, data, digest=digest)
    await w.hub.rules.change(ROOM, lambda rules: rules.owned("o").delete(tombstone.position))
    lines, _ = await w.hub.read(ROOM, None, None, 10, behind=True)
    told = lines[-1].message
    assert told is not None
    assert (told.deletes, told.deleted) == (rude.position, False)


def test_a_tombstone_is_read_back_and_said_twice_it_is_the_same() -> None:
    key, digest, data = protocol.tombstone("e.1.aa", ANN, 1)
    message = protocol.load(key, data)
    assert (message.deletes, message.message, message.user.id) == ("e.1.aa", "", ANN.id)
    again = protocol.tombstone("e.1.aa", ANN, 2)
    assert again[:2] == (key, digest)
    assert protocol.tombstone("e.2.aa", ANN, 1)[0] != key
    (frame,) = payloads(protocol.message_frame("e.2.bb", "e.1.aa", message))
    assert b'"deletes":"e.1.aa"' in frame
    assert b"deleted" not in frame


@pytest.mark.parametrize(
    "change",
    [
        (b'"deletes":"e.1.aa"', b'"deletes":"a b"'),
        (b'"deletes":"e.1.aa"', b'"deletes":""'),
        (b'"deletes":"e.1.aa"', b'"deletes":1'),
        (b'"deletes":"e.1.aa"', b'"deleted":true'),
        (b'"message":""', b'"message":"with a text"'),
        (b',"deletes":"e.1.aa"', b""),
    ],
)
def test_a_tombstone_that_we_do_not_write_is_not_ours(change: tuple[bytes, bytes]) -> None:
    key, _, data = protocol.tombstone("e.1.aa", ANN, 1)
    assert change[0] in data
    with pytest.raises(ValueError, match=r"not|no"):
        protocol.load(key, data.replace(*change))


def test_an_ordinary_message_is_stored_and_sent_as_before() -> None:
    _, _, data = protocol.store("i", "hi", ANN, 1)
    assert data == (
        b'{"id":"i","message":"hi","user":{"id":"%b","name":"%b"},"time":"1970-01-01T00:00:00.001Z"}'
        % (ANN.id.encode(), ANN.name.encode())
    )
