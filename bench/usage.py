"""What processes have cost: CPU time and memory, children included."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED of Linux: all threads of a process, those that ended too, to the nanosecond."""


def tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """What they used since they started."""
    used = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            used += time.clock_gettime_ns(~pid << 3 | _PROCESS_CLOCK)
    return used / 1e9


def machine_seconds() -> float:
    """What all processes on all cores used since the machine started, in steps of ten milliseconds."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def memory_kb(pids: list[int]) -> int:
    """Proportional set size: what is shared with others counts by its share."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total


def place(pids: list[int], cores: set[int]) -> None:
    """Keep all threads of these processes on these cores."""
    for pid in pids:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), cores)
