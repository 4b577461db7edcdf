"""Start, and leave: crash-only. Nothing important depends on anything in here being run to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable

from brokers import Broker

from . import hypercorn
from .hub import Hub
from .settings import SettingsError

log = logging.getLogger("quartchat")

ANSWER_SECONDS = 1.0
"""For what is under way when the order to leave comes; what the broker has not answered then, it will not."""

TELL_SECONDS = 0.5
"""For `unknown` to be told to whoever waits for an answer."""

GONE_SECONDS = 4.5
"""After which the process ends, whatever still holds it: five were promised."""

WATCH_SECONDS = 1.0
"""Between two looks whether the parent is alive."""


GARBAGE = (20_000, 20, 20)
"""Python's own (700, 10, 10) looks through every object of the process again and again while connections
come: a quarter of what a connection cost. Reference counts free nearly everything here."""


class Lifecycle:
    """Opens the broker and the hub, and closes them."""

    def __init__(self, broker: Broker, hub: Hub, *, made_up_key: bool) -> None:
        self._broker = broker
        self._hub = hub
        self._made_up_key = made_up_key
        self._told = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._heard: set[int] = set()

    async def start(self) -> None:
        if self._made_up_key:
            log.warning("no QUARTCHAT_SECRET_KEY: using a key of this process, sessions end with it")
        gc.collect()
        gc.freeze()  # what is there now stays for good
        gc.set_threshold(*GARBAGE)
        await self._broker.open(self._hub)
        self._hub.start()
        for ledger in self._hub.ledgers.values():
            self._hub.spawn(ledger.follow())

    async def stop(self) -> None:
        await self.drain()
        await self._hub.stop()
        await self._close_broker()
        self._hear_nothing()

    async def told(self) -> None:
        """Return when this process should leave although its server was not told: see `hypercorn`."""
        parent = multiprocessing.parent_process()
        if parent is not None:
            # A signal for the whole group must not kill a worker that has clients to send on; without a
            # parent, Hypercorn's own handlers are in place.
            self._hear(self._leave_or_end)
        while not self._told.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._told.wait()
            if parent is not None and not parent.is_alive():
                log.warning("the parent process is gone: leaving")
                return

    async def drain(self) -> None:
        """Send everyone away; whoever calls it again waits with the first."""
        if self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain())
        await asyncio.shield(self._draining)

    async def _drain(self) -> None:
        # A closed broker answers `unknown`, and nothing that waits for it is held up any longer.
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._close_broker)
        await self._hub.drain(ANSWER_SECONDS + TELL_SECONDS)
        # One turn for the close frames to leave.
        await asyncio.sleep(0.05)

    async def _leave(self) -> None:
        """Drain because the process was told to end: it does in time, whatever a client does."""
        timer = threading.Timer(GONE_SECONDS, os._exit, (0,))
        timer.daemon = True
        timer.start()
        if multiprocessing.parent_process() is None:
            self._hear(_end)
        await self.drain()

    def _close_broker(self) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._broker.close())
        return self._closing

    def _leave_or_end(self, number: int) -> None:
        """What a worker does with a signal of its own: leave, or end at once where that is the second.

        Its parent hears the signals too, and passes them on by an event, up to a tenth of a second later:
        two that come fast are one there. Who sends SIGTERM to each process in turn (systemd) may be
        overtaken by the event, so a worker's first one never ends it. And of several workers, Hypercorn
        sends SIGTERM to all as soon as one has ended.
        """
        interrupted = number == signal.SIGINT and self._draining is not None
        if not self._told.is_set() and not interrupted:
            self._told.set()
        elif number == signal.SIGINT or hypercorn.alone():
            _end(number)

    def _hear(self, handle: Callable[[int], None]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(number, handle, number)
                self._heard.add(number)

    def _hear_nothing(self) -> None:
        """The loop is about to close: a signal would find it half closed, or end a process that is ending."""
        for number in self._heard:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def install(self) -> None:
        """Have the server drain before it stops. Under another server, `stop` does what is left to do."""
        hypercorn.on_shutdown(self._leave, self.told, _end)


def _end(number: int = signal.SIGTERM) -> None:
    os._exit(128 + number)


def only_worker() -> None:
    """Refuse to run beside a sibling: rooms in memory would be split between them, silently.

    Servers start workers with `multiprocessing`; siblings share a parent, and the first takes a lock named
    after it. Raise `SettingsError` in all others.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    path = os.path.join(tempfile.gettempdir(), f"quartchat-{os.getuid()}-{parent.pid}.lock")
    # Held, and so not closed, until the process ends.
    handle = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SettingsError(
            "QUARTCHAT_BROKER: memory:// keeps rooms in one process, so it takes one worker (-w 1);"
            " use redis:// or amqp:// for more"
        ) from None
