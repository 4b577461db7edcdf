"""Handshakes as the door reads them: who comes, from where, to which room and which place in its log."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from brokers import Unavailable
from quartchat import presence, protocol
from quartchat.door import Admission, Door, Refusal
from quartchat.identity import COOKIE, Identities, Session
from quartchat.protocol import User
from quartchat.room import PAGE
from tests.unit.clock import later, settled
from tests.unit.doubles import ROOM, ScriptedBroker, World, world

V1 = ["quartchat.v1"]


class Place:
    """A door, and browsers that come to it."""

    def __init__(self, w: World) -> None:
        self.w = w
        self.hub = w.hub
        self.identities = Identities(("key",))
        self.ended = w.hub.sessions
        self.door = Door(w.hub, self.identities)
        self.ann = self.cookie("ann-id", "Ann")
        self.bob = self.cookie("bob-id", "Bob")

    def cookie(self, user_id: str, name: str, lasts: float = 1000.0) -> str:
        session = Session(User(user_id, name), time.time() + lasts)
        return f"{COOKIE}={self.identities.dump(session)}"

    async def come(
        self,
        *headers: tuple[str, str],
        query: str | bytes = "",
        room: str = ROOM,
        subprotocols: list[str] | None = None,
    ) -> Admission:
        admission = await self.door.admit(
            room,
            {
                "headers": [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers],
                "query_string": query if isinstance(query, bytes) else query.encode(),
                "subprotocols": V1 if subprotocols is None else subprotocols,
            },
        )
        if admission.room is not None:
            assert admission.room.holds == 1
            self.hub.release(admission.room)
        return admission

    async def refused(self, *headers: tuple[str, str], **more: Any) -> tuple[int, dict[str, str]]:
        """Status and headers of a refusal; nothing is held after it."""
        with pytest.raises(Refusal) as caught:
            await self.come(*headers, **more)
        assert str(caught.value)
        self.nothing_is_held()
        return caught.value.status, caught.value.headers

    def nothing_is_held(self) -> None:
        assert all(room.holds == 0 for room in self.hub.rooms.values())


@asynccontextmanager
async def place(**settings: Any) -> AsyncIterator[Place]:
    async with world(**settings) as w:
        yield Place(w)


@pytest.fixture
async def p() -> AsyncIterator[Place]:
    async with place() as made:
        yield made


# Who ------------------------------------------------------------------------------------------------------


async def test_who_has_a_session_comes_as_that_person_until_it_ends(p: Place) -> None:
    admission = await p.come(("cookie", p.ann))
    assert admission.user == User("ann-id", "Ann")
    assert time.time() + 900 < admission.expires < time.time() + 1001
    assert admission.close is None


async def test_who_has_none_is_a_guest_each_time_another_one(p: Place) -> None:
    one, two = await p.come(), await p.come()
    assert one.user.id != two.user.id
    assert one.expires == float("inf")


@pytest.mark.parametrize(
    ("liked", "script"),
    [
        ("ko-KR,ko;q=0.9,en;q=0.5", "[가-힣 ]+"),
        ("en-GB,ko;q=0.5", "[A-Za-z ]+"),
        ("tlh", "[A-Za-z ]+"),
        (";=,", ".+"),
    ],
)
async def test_a_guest_has_a_name_in_a_language_that_is_liked(p: Place, liked: str, script: str) -> None:
    assert re.fullmatch(script, (await p.come(("accept-language", liked))).user.name)


@pytest.mark.parametrize("name", ["cookie", "Cookie", "COOKIE"])
async def test_a_header_s_name_may_be_written_in_any_way(p: Place, name: str) -> None:
    assert (await p.come((name, p.ann))).user.id == "ann-id"


async def test_cookies_that_come_in_several_headers_are_put_together(p: Place) -> None:
    crumbs = [("cookie", "a=1"), ("cookie", p.ann), ("host", "here"), ("cookie", "b=2; c=3")]
    assert (await p.come(*crumbs)).user.id == "ann-id"
    assert (await p.come(*reversed(crumbs))).user.id == "ann-id"


async def test_of_two_sessions_the_first_cookie_counts(p: Place) -> None:
    assert (await p.come(("cookie", p.ann), ("cookie", p.bob))).user.id == "ann-id"
    assert (await p.come(("cookie", f"{p.bob}; {p.ann}"))).user.id == "bob-id"


@pytest.mark.parametrize(
    "cookie",
    ["", "quartchat", "quartchat=", "quartchat=forged", "other=1", "\xff\xfe", "quartchat=\xe9", ";;="],
)
async def test_a_cookie_that_is_none_of_ours_is_a_guest_s(p: Place, cookie: str) -> None:
    assert (await p.come(("cookie", cookie))).expires == float("inf")


async def test_a_session_signed_with_another_key_or_expired_or_ended_is_none(p: Place) -> None:
    session = Session(User("ann-id", "Ann"), time.time() + 1000)
    strange = f"{COOKIE}={Identities(('another',)).dump(session)}"
    for cookie in (strange, p.cookie("ann-id", "Ann", lasts=-1)):
        assert (await p.come(("cookie", cookie))).user.id != "ann-id"
    await p.ended.end("ann-id")
    assert (await p.come(("cookie", p.ann))).user.id != "ann-id"
    assert (await p.come(("cookie", p.bob))).user.id == "bob-id"


async def test_where_guests_are_denied_a_session_is_needed() -> None:
    async with place(guests="deny") as p:
        assert (await p.refused())[0] == 401
        assert (await p.refused(("cookie", "quartchat=forged")))[0] == 401
        assert (await p.come(("cookie", p.ann))).user.id == "ann-id"


# A page made for somebody else ----------------------------------------------------------------------------


async def test_a_page_made_for_this_person_is_let_in(p: Place) -> None:
    admission = await p.come(("cookie", p.ann), query="as=ann-id")
    assert admission.close is None
    assert admission.room is not None


@pytest.mark.parametrize("guests", ["allow", "deny"])
@pytest.mark.parametrize("made_for", ["ann-id", "", "%20bob-id", "bob-id%00"])
@pytest.mark.parametrize("who", ["bob", "nobody"])
async def test_a_page_made_for_somebody_else_is_told_by_4401_and_enters_no_room(
    guests: str, made_for: str, who: str
) -> None:
    async with place(guests=guests) as p:
        headers = [("cookie", p.bob)] if who == "bob" else []
        admission = await p.come(*headers, query=f"as={made_for}&history=no+number")
        assert admission.close is not None
        assert admission.close.code == 4401
        assert admission.room is None
        assert not p.hub.rooms
        assert p.w.broker.follows == []


# From where -----------------------------------------------------------------------------------------------


async def test_another_site_is_refused(p: Place) -> None:
    assert (await p.refused(("host", "here"), ("origin", "https://evil.example")))[0] == 403
    assert (await p.refused(("host", "here"), ("sec-fetch-site", "cross-site")))[0] == 403
    assert (await p.refused(("origin", "https://here")))[0] == 403  # which host was asked?
    await p.come(("host", "here"), ("origin", "https://here"))
    await p.come(("host", "here"), ("sec-fetch-site", "same-origin"))


async def test_of_a_header_that_comes_twice_the_first_counts(p: Place) -> None:
    good, evil = ("origin", "https://here"), ("origin", "https://evil.example")
    await p.come(("host", "here"), good, evil)
    assert (await p.refused(("host", "here"), evil, good))[0] == 403
    assert (await p.refused(("host", "evil.example"), ("host", "here"), good))[0] == 403


async def test_listed_origins_may_and_no_others() -> None:
    async with place(allowed_origins=frozenset({"https://chat.example.org"})) as p:
        await p.come(("host", "here"), ("origin", "https://chat.example.org"))
        assert (await p.refused(("host", "here"), ("origin", "https://here")))[0] == 403


# To which room --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", " ", "\ufffd", "a\x00", "x" * 1000, "."])
async def test_a_bad_name_is_404_and_opens_nothing(p: Place, name: str) -> None:
    assert (await p.refused(room=name))[0] == 404
    assert not p.hub.rooms


async def test_two_spellings_of_a_name_are_one_room(p: Place) -> None:
    one, two = await p.come(room="cafe\u0301"), await p.come(room="caf\u00e9")
    assert one.room is two.room
    assert list(p.hub.rooms) == ["caf\u00e9"]


async def test_a_room_is_held_until_whoever_asked_lets_go(p: Place) -> None:
    scope = {"headers": [], "query_string": b"", "subprotocols": V1}
    one, two = await p.door.admit(ROOM, scope), await p.door.admit(ROOM, scope)
    assert one.room is two.room
    assert one.room is not None
    assert one.room.holds == 2


# Which dialect and place ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["quartchat.v2"], None),
        (["QUARTCHAT.V1"], None),
        (V1, protocol.SUBPROTOCOL),
        (["x", "quartchat.v1"], protocol.SUBPROTOCOL),
    ],
)
async def test_our_dialect_is_spoken_where_it_is_offered(
    p: Place, offered: list[str], chosen: str | None
) -> None:
    assert (await p.come(subprotocols=offered)).subprotocol == chosen


async def test_a_server_that_knows_no_subprotocols_gets_the_plain_dialect(p: Place) -> None:
    admission = await p.door.admit(ROOM, {"headers": [], "query_string": b""})
    assert admission.subprotocol is None


@pytest.mark.parametrize(
    ("asked", "v1", "given"),
    [
        ("", True, PAGE),
        ("", False, 0),
        ("history=0", True, 0),
        ("history=0", False, 0),
        ("history=1", True, 1),
        ("history=7", False, 7),
        ("history=007", True, 7),
        ("history=100", True, 100),
        ("history=101", True, 100),
        ("history=999999999", True, 100),
        ("history=3&history=9", True, 3),
        ("HISTORY=3", True, PAGE),
        ("%68istory=%33", True, 3),
        ("&&&history=3&", True, 3),
        ("history=3&" + "x&" * 48, True, 3),
        ("=&==&x=%&y=%zz&history=3", True, 3),
    ],
)
async def test_as_much_history_comes_as_is_asked_for_up_to_the_window(
    asked: str, v1: bool, given: int
) -> None:
    async with place(history=100) as p:
        p.w.broker.put(150)
        admission = await p.come(query=asked, subprotocols=V1 if v1 else [])
        assert admission.room is not None
        assert admission.room.end - admission.cursor == given
        assert (admission.resumed, admission.reason) == (None, None)


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "x",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "%20",
        "1%20",
        "%D9%A3",
        "%C2%B2",
        "0x1",
        "1_0",
        "9" * 10,
        "9" * 5000,
        "%00",
    ],
)
async def test_a_history_that_is_no_number_is_400_and_enters_no_room(p: Place, asked: str) -> None:
    for subprotocols in (V1, []):
        assert (await p.refused(query=f"history={asked}", subprotocols=subprotocols))[0] == 400
    assert not p.hub.rooms


@pytest.mark.parametrize("query", ["&".join("x=1" for _ in range(51)), "&" * 60 + "x"])
async def test_a_query_of_too_many_fields_is_400(p: Place, query: str) -> None:
    assert (await p.refused(query=query))[0] == 400


@pytest.mark.parametrize("query", [b"\xff\xfe=\xfd", b"%", b"since=%ff%fe", b"\x00", b"history=3&\xe9"])
async def test_a_query_of_any_bytes_is_read_as_far_as_it_goes(p: Place, query: bytes) -> None:
    assert (await p.come(query=query)).room is not None


async def test_who_comes_back_goes_on_right_after_the_first_position_named(p: Place) -> None:
    entries = p.w.broker.put(20)
    admission = await p.come(query=f"since={entries[4].position}&since={entries[9].position}&history=2")
    assert admission.room is not None
    assert admission.resumed is True
    assert admission.room.end - admission.cursor == 15


@pytest.mark.parametrize("since", ["", "nonsense", "epoch0000009.1.00000000", "epoch0000001.ff.00000000"])
async def test_a_position_that_cannot_be_continued_is_told_with_its_reason(p: Place, since: str) -> None:
    p.w.broker.put(3)
    admission = await p.come(query=f"since={since}")
    assert admission.resumed is False
    assert admission.reason in ("mismatch", "epoch", "ahead")


async def test_the_plain_dialect_does_not_resume(p: Place) -> None:
    entries = p.w.broker.put(5)
    admission = await p.come(query=f"since={entries[0].position}", subprotocols=[])
    assert admission.room is not None
    assert (admission.resumed, admission.cursor) == (None, admission.room.end)


# Not now --------------------------------------------------------------------------------------------------


async def test_an_instance_that_leaves_sends_to_another_one_soon(p: Place) -> None:
    p.hub.draining = True
    assert await p.refused() == (503, {"Retry-After": "1"})
    assert not p.hub.rooms


async def test_a_full_instance_says_when_to_come_back() -> None:
    async with place(max_connections=2) as p:
        admissions = [await p.come() for _ in range(2)]
        assert await p.refused() == (503, {"Retry-After": "5"})
        p.door.leave(admissions[0])
        await p.come()


async def test_handshakes_that_wait_for_the_broker_count_as_well() -> None:
    async with place(max_connections=2) as p:
        p.w.broker.follow_gate = asyncio.Event()
        waiting = [asyncio.create_task(p.come(room=room)) for room in ("a", "b")]
        await settled()
        with pytest.raises(Refusal):
            await p.come()
        waiting[0].cancel()
        await settled()
        third = asyncio.create_task(p.come())
        await settled()
        p.w.broker.follow_gate.set()
        await asyncio.gather(third, waiting[1])


# Too much -------------------------------------------------------------------------------------------------

FAR = ("x-forwarded-for", "8.8.4.4")


async def test_a_session_has_so_many_sockets_and_a_guest_is_somebody_each_time() -> None:
    async with place(max_connections_per_session=2) as p:
        admissions = [await p.come(("cookie", p.ann)) for _ in range(2)]
        assert await p.refused(("cookie", p.ann)) == (429, {"Retry-After": "10"})
        await p.come(("cookie", p.bob))
        for _ in range(5):
            await p.come()
        p.door.leave(admissions[0])
        p.door.leave(admissions[0])  # once is enough
        await p.come(("cookie", p.ann))
        assert (await p.refused(("cookie", p.ann)))[0] == 429
        assert p.hub.counters.limited == {"connections_session": 2}


async def test_an_address_counts_through_the_proxies_that_are_configured_and_no_others() -> None:
    async with place(max_connections_per_address=2, trusted_proxies=1) as p:
        for _ in range(2):
            await p.come(FAR)
        assert await p.refused(FAR) == (429, {"Retry-After": "10"})
        made_up = ("x-forwarded-for", "9.9.9.9, 8.8.4.4")
        assert (await p.refused(made_up))[0] == 429
        await p.come(("x-forwarded-for", "9.9.9.9"))
        for last in (1, 2):
            await p.come(("x-forwarded-for", f"2600:1:2:3::{last}"))
        assert (await p.refused(("x-forwarded-for", "2600:1:2:3:ffff::")))[0] == 429
    async with place(max_connections_per_address=2) as p:
        for _ in range(5):
            await p.come(FAR)


async def test_joins_and_new_rooms_have_rates_and_say_when_to_come_back() -> None:
    async with place(joins_per_minute=6, new_per_minute=2, trusted_proxies=1, address_share=2) as p:
        for room in ("a", "b", "a", "b"):
            await p.come(("cookie", p.ann), room=room)
        assert await p.refused(("cookie", p.ann), room="c") == (429, {"Retry-After": "30"})
        await p.come(("cookie", p.ann), room="a")
        assert await p.refused(("cookie", p.ann), room="a") == (429, {"Retry-After": "10"})
        for number in range(4):
            await p.come(FAR, room=f"r{number}")
        assert await p.refused(FAR, room="c") == (429, {"Retry-After": "15"})
        for _ in range(7):
            await p.come(FAR, room="a")
        assert await p.refused(FAR, room="a") == (429, {"Retry-After": "5"})
        await later(5)
        await p.come(FAR, room="a")


async def test_what_was_refused_or_failed_holds_no_seat(p: Place) -> None:
    p.w.broker.follow_error = Unavailable("away")
    await p.refused()
    await p.refused(query="history=x")
    assert p.hub.limits.seats.taken == 0


async def test_a_full_room_takes_those_who_are_in_it_and_nobody_else() -> None:
    async with place(max_members=2) as p:
        member = await p.w.enter(User("ann-id", "Ann"))
        await p.w.enter(User("bob-id", "Bob"))
        assert await p.refused() == (429, {"Retry-After": "10"})
        await p.come(("cookie", p.ann))
        await p.come(room="another")
        p.hub.leave(member)
        await p.come()
        assert p.hub.counters.limited == {"members_room": 1}


async def test_people_of_other_instances_count_in_a_room_too() -> None:
    async with place(max_members=3) as p:
        await p.w.enter(User("eve-id", "Eve"))
        others = [("ann-id", "Ann"), ("zoe-id", "Zoe")]
        p.hub.signal(ROOM, presence.encode(presence.Notice("p", "other", 2, others)))
        await later(2)
        assert (await p.refused())[0] == 429
        await p.come(("cookie", p.ann))


async def test_who_is_on_the_way_into_a_room_counts() -> None:
    async with place(max_members=2) as p:
        await p.w.enter(User("eve-id", "Eve"))
        held = await p.hub.enter(ROOM)
        with pytest.raises(Refusal):
            await p.door.admit(ROOM, {"headers": [], "query_string": b"", "subprotocols": V1})
        p.hub.release(held)
        await p.come()


async def test_a_broker_that_does_not_answer_is_503_and_nothing_is_left(p: Place) -> None:
    p.w.broker.follow_error = Unavailable("away")
    assert await p.refused() == (503, {"Retry-After": "2"})
    assert not p.hub.rooms
    p.w.broker.follow_error = None
    await p.come()


@pytest.mark.parametrize("query", ["history=400", "since=FIRST"])
async def test_a_log_that_cannot_be_read_is_503_and_the_room_is_let_go(query: str) -> None:
    async with place(broker=ScriptedBroker(), history=1000) as p:
        first = p.w.broker.put(500)[0]
        p.w.broker.tail_entries = 5  # type: ignore[misc]
        p.w.broker.read_error = Unavailable("away")
        asked = query.replace("FIRST", first.position)
        assert await p.refused(query=asked) == (503, {"Retry-After": "2"})
        p.w.broker.read_error = None
        assert (await p.come(query=asked)).room is not None


@pytest.mark.parametrize("query", ["history=400", "since=FIRST"])
@pytest.mark.parametrize("how", ["a fault", "the client is gone"])
async def test_however_reading_ends_the_room_is_let_go(query: str, how: str) -> None:
    async with place(broker=ScriptedBroker(), history=1000) as p:
        first = p.w.broker.put(500)[0]
        p.w.broker.tail_entries = 5  # type: ignore[misc]
        asked = query.replace("FIRST", first.position)
        if how == "a fault":
            p.w.broker.read_error = ZeroDivisionError("a fault")
            with pytest.raises(ZeroDivisionError):
                await p.come(query=asked)
        else:
            p.w.broker.read_gate = asyncio.Event()
            coming = asyncio.create_task(p.come(query=asked))
            await settled()
            assert [room.holds for room in p.hub.rooms.values()] == [1]
            coming.cancel()
            await asyncio.wait([coming])
        p.nothing_is_held()


async def test_what_is_refused_is_looked_at_before_the_broker_is_asked(p: Place) -> None:
    p.w.broker.follow_error = Unavailable("away")
    assert (await p.refused(room=" "))[0] == 404
    assert (await p.refused(("origin", "https://evil.example")))[0] == 403
    assert (await p.refused(query="history=x"))[0] == 400
    assert p.w.broker.follows == []
