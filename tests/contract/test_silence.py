"""Whether a server is down, or nothing is heard from it at all: a chat acts on the difference."""

from __future__ import annotations

import pytest

from brokers import connect
from brokers.conformance import Proxy, Site
from tests.support.waiting import until

SOON = 12.0
"""A chat promises ten seconds; the machine may be busy."""


@pytest.mark.parametrize("broker_kind", ["redis", "rabbitmq"], indirect=True)
async def test_silence_is_told_from_a_server_that_is_down(broker_url: str) -> None:
    site = Site(broker_url, lambda url, window: connect(url, window=window))
    async with Proxy.before(broker_url) as proxy:
        try:
            one = await site.open(url=proxy.through(broker_url))
            await one.broker.probe()
            await proxy.refuse()
            proxy.cut()
            await until(lambda: not one.broker.connected, SOON, "noticed")
            assert not one.broker.silent
            await proxy.heal()
            await one.broker.probe()
            proxy.black_hole("down")
            await until(lambda: not one.broker.connected, SOON, "noticed")
            await until(lambda: one.broker.silent, SOON, "not even a refusal")
        finally:
            await site.close()
