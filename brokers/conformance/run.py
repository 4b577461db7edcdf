"""What `python -m brokers.conformance` hands to pytest."""

from __future__ import annotations

from brokers.conformance import (
    BrokerConformance,
    LinkConformance,
    PrivateConformance,
    SharedConformance,
)


class TestBroker(BrokerConformance):
    pass


class TestShared(SharedConformance):
    pass


class TestPrivate(PrivateConformance):
    pass


class TestLink(LinkConformance):
    pass
