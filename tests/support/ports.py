"""Free ports on loopback."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_FIRST = 20_000


def free_port() -> int:
    """A TCP port that nobody uses now, below the range that outgoing connections take theirs from.

    A server that is down for a while must find its port free again. And a client that keeps trying
    a port of the outgoing range may, by chance, be given that very port and end up connected to
    itself.
    """
    for _ in range(200):
        port = random.randrange(_FIRST, _first_outgoing())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port on 127.0.0.1 after 200 tries")


def _first_outgoing() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
        return max(int(text.split()[0]), _FIRST + 1000)
    except OSError:
        return 32_768
