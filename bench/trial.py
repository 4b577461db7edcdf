"""One load on one freshly started server, and what both of them used."""

# ruff: noqa: S603 - starts the generator by its path

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import home, usage
from bench.backends import Backends
from bench.catalogue import Peer
from bench.cores import cores
from bench.scenarios import Point
from tests.support.ports import free_port
from tests.support.process import Process
from tests.support.waiting import until_now

Figures = dict[str, float]

LONGEST = 150.0
"""Seconds for a whole trial."""


class Failed(Exception):
    """The trial gave no figures."""


def run(peer: Peer, point: Point, seconds: float, warm: float, backends: Backends) -> Figures:
    """Start the peer, load it, end it. Raises `Failed`."""
    ports = [free_port() for _ in range(point.instances if peer.broker else 1)]
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="trial-", ignore_cleanup_errors=True))
        )
        env = _environment(peer, backends)
        servers = [
            stack.enter_context(_server(peer, port, env, folder, number)) for number, port in enumerate(ports)
        ]
        watch = _Watch([server.pid for server in servers], backends.pids(peer.broker) if peer.broker else [])
        told = _load(peer, point, ports, seconds, warm, watch)
        check(point, told)
        figures = derive(told, watch.seen)
    if peer.broker:
        backends.wipe(peer.broker)
    return figures


def _environment(peer: Peer, backends: Backends) -> dict[str, str]:
    # Whatever the desk has set must not change the measurement.
    given = os.environ  # noqa: TID251 - handed on, not read
    env = {name: text for name, text in given.items() if not name.startswith(("QUARTCHAT_", "BENCH_"))}
    env.update(
        peer.env, PYTHONPATH=str(home.PEERS), NODE_PATH=str(home.NODE_MODULES), PYTHONDONTWRITEBYTECODE="1"
    )
    if peer.ours:
        env["PYTHONPATH"] = str(home.CHECKOUT)
        env["QUARTCHAT_MESSAGE_RATE"] = "0"
        env["QUARTCHAT_SECRET_KEY"] = secrets.token_urlsafe(32)
        env["QUARTCHAT_BROKER"] = backends.fresh_url(peer.broker) if peer.broker else "memory://"
    elif peer.broker:
        env["BENCH_REDIS" if peer.broker == "redis" else "BENCH_AMQP"] = backends.url(peer.broker)
    return env


@contextmanager
def _server(peer: Peer, port: int, env: dict[str, str], folder: Path, number: int) -> Iterator[Process]:
    own = folder / str(number)
    own.mkdir()
    pinned = cores().second if number else cores().server
    command = ["taskset", "-c", ",".join(map(str, sorted(pinned))), *peer.command(port, own)]
    process = Process(command, log=own / "log", env=env, cwd=home.CHECKOUT if peer.ours else own)
    process.start()
    try:
        until_now(lambda: _listens(process, port), 30, f"{peer.name} listens")
        yield process
    except AssertionError as error:
        raise Failed(f"{error}: {process.log[-400:]}") from None
    finally:
        process.kill()


def _listens(process: Process, port: int) -> bool:
    if not process.running:
        raise Failed(f"it ended: {process.log[-400:]}")
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class _Watch:
    """Looks at the server and the broker at each phase of the load."""

    def __init__(self, servers: list[int], broker: list[int]) -> None:
        self._servers = servers
        self._broker = broker
        self.seen: dict[str, Figures] = {}
        self.look("start", memory=True)

    def look(self, phase: str, *, memory: bool) -> None:
        # Looked for each time: a server may listen before it has its worker, and all work is the worker's.
        pids = [pid for server in self._servers for pid in usage.tree(server)]
        seen = {"cpu": usage.cpu_seconds(pids), "broker_cpu": usage.cpu_seconds(self._broker)}
        seen["machine_cpu"] = usage.machine_seconds()
        if memory:
            seen["kb"] = usage.memory_kb(pids)
        self.seen[phase] = seen


def _load(peer: Peer, point: Point, ports: list[int], seconds: float, warm: float, watch: _Watch) -> Figures:
    words: list[Any] = [home.LOAD, "--ask", "--dialect", peer.dialect, "--path", peer.path]
    words += ["--join-path", peer.join_path, "--seconds", seconds, "--warm", warm]
    for port in ports:
        words += ["--port", port]
    for name, value in point.options.items():
        words += [f"--{name}", value]
    words += ["--leave"] * point.leave
    pinned = ",".join(map(str, sorted(cores().load)))
    command = ["taskset", "-c", pinned, "timeout", str(LONGEST), *map(str, words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdin  # noqa: S101 - it is a pipe
        assert load.stdout  # noqa: S101
        result: Figures = {}
        for line in load.stdout:
            told = json.loads(line)
            phase = told.pop("phase")
            # Memory takes milliseconds to read: not in the moment in which the load begins.
            watch.look(phase, memory=phase != "load")
            watch.seen[phase].update(told)
            if phase in ("part", "open"):
                load.stdin.write("\n")
                load.stdin.flush()
            result = told
    if load.returncode:
        raise Failed(f"the load generator ended with {load.returncode}")
    return result


def check(point: Point, told: Figures) -> None:
    """A server that did nothing has no figures: a cost for each of nothing would look like one."""
    if not told["open"] and not point.leave:
        raise Failed("it refused everybody")
    if "joiners" in point.options and not told["paged"]:
        raise Failed("nobody got the page")
    if "talkers" in point.options and "joiners" not in point.options and not told["deliveries"]:
        raise Failed("it delivered nothing")


FAULTS = (
    "missing",
    "late",
    "repeated",
    "stray",
    "nacks",
    "unknowns",
    "resets",
    "refused",
    "dropped",
    "given_up",
)


SEEN_SECONDS = 0.2
"""A load that lasts longer is seen from its beginning to its end."""


def derive(told: Figures, seen: dict[str, Figures]) -> Figures:
    """What is compared, of what the generator told and what was seen at each phase."""
    start, opened, load, loaded = (seen[phase] for phase in ("start", "open", "load", "loaded"))
    cpu, broker_cpu = loaded["cpu"] - load["cpu"], loaded["broker_cpu"] - load["broker_cpu"]
    deliveries, messages, connections = (max(told[name], 1) for name in ("deliveries", "published", "open"))
    # A phase that is over at once may begin and end in one look at the generator.
    if told["deliveries"] and cpu <= 0 and told["seconds"] > SEEN_SECONDS:
        raise Failed("it delivered and used no CPU: its processes were not found")
    # Ticks are coarse, so a little may be missing or too much.
    others = loaded["machine_cpu"] - load["machine_cpu"] - cpu - broker_cpu - told["own_cpu_s"]
    figures = {
        "cpu_us": cpu / deliveries * 1e6,
        "messages": told["published"],
        "message_us": cpu / messages * 1e6,
        "broker_us": broker_cpu / deliveries * 1e6,
        "deliveries_per_s": told["deliveries"] / told["seconds"],
        "p50_ms": told["delivery_p50_ms"],
        "p99_ms": told["delivery_p99_ms"],
        "max_ms": told["delivery_max_ms"],
        "ack_p50_ms": told["ack_p50_ms"],
        "ack_p99_ms": told["ack_p99_ms"],
        "server_busy_percent": cpu / told["seconds"] * 100,
        "generator_busy_percent": told["own_cpu_s"] / told["seconds"] * 100,
        "others_busy_percent": max(others, 0) / told["seconds"] * 100,
        "idle_cpu_percent": cpu / told["seconds"] * 100,
        "kb_each": (opened["kb"] - start["kb"]) / connections,
        "grown_kb": loaded["kb"] - opened["kb"],
        "server_kb": opened["kb"],
        "connects_per_s": connections / told["connect_s"],
        "connect_us": (opened["cpu"] - start["cpu"]) / connections * 1e6,
        "faults": sum(told[name] for name in FAULTS),
        **{name: told[name] for name in FAULTS},
    }
    if "part" in seen:
        figures["kb_each_part"] = (seen["part"]["kb"] - start["kb"]) / seen["part"]["open"]
    if told["paged"]:
        figures["all_pages_ms"] = told["page_max_ms"]
        figures["page_p50_ms"] = told["page_p50_ms"]
        figures["page_cpu_us"] = cpu / told["paged"] * 1e6
        figures["paged"] = told["paged"]
    return {name: round(value, 3) for name, value in figures.items()}
