"""The link to a server, and what can happen to it."""

from __future__ import annotations

from brokers.conformance.proxy import Direction, Proxy

__all__ = ["Direction", "Proxy"]
