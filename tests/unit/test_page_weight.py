"""What a browser loads for a room: the page without messages, its style sheet, and all its modules."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import urljoin

import pytest

from quartchat import identity
from quartchat.application import create_app

BOUND = 60 * 1024
"""Bytes before compression, comments included."""

ROOM = "/chat/weight/"
NAMED = re.compile(r"""<(?:script|link)\b[^>]*?\b(?:src|href)="([^"]+\.(?:js|css))\"""")
IMPORTED = re.compile(r"""^import [^'"]*['"]([^'"]+)['"]""", re.MULTILINE)


async def weigh(language: str) -> dict[str, int]:
    """Bytes by address."""
    client = create_app({}).test_client()
    html = await (await client.get(ROOM, headers={"Accept-Language": language})).get_data(as_text=True)
    weights = {ROOM: len(html.encode())}
    waiting = [urljoin(ROOM, address) for address in NAMED.findall(html)]
    assert any(address.endswith("room.js") for address in waiting)
    while waiting:
        address = waiting.pop()
        if address in weights:
            continue
        answer = await client.get(address)
        assert answer.status_code == 200, address
        text = await answer.get_data(as_text=True)
        weights[address] = len(text.encode())
        waiting.extend(urljoin(address, imported) for imported in IMPORTED.findall(text))
    return weights


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_room_weighs_at_most_sixty_kilobytes(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A stranger's page holds a name, some of which are longer than others.
    names = [identity._called(language, number) for number in range(200)]
    monkeypatch.setattr(identity, "_called", lambda *_: max(names, key=lambda name: len(name.encode())))
    weights = asyncio.run(weigh(language))
    heaviest = sorted(weights.items(), key=lambda item: -item[1])
    assert sum(weights.values()) <= BOUND, (sum(weights.values()), heaviest)
