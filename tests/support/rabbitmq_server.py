"""A private RabbitMQ node."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from .ports import free_port
from .process import Process
from .waiting import until_now

_PLACES = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Before the PATH: what Debian has in there insists on being root or rabbitmq."""

SETTLED_SECONDS = 8.0
"""After its first stream: killed within some three, a node of 3.10 loses its streams; not seen after five."""

_CONFIG = """\
loopback_users.guest = true
listeners.tcp.default = 127.0.0.1:{port}
vm_memory_high_watermark.relative = 0.6
disk_free_limit.absolute = 50MB
log.console = true
log.console.level = info
log.file = false
"""


class RabbitMQServer:
    """One node with its own name, ports, epmd and cookie on 127.0.0.1; data in a temporary folder.

    The port stays the same over restarts. A boot takes some seven seconds: `begin` does not wait.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.node = f"quartchat-{secrets.token_hex(4)}@localhost"
        self.folder = Path(tempfile.mkdtemp(prefix="quartchat-rabbitmq-"))
        self._epmd_port = free_port()
        (self.folder / "rabbitmq.conf").write_text(_CONFIG.format(port=self.port))
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "env.conf").write_text("")
        env = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ},
            "HOME": str(self.folder),  # the Erlang cookie is made there
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_BASE": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                # Loopback only, and schedulers that do not spin while they have nothing to do.
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP_SECONDS": "0",
        }
        self._epmd = Process(
            ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
            log=self.folder / "epmd.log",
            env=env,
            cwd=self.folder,
        )
        self._process = Process(
            [_program("rabbitmq-server") or "rabbitmq-server"],
            log=self.folder / "rabbitmq.log",
            env=env,
            cwd=self.folder,
        )
        self._first_stream: float | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    @property
    def log(self) -> str:
        return self._process.log

    @property
    def running(self) -> bool:
        return self._process.running

    @classmethod
    def missing(cls) -> str | None:
        """What stands in the way of starting one."""
        if not _program("rabbitmq-server"):
            return "rabbitmq-server is not installed"
        return None if shutil.which("epmd") else "epmd (Erlang) is not installed"

    def begin(self) -> None:
        """Start booting, and return at once."""
        if not self._epmd.running:
            # Our own, in the foreground: the node would leave a daemon whose id nobody knows.
            self._epmd.start()
            until_now(lambda: _listens(self._epmd_port), 10, "epmd listens")
        self._process.start()

    def ready(self) -> None:
        """Wait until it speaks AMQP."""
        try:
            until_now(self._answers, 90, "rabbitmq-server speaks AMQP")
        except AssertionError as error:
            self._process.kill()
            raise AssertionError(f"{error}\n{self.log[-4000:]}") from None
        if self._first_stream is None:
            self._over_amqp(_declare_stream)
            self._first_stream = time.monotonic()

    def start(self) -> None:
        """Start it; returns when it speaks AMQP."""
        self.begin()
        self.ready()

    def stop(self) -> None:
        """End it in an orderly way."""
        if self.running:
            self._process.thaw()
            self._process.terminate(40)

    def kill(self) -> None:
        """kill -9 of the node; its epmd lives on, as the one of a machine does.

        A node of 3.10 that is killed within a few seconds of the first stream it ever made comes back with
        its streams unavailable for good. No chat of any age is on such a node, so neither are the tests.
        """
        if self._first_stream is not None:
            time.sleep(max(0.0, self._first_stream + SETTLED_SECONDS - time.monotonic()))
        self._process.kill()
        # What we waited for was the script around the node.
        until_now(lambda: not _listens(self.port), 10, "the killed node lets go of its port")

    def freeze(self) -> None:
        """It keeps its connections and port, and does nothing."""
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    def queues(self, containing: str = "") -> list[str]:
        """The names of queues and streams with this text in the name (takes a second).

        Without exclusive ones: only their own connection may touch them.
        """
        text = self.ctl("list_queues", "name", "exclusive", "--formatter=json", "--silent")
        rows = json.loads(text or "[]")
        names = [str(row["name"]) for row in rows if row["exclusive"] is not True]
        return [name for name in names if containing in name]

    def delete_queues(self, names: list[str]) -> None:
        """Delete queues or streams over AMQP, from whatever thread."""

        async def delete(channel: Any) -> None:
            for name in names:
                await channel.queue_delete(name)

        self._over_amqp(delete)

    def _over_amqp(self, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        async def connected() -> None:
            import aiormq

            connection = await aiormq.connect(self.url)
            try:
                await work(await connection.channel())
            finally:
                await connection.close()

        failure: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(asyncio.wait_for(connected(), 30))
            except BaseException as error:  # noqa: BLE001 - told to the caller
                failure.append(error)

        # A thread of its own: the caller may stand in an event loop.
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]

    def wipe(self, containing: str = "") -> None:
        """Delete all queues and streams, or those with this text in the name."""
        self.delete_queues(self.queues(containing))

    def ctl(self, *words: str, timeout: float = 60) -> str:
        """The output of one rabbitmqctl command."""
        done = subprocess.run(
            [_program("rabbitmqctl") or "rabbitmqctl", "-n", self.node, *words],
            env=self._process.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if done.returncode:
            raise AssertionError(f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def remove(self) -> None:
        """Kill everything and remove its data."""
        self._process.kill()
        self._epmd.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RabbitMQServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def _answers(self) -> bool:
        if not self.running:
            raise AssertionError("rabbitmq-server ended")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as link:
                link.sendall(b"AMQP\x00\x00\x09\x01")
                # Connection.Start: a method frame (1) on channel 0.
                return link.recv(7).startswith(b"\x01\x00\x00")
        except OSError:
            return False


async def _declare_stream(channel: Any) -> None:
    await channel.queue_declare("first", durable=True, arguments={"x-queue-type": "stream"})


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join(_PLACES)) or shutil.which(name)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False
