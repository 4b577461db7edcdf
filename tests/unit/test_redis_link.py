"""A link to Redis that broke while nobody used it."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("redis")

from brokers import Durability
from brokers.redis.link import FAULTS, Link


class Reset:
    """A connection whose socket is gone; what it raises is another one for each event loop."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def pack_commands(self, commands: Any) -> Any:
        return commands

    async def send_packed_command(self, *_: Any, **__: Any) -> None:
        raise self.error

    async def send_command(self, *_: Any, **__: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("unable to perform operation on <TCPTransport closed=True>"),  # uvloop
        AttributeError("'NoneType' object has no attribute '_add_writer'"),  # asyncio from Python 3.12 on
        ConnectionResetError(),
    ],
)
async def test_whatever_a_write_to_it_raises_is_a_lost_connection(error: Exception) -> None:
    link = Link(Reset(error), "run", Durability.BROKER)  # type: ignore[arg-type]
    with pytest.raises(FAULTS):
        await link.call([("PING",)], 1.0)
    with pytest.raises(FAULTS):
        await link.send("PING")
