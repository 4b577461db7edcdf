"""What can happen to a chat, and how it is made to happen.

Each fault breaks something, waits, mends it, and returns what shows that it hit. `Missed` where it did not:
then nothing is proved by what came after.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.support.proxy import Direction, Proxy
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer

from .client import Client
from .site import FAKETIME, KEEPS, Kind, Place, Site

HOUR = 3600.0

BROKER_BACK_SECONDS = 60.0
"""Within which a server that was killed must be there again."""


class Missed(Exception):
    """The fault did not do what it should have done."""


@dataclass(slots=True)
class Scene:
    """What a fault may touch."""

    site: Site
    place: Place
    clients: Sequence[Client]
    rng: random.Random

    @property
    def link(self) -> Proxy:
        if self.place.link is None:
            raise Missed("there is no link")
        return self.place.link


Target = Literal["instance", "broker", "link", "clients"]


@dataclass(slots=True, frozen=True)
class Breakage:
    """One kind of fault."""

    name: str
    target: Target
    do: Callable[[Scene], Awaitable[str]]
    exceeds: int = -1
    """Durability that it takes away: entries at this level or below may be lost, if announced."""
    only: str = ""
    """What a site's kind begins with, where it makes sense only there."""
    long: bool = False
    """Takes a minute and more: not in the short campaign."""

    def fits(self, kind: Kind) -> bool:
        """Whether this can happen there."""
        if self.target in ("broker", "link") and kind == "memory":
            return False
        return kind.startswith(self.only)

    def loses(self, kind: Kind) -> bool:
        """Whether acknowledged messages may be gone after it, if everybody is told."""
        return self.exceeds >= KEEPS.get(kind, 2)


# Instances ----------------------------------------------------------------------------------------------


async def kill_instance(scene: Scene) -> str:
    instance = scene.place.instance
    there = scene.place.front.connections
    instance.kill()
    if instance.running:
        raise Missed("the instance lives")
    await asyncio.sleep(scene.rng.uniform(0.0, 1.5))
    await instance.start()
    return f"killed with {there} clients"


async def stop_instance(scene: Scene) -> str:
    instance = scene.place.instance
    seconds = scene.rng.uniform(2, 9)
    instance.freeze()
    try:
        await asyncio.sleep(seconds)
        if _state(instance.pid) != "T":
            raise Missed("the instance was not stopped")
    finally:
        instance.thaw()
    return f"stopped for {seconds:.1f} s"


async def drain_instance(scene: Scene) -> str:
    instance = scene.place.instance
    there = scene.place.front.connections
    code = await instance.terminate(8)
    if code != 0:
        raise Missed(f"the drained instance ended with {code}")
    await asyncio.sleep(scene.rng.uniform(0.0, 0.5))
    await instance.start()
    return f"drained {there} clients"


async def move_clock(scene: Scene) -> str:
    place = scene.site.places[0]
    if FAKETIME is None:
        raise Missed("faketime is not installed")
    away = scene.rng.choice((HOUR, -HOUR))
    place.set_clock(away)
    try:
        # The library looks once a second.
        await asyncio.sleep(scene.rng.uniform(2, 4))
        off = await place.clock_is_off()
        if abs(off - away) > 60:
            raise Missed(f"the clock is off by {off:.0f} s")
    finally:
        place.set_clock(0)
    return f"clock off by {off:.0f} s"


# The broker's server ------------------------------------------------------------------------------------


async def kill_broker(scene: Scene) -> str:
    server = _server(scene)
    if scene.site.kind == "redis-snapshots":
        # So that it comes back with a part of what it had: numbers are used again.
        assert isinstance(server, RedisServer)
        await asyncio.to_thread(server.save)
        await asyncio.sleep(scene.rng.uniform(0.5, 1.5))
    await asyncio.to_thread(server.kill)
    if server.running:
        raise Missed("the broker lives")
    await asyncio.sleep(scene.rng.uniform(0.0, 2.0))
    async with asyncio.timeout(BROKER_BACK_SECONDS):
        await asyncio.to_thread(server.start)
    return "killed and started"


def freeze_broker(seconds: float) -> Callable[[Scene], Awaitable[str]]:
    async def freeze(scene: Scene) -> str:
        server = _server(scene)
        server.freeze()
        try:
            await asyncio.sleep(seconds)
            if isinstance(server, RedisServer) and await asyncio.to_thread(_answers, server):
                raise Missed("the broker answered")
        finally:
            server.thaw()
        return f"frozen for {seconds:g} s"

    return freeze


async def wipe_broker(scene: Scene) -> str:
    server = _server(scene)
    if isinstance(server, RabbitMQServer):
        names = await asyncio.to_thread(server.queues, "quartchat")
        await asyncio.to_thread(server.delete_queues, names)
        return f"deleted {len(names)} streams" if names else _missed("there were no streams")
    before = server.command("DBSIZE")
    await asyncio.to_thread(server.wipe)
    return f"flushed {before!r} keys" if before != b":0\r\n" else _missed("there were no keys")


async def evict_keys(scene: Scene) -> str:
    server = _server(scene)
    assert isinstance(server, RedisServer)
    room = scene.rng.choice(scene.clients).person.room
    part = scene.rng.choice(("meta", "log"))
    found = await asyncio.to_thread(server.command, "EVAL", _EVICT, "0", f"*{{{room}}}:{part}")
    if found.startswith(b"-") or found == b":0\r\n":
        raise Missed(f"no such key: {found!r}")
    return f"the {part} of one room is gone"


_EVICT = """
local n = 0
for _, k in ipairs(redis.call('KEYS', ARGV[1])) do n = n + redis.call('DEL', k) end
return n
"""


async def kill_subscribers(scene: Scene) -> str:
    server = _server(scene)
    assert isinstance(server, RedisServer)
    found = await asyncio.to_thread(server.command, "CLIENT", "KILL", "TYPE", "pubsub")
    if found in (b":0\r\n", b"") or found.startswith(b"-"):
        raise Missed(f"nobody subscribed: {found!r}")
    return "subscribers thrown out by the server"


# The link between one instance and the broker -----------------------------------------------------------


async def reset_link(scene: Scene) -> str:
    cut = 0
    for _ in range(scene.rng.randint(1, 3)):
        cut += scene.link.connections
        scene.link.cut()
        await asyncio.sleep(scene.rng.uniform(0.0, 0.8))
    return f"{cut} connections reset" if cut else _missed("there was no connection")


def black_hole(direction: Direction) -> Callable[[Scene], Awaitable[str]]:
    async def hole(scene: Scene) -> str:
        link, seconds = scene.link, scene.rng.uniform(2, 14)
        before = link.held
        link.black_hole(direction)
        try:
            await asyncio.sleep(seconds)
        finally:
            await link.heal()
        return _held(link, before, f"{seconds:.1f} s")

    return hole


async def lose_confirm(scene: Scene) -> str:
    """What was written arrives; its confirmation never does."""
    link = scene.link
    before = link.held
    link.black_hole("down")
    await asyncio.sleep(scene.rng.uniform(0.1, 1.0))
    await _felt(link, before)
    link.cut()
    await link.heal()
    return _held(link, before, "then cut")


async def stall_link(scene: Scene) -> str:
    """A middlebox forgets the connections there are; new ones are fine. Never mended."""
    link = scene.link
    before = link.held
    link.stall(scene.rng.choice(("both", "up", "down")))
    await _felt(link, before)
    return _held(link, before, "connections of then")


async def cut_frames(scene: Scene) -> str:
    link, times = scene.link, scene.rng.randint(1, 4)
    for _ in range(times):
        accepted = link.accepted
        link.cut_after(scene.rng.randint(1, 3000))
        for _ in range(400):
            await asyncio.sleep(0.05)
            if link.accepted > accepted:
                break
        else:
            raise Missed("nothing was cut")
    return f"cut {times} times"


# Clients ------------------------------------------------------------------------------------------------


async def cut_clients(scene: Scene) -> str:
    for _ in range(100):
        # Something else may have thrown them out just now.
        count = sum(place.front.connections for place in scene.site.places)
        if count:
            break
        await asyncio.sleep(0.05)
    for place in scene.site.places:
        place.front.cut()
    return f"{count} clients cut" if count else _missed("nobody was connected")


async def silence_clients(scene: Scene) -> str:
    """The links of all clients of one instance die without a word. Never mended."""
    for _ in range(100):
        front = max((place.front for place in scene.site.places), key=lambda front: front.connections)
        if front.connections:
            break
        await asyncio.sleep(0.05)
    count, before = front.connections, front.held
    front.stall("both")
    await _felt(front, before)
    return _held(front, before, f"{count} clients")


async def stop_reading(scene: Scene) -> str:
    some = scene.rng.sample(list(scene.clients), 4)
    seconds = scene.rng.uniform(2, 7)
    held = max(await asyncio.gather(*(client.stop_reading(seconds) for client in some)))
    return f"{len(some)} clients for {held:.1f} s" if held > 0.5 else _missed("nobody was connected")


CLOCK = "clock moved by an hour"

ALL: tuple[Breakage, ...] = (
    Breakage("instance killed", "instance", kill_instance, exceeds=0),
    Breakage("instance stopped and continued", "instance", stop_instance),
    Breakage("instance drained", "instance", drain_instance, exceeds=0),
    Breakage(CLOCK, "instance", move_clock),
    Breakage("broker killed and restarted", "broker", kill_broker, exceeds=1),
    Breakage("broker frozen for 5 s", "broker", freeze_broker(5)),
    Breakage("broker frozen for 20 s", "broker", freeze_broker(20)),
    Breakage("broker frozen for 70 s", "broker", freeze_broker(70), long=True),
    Breakage("log wiped", "broker", wipe_broker, exceeds=9),
    Breakage("keys evicted", "broker", evict_keys, exceeds=9, only="redis"),
    Breakage("subscribers thrown out", "broker", kill_subscribers, only="redis"),
    Breakage("link reset", "link", reset_link),
    Breakage("link black-holed", "link", black_hole("both")),
    Breakage("link black-holed towards the instance", "link", black_hole("down")),
    Breakage("link black-holed towards the broker", "link", black_hole("up")),
    Breakage("confirm lost", "link", lose_confirm),
    Breakage("link stalled", "link", stall_link),
    Breakage("link cut in a frame", "link", cut_frames),
    Breakage("all clients cut", "clients", cut_clients),
    Breakage("clients' links die silently", "clients", silence_clients),
    Breakage("clients stop reading", "clients", stop_reading),
)


def _server(scene: Scene) -> RedisServer | RabbitMQServer:
    if scene.site.server is None:
        raise Missed("there is no server")
    return scene.site.server


def _answers(server: RedisServer) -> bool:
    try:
        return bool(server.command("PING", timeout=0.2))
    except OSError:
        return False


def _state(pid: int) -> str:
    """The one letter of a process's state, as the kernel tells it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def _felt(link: Proxy, before: int) -> None:
    """Until something was held back, but not for ever."""
    for _ in range(200):
        if link.held > before:
            return
        await asyncio.sleep(0.05)


def _held(link: Proxy, before: int, what: str) -> str:
    if link.held == before:
        raise Missed("nothing was held back")
    return f"{link.held - before} bytes held back, {what}"


def _missed(why: str) -> str:
    raise Missed(why)
