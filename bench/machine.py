"""What the figures were measured on."""

# ruff: noqa: S603 - asks programs for their versions

from __future__ import annotations

import datetime
import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path

from bench import home

Description = dict[str, str]

BUSY = 0.05
"""The part of all cores in use, from which on others disturb the measurement."""


def describe() -> Description:
    """Everything that the figures depend on and that can be asked for."""
    now = datetime.datetime.now(datetime.UTC)
    cores = len(os.sched_getaffinity(0))
    return {
        "date": now.strftime("%Y-%m-%d"),
        "started": now.strftime("%H:%M:%S UTC"),
        "cpu": f"{_cpu_model()}, {cores} core{'s' * (cores != 1)}{_siblings()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "system": f"{_system()}, Linux {platform.release()}",
        "python": platform.python_version(),
        **_python_versions(),
        **_other_versions(),
        "load average at the start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def busy(seconds: float = 1.0) -> float:
    """The part of all cores that somebody uses, while we do nothing."""
    used, idle = _ticks()
    time.sleep(seconds)  # noqa: TID251 - the pause is the measurement
    later_used, later_idle = _ticks()
    return (later_used - used) / max(later_used - used + later_idle - idle, 1)


def _ticks() -> tuple[int, int]:
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return sum(fields) - idle, idle


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _siblings() -> str:
    """Two "cores" that are one share its time: the generator then slows the server."""
    path = Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
    shared = path.exists() and path.read_text().strip() not in ("0", "")
    return " (hyper-threads)" if shared else ""


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _python_versions() -> Description:
    names = ["quart", "hypercorn", "uvloop", "uvicorn", "litestar", "python-socketio", "django", "channels"]
    names.append("channels-redis")
    script = (
        "import sys, importlib.metadata as m\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: pass\n"
    )
    python = home.VENV / "bin" / "python"
    if not python.exists():
        return {}
    text = subprocess.run([python, "-c", script, *names], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in text.splitlines())


def _other_versions() -> Description:
    found = {}
    for name in ("ws", "socket.io"):
        package = home.NODE_MODULES / name / "package.json"
        if package.exists() and (version := re.search(r'"version": "([^"]+)"', package.read_text())):
            found[name] = version[1]
    if node := shutil.which("node"):
        found["node"] = subprocess.run([node, "-v"], capture_output=True, text=True, check=True).stdout.strip(
            "v\n"
        )
    if nginx := shutil.which("nginx", path=f"{os.defpath}:/usr/sbin"):
        text = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
        found["nginx"] = text.strip().rpartition("/")[2]
    return found
