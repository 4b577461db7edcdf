"""One connection to a Redis server, owned by one task, never reused after a fault.

Why not redis-py's client with its pool: it reconnects by itself inside a command. Then nobody knows whether
a command ran twice (one `xadd()` against a server frozen for 13 s stored two entries), nor that another run
of the server answers now. Here a link is made, used in order, and thrown away at the first doubt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import redis.exceptions
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from ..base import Durability

CONNECT_SECONDS = 3.0
"""A server that does not accept within this is down; the caller tries again."""

Command = tuple[str | bytes | int | float, ...]

FAULTS = (RedisError, OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, EOFError)
"""Whatever a link raises when it is of no more use. `ResponseError` among them: the server's word."""

SILENCE = (asyncio.TimeoutError, redis.exceptions.TimeoutError)
"""Those of them that say: there was no answer at all."""


class Link:
    """A connection that answers commands in order. Any exception out of it means: `drop()` it."""

    def __init__(self, connection: AbstractConnection, run_id: str, durability: Durability) -> None:
        self._connection = connection
        self.run_id = run_id
        """Names this run of the server: another one after each restart or failover."""
        self.durability = durability
        """What the server said it keeps, when this link was made."""

    @classmethod
    async def make(cls, pool: ConnectionPool) -> Link:
        """Connect, log in, and ask the server who it is and what it keeps."""
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                info = _fields(await _ask(connection, ("INFO", "server")))
                # Hosted servers may hide these; then nothing better than D1 is claimed.
                kept = _fields(await _ask(connection, ("INFO", "persistence"), b""))
                durability = Durability.BROKER
                if kept.get("aof_enabled") == "1" and kept.get("aof_last_write_status", "ok") == "ok":
                    policy = await _ask(connection, ("CONFIG", "GET", "appendfsync"), [])
                    always = isinstance(policy, list) and b"always" in policy
                    durability = Durability.POWER if always else Durability.CRASH
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return cls(connection, info.get("run_id", ""), durability)

    async def call(self, commands: Sequence[Command], seconds: float) -> list[Any]:
        """Send commands in one write, and answer their replies in order; an error reply is a value."""
        connection = self._connection
        replies: list[Any] = []
        async with asyncio.timeout(seconds):
            packed = connection.pack_commands(commands)
            await _write(connection.send_packed_command(packed, check_health=False))
            for _ in commands:
                try:
                    replies.append(await connection.read_response(disable_decoding=True, timeout=None))
                except ResponseError as error:
                    replies.append(error)
        return replies

    async def send(self, *command: str) -> None:
        """Send one command whose reply comes by `receive`."""
        await _write(self._connection.send_command(*command, check_health=False))

    async def receive(self) -> Any:
        """The next reply or pushed message, however long it takes."""
        return await self._connection.read_response(disable_decoding=True, timeout=None)

    async def drop(self) -> None:
        """Close without waiting for the server. A task inside `receive` gets an error."""
        await self._connection.disconnect(nowait=True)


def pool_for(url: str) -> ConnectionPool:
    """The settings in a URL, as something that makes connections. Raise `ValueError` for a bad URL."""
    return ConnectionPool.from_url(
        url,
        protocol=2,  # one shape of replies; pushed messages are told apart by their kind
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=None,
        health_check_interval=0,
    )


async def _write(work: Coroutine[Any, Any, Any]) -> None:
    """Write to a connection that may have been reset meanwhile. Raise one of `FAULTS` where it was.

    uvloop raises `RuntimeError` then, and asyncio from Python 3.12 on stumbles over its own closed transport
    (`AttributeError`): nothing to be told from a bug, so all of it is a lost connection.
    """
    try:
        await work
    except FAULTS:
        raise
    except Exception as error:
        raise ConnectionError(f"{type(error).__name__} while writing") from error


async def _ask(connection: AbstractConnection, command: Command, default: Any = None) -> Any:
    await _write(connection.send_command(*command, check_health=False))
    try:
        return await connection.read_response(disable_decoding=True, timeout=None)
    except ResponseError:
        if default is None:
            raise
        return default


def _fields(info: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}
