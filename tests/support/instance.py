"""One instance of the chat: a Hypercorn process on a port of its own."""

# ruff: noqa: ASYNC109 - the time limit is what these functions are for

from __future__ import annotations

import asyncio
import http.client
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Self

from .ports import free_port
from .process import Process
from .waiting import until

CHECKOUT = Path(__file__).resolve().parents[2]

SECRET_KEY = secrets.token_urlsafe(32)
"""One for the test run, so that all instances know each other's sessions."""

BOOT = 20.0
"""Seconds that a start may take on a busy machine; it needs well under one."""


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Instance:
    """`hypercorn quartchat:app` from the checkout; the port stays the same over restarts.

        async with Instance(broker_url) as one:
            async with ChatClient(one, "room") as client: ...

    At the end its log must hold no traceback, unless `tracebacks` is true.
    """

    def __init__(
        self,
        broker_url: str | None = None,
        env: Mapping[str, str | None] | None = None,
        port: int | None = None,
        workers: int = 0,
        loop: Literal["asyncio", "uvloop"] = "asyncio",
        *,
        server: Literal["hypercorn", "uvicorn"] = "hypercorn",
        app: str = "quartchat:app",
        options: tuple[str, ...] = (),
        python: str = sys.executable,
        tracebacks: bool = False,
    ) -> None:
        self.port = port or free_port()
        self.tracebacks = tracebacks
        self.folder = Path(tempfile.mkdtemp(prefix="quartchat-instance-"))
        bind = f"127.0.0.1:{self.port}"
        start = {
            "hypercorn": ["-b", bind, "-w", str(workers), "-k", loop],
            "uvicorn": ["--host", "127.0.0.1", "--port", str(self.port), "--loop", loop],
        }
        command = [python, "-m", server, *start[server], *options, app]
        # Whatever the desk has set must not change the test.
        clean = {name: text for name, text in os.environ.items() if not name.startswith("QUARTCHAT_")}
        given: dict[str, str | None] = {
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "QUARTCHAT_SECRET_KEY": SECRET_KEY,
            "QUARTCHAT_BROKER": broker_url,
            **(env or {}),
        }
        clean.update({name: text for name, text in given.items() if text is not None})
        self._process = Process(command, log=self.folder / "log", env=clean, cwd=CHECKOUT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    @property
    def log(self) -> str:
        """All that it printed, earlier starts included."""
        return self._process.log

    async def start(self, *, ready: bool = False) -> None:
        """Start it and wait until it answers `/healthz` (and, if wanted, is ready)."""
        self._process.start()
        await self._answers("/healthz", BOOT)
        if ready:
            await self.wait_ready()

    def spawn(self) -> None:
        """Start it without waiting: for starts that are meant to fail."""
        self._process.start()

    async def wait_ready(self, timeout: float = 20) -> None:
        """Until `/readyz` is 200."""
        await self._answers("/readyz", timeout)

    async def wait_exit(self, timeout: float = 10) -> int:
        """Until it ended by itself; its exit code."""
        return await asyncio.to_thread(self._process.wait, timeout)

    def kill(self) -> None:
        """kill -9 of the whole process group."""
        self._process.kill()

    async def terminate(self, timeout: float = 10) -> int:
        """SIGTERM, as a supervisor sends it; its exit code (-9 where it did not obey in time)."""
        return await asyncio.to_thread(self._process.terminate, timeout)

    def signal(self, number: int) -> None:
        """Any signal to the whole group."""
        self._process.signal(number)

    def freeze(self) -> None:
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await request(self.url + path, headers=headers)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        return await request(self.url + path, "POST", body, headers)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.remove()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._process.kill()
        log = self.log
        self.remove()
        if kind is not None:
            print(f"--- log of the instance on port {self.port}:\n{log[-8000:]}")
        elif not self.tracebacks:
            assert "Traceback" not in log, log

    def remove(self) -> None:
        """Kill it and remove what it wrote."""
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _answers(self, path: str, timeout: float) -> None:
        async def good() -> bool:
            if not self.running:
                raise RuntimeError(f"the instance ended with {self.returncode}\n{self.log[-8000:]}")
            try:
                return (await self.get(path)).status == 200
            except (OSError, http.client.HTTPException):
                return False

        try:
            await until(good, timeout, f"{path} answers 200")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-8000:]}") from None


async def request(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 10,
) -> Answer:
    """One HTTP request, no redirects followed."""
    _, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")

    def send() -> Answer:
        link = http.client.HTTPConnection(host, timeout=timeout)
        try:
            try:
                link.request(method, slash + path or "/", body, dict(headers or {}))
            except (BrokenPipeError, ConnectionResetError):
                if not body:
                    raise
                # Refused by its length, before all of it was sent: as a browser does, see what was answered.
            answer = link.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            link.close()

    return await asyncio.to_thread(send)
