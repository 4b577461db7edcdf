"""A trusted proxy says who somebody is: in pages, forms and handshakes alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import websockets

from tests.e2e.browsers import Shown, shown
from tests.e2e.places import FORM, ROOMY, kept
from tests.support.client import ChatClient, new_session
from tests.support.instance import Instance

PROXY: dict[str, str | None] = {
    **ROOMY,
    "QUARTCHAT_TRUSTED_PROXIES": "1",
    "QUARTCHAT_USER_HEADER": "X-Remote-User",
    "QUARTCHAT_NAME_HEADER": "X-Remote-Name",
}
ADA = {"X-Remote-User": "ada@example.org", "X-Remote-Name": "Ada"}


@pytest.fixture(scope="session")
def site() -> Iterator[Instance]:
    """What stands behind one proxy, which each test plays."""
    with kept("memory://", PROXY) as instance:
        yield instance


@pytest.fixture(scope="session")
def closed_site() -> Iterator[Instance]:
    with kept("memory://", {**PROXY, "QUARTCHAT_GUESTS": "deny"}) as instance:
        yield instance


def client(where: Instance, room: str, *headers: tuple[str, str], **more: Any) -> ChatClient:
    made = ChatClient(where, room, **more)
    made._headers = list(headers)  # type: ignore[assignment] - a header may come twice
    return made


async def test_pages_forms_and_sockets_know_the_same_person(site: Instance, room: str) -> None:
    page = (await site.get(f"/chat/{room}/", ADA)).text
    ada = shown(page)
    assert ada.name == "Ada"
    assert 'action="/session/end"' not in page
    assert "example.org" not in page
    async with client(site, room, *ADA.items(), as_=ada.user_id) as socket:
        assert socket.welcome["you"] == {"id": ada.user_id, "name": "Ada"}
        said = await site.post(f"/chat/{room}/messages", b"message=hello&id=one", {**FORM, **ADA})
        assert said.status == 303
        assert not said.headers.get_all("Set-Cookie")
        message = await socket.expect("message", message="hello")
        assert message["user"] == {"id": ada.user_id, "name": "Ada"}


async def test_a_name_cannot_be_chosen(site: Instance) -> None:
    answer = await site.post("/session", b"name=Charles", {**FORM, **ADA})
    assert answer.status == 403
    assert not answer.headers.get_all("Set-Cookie")
    who = await site.post("/session", b"name=", {**FORM, **ADA, "Accept": "application/json"})
    assert who.status == 200
    assert '"Ada"' in who.text
    assert not who.headers.get_all("Set-Cookie")


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("X-Remote-User", "")],
        [("X-Remote-User", "ada"), ("X-Remote-User", "bob")],
        [("X-Remote-User", "ada"), ("x-remote-user", "ada")],
        [("X-Remote-User", "ada,bob")],
        [("X_Remote_User", "ada")],
    ],
)
async def test_whatever_does_not_say_one_thing_is_nobody(
    site: Instance, closed_site: Instance, room: str, lines: list[tuple[str, str]]
) -> None:
    async with client(site, room, *ADA.items()) as ada, client(site, room, *lines) as guest:
        assert guest.welcome["you"]["id"] != ada.welcome["you"]["id"]
        assert guest.welcome["you"]["name"] not in ("ada", "bob", "Ada")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await client(closed_site, room, *lines).open()
    assert refused.value.response.status_code == 401


async def test_without_guests_nobody_comes_in_by_a_name(closed_site: Instance, room: str) -> None:
    page = (await closed_site.get(f"/chat/{room}/")).text
    assert shown(page) == Shown(None, None)
    assert 'id="ask"' not in page
    assert 'href="/login' not in page
    assert (await closed_site.post("/session", b"name=Eve", FORM)).status == 403
    assert (await closed_site.post(f"/chat/{room}/messages", b"message=x", FORM)).status == 401
    assert shown((await closed_site.get(f"/chat/{room}/", ADA)).text).name == "Ada"


async def test_a_guests_cookie_does_not_come_before_the_header(site: Instance, room: str) -> None:
    eve = await new_session(site, "Eve")
    async with client(site, room, *ADA.items(), ("Cookie", eve.cookie)) as ada:
        assert ada.welcome["you"]["name"] == "Ada"
    async with client(site, room, ("Cookie", eve.cookie)) as guest:
        assert guest.welcome["you"]["id"] == eve.user_id


async def test_who_leaves_has_no_socket_left_and_may_come_again(site: Instance, room: str) -> None:
    """The proxy's own way out may post here, so that nothing stays open behind it."""
    for _ in range(3):
        async with client(site, room, *ADA.items()) as socket:
            assert (await site.post("/session/end", b"", {**FORM, **ADA})).status == 303
            assert await socket.wait_close(5) == 4401


async def test_another_site_s_page_cannot_use_it(site: Instance, room: str) -> None:
    """The proxy vouches for whatever a browser sends: who made it send that is still asked."""
    evil = {**FORM, **ADA, "Origin": "https://evil.example"}
    for path, body in ((f"/chat/{room}/messages", b"message=x"), ("/session/end", b""), ("/session", b"")):
        assert (await site.post(path, body, evil)).status == 403
    with pytest.raises(websockets.InvalidStatus) as refused:
        await client(site, room, *ADA.items(), ("Origin", "https://evil.example")).open()
    assert refused.value.response.status_code == 403
