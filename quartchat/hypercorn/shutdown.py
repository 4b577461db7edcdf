"""Being told to stop: the chat drains before the server ends anything, and nobody can hold it up after."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hypercorn.asyncio import run
from hypercorn.utils import ShutdownError

from .connection import cut_all

REST_SECONDS = 1.0
"""After the drain, for requests under way; then their connections are cut. Hypercorn would wait for them
without end on Python 3.12.1 and later, and on 3.11 cancel them, with a traceback each."""


def on_shutdown(
    drain: Callable[[], Awaitable[None]],
    also: Callable[[], Coroutine[Any, Any, None]],
    again: Callable[[], None],
) -> bool:
    """Have Hypercorn call `drain` when it was told to stop, before it ends anything; whether that worked.

    `also` is one more reason to stop: it returns when the process should leave by itself. All ways to stop
    (a signal with `-w 0`, the parent's event with `-w N`, `max_requests`) pass `raise_shutdown`, which the
    worker looks up when it starts to serve, after this application was imported. `again` is called when
    the parent is told once more, with `-w 1`.
    """
    module: Any = run
    if not hasattr(module, "raise_shutdown"):
        return False
    watches: set[asyncio.Task[None]] = set()

    async def raise_shutdown(trigger: Callable[..., Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        waits = {loop.create_task(_wait(trigger)), loop.create_task(also())}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waits:
                task.cancel()
        watches.add(loop.create_task(_second(trigger, again)))
        await drain()
        loop.call_later(REST_SECONDS, cut_all)
        raise ShutdownError

    module.raise_shutdown = raise_shutdown
    return True


def alone() -> bool:
    """Whether this process is the only worker of its parent."""
    config = getattr(multiprocessing.current_process(), "_kwargs", {}).get("config")
    return getattr(config, "workers", None) == 1


async def _wait(trigger: Callable[..., Awaitable[None]]) -> None:
    await trigger()


async def _second(trigger: Callable[..., Awaitable[None]], again: Callable[[], None]) -> None:
    """Call `again` when the parent was told a second time: it sets its event once more.

    Only where this is its only worker: of several, another might not have seen the event yet.
    """
    event: Any = next(iter(getattr(trigger, "args", ())), None)
    if hasattr(event, "clear") and alone():
        await trigger()
        event.clear()
        await trigger()
        again()
