"""What is done to each server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["bars", "lines"]


@dataclass(frozen=True)
class Point:
    """One load. `options` are the generator's; `x` is its place where a scenario is a curve."""

    name: str
    options: Mapping[str, float]
    x: float = 0
    instances: int = 1
    """For peers with a broker; the others have one."""
    leave: bool = False


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    text: str
    points: tuple[Point, ...]
    peers: tuple[str, ...]
    figures: tuple[str, ...]
    """The first is the one that is drawn and compared."""
    kind: Kind = "bars"
    seconds: float = 1.0
    """Of the duration that was asked for."""
    warm: float = 0.5
    at_least: float = 0
    """Seconds, where less would not show what is meant."""

    def lasts(self, seconds: float) -> float:
        """The load of one trial."""
        return max(seconds * self.seconds, self.at_least)


OURS = ("quartchat", "quartchat-redis", "quartchat-rabbitmq")
OURS_V1 = tuple(f"{name}-v1" for name in OURS)
IN_PROCESS = ("node-ws", "socketio", "litestar", "python-socketio", "channels", "quart-obvious")
OVER_BROKER = (
    "socketio-redis",
    "litestar-redis",
    "python-socketio-redis",
    "python-socketio-rabbitmq",
    "channels-redis",
    "channels-pubsub",
)
BEST = ("floor", "nchan")
ALL = (*BEST, *OURS, *IN_PROCESS, *OVER_BROKER)

FAN = ("cpu_us", "broker_us", "deliveries_per_s", "p50_ms", "p99_ms", "faults")


def _only(**options: float) -> tuple[Point]:
    return (Point("", options),)


def _curve(option: str, values: tuple[int, ...], **rest: float) -> tuple[Point, ...]:
    return tuple(Point(f"{value:,} {option}", {option: value, **rest}, value) for value in values)


_BUSY = {"clients": 100, "talkers": 10, "window": 8}

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in [
        Scenario(
            "fan1000",
            "One message to a room of 1,000",
            "One talker, the next message when the last one is back: fan-out and nothing else.",
            _only(clients=1000, talkers=1, window=1),
            (*ALL, *OURS_V1[:1]),
            FAN,
        ),
        Scenario(
            "busy100",
            "A busy room of 100",
            "Ten talkers, each with eight messages on the way: what a server can batch, it may.",
            _only(**_BUSY),
            (*ALL, *OURS_V1),
            FAN,
        ),
        Scenario(
            "rooms",
            "100 rooms of ten",
            "Two talkers in each, one message on the way: the cost of a message, with little fan-out.",
            _only(rooms=100, clients=10, talkers=2, window=1),
            ALL,
            FAN,
        ),
        Scenario(
            "pair",
            "Two people",
            "A room of two; one talker, one message on the way: the way there and back.",
            _only(clients=2, talkers=1, window=1),
            (*BEST, *OURS, *OURS_V1, "asgi-echo", *IN_PROCESS),
            ("p50_ms", "p99_ms", "cpu_us", "broker_us", "faults"),
            seconds=0.6,
        ),
        Scenario(
            "idle",
            "Idle connections",
            "2,000 and then 5,000 connections in rooms of ten, and nobody says a word. Opened with 64"
            " handshakes at a time; ready is who is in the room.",
            _only(rooms=500, clients=10, part=2000),
            (
                *BEST,
                "quartchat",
                "quartchat-v1",
                "quartchat-redis",
                "quartchat-rabbitmq",
                "asgi-echo",
                *IN_PROCESS,
            ),
            ("kb_each", "kb_each_part", "idle_cpu_percent", "connects_per_s", "connect_us", "faults"),
            seconds=0.6,
            warm=0,
        ),
        Scenario(
            "fan5000",
            "One message to a room of 5,000",
            "As above, with 5,000.",
            _only(clients=5000, talkers=1, window=1),
            (*BEST, *OURS, "node-ws", "socketio", "litestar"),
            FAN,
        ),
        Scenario(
            "long",
            "Long messages in a busy room",
            "The busy room of 100, with messages of 4 KB.",
            _only(**_BUSY, bytes=4096),
            (*BEST, *OURS, *OURS_V1[:1], "node-ws", "socketio", "litestar"),
            FAN,
        ),
        Scenario(
            "two",
            "Two instances on one broker",
            "The busy room of 100 on one instance, and split over two. On two cores both instances share"
            " one: then the cost counts and not the throughput.",
            (Point("one", _BUSY), Point("two", _BUSY, instances=2)),
            (OURS[1], OURS[2], "socketio-redis", "channels-pubsub"),
            FAN,
        ),
        Scenario(
            "joiners",
            "500 people join at once",
            "500 connect at the same moment to a room that holds history, and wait for the last 50 messages."
            " Cold: nobody is in the room, and with a broker the instance has never seen it. Busy: 50 are in"
            " the room, and five of them write 100 messages a second.",
            (
                Point(
                    "cold", {"clients": 1, "talkers": 1, "seed": 60, "joiners": 500}, instances=2, leave=True
                ),
                Point("busy", {"clients": 50, "talkers": 5, "seed": 60, "joiners": 500, "rate": 100}),
            ),
            (*OURS_V1, "nchan"),
            ("all_pages_ms", "page_p50_ms", "page_cpu_us", "faults"),
            seconds=4,
            warm=0,
        ),
        Scenario(
            "stalled",
            "Ten of 200 stop reading",
            "A room of 200, 50 messages of 4 KB a second; then the same again, and ten stop reading. They"
            " have segments of a network's size: the server's kernel then takes some 120 KB for each, and"
            " what comes after that is the server's own affair.",
            tuple(
                Point(f"{n} stalled", {"clients": 200, "talkers": 5, "rate": 50, "bytes": 4096, "stalled": n})
                for n in (0, 10)
            ),
            ("nchan", *OURS, "node-ws", "socketio"),
            ("p99_ms", "p50_ms", "grown_kb", "cpu_us", "faults"),
            at_least=4,
        ),
        Scenario(
            "by-rooms",
            "Cost of a message by the number of rooms",
            "1 to 400 rooms of ten, 500 messages a second in all. The line should be flat.",
            _curve("rooms", (1, 100, 200, 400), clients=10, talkers=2, rate=500),
            ("nchan", *OURS),
            ("message_us", "p99_ms", "faults"),
            kind="lines",
            seconds=0.6,
        ),
        Scenario(
            "by-members",
            "Cost of a message by the size of the room",
            "A room of 10 to 2,000, one talker, one message on the way. The line should be straight.",
            _curve("clients", (10, 500, 1000, 2000), talkers=1, window=1),
            ("nchan", *OURS),
            ("message_us", "p99_ms", "faults"),
            kind="lines",
            seconds=0.6,
        ),
    ]
}
