"""Which core does what. The server has one to itself wherever there are two."""

from __future__ import annotations

import os
from typing import NamedTuple


class Cores(NamedTuple):
    server: set[int]
    second: set[int]
    """For the second of two instances."""
    load: set[int]
    broker: set[int]


def share_out(available: list[int]) -> Cores:
    """On two cores the brokers are with the generator, and the second instance with the first."""
    ranked = sorted(available)
    server, rest = {ranked[0]}, ranked[1:] or ranked
    broker = set(rest[1:2] or rest[:1])
    second = set(rest[2:3]) or server
    return Cores(server, second, {rest[0]}, broker)


def cores() -> Cores:
    return share_out(list(os.sched_getaffinity(0)))
