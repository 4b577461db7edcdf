"""Signals: one direct exchange, a queue of our own on each link, a binding for each followed room."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import Annotated

import msgspec
from aiormq.abc import AbstractChannel, DeliveredMessage

from .link import Link, Silence, Trouble, ask
from .wire import Options

MAX_WAITING = 1000
"""Signals that wait to be sent; beyond that the newest is dropped, as signals may be."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Annotated[list[bytes], msgspec.Meta(max_length=MAX_WAITING)]).decode


class Signals:
    """Sends and hears signals, and keeps the bindings as they are wanted."""

    def __init__(
        self, options: Options, hear: Callable[[str, bytes], None], reject: Callable[[str], None]
    ) -> None:
        self._options = options
        self._hear = hear
        self._reject = reject
        self._wanted: set[str] = set()
        self._bound: set[str] = set()
        self._waiting: dict[str, list[bytes]] = {}
        self._count = 0
        self._work = asyncio.Event()
        self._settled = asyncio.Event()
        self._channel: AbstractChannel | None = None
        # Longer than any room's name, so that it is none.
        self._own = f"{secrets.token_hex(16):>240}"
        self._echoes: dict[bytes, asyncio.Future[None]] = {}

    def want(self, room: str) -> None:
        """Bind the room, now or when there is a link again."""
        self._wanted.add(room)
        self._work.set()

    def drop(self, room: str) -> None:
        self._wanted.discard(room)
        self._work.set()

    async def bound(self, room: str) -> None:
        """Wait until the server has confirmed the room's binding, or nobody wants it any more."""
        while room in self._wanted and room not in self._bound:
            await self._settled.wait()

    def send(self, room: str, data: bytes) -> None:
        if self._channel is not None and self._count < MAX_WAITING:
            self._waiting.setdefault(room, []).append(data)
            self._count += 1
            self._work.set()

    async def echo(self, seconds: float) -> None:
        """Send something through the exchange to ourselves. Raise `Trouble` where it stays away."""
        token = secrets.token_bytes(8)
        back: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._echoes[token] = back
        try:
            async with asyncio.timeout(seconds):
                if self._channel is None:
                    raise Trouble("not connected")
                self.send(self._own, token)
                await back
        except TimeoutError:
            raise Silence(f"a signal to ourselves did not come back in {seconds:g} s") from None
        finally:
            del self._echoes[token]

    async def serve(self, link: Link, ready: Callable[[], None]) -> None:
        """Work on one link until it, or what we made there, is lost. Raise `Trouble`."""
        exchange = self._options.exchange
        try:
            channel = await link.channel(confirms=False)
            await ask(channel.exchange_declare(exchange, exchange_type="direct", durable=True))
            # A name from the server: a half-dead older link may hold the last one for a while.
            queue = (await ask(channel.queue_declare(exclusive=True, auto_delete=True))).queue or ""
            channel.on_consumer_cancel_callbacks.add(lambda _: link.fail("signal queue deleted"))
            channel.closing.add_done_callback(lambda _: link.fail("signal channel closed"))
            await ask(channel.basic_consume(queue, self._on_message, no_ack=True))
            await ask(channel.queue_bind(queue, exchange, self._own))
            self._bound.clear()
            self._channel = channel
            self._work.set()
            first = True
            while True:
                await self._work.wait()
                self._work.clear()
                await self._send_all(channel, exchange)
                await self._bind_all(channel, queue, exchange)
                if first:
                    first = False
                    ready()
        finally:
            self._channel = None
            self._bound.clear()
            self._waiting.clear()
            self._count = 0
            for back in self._echoes.values():
                if not back.done():
                    back.set_exception(Trouble("the link was lost"))

    async def _send_all(self, channel: AbstractChannel, exchange: str) -> None:
        waiting, self._waiting, self._count = self._waiting, {}, 0
        for room, signals in waiting.items():
            await ask(channel.basic_publish(_pack(signals), exchange=exchange, routing_key=room))

    async def _bind_all(self, channel: AbstractChannel, queue: str, exchange: str) -> None:
        """Many at a time, and one confirmation for all: the channel keeps their order."""
        fresh, stale = self._wanted - self._bound, self._bound - self._wanted
        for room in stale:
            await ask(channel.queue_unbind(queue, exchange, room))
        for room in fresh:
            await ask(channel.queue_bind(queue, exchange, room, nowait=True))
        if fresh:
            await ask(channel.queue_bind(queue, exchange, self._own))
        self._bound = self._bound - stale | fresh
        if fresh or stale:
            settled, self._settled = self._settled, asyncio.Event()
            settled.set()

    async def _on_message(self, message: DeliveredMessage) -> None:
        room = message.routing_key
        try:
            signals = _unpack(message.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self._reject(room or "")  # not ours
            return
        for data in signals:
            if room != self._own:
                self._hear(room or "", data)
            elif data in self._echoes:
                with contextlib.suppress(asyncio.InvalidStateError):
                    self._echoes[data].set_result(None)
