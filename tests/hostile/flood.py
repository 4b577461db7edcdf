"""What a flood does to the others: the time that a good client waits, before and meanwhile.

    python -m tests.hostile.flood [--seconds N] [--rounds N] [--off]

One instance behind one configured proxy (which this program plays), every limit at its default; `--off`
switches them off, for comparison. The good client comes from an address of its own and says something nine
times a second; it and the flooders are processes of their own. Flooders stand for other machines: they run
only where a core is idle, and take nothing from the instance but by what they send. Prints milliseconds:
p50 and p99 of a message until it came back, and the share of a core that the instance used meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tests.support.instance import Instance

from . import frames
from .good import PATIENCE
from .link import handshake

GOOD = 10

PAUSE = 0.11
"""Seconds between two messages of one good client, on average: ten come at times of their own."""

WARM = 15.0
"""Seconds of flood before they begin: what a burst allows at once is over then."""

FAR, NEAR = "198.51.100.7", "203.0.113.9"

OFF: dict[str, str | None] = {
    "QUARTCHAT_MESSAGE_RATE": "0",
    "QUARTCHAT_MAX_CONNECTIONS_PER_SESSION": "0",
    "QUARTCHAT_MAX_CONNECTIONS_PER_ADDRESS": "0",
}


async def _join(
    port: int, room: str, address: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """A socket of a guest; None where it was refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    hello = handshake(f"/ws/chat/{room}/?history=0", plain=False)
    writer.write(hello[:-2] + f"X-Forwarded-For: {address}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " in head:
        return reader, writer
    writer.transport.abort()
    return None


def _send(number: int) -> bytes:
    return frames.frame(json.dumps({"type": "send", "id": f"f{number}", "message": "spam"}).encode())


async def _drink(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65536):
            pass


async def _pour(port: int, room: str) -> None:
    """Say things as fast as they are taken, and read all answers."""
    joined = await _join(port, room, FAR)
    if joined is None:
        return
    reader, writer = joined
    drinking = asyncio.create_task(_drink(reader))
    for number in itertools.count():
        writer.write(b"".join(_send(100 * number + n) for n in range(100)))
        try:
            await writer.drain()
        except OSError:
            break
        if drinking.done():
            break
    await drinking


async def _one(port: int) -> None:
    """One session at full speed."""
    while True:
        await _pour(port, "flood")


async def _many(port: int) -> None:
    """A hundred sessions of one address at full speed."""

    async def again(room: str) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await _pour(port, room)

    await asyncio.gather(*(again(f"flood{number % 5}") for number in range(100)))


async def _rooms(port: int) -> None:
    """A room made, said something in and left, again and again, by fifty at a time."""
    numbers = itertools.count()

    async def again() -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                joined = await _join(port, f"made-{next(numbers)}", FAR)
                if joined is not None:
                    joined[1].write(_send(0))
                    await joined[1].drain()
                    joined[1].transport.abort()

    await asyncio.gather(*(again() for _ in range(50)))


async def _pages(port: int) -> None:
    """Pages asked for, by fifty at a time."""

    async def again() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                ask = (
                    f"GET /chat/x/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {FAR}\r\nConnection: close\r\n\r\n"
                )
                writer.write(ask.encode())
                await _drink(reader)
                writer.transport.abort()

    await asyncio.gather(*(again() for _ in range(50)))


FLOODS: Mapping[str, Callable[[int], Awaitable[None]]] = {
    "one session": _one,
    "one address, a hundred sessions": _many,
    "rooms made and left": _rooms,
    "pages": _pages,
}


async def _good(port: int, seconds: float, room: str) -> list[float]:
    """Seconds from saying something until it comes back, in a room of its own."""
    joined = await _join(port, room, NEAR)
    assert joined is not None
    reader, writer = joined
    waits = []
    await asyncio.sleep(random.random() * PAUSE)
    end = time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > end:
            break
        mark = f'"f{number}"'.encode()
        began = time.perf_counter()
        writer.write(_send(number))
        seen = b""
        async with asyncio.timeout(PATIENCE):
            while not (b'"type":"message"' in seen and mark in seen.partition(b'"type":"message"')[2]):
                assert b'"nack"' not in seen
                seen += await reader.read(65536)
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(random.uniform(0.5, 1.5) * PAUSE)
    writer.transport.abort()
    return waits


async def _goods(port: int, seconds: float) -> list[float]:
    """Ten of them: a hundredth of what one can say in this time would be a single message."""
    await asyncio.sleep(WARM)
    found = await asyncio.gather(*(_good(port, seconds, f"good{number}") for number in range(GOOD)))
    return [wait for waits in found for wait in waits]


def _cpu(pid: int) -> float:
    """Seconds of a core that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _trial(
    env: Mapping[str, str | None], flood: str | None, seconds: float
) -> tuple[list[float], float]:
    async with Instance("memory://", env) as one:
        flooder = None
        if flood is not None:
            flooder = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.hostile.flood", "--flood", flood, "--port", str(one.port)
            )
        began, used = time.monotonic(), _cpu(one.pid)
        try:
            good = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-m",
                    "tests.hostile.flood",
                    "--good",
                    str(seconds),
                    "--port",
                    str(one.port),
                ),
                stdout=asyncio.subprocess.PIPE,
            )
            told, _ = await good.communicate()
            waits: list[float] = json.loads(told)
            return waits, (_cpu(one.pid) - used) / (time.monotonic() - began)
        finally:
            if flooder is not None:
                flooder.kill()
                await flooder.wait()


def _p(waits: list[float], percent: int) -> float:
    return 1000 * statistics.quantiles(waits, n=100)[percent - 1]


async def _main(seconds: float, rounds: int, off: bool) -> None:
    env: dict[str, str | None] = {"QUARTCHAT_TRUSTED_PROXIES": "1", **(OFF if off else {})}
    found: dict[str | None, list[float]] = {}
    for _ in range(rounds):
        for flood in (None, *FLOODS):
            waits, share = await _trial(env, flood, seconds)
            found.setdefault(flood, []).append(_p(waits, 99))
            told = f"p50 {_p(waits, 50):7.2f}  p99 {_p(waits, 99):7.2f}  core {share:4.0%}"
            print(f"{flood or 'nobody':34} {told}", flush=True)
    calm = statistics.median(found[None])
    for flood in FLOODS:
        print(f"{flood:34} {statistics.median(found[flood]) / calm:.2f} times the p99 of nobody")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--off", action="store_true")
    options.add_argument("--flood")
    options.add_argument("--good", type=float)
    options.add_argument("--port", type=int)
    given = options.parse_args()
    if given.flood:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        asyncio.run(FLOODS[given.flood](given.port))  # type: ignore[arg-type]
    elif given.good:
        print(json.dumps(asyncio.run(_goods(given.port, given.good))))
    else:
        asyncio.run(_main(given.seconds, given.rounds, given.off))
