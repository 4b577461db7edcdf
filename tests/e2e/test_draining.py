"""An instance is told to go: it takes nobody new, sends its people to another one, and is gone in time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Literal, Self

import pytest
from websockets import ConnectionClosed, InvalidStatus, WebSocketException

from tests.e2e.people import PACE, crowd
from tests.e2e.places import FULL, ROOMY, instances
from tests.e2e.test_http2 import Chat, Link, gauge
from tests.support.client import ChatClient
from tests.support.instance import BOOT, Instance
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer
from tests.support.require import require
from tests.support.waiting import until

SENT_ON = 2.0
"""Seconds in which everybody is told 1012."""

GONE = 5.0
"""Seconds in which an instance that was told to leave is gone, whatever a client does."""

ANSWER = 1.0
"""Seconds that what is under way has for its answer."""

SOON, TURNS = 0.1, 10
"""Seconds until the next one asks, and how many do: what came before the order waits for the broker."""

ORPHAN = 1.0
"""Seconds in which a worker notices that its parent is gone."""

Server = RedisServer | RabbitMQServer
Broker = Literal["memory", "redis", "rabbitmq"]

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])


def processes(group: int) -> set[int]:
    """Those of a process group that still run."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                state, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(of) == group and state not in "ZX":
                    found.add(int(entry.name))
    return found


def waits(pid: int) -> bool:
    """Whether a signal waits for this process: another one of its kind would be the same one to it."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(int(line.split()[1], 16) for line in text.splitlines() if line.startswith("ShdPnd"))


def hears(pid: int) -> bool:
    """Whether a process does something of its own with SIGTERM by now, and does not just die of it."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/status").read_text()
        (caught,) = (line.split()[1] for line in text.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) & 1 << signal.SIGTERM - 1)
    return False


def workers_of(one: Instance) -> list[int]:
    """Its worker processes, in the order of their start."""
    found = []
    for pid in sorted(processes(one.pid) - {one.pid}):
        with contextlib.suppress(OSError):
            if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


async def gone(one: Instance, since: float) -> float:
    """Seconds from then until nothing of it runs any more, workers included."""
    await one.wait_exit(BOOT)
    await until(lambda: not processes(one.pid), BOOT, "all its processes are gone")
    return time.monotonic() - since


async def told(client: ChatClient, since: float) -> float:
    """Seconds from then until this client was told 1012."""
    code = await client.wait_close(GONE)
    assert code == 1012, f"closed with {code}"
    assert client.socket.close_reason
    return time.monotonic() - since


async def draining(one: Instance, room: str) -> None:
    """Until newcomers are refused, as is said."""

    async def says_so() -> bool:
        async with Connection(
            one, "GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        ) as asking:
            await asking.ended()
        return asking.heard.startswith(b"HTTP/1.1 503 ") and b"draining" in asking.heard

    async def refused() -> bool:
        newcomer = ChatClient(one, room)
        try:
            await newcomer.open()
        except InvalidStatus as caught:
            response = caught.response
            return response.status_code == 503 and int(response.headers["Retry-After"]) >= 1
        newcomer.drop()
        return False

    await asyncio.gather(
        of_those_who_come(says_so, "/readyz says that it is leaving"),
        of_those_who_come(refused, "a newcomer is refused"),
    )


async def of_those_who_come(ask: Callable[[], Awaitable[bool]], what: str) -> None:
    """Until one of those who ask within a second is answered so, however long the answer takes."""

    async def turn(number: int) -> bool:
        await asyncio.sleep(number * SOON)
        try:
            return await ask()
        except (OSError, EOFError, AssertionError, WebSocketException):  # it is gone already
            return False

    asking = [asyncio.create_task(turn(number)) for number in range(TURNS)]
    try:
        for answer in asyncio.as_completed(asking):
            if await answer:
                return
        raise AssertionError(f"nobody was answered so: {what}")
    finally:
        for each in asking:
            each.cancel()
        await asyncio.wait(asking)


class Connection:
    """Says what a test writes, and nothing more."""

    def __init__(self, one: Instance, text: str) -> None:
        self._port = one.port
        self._text = text
        self.heard = b""

    async def ended(self) -> None:
        """Until the other side ended it."""
        with contextlib.suppress(ConnectionResetError):
            while data := await self._reader.read(65536):
                self.heard += data

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(self._text.encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()


class Crowd:
    """Clients in all states, on one instance."""

    def __init__(self, one: Instance, room: str) -> None:
        self.one = one
        self.well = [
            *(ChatClient(one, f"{room}-idle") for _ in range(3)),
            ChatClient(one, f"{room}-idle", subprotocol=None),
        ]
        self.busy = [ChatClient(one, f"{room}-busy") for _ in range(3)]
        self.filler = ChatClient(one, f"{room}-stuck")
        self.stuck = ChatClient(one, f"{room}-stuck")
        self.link = Link(one)
        self.frozen_link = Link(one)
        head = "HTTP/1.1\r\nHost: test\r\n"
        self.raw: list[Connection] = [
            Connection(one, ""),
            Connection(one, f"GET /healthz {head}\r\n"),
            Connection(one, f"GET /ws/chat/{room}/ {head}Upgrade: websoc"),
            Connection(one, f"POST /session {head}{FORM_HEAD}Content-Length: 100\r\n\r\nname="),
        ]
        self.sent: list[list[str]] = [[] for _ in self.busy]
        self._talking: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            for client in (*self.well, *self.busy, self.filler, self.stuck):
                await stack.enter_async_context(client)
            for raw in (*self.raw, self.link, self.frozen_link):
                await stack.enter_async_context(raw)
            self.chat = await Chat(self.link, "over-http2").open()
            frozen = await Chat(self.frozen_link, self.filler.room).open()
            self.frozen_link.transport.pause_reading()  # type: ignore[attr-defined]
            frozen.stop_reading()
            await self._stick()
            stack.callback(self._hush)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def meet(self, raw: Connection) -> None:
        await self._stack.enter_async_context(raw)
        self.raw.append(raw)

    async def _stick(self) -> None:
        """Until one does not read, and the server cannot write to it any more."""
        self.stuck.socket.transport.pause_reading()

        async def behind() -> bool:
            for _ in range(40):
                await self.filler.send("x" * 8000)
            return await gauge(self.one, "members_behind") >= 1

        await until(behind, 20, "the stuck client is behind")

    def talk(self) -> None:
        """From now on the busy ones say one thing after the other, and wait for no answer."""
        for client, sent in zip(self.busy, self.sent, strict=True):
            self._talking.append(asyncio.create_task(self._talk(client, sent)))

    async def _talk(self, client: ChatClient, sent: list[str]) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                sent.append(await client.send("text"))
                await asyncio.sleep(PACE)

    def _hush(self) -> None:
        for task in self._talking:
            task.cancel()

    async def under_way(self) -> list[list[str]]:
        """The busy ones' messages that the server has read by now, the last ones just so."""
        last = [await client.send("the last before the order") for client in self.busy]
        # One that was sent before it may be noted after it: the last one stands last.
        sent = [[*before, id] for before, id in zip(self.sent, last, strict=True)]
        for client in self.busy:
            await client.send_frame({"type": "ping"})
            await client.expect("pong")
        return sent

    def answers(self, number: int) -> dict[str, str]:
        """What the messages of one of the busy were answered."""
        kinds = ("ack", "nack", "unknown")
        return {f["id"]: f["type"] for f in self.busy[number].frames if f["type"] in kinds}

    async def cut_off(self) -> None:
        """Until everybody else lost the connection, too."""
        await asyncio.gather(*(raw.ended() for raw in self.raw), self.frozen_link_ended())

    async def frozen_link_ended(self) -> None:
        self.frozen_link.transport.resume_reading()  # type: ignore[attr-defined]
        self.stuck.socket.transport.resume_reading()
        await self.frozen_link.wait_closed()
        await self.stuck.wait_close()


@pytest.fixture
def server(broker: Broker, request: pytest.FixtureRequest) -> Iterator[Server | None]:
    """The broker's server, for the test to hurt."""
    if broker == "memory":
        yield None
    elif broker == "redis":
        require(RedisServer)
        with RedisServer("everysec") as own:
            yield own
    else:
        shared: RabbitMQServer = request.getfixturevalue("rabbitmq_server")
        yield shared
        shared.thaw()


@contextlib.asynccontextmanager
async def instance_on(server: Server | None, namespace: str, workers: int) -> AsyncIterator[Instance]:
    url = "memory://" if server is None else f"{server.url}?prefix={namespace}"
    async with Instance(url, {**ROOMY, "QUARTCHAT_HISTORY": "5000"}, workers=workers) as one:
        await one.wait_ready()

        # One of several answers before the others have begun: those would die of what they are told.
        def all_hear() -> bool:
            found = workers_of(one)
            return len(found) == workers and all(map(hears, [one.pid, *found]))

        await until(all_hear, BOOT, "every process listens to signals")
        yield one


UPGRADE = (
    "GET /ws/chat/{room}/ HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

FORM_HEAD = "Content-Type: application/x-www-form-urlencoded\r\n"

CELLS = [
    *(("memory", "fine", workers) for workers in (0, 1)),
    *(("redis", state, workers) for state in ("fine", "slow", "frozen", "down") for workers in (0, 1, 2)),
    *(("rabbitmq", state, workers) for state in ("fine", "slow", "frozen") for workers in (0, 1, 2)),
]
"""What the broker is, how it does, and how many workers there are. Slow: it freezes, and thaws in time."""


@pytest.mark.parametrize(
    ("number", "broker", "state", "workers"),
    [
        *((signal.SIGTERM, *cell) for cell in CELLS),
        # From the signal on it is one way.
        *((signal.SIGINT, *cell) for cell in CELLS if FULL or cell[:2] == ("redis", "frozen")),
    ],
)
async def test_everyone_is_sent_on_with_1012_and_the_instance_is_gone(
    server: Server | None, state: str, workers: int, number: int, room: str, namespace: str
) -> None:
    async with instance_on(server, namespace, workers) as one, Crowd(one, room) as people:
        people.talk()
        for client in people.busy:
            await client.expect("ack")
        if server is not None:
            if state in ("slow", "frozen"):
                server.freeze()
            elif state == "down":
                server.kill()
        sent = await people.under_way()
        entering = [Connection(one, UPGRADE.format(room=f"{room}-{word}")) for word in ("known", "new")]
        for raw in entering:
            await people.meet(raw)
        os.kill(one.pid, number)
        since = time.monotonic()
        leaving = asyncio.create_task(gone(one, since))
        clients = people.well + people.busy
        ends = [asyncio.create_task(told(client, since)) for client in clients]
        if state != "fine":
            await draining(one, room)
        if state == "slow" and server is not None:
            server.thaw()
        allowed = {"ack"} if state in ("fine", "slow") else {"unknown"}
        if state == "slow" and time.monotonic() - since > ANSWER / 2:
            allowed.add("unknown")  # on a machine that has no time for us it may be too late for an answer

        seconds = await asyncio.gather(*ends)
        assert max(seconds) < SENT_ON
        assert await people.chat.wait_done() == 1012
        over_http2 = time.monotonic() - since
        assert over_http2 < SENT_ON
        end = await leaving
        print(f"CELL {workers} {signal.Signals(number).name} {state}: 1012 {max(seconds):.2f} gone {end:.2f}")
        assert end < GONE
        assert one.returncode == 0
        await people.cut_off()
        for speaker, ids in enumerate(sent):
            answers = people.answers(speaker)
            assert answers[ids[-1]] in allowed
            assert all(answers[one_id] == "ack" for one_id in ids if answers[one_id] != answers[ids[-1]])
        for raw in entering:
            status, _, fields = raw.heard.decode("latin-1").partition("\r\n")
            if state in ("frozen", "down"):
                assert status.startswith("HTTP/1.1 503 ")
            assert status.startswith("HTTP/1.1 101 ") or "retry-after" in fields.lower()


@contextlib.asynccontextmanager
async def waiting(
    one: Instance, server: Server, room: str, count: int = 1
) -> AsyncIterator[list[ChatClient]]:
    """Clients with a send under way that a frozen broker does not answer. The last one has none."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(ChatClient(one, room)) for _ in range(count + 1)]
        server.freeze()
        stack.callback(server.thaw)
        for client in clients[:-1]:
            await client.send("under way", "under-way")
            await client.send_frame({"type": "ping"})
            await client.expect("pong")
        yield clients


async def sent_on(clients: list[ChatClient], since: float) -> float:
    """Seconds until all clients of `waiting` were told 1012, and `unknown` before that."""
    seconds = max(await asyncio.gather(*(told(client, since) for client in clients)))
    for client in clients[:-1]:
        await client.expect("unknown", id="under-way")
    return seconds


@SIGNALS
@pytest.mark.parametrize("broker", ["redis"])
@pytest.mark.parametrize(("workers", "whole"), [(0, True), (1, True), (2, True), (2, False)])
async def test_who_is_told_does_not_matter_nor_which_worker_is_done_first(
    server: RedisServer, workers: int, whole: bool, number: int, room: str, namespace: str
) -> None:
    """Ctrl-C in a terminal and systemd reach the workers as well as their parent."""
    async with (
        instance_on(server, namespace, workers) as one,
        waiting(one, server, room) as clients,
    ):
        since = time.monotonic()
        if whole:
            one.signal(number)
        else:
            os.kill(one.pid, number)
        leaving = asyncio.create_task(gone(one, since))
        seconds = await sent_on(clients, since)
        end = await leaving
        print(f"TOLD {workers} {'group' if whole else 'parent'} 1012 {seconds:.2f} gone {end:.2f}")
        assert seconds < SENT_ON
        assert end < GONE
        assert one.returncode == 0


@pytest.mark.parametrize("broker", ["redis"])
@pytest.mark.parametrize(
    ("workers", "first", "second", "whole"),
    [
        (0, signal.SIGTERM, signal.SIGTERM, False),
        (0, signal.SIGTERM, signal.SIGINT, False),
        (1, signal.SIGTERM, signal.SIGTERM, False),
        (1, signal.SIGINT, signal.SIGINT, False),
        (1, signal.SIGTERM, signal.SIGTERM, True),
        (2, signal.SIGINT, signal.SIGINT, True),
        (2, signal.SIGTERM, signal.SIGINT, True),
    ],
)
async def test_a_second_signal_ends_it_at_once(
    server: RedisServer, workers: int, first: int, second: int, whole: bool, room: str, namespace: str
) -> None:
    """With several workers only Ctrl-C, which reaches them: Hypercorn's parent passes no second one on."""
    async with (
        instance_on(server, namespace, workers) as one,
        waiting(one, server, room, 1) as (client, _),
    ):
        tell = one.signal if whole else lambda number: os.kill(one.pid, number)
        tell(first)
        await draining(one, room)
        await until(lambda: not any(map(waits, processes(one.pid))), 5, "all have taken the first signal")
        since = time.monotonic()
        tell(second)
        end = await gone(one, since)
        print(f"SECOND {workers} {signal.Signals(first).name} {signal.Signals(second).name} {end:.2f}")
        assert end < 1
        # Hypercorn's parent forgets how its workers ended.
        assert workers or one.returncode == 128 + second
        # Nobody waited for it.
        assert await client.wait_close(1) == 1006


@pytest.mark.parametrize("broker", ["redis"])
@pytest.mark.parametrize("workers", [1, 2])
async def test_workers_whose_parent_was_killed_drain_and_none_is_left_behind(
    server: RedisServer, workers: int, room: str, namespace: str
) -> None:
    async with (
        instance_on(server, namespace, workers) as one,
        waiting(one, server, room, 4) as clients,
    ):
        assert len(workers_of(one)) == workers
        os.kill(one.pid, signal.SIGKILL)
        since = time.monotonic()
        leaving = asyncio.create_task(gone(one, since))
        seconds = await sent_on(clients, since)
        end = await leaving
        print(f"ORPHAN {workers} 1012 {seconds:.2f} gone {end:.2f}")
        assert seconds < ORPHAN + SENT_ON
        assert end < ORPHAN + GONE


@pytest.mark.parametrize("broker", ["redis"])
async def test_when_one_of_two_workers_is_killed_the_other_drains_and_all_ends(
    server: RedisServer, room: str, namespace: str
) -> None:
    """So does Hypercorn, with the exit code 0: its supervisor has to start it anew whatever the code is."""
    async with (
        instance_on(server, namespace, 2) as one,
        waiting(one, server, room, 8) as clients,
    ):
        os.kill(workers_of(one)[0], signal.SIGKILL)
        since = time.monotonic()
        leaving = asyncio.create_task(gone(one, since))
        codes = await asyncio.gather(*(client.wait_close(SENT_ON) for client in clients))
        assert set(codes) <= {1006, 1012}
        for code, client in zip(codes[:-1], clients[:-1], strict=True):
            if code == 1012:
                await client.expect("unknown", id="under-way")
        end = await leaving
        print(f"WORKER {codes} gone {end:.2f}")
        assert end < GONE


@SIGNALS
@pytest.mark.parametrize("broker", ["redis"])
@pytest.mark.parametrize("workers", [0, 1, 2])
async def test_it_can_be_told_before_it_is_ready(
    server: RedisServer, workers: int, number: int, namespace: str
) -> None:
    server.freeze()
    try:
        async with Instance(f"{server.url}?prefix={namespace}", workers=workers) as one:
            os.kill(one.pid, number)
            assert await gone(one, time.monotonic()) < GONE
            assert one.returncode == 0
    finally:
        server.thaw()


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("point", ["begun", "with workers"])
async def test_it_can_be_told_while_it_starts(workers: int, point: str, redis_url: str) -> None:
    one = Instance(redis_url, workers=workers, tracebacks=True)
    try:
        one.spawn()
        if point == "with workers":
            await until(lambda: len(workers_of(one)) == workers, 10, "the workers are there")
        os.kill(one.pid, signal.SIGTERM)
        # Nobody is in yet, so it may finish its start first. A parent that dies of the signal, since it
        # does not listen yet, leaves its workers to notice.
        await gone(one, time.monotonic())
    finally:
        one.remove()


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
@pytest.mark.parametrize("workers", [0, 1])
async def test_people_of_an_instance_that_leaves_go_on_at_the_other(
    server: Server, workers: int, room: str, namespace: str
) -> None:
    url = f"{server.url}?prefix={namespace}"
    async with instances(2, url, workers) as places, crowd(places, room) as people:
        await people.more(100)
        os.kill(places[0].pid, signal.SIGTERM)
        assert await gone(places[0], time.monotonic()) < GONE
        await people.more(100)
        await people.judge()
        assert people.resets == []


async def test_it_is_gone_in_time_under_load(room: str) -> None:
    async with instances(1, "memory://") as places, crowd(places, room, speakers=8) as people:
        await people.more(100)
        os.kill(places[0].pid, signal.SIGTERM)
        assert await gone(places[0], time.monotonic()) < GONE
        people.leave()
