"""The servers that are compared: how each is started, and what it needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench import home
from bench.backends import Backends

Dialect = Literal["plain", "v1", "socketio"]
Needs = Literal["python", "node", "nchan", "floor"]

MODULES = Path("/usr/lib/nginx/modules")
NCHAN = MODULES / "ngx_nchan_module.so"
SERVER_PATHS = f"{os.defpath}:/usr/sbin:/sbin"
CHAT_PATH = "/ws/chat/room%d/"


@dataclass(frozen=True)
class Peer:
    """One server. `command` gets its port and a folder of its own."""

    name: str
    label: str
    command: Callable[[int, Path], list[str]]
    needs: Needs = "python"
    dialect: Dialect = "plain"
    broker: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    path: str = CHAT_PATH
    join_path: str = f"{CHAT_PATH}?history=50"
    ours: bool = False

    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        if self.broker and (reason := Backends.missing(self.broker)):
            return reason
        return None if self.ours else _MISSING[self.needs]()


def _no_python() -> str | None:
    return None if (home.VENV / "bin" / "python").exists() else "the peers' Python packages are not installed"


def _no_node() -> str | None:
    if not shutil.which("node"):
        return "node is not installed"
    return None if (home.NODE_MODULES / "socket.io").exists() else "the npm packages are not installed"


def _no_nchan() -> str | None:
    if not shutil.which("nginx", path=SERVER_PATHS):
        return "nginx is not installed"
    return None if NCHAN.exists() else "nginx has no nchan module"


def _no_floor() -> str | None:
    return None if home.FLOOR.exists() else "it is not compiled"


_MISSING: dict[Needs, Callable[[], str | None]] = {
    "python": _no_python,
    "node": _no_node,
    "nchan": _no_nchan,
    "floor": _no_floor,
}


def _python(*words: str) -> list[str]:
    return [str(home.VENV / "bin" / "python"), "-m", *words]


def _hypercorn(app: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: _python("hypercorn", "-k", "uvloop", "-w", "0", "-b", f"127.0.0.1:{port}", app)


def _uvicorn(app: str) -> Callable[[int, Path], list[str]]:
    # It takes uvloop and httptools by itself where they are installed.
    return lambda port, _: _python("uvicorn", "--port", str(port), "--log-level", "warning", app)


def _node(script: str) -> Callable[[int, Path], list[str]]:
    return lambda port, _: ["node", str(home.PEERS / script), str(port)]


def _nginx(port: int, folder: Path) -> list[str]:
    given = {
        "FOLDER": str(folder),
        "PORT": str(port),
        # Its workers would be "nobody", who may not enter our folder.
        "USER": "user root;" if os.getuid() == 0 else "",
        "MODULES": str(MODULES),
    }
    text = (home.PEERS / "nchan.conf").read_text()
    text = text.partition("\n")[2]  # the first line is about the names below
    for name, value in given.items():
        text = text.replace(name, value)
    config = folder / "nginx.conf"
    config.write_text(text)
    program = shutil.which("nginx", path=SERVER_PATHS) or "nginx"
    return [program, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]


def _quartchat(port: int, _: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "hypercorn",
        "-k",
        "uvloop",
        "-w",
        "0",
        "-b",
        f"127.0.0.1:{port}",
        "quartchat:app",
    ]


def _ours() -> list[Peer]:
    labels = {None: "memory", "redis": "Redis", "rabbitmq": "RabbitMQ"}
    found = []
    for broker, label in labels.items():
        name = f"quartchat-{broker}" if broker else "quartchat"
        found.append(Peer(name, f"QuartChat, {label}", _quartchat, broker=broker, ours=True))
        v1 = Peer(f"{name}-v1", f"QuartChat, {label}, v1", _quartchat, broker=broker, ours=True, dialect="v1")
        found.append(v1)
    return found


_SOCKETIO_PATH = "/socket.io/?EIO=4&transport=websocket"


def _socketio(name: str, label: str, broker: str | None = None, **more: str) -> Peer:
    command = _node("socketio.js") if more.get("needs") == "node" else _uvicorn("python_socketio:app")
    needs: Needs = "node" if more.get("needs") == "node" else "python"
    return Peer(name, label, command, needs=needs, dialect="socketio", broker=broker, path=_SOCKETIO_PATH)


def _channels(name: str, label: str, layer: str, broker: str | None = None) -> Peer:
    return Peer(name, label, _uvicorn("django_channels:app"), broker=broker, env={"BENCH_LAYER": layer})


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in [
        Peer("floor", "bare C loop (the floor)", lambda port, _: [str(home.FLOOR), str(port)], needs="floor"),
        Peer("nchan", "nginx, nchan", _nginx, needs="nchan", join_path="/ws/past/room%d/"),
        *_ours(),
        Peer("asgi-echo", "bare ASGI on Hypercorn", _hypercorn("asgi_echo:app")),
        Peer("node-ws", "Node, ws", _node("node_ws.js"), needs="node"),
        _socketio("socketio", "Socket.IO", needs="node"),
        _socketio("socketio-redis", "Socket.IO, Redis", "redis", needs="node"),
        Peer("litestar", "Litestar channels", _uvicorn("litestar_channels:app")),
        Peer("litestar-redis", "Litestar channels, Redis", _uvicorn("litestar_channels:app"), broker="redis"),
        _socketio("python-socketio", "python-socketio"),
        _socketio("python-socketio-redis", "python-socketio, Redis", "redis"),
        _socketio("python-socketio-rabbitmq", "python-socketio, RabbitMQ", "rabbitmq"),
        _channels("channels", "Django Channels", "memory"),
        _channels("channels-redis", "Django Channels, Redis", "redis", "redis"),
        _channels("channels-pubsub", "Django Channels, Redis pub/sub", "pubsub", "redis"),
        Peer("quart-obvious", "the obvious Quart chat", _hypercorn("quart_obvious:app")),
    ]
}
