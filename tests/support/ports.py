"""Free ports on loopback."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

_FIRST = 20_000

_SLOTS = 16
"""Processes of tests at once that have ports of their own; more would share some."""

_dice = random.SystemRandom()
"""Not the global generator: hypothesis sets it back, in every process to the same."""

_given: list[int] = []


def free_port() -> int:
    """A TCP port that nobody uses now, below the range that outgoing connections take theirs from.

    A server that is down for a while must find its port free again. And a client that keeps trying
    a port of the outgoing range may, by chance, be given that very port and end up connected to
    itself. Nobody else is given this port meanwhile: from being chosen until it is bound, and while
    its server is down, it looks as free as any.
    """
    mine = range(_FIRST + _slot(), _first_outgoing(), _SLOTS)
    for _ in range(200):
        port = _dice.choice(mine)
        if port in _given[-(len(mine) // 2) :]:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.append(port)
            return port
    raise RuntimeError("no free port on 127.0.0.1 after 200 tries")


@cache
def _slot() -> int:
    """A number that no other running process of tests on this machine has."""
    for number in range(_SLOTS):
        path = os.path.join(tempfile.gettempdir(), f"quartchat-ports-{os.getuid()}-{number}.lock")
        # Held, and so not closed, until the process ends.
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number
        except OSError:
            os.close(handle)
    return os.getpid() % _SLOTS


def _first_outgoing() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
        return max(int(text.split()[0]), _FIRST + 1000)
    except OSError:
        return 32_768
