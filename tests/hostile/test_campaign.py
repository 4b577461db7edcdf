"""The campaign itself: some of each class, and that it would notice."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.hostile.campaign import KINDS, Campaign
from tests.hostile.crowd import ALLOWED, Cost
from tests.hostile.inputs import PLANTED, Input, Kind, seeded
from tests.hostile.page import Verdict, Wait, leaks
from tests.support.instance import SECRET_KEY, Instance


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_some_of_each_class_do_no_harm(loop: str) -> None:
    async with Instance("memory://", loop=loop) as instance:  # type: ignore[arg-type]
        campaign = Campaign(instance.port, 7, KINDS, 1200)
        await campaign.run()
        assert not campaign.findings, "\n".join(map(str, campaign.findings))
        assert all(campaign.outcomes.values()), "a class that was never tried"
        assert (await instance.get("/readyz")).status == 200
        assert "socket.send() raised" not in instance.log
        assert not leaks(instance.log)


def test_an_input_is_the_same_each_time() -> None:
    for kind in KINDS:
        first, again = (kind.make(seeded(3, kind.name, 5)) for _ in range(2))
        assert first == again


async def test_an_outcome_that_is_not_allowed_is_found() -> None:
    never = Kind("never", lambda rng: Input("frames", b"\x89\x80\x00\x00\x00\x00", frozenset({"1002"})), 1)
    async with Instance("memory://") as instance:
        campaign = Campaign(instance.port, 1, [never], 3)
        await campaign.run()
    assert [finding.outcome for finding in campaign.findings] == ["lives"] * 3


@pytest.mark.parametrize(
    "bad",
    [
        {"log": "Traceback (most recent call last):"},
        {"log": f"refused: quartchat={PLANTED['a session cookie']}"},
        {"log": f"a key: {SECRET_KEY[:12]}…"},
        {"lives": False},
        {"enough": 1000},
        {"waits": {}},
        {"waits": {"message": [Wait(0.01, 0.0)] * 98 + [Wait(0.5, 0.39)] * 2}},
        {"waits": {"message": [Wait(0.01, 0.0)] * 50, "page": [Wait(0.2, 0.0)]}},
        {"waits": {"message": [Wait(0.01, 0.0)] * 500 + [Wait(3.5, 3.5)]}},
        {"waits": {"message": [Wait(1.0, 0.9)] * 98 + [Wait(1.0, 0.69)] * 2}},
        {"costs": [Cost("deflate bombs", 0, ALLOWED + 1, 0)]},
    ],
    ids=lambda bad: str(bad).replace(SECRET_KEY[:12], "KEY"),
)
def test_each_promise_that_is_broken_is_a_fault(bad: dict[str, object]) -> None:
    campaign = Campaign(0, 1, KINDS[:1], 1)
    campaign.outcomes[KINDS[0].name] = Counter({"1002": 10})
    waits = {"message": [Wait(0.01, 0.0)] * 90 + [Wait(0.5, 0.45)] * 10}
    good = Verdict(campaign, 1.0, waits, [Cost("deflate bombs", 0, ALLOWED, 0)], "", True, 5)
    assert good.faults() == []
    assert good._replace(**bad).faults()
