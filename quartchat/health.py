"""What load balancers and Prometheus ask."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from typing import Any

from quart import Blueprint, Response, request

from brokers import BrokerError

from .api import answer
from .hub import Hub

PROBE_SECONDS = 2.0
"""After which the broker is not ready; load balancers ask again soon."""


class Health:
    """`/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._probing: asyncio.Task[float] | None = None

    def blueprint(self) -> Blueprint:
        health = Blueprint("health", __name__)
        health.add_url_rule("/healthz", view_func=self.healthz)
        health.add_url_rule("/readyz", view_func=self.readyz)
        health.add_url_rule("/metrics", view_func=self.metrics)
        return health

    async def healthz(self) -> Response:
        return answer(200, {"status": "ok"})

    async def readyz(self) -> Response:
        if self._hub.draining:
            return answer(503, {"status": "draining"}, {"Retry-After": "1"})
        # One probe at a time, however many ask.
        if self._probing is None or self._probing.done():
            self._probing = self._hub.spawn(self._probe())
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                seconds = await asyncio.shield(self._probing)
        except (BrokerError, TimeoutError):
            why = "a message put in at the broker does not come back, or what is there was not read yet"
            return answer(503, {"status": "broker", "detail": why}, {"Retry-After": "2"})
        return answer(200, {"status": "ready", "broker_seconds": round(seconds, 6)})

    async def _probe(self) -> float:
        # Whoever is let in before it is known who has left may be let in as somebody who has.
        for ledger in self._hub.ledgers.values():
            await ledger.learn()
        return await self._hub.broker.probe()

    async def metrics(self) -> Response:
        settings = self._hub.settings
        if settings.metrics == "off":
            return answer(404, {"error": "there are no metrics here"})
        if settings.metrics_token and not _brings(settings.metrics_token):
            return answer(401, {"error": "bring the token"}, {"WWW-Authenticate": "Bearer"})
        # Imported when somebody asks: 50 ms that the first page does not have to wait for.
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self._hub))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _brings(token: str) -> bool:
    """Whether this request has `Authorization: Bearer` with the token, compared in the same time for any."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


class _Collector:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        hub, counters = self._hub, self._hub.counters
        gauges = {
            "members": ("Open sockets.", len(hub.members)),
            "rooms": ("Rooms that this instance follows.", len(hub.rooms)),
            "broker_connected": ("Whether the link to the broker is good.", int(hub.broker.connected)),
            "draining": ("Whether this instance is leaving.", int(hub.draining)),
            "tasks": (
                "Tasks of the event loop: grows with members that are behind.",
                len(asyncio.all_tasks()),
            ),
            "members_behind": ("Clients that read too slowly now.", sum(m.behind for m in hub.members)),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"quartchat_{name}", text, value)
        totals = {
            "connections": ("Sockets accepted.", counters.connections),
            "acks": ("Messages stored and acknowledged.", counters.acks),
            "unknown": ("Sends that the broker did not answer in time.", counters.unknown),
            "deliveries": ("Messages written to members that were up to date.", counters.deliveries),
            "rejected_entries": (
                "Entries and signals from the broker that were not ours.",
                counters.rejected,
            ),
        }
        for name, (text, value) in totals.items():
            yield CounterMetricFamily(f"quartchat_{name}", text, value)
        labelled: dict[str, tuple[str, str, dict[Any, int]]] = {
            "nacks": ("Messages refused.", "code", counters.nacks),
            "resets": ("Members told that messages may be missing.", "reason", counters.resets),
            "closed": ("Sockets closed by this side.", "code", counters.closed),
            "refused": ("Handshakes refused.", "status", counters.refused),
            "limited": ("What was refused for being too much, by limit.", "limit", counters.limited),
        }
        for name, (text, label, values) in labelled.items():
            family = CounterMetricFamily(f"quartchat_{name}", text, labels=[label])
            for key, value in values.items():
                family.add_metric([str(key)], value)
            yield family
