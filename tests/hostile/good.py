"""The good client beside the attackers, in a process of its own: how long does it wait?

    python -m tests.hostile.good PORT PID

Until its input ends it says something every tenth of a second and waits until that came back by way of the
log; in between it opens a socket of its own, or a page. Then it prints JSON: for `message`, `join` and `page`
pairs of seconds, the whole wait and how much of it the instance (process PID) and this client were ready to
run and got no core. That part is the machine's: what else runs there decides it.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

PAUSE = 0.1
PATIENCE = 30.0


def main(port: int, pid: int) -> None:
    waits: dict[str, list[tuple[float, float]]] = {"message": [], "join": [], "page": []}

    @contextlib.contextmanager
    def noted(what: str) -> Iterator[None]:
        queued, began = _queued(pid), time.perf_counter()
        yield
        waits[what].append((time.perf_counter() - began, max(0.0, _queued(pid) - queued)))

    turn = 0
    with _join(port) as member:
        assert _next(member)["type"] == "welcome"
        while not _told(PAUSE):
            turn += 1
            with noted("message"):
                _say(member, f"good-{turn}")
            if turn % 2:
                with contextlib.ExitStack() as ends, noted("join"):
                    other = ends.enter_context(_join(port))
                    assert _next(other)["type"] == "welcome"
            else:
                with noted("page"):
                    _page(port)
    json.dump(waits, sys.stdout)


def _queued(pid: int) -> float:
    """Seconds that the instance's main thread and ours have stood in the system's queue for a core, ever; 0
    where it does not say (proc(5): schedstat, the second number)."""
    queued = 0
    for each in (Path(f"/proc/{pid}/schedstat"), *Path("/proc/self/task").glob("*/schedstat")):
        with contextlib.suppress(OSError):  # a thread has ended, or this is another system
            queued += int(each.read_text().split()[1])
    return queued / 1e9


def _told(pause: float) -> bool:
    """Whether the input has ended."""
    readable, _, _ = select.select([sys.stdin], [], [], pause)
    return bool(readable)


def _join(port: int) -> ClientConnection:
    url = f"ws://127.0.0.1:{port}/ws/chat/good/?history=0"
    return connect(url, subprotocols=[Subprotocol("quartchat.v1")], compression=None, proxy=None)


def _next(link: ClientConnection) -> Any:
    return json.loads(link.recv(PATIENCE))


def _say(link: ClientConnection, message_id: str) -> None:
    link.send(json.dumps({"type": "send", "id": message_id, "message": "still here"}))
    while True:
        frame = _next(link)
        assert frame.get("type") not in ("nack", "unknown", "reset"), frame
        if frame.get("type") == "message" and frame["id"] == message_id:
            return


def _page(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as link:
        link.sendall(b"GET /chat/good/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = link.recv(15)
        assert head.startswith(b"HTTP/1.1 200"), head
        while link.recv(65536):
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
