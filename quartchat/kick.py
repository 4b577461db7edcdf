"""The command: `python -m quartchat.kick ID…`, for whoever runs the chat.

Ends the sessions of people by their `user.id`, as if they had left: their sockets are closed on every
instance, and their cookies are worth nothing. It needs the same environment as the instances.
"""

from __future__ import annotations

import asyncio
import sys

import brokers

from . import protocol
from .sessions import EndedSessions
from .settings import Settings, SettingsError

DONE, FAILED, BAD_INPUT = 0, 1, 2

PATIENCE = 10.0
"""Seconds for the broker to take each end."""


async def kick(settings: Settings, people: list[str]) -> None:
    """End all of their sessions. Raise `BrokerError` or `TimeoutError` where the broker does not take it."""
    window = brokers.Window(settings.history, settings.history_seconds)
    broker = brokers.connect(settings.broker, window=window)
    await broker.open(brokers.Listener())
    try:
        ended = EndedSessions(broker, lambda user_id, moment: None)
        for user_id in people:
            async with asyncio.timeout(PATIENCE):
                await ended.end(user_id)
    finally:
        await broker.close()


def main(people: list[str]) -> int:
    """What the command ends with."""
    if not people or not all(map(protocol.is_id, people)):
        print("kick: give ids of people, as frames and the log of a room have them", file=sys.stderr)
        return BAD_INPUT
    try:
        settings = Settings.of_process()
        if settings.in_memory:
            raise SettingsError("QUARTCHAT_BROKER: what is in the memory of a process can only end with it")
        asyncio.run(kick(settings, people))
    except (SettingsError, brokers.BrokerConfigError) as error:
        print(f"kick: {error}", file=sys.stderr)
        return BAD_INPUT
    except (brokers.BrokerError, TimeoutError):
        print("kick: the broker did not answer", file=sys.stderr)
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
