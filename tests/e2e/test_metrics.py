"""Who may read the metrics: everybody, who brings the token, or nobody."""

from __future__ import annotations

import secrets

import pytest

from tests.support.instance import Instance

TOKEN = secrets.token_urlsafe(24)


async def test_with_a_token_only_who_brings_it() -> None:
    async with Instance("memory://", {"QUARTCHAT_METRICS_TOKEN": TOKEN}) as one:
        for good in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "):
            answer = await one.get("/metrics", {"Authorization": good})
            assert answer.status == 200
            assert "quartchat_members" in answer.text
            assert TOKEN not in answer.text
        for bad in (
            None,
            "",
            TOKEN,
            "Bearer",
            "Bearer ",
            f"Basic {TOKEN}",
            f"Bearer {TOKEN[:-1]}",
            f"Bearer {TOKEN}x",
            f"Bearer {TOKEN.swapcase()}",
            "Bearer \xe9\xff",
            "Bearer " + "x" * 5000,
        ):
            answer = await one.get("/metrics", {} if bad is None else {"Authorization": bad})
            assert answer.status == 401, bad
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "quartchat_" not in answer.text
        assert (await one.get(f"/metrics?token={TOKEN}")).status == 401
        assert TOKEN not in one.log


@pytest.mark.parametrize("env", [{}, {"QUARTCHAT_METRICS_TOKEN": TOKEN}], ids=["bare", "with a token"])
async def test_switched_off_they_are_not_there(env: dict[str, str | None]) -> None:
    async with Instance("memory://", {**env, "QUARTCHAT_METRICS": "off"}) as one:
        answer = await one.get("/metrics", {"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 404
        assert "quartchat_" not in answer.text
