"""Waiting for something to become true, never longer than said."""

# ruff: noqa: ASYNC109 - the time limit is what these functions are for

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

STEP = 0.02
"""Seconds between two looks, where nothing tells us of a change."""


async def until(predicate: Callable[[], Any], timeout: float = 10.0, what: str = "") -> Any:
    """The first true value of `predicate`, which may be plain or async; looked at every 20 ms.

    An `AssertionError` in it counts as "not yet", and is what the failure shows at the end. Where
    something announces its changes (a `Recorder`, a `ChatClient`), wait there instead.
    """
    end = time.monotonic() + timeout
    reason: AssertionError | None = None
    while True:
        try:
            value = predicate()
            if inspect.isawaitable(value):
                value = await asyncio.wait_for(value, max(end - time.monotonic(), STEP))
            if value:
                return value
            reason = None
        except AssertionError as error:
            reason = error
        except TimeoutError:
            reason = None
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout} s: {what or predicate}") from reason
        await asyncio.sleep(STEP)


def until_now(predicate: Callable[[], T], timeout: float, what: str) -> T:
    """The same without an event loop, for starting servers."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(STEP)
