"""The figures as they stand over a table, and beside a plot."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    heading: str
    axis: str
    """What a plot says of it."""
    less_is_better: bool = True


COLUMNS: dict[str, Column] = {
    "cpu_us": Column("µs CPU a delivery", "Server CPU for each delivery, µs. Less is better."),
    "broker_us": Column("+ broker", "Broker CPU for each delivery, µs. Less is better."),
    "deliveries_per_s": Column("deliveries/s", "Deliveries a second. More is better.", False),
    "message_us": Column(
        "µs CPU a message", "Server CPU for each message, µs; the straight line is the fit."
    ),
    "p50_ms": Column("p50 ms", "Half of all deliveries within, ms. Less is better."),
    "p99_ms": Column("p99 ms", "99 of 100 deliveries within, ms. Less is better."),
    "ack_p50_ms": Column("ack p50 ms", "Half of all acks within, ms. Less is better."),
    "kb_each": Column(
        "KiB each of 5,000", "Server memory for each of 5,000 idle connections, KiB. Less is better."
    ),
    "kb_each_part": Column(
        "KiB each of 2,000", "Server memory for each of 2,000 connections, KiB. Less is better."
    ),
    "idle_cpu_percent": Column(
        "CPU idle, %", "Server CPU while nobody says a word, % of a core. Less is better."
    ),
    "connects_per_s": Column(
        "connects/s", "Connections a second until all are in their rooms. More is better.", False
    ),
    "connect_us": Column("µs CPU a connect", "Server CPU for each connection made, µs. Less is better."),
    "all_pages_ms": Column("all have it, ms", "Until all 500 have the last 50 messages, ms. Less is better."),
    "page_p50_ms": Column("p50 ms", "Half of the pages within, ms. Less is better."),
    "page_cpu_us": Column("µs CPU a joiner", "Server CPU for each who joined, µs. Less is better."),
    "grown_kb": Column("memory grown, KiB", "Server memory grown under the load, KiB. Less is better."),
    "faults": Column("faults", "Deliveries lost, repeated or overtaken, connections lost."),
}
