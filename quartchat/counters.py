"""What happened in this process, as plain numbers; `health` gives them to Prometheus."""

from __future__ import annotations

import msgspec


class Counters(msgspec.Struct):
    """Only ever incremented, except where a name says otherwise."""

    connections: int = 0
    refused: dict[int, int] = {}
    """Handshakes, by HTTP status."""
    closed: dict[int, int] = {}
    """Connections that this side ended, by close code."""
    rejected: int = 0
    """Entries and signals from the broker that this program did not write."""
    deliveries: int = 0
    """Messages written to members that were up to date."""
    acks: int = 0
    nacks: dict[str, int] = {}
    unknown: int = 0
    resets: dict[str, int] = {}
    limited: dict[str, int] = {}
    """What was refused, by the limit that stopped it."""
