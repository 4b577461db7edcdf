"""A private Redis server."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Literal

from .ports import free_port
from .process import Process
from .waiting import until_now

Persistence = Literal["none", "snapshots", "everysec", "always"]

_OPTIONS: dict[Persistence, list[str]] = {
    "none": ["--save", "", "--appendonly", "no"],
    # What a server has that nobody configured: nothing is written before a minute is over.
    "snapshots": ["--save", "3600 1 300 100 60 10000", "--appendonly", "no"],
    "everysec": ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"],
    "always": ["--save", "", "--appendonly", "yes", "--appendfsync", "always"],
}


class RedisServer:
    """redis-server on a port of 127.0.0.1 (the same over restarts); data in a temporary folder."""

    binary = "redis-server"

    def __init__(self, persistence: Persistence = "none", *options: str) -> None:
        self.persistence = persistence
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="quartchat-redis-"))
        command = [
            *[
                self.binary,
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(self.folder),
            ],
            *["--maxmemory-policy", "noeviction", "--daemonize", "no"],
            *_OPTIONS[persistence],
            *options,
        ]
        self._process = Process(command, log=self.folder / "redis.log", env=os.environ, cwd=self.folder)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> str:
        return self._process.log

    @property
    def running(self) -> bool:
        return self._process.running

    @classmethod
    def missing(cls) -> str | None:
        """What stands in the way of starting one."""
        return None if shutil.which(cls.binary) else "redis-server is not installed"

    def start(self) -> None:
        """Start it; returns when it answers PING (loading its data included)."""
        self._process.start()
        try:
            until_now(self._answers, 20, "redis-server answers PING")
        except AssertionError as error:
            self._process.kill()
            raise AssertionError(f"{error}\n{self.log}") from None

    def stop(self) -> None:
        """End it in an orderly way."""
        if self.running:
            self._process.thaw()
            self._process.terminate()

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()

    def freeze(self) -> None:
        """It keeps its connections and port, and does nothing."""
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    def wipe(self) -> None:
        """FLUSHALL."""
        answer = self.command("FLUSHALL")
        if not answer.startswith(b"+OK"):
            raise AssertionError(f"FLUSHALL: {answer!r}")

    def save(self) -> None:
        """Write a snapshot now."""
        answer = self.command("SAVE")
        if not answer.startswith(b"+OK"):
            raise AssertionError(f"SAVE: {answer!r}")

    def command(self, *words: str, timeout: float = 5) -> bytes:
        """The answer to one command; of several parts (an array) what has come of the first ones."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as link:
            encoded = [word.encode() for word in words]
            link.sendall(
                b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in encoded)
            )
            told = link.recv(65536)
            if told.startswith(b"$") and not told.startswith(b"$-"):
                # A long text comes in pieces: its length stands before it.
                head, end, _ = told.partition(b"\r\n")
                whole = len(head + end) + int(head[1:]) + 2
                while len(told) < whole and (more := link.recv(65536)):
                    told += more
            return told

    def remove(self) -> None:
        """Kill it and remove its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _answers(self) -> bool:
        if not self.running:
            raise AssertionError("redis-server ended")
        try:
            return self.command("PING", timeout=1).startswith(b"+PONG")
        except OSError:
            return False
