"""Start, and leave: crash-only. Nothing important depends on anything in here being run to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import tempfile
import threading

from brokers import Broker

from . import hypercorn
from .hub import Hub
from .sessions import EndedSessions
from .settings import SettingsError

log = logging.getLogger("quartchat")

ANSWER_SECONDS = 1.0
"""For sends under way when the order to leave comes."""

GONE_SECONDS = 4.5
"""After which the process ends, whatever still holds it: five were promised."""

WATCH_SECONDS = 1.0
"""Between two looks whether the parent is alive."""


class Lifecycle:
    """Opens the broker and the hub, and closes them."""

    def __init__(self, broker: Broker, hub: Hub, ended: EndedSessions, *, made_up_key: bool) -> None:
        self._broker = broker
        self._hub = hub
        self._ended = ended
        self._made_up_key = made_up_key
        self._drained = False
        self._told = asyncio.Event()

    async def start(self) -> None:
        if self._made_up_key:
            log.warning("no QUARTCHAT_SECRET_KEY: using a key of this process, sessions end with it")
        await self._broker.open(self._hub)
        self._hub.start()
        self._hub.spawn(self._ended.follow())
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            if multiprocessing.parent_process() is not None:
                # A signal for the whole group must not kill a worker that has clients to send on; without
                # a parent, Hypercorn's own handler is in place.
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._told.set)

    async def stop(self) -> None:
        await self.drain()
        await self._hub.stop()
        await self._broker.close()

    async def told(self) -> None:
        """Return when this process should leave although its server was not told: see `hypercorn`."""
        parent = multiprocessing.parent_process()
        while not self._told.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._told.wait()
            if parent is not None and not parent.is_alive():
                log.warning("the parent process is gone: leaving")
                return

    async def drain(self) -> None:
        """Send everyone away, once. The process then ends in time, whatever a client does."""
        if self._drained:
            return
        self._drained = True
        timer = threading.Timer(GONE_SECONDS, os._exit, (0,))
        timer.daemon = True
        timer.start()
        self._again_ends()
        await self._hub.drain(ANSWER_SECONDS)
        # One turn for the close frames to leave.
        await asyncio.sleep(0.05)

    def _again_ends(self) -> None:
        """A second signal ends the process at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, os._exit, 128 + number)

    def install(self) -> None:
        """Have the server drain before it stops. Under another server, `stop` does what is left to do."""
        hypercorn.on_shutdown(self.drain, self.told)


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
