"""What Hypercorn itself answers to a request that cannot be read."""

from __future__ import annotations

from typing import Any

from hypercorn.protocol.h11 import H11Protocol


def install() -> None:
    """A request's own fault is never told as the server's.

    h11 suggests 501 for a transfer coding that it does not know. Load balancers count that as a fault of
    this instance, and some take it out of service for it: anybody could do that to all of them.
    """
    inner: Any = getattr(H11Protocol, "_send_error_response", None)
    if inner is None or hasattr(inner, "theirs"):
        return

    async def refuse(self: Any, status_code: int) -> None:
        await inner(self, status_code if status_code < 500 else 400)

    refuse.theirs = True  # type: ignore[attr-defined]
    H11Protocol._send_error_response = refuse  # type: ignore[method-assign]
