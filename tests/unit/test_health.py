"""What load balancers and Prometheus ask."""

from __future__ import annotations

import asyncio
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from brokers import Unavailable
from quartchat import health
from quartchat.counters import Counters
from quartchat.health import Health
from tests.unit.clock import later, settled
from tests.unit.doubles import ANN, World, send


@pytest.fixture
def asked(w: World) -> Health:
    return Health(w.hub)


async def numbers(asked: Health) -> dict[str, float]:
    """All samples, as Prometheus' own parser reads them."""
    response = await asked.metrics()
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    text = await response.get_data(as_text=True)
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.name.startswith("quartchat_")
        for sample in family.samples:
            labels = "".join(f"{{{key}={value}}}" for key, value in sample.labels.items())
            assert sample.name + labels not in found
            found[sample.name + labels] = sample.value
    return found


async def test_metrics_of_an_idle_instance_are_prometheus_text(asked: Health) -> None:
    found = await numbers(asked)
    assert found["quartchat_members"] == 0
    assert found["quartchat_broker_connected"] == 1
    assert found["quartchat_draining"] == 0


async def test_metrics_say_what_happened(w: World, asked: Health) -> None:
    member = await w.enter(ANN)
    member.receive(send("a", "hi"))
    member.receive(send("b", ""))
    await settled()
    w.broker.put_junk(3)
    w.broker.begin_again("epoch")
    w.hub.counters.refused[403] = 2
    w.hub.counters.closed[1013] = 5
    w.hub.draining = True
    w.broker.up = False
    found = await numbers(asked)
    assert found["quartchat_members"] == 1
    assert found["quartchat_rooms"] == 1
    assert found["quartchat_acks_total"] == 1
    assert found["quartchat_deliveries_total"] == 1
    assert found["quartchat_rejected_entries_total"] == 3
    assert found["quartchat_nacks_total{code=empty}"] == 1
    assert found["quartchat_resets_total{reason=epoch}"] == 1
    assert found["quartchat_refused_total{status=403}"] == 2
    assert found["quartchat_closed_total{code=1013}"] == 5
    assert found["quartchat_draining"] == 1
    assert found["quartchat_broker_connected"] == 0


async def test_every_counter_is_shown(w: World, asked: Health) -> None:
    """One that is never shown, or never counted, misleads whoever reads the code."""
    for number, field in enumerate(Counters.__struct_fields__, 100):
        value = getattr(w.hub.counters, field)
        if isinstance(value, dict):
            value["label"] = number
        else:
            setattr(w.hub.counters, field, number)
    shown = set((await numbers(asked)).values())
    assert set(range(100, 100 + len(Counters.__struct_fields__))) <= shown


async def test_counters_never_go_down(w: World, asked: Health) -> None:
    w.hub.start()
    member = await w.enter()
    w.broker.put_junk(3)
    await settled()
    before = await numbers(asked)
    w.hub.leave(member)
    await later(60)
    assert w.hub.rooms == {}
    after = await numbers(asked)
    down = {name for name in before if name.endswith("_total") and after[name] < before[name]}
    assert down == set()


def test_two_processes_worth_of_counters_share_nothing() -> None:
    one, other = Counters(), Counters()
    one.nacks["x"] = one.refused[1] = one.closed[1] = one.resets["x"] = 1
    assert (other.nacks, other.refused, other.closed, other.resets) == ({}, {}, {}, {})


async def ready(asked: Health) -> tuple[int, str]:
    response = await asked.readyz()
    body = json.loads(await response.get_data(as_text=True))
    if response.status_code == 503:
        assert int(response.headers["Retry-After"]) >= 1
    return response.status_code, body["status"]


async def test_ready_only_while_a_message_comes_back_from_the_broker(w: World, asked: Health) -> None:
    assert await ready(asked) == (200, "ready")
    w.broker.probe_error = Unavailable("deaf")
    assert await ready(asked) == (503, "broker")
    w.broker.probe_error = None
    assert await ready(asked) == (200, "ready")


async def test_not_ready_before_it_is_known_who_has_left(w: World, asked: Health) -> None:
    w.broker.read_gate = asyncio.Event()
    assert await ready(asked) == (503, "broker")
    assert w.broker.reads
    w.broker.read_gate.set()
    await settled()
    assert await ready(asked) == (200, "ready")


async def test_a_link_that_only_looks_good_is_not_ready(w: World, asked: Health) -> None:
    w.broker.up, w.broker.probe_error = True, Unavailable("mute")
    assert await ready(asked) == (503, "broker")


async def test_a_broker_that_says_nothing_is_not_waited_for_longer_than_a_load_balancer_waits(
    w: World, asked: Health
) -> None:
    w.broker.probe_gate = asyncio.Event()
    start = asyncio.get_running_loop().time()
    assert await ready(asked) == (503, "broker")
    assert asyncio.get_running_loop().time() - start == pytest.approx(health.PROBE_SECONDS, abs=0.01)


async def test_however_many_ask_there_is_one_probe_at_a_time(w: World, asked: Health) -> None:
    w.broker.probe_gate = asyncio.Event()
    asking = [asyncio.create_task(ready(asked)) for _ in range(20)]
    await settled()
    asking[0].cancel()
    await settled()
    assert w.broker.probes == 1
    w.broker.probe_gate.set()
    assert await asyncio.gather(*asking[1:]) == [(200, "ready")] * 19
    await ready(asked)
    assert w.broker.probes == 2


async def test_a_draining_instance_is_not_ready_and_asks_nobody(w: World, asked: Health) -> None:
    await w.hub.drain(0)
    assert await ready(asked) == (503, "draining")
    assert w.broker.probes == 0


async def test_alive_whatever_the_broker_does(w: World, asked: Health) -> None:
    w.broker.up, w.broker.probe_error = False, Unavailable("gone")
    await w.hub.drain(0)
    assert (await asked.healthz()).status_code == 200
