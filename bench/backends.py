"""The private Redis and RabbitMQ of a campaign, started when the first peer needs them."""

# ruff: noqa: S603 - asks a program for its version

from __future__ import annotations

import os
import re
import secrets
import subprocess

from bench import usage
from bench.cores import cores
from tests.support.rabbitmq_server import RabbitMQServer
from tests.support.redis_server import RedisServer


class Backends:
    """One server of each kind; `close` ends what was started."""

    def __init__(self) -> None:
        self._servers: dict[str, RedisServer | RabbitMQServer] = {}
        self._pids: dict[str, list[int]] = {}
        self.versions: dict[str, str] = {}

    @staticmethod
    def missing(kind: str) -> str | None:
        return RedisServer.missing() if kind == "redis" else RabbitMQServer.missing()

    def url(self, kind: str) -> str:
        """The server's address; it runs when this returns."""
        if kind not in self._servers:
            before = set(usage.tree(os.getpid()))
            # Safe, as the chat wants it: every write in the log on disk, synced each second.
            server = RedisServer("everysec") if kind == "redis" else RabbitMQServer()
            self._servers[kind] = server
            server.start()
            self._pids[kind] = [pid for pid in usage.tree(os.getpid()) if pid not in before]
            usage.place(self._pids[kind], cores().broker)
            self.versions[kind] = _version(server)
        return self._servers[kind].url

    def fresh_url(self, kind: str) -> str:
        """The same for the chat: rooms that nobody used before."""
        return f"{self.url(kind)}?prefix=bench{secrets.token_hex(4)}"

    def wipe(self, kind: str) -> None:
        """Nothing of the trial before shall slow the next."""
        server = self._servers[kind]
        if isinstance(server, RedisServer):
            server.wipe()

    def pids(self, kind: str) -> list[int]:
        return self._pids[kind]

    def close(self) -> None:
        for server in self._servers.values():
            server.remove()
        self._servers.clear()


def _version(server: RedisServer | RabbitMQServer) -> str:
    if isinstance(server, RabbitMQServer):
        return server.ctl("version").strip().splitlines()[-1]
    text = subprocess.run([server.binary, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\S+)", text)
    return found[1] if found else text.strip()
