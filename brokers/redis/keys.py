"""How rooms are named inside the server."""

from __future__ import annotations

import math
from urllib.parse import quote

from ..base import Window
from .link import Link


class Keys:
    """Keys, channels and the arguments that every script of ours begins with."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def channel(self, room: str) -> str:
        # Quoted, so that a brace in a room's name cannot end the hash tag that keeps a room in one slot.
        return f"{self.prefix}:{{{quote(room, safe='', errors='surrogatepass')}}}"

    def room(self, room: str) -> tuple[str, str, str, str]:
        base = self.channel(room)
        return f"{base}:meta", f"{base}:log", f"{base}:ids0", f"{base}:ids1"

    @staticmethod
    def state(link: Link, window: Window) -> tuple[str | int, ...]:
        ttl = seconds_to_live(window)
        # The place where a log ended is kept longer than the log: who comes back late learns what is gone.
        return link.run_id, int(link.durability >= 2), window.entries, ttl, ttl * 2 + 3600


def seconds_to_live(window: Window) -> int:
    """For the log of a room where nobody writes; a minute on top for clocks that differ."""
    return math.ceil(window.seconds) + 60
