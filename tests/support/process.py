"""A child process in a process group of its own, with its output in a file."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .waiting import until_now

_running: set[Process] = set()


class Process:
    """One command that can be started again and again; everything it printed stands in `log`.

    All signals go to the whole group, by the id that we were given when it started.
    """

    def __init__(self, command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.command = list(command)
        self.log_path = log
        self.env = dict(env)
        self.cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None
        self._over = False
        """Nothing of the group is left: its id may be somebody else's by now."""

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process and of its group."""
        if self._child is None:
            raise RuntimeError(f"never started: {self.command[0]}")
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        return None if self._child is None else self._child.poll()

    @property
    def log(self) -> str:
        """What it printed so far, earlier starts included."""
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def start(self) -> None:
        """Start it, and return at once."""
        if self.running:
            raise RuntimeError(f"runs already: {self.command[0]}")
        with self.log_path.open("ab") as out:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.cwd,
                env=self.env,
                start_new_session=True,
            )
        self._over = False
        _running.add(self)

    def signal(self, number: int) -> None:
        """Send a signal to the group; nothing happens where it is gone."""
        if self._child is not None and not self._over:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)

    def freeze(self) -> None:
        """Returns when nothing of it runs: a thread that waits for a core stops only when it has got one."""
        self.signal(signal.SIGSTOP)
        until_now(lambda: self._states() <= set("TtZX"), 10, "all threads have stopped")

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the group, also when the leader is gone and left children behind."""
        self.signal(signal.SIGKILL)
        self.wait(10)
        self._be_gone()

    def terminate(self, timeout: float = 10) -> int:
        """SIGTERM to the leader alone, as supervisors do; SIGKILL where that is not enough."""
        if self._child is None:
            raise RuntimeError(f"never started: {self.command[0]}")
        self._child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout)
        self.signal(signal.SIGKILL)
        code = self.wait(10)
        self._be_gone()
        return code

    def wait(self, timeout: float) -> int:
        if self._child is None:
            return 0
        code = self._child.wait(timeout)
        _running.discard(self)
        return code

    def _be_gone(self) -> None:
        """After SIGKILL: until the children, too, have let go of ports and files."""
        until_now(lambda: self._states() <= set("ZX"), 10, "the whole group is gone")
        self._over = True

    def _states(self) -> set[str]:
        """What the threads of the group do, as proc(5) says; nothing where the system does not tell."""
        found: set[str] = set()
        if self._child is None or self._over:
            return found
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(_fields(process)[2]) == self._child.pid:
                    for thread in (process / "task").iterdir():
                        with contextlib.suppress(OSError):
                            found.add(_fields(thread)[0])
        return found


def _fields(of: Path) -> list[str]:
    """State, parent, group and so on of a process or thread, from behind its name."""
    return (of / "stat").read_text().rpartition(")")[2].split()


@atexit.register
def _leave_nothing_behind() -> None:
    for process in list(_running):
        with contextlib.suppress(Exception):
            process.kill()
