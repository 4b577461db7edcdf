"""The last moments of a process that was told to leave."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, os, signal
from types import SimpleNamespace
from quartchat.lifecycle import Lifecycle

async def nothing(*_):
    pass

async def main():
    parts = SimpleNamespace(close=nothing, drain=nothing, stop=nothing)
    life = Lifecycle(parts, parts, made_up_key=False)
    await life._leave()
    await life.stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)

asyncio.run(main())
for number in (signal.SIGTERM, signal.SIGINT):
    os.kill(os.getpid(), number)
print("ended by itself")
"""


def test_a_signal_that_comes_at_the_end_neither_kills_nor_complains() -> None:
    """Hypercorn sends SIGTERM to all workers as soon as one has ended: another may be about to."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended by itself\n", "")
