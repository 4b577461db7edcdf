"""One AMQP connection, and a way to ask it something that always ends.

aiormq and not aio-pika's wrappers above it: those restore consumers with their first offset, and give a
returned message back as a value. `Link.drop` aborts the socket: a frozen server answers no polite close.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiormq
from aiormq.abc import AbstractChannel
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory

log = logging.getLogger("brokers.rabbitmq")

# The driver logs a traceback for each lost link and a warning for each call that was cut short. We own the
# reconnect and tell it in one line; a fault in our own callbacks ("aiormq.channel", ERROR) is still shown.
for _name, _level in (("aiormq.connection", logging.CRITICAL), ("aiormq.channel", logging.ERROR)):
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(_level)

T = TypeVar("T")

ANSWER = 3.0
"""Seconds that the server may take for one answer. Two tries fit into `APPEND_DEADLINE`."""


class Trouble(Exception):
    """The server, or the way to it, did not do what was asked. The text is one line without secrets."""


class Silence(Trouble):
    """No answer in time: whoever asked knows nothing, and the link is to be doubted."""


async def ask(work: Coroutine[Any, Any, T], seconds: float = ANSWER) -> T:
    """The result of a driver's call; `Trouble` for whatever else comes of it, a late answer included.

    In a task of its own: where a heartbeat fails, aiormq cancels whoever waits for it, and only there can
    that be told from a cancellation of ours.
    """
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_retrieve)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if not task.done():
        raise Silence(f"no answer in {seconds:g} s")
    return outcome_of(task)


def outcome_of(task: asyncio.Task[T]) -> T:
    """The result of a task that is done, or `Trouble`."""
    if task.cancelled():
        raise Trouble("the connection was lost")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, Exception):
        text = " ".join(str(error).split())
        raise Trouble(f"{type(error).__name__}: {text[:200]}") from error
    raise error


class Link:
    """One connection to the server. Made, used and dropped; never mended."""

    def __init__(self, url: str) -> None:
        self._tap = _Tap(url)
        self._connection = aiormq.Connection(url, transport_factory=self._tap)
        self.lost: asyncio.Future[Trouble] = asyncio.get_running_loop().create_future()
        """Done, with the reason, from the moment on at which this link is of no use."""

    async def open(self) -> None:
        """Connect and log in. Raise `Trouble`."""
        await ask(self._connection.connect({"connection_name": "quartchat"}), ANSWER)
        self._connection.closing.add_done_callback(lambda _: self.fail("the connection was closed"))

    async def channel(self, *, confirms: bool) -> AbstractChannel:
        return await ask(self._connection.channel(publisher_confirms=confirms, on_return_raises=True))

    @property
    def blocked(self) -> bool:
        """The server takes nothing in (a disk or memory alarm). It still sends."""
        ready = self._connection.ready()
        try:
            ready.send(None)
        except StopIteration:
            return False
        finally:
            ready.close()
        return True

    def fail(self, reason: Trouble | str) -> None:
        """Say that the link is of no use any more."""
        if not self.lost.done():
            self.lost.set_result(Trouble(reason) if isinstance(reason, str) else reason)

    async def close(self) -> None:
        """Part in peace where that is possible, and let go of the socket in any case."""
        polite = not self.lost.done()
        self.fail("closed")
        if polite:
            with contextlib.suppress(Trouble):
                await ask(self._connection.close(), 1.0)
        self._tap.abort()
        # Lets the driver's own tasks see the end of the socket, and end.
        with contextlib.suppress(Trouble):
            await ask(self._connection.close(), 2.0)


class _Tap(TransportFactory):
    """Makes the driver's transport, and keeps a hand on it."""

    def __init__(self, url: str) -> None:
        secure = url.startswith("amqps:")
        self._factory = TLSTransportFactory() if secure else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: Any, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, self._writer = await self._factory.create(url, **kwargs)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


def _retrieve(task: asyncio.Task[Any]) -> None:
    # The outcome of a call that nobody waits for any more leaves no warning behind.
    if not task.cancelled():
        task.exception()
