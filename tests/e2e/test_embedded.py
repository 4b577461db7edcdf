"""The application in a process that is not its own: a test, or a program around it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, time
from quartchat.application import create_app
from quartchat.lifecycle import GONE_SECONDS

async def main():
    async with create_app({}).test_app() as app:
        assert (await app.test_client().get("/readyz")).status_code == 200

asyncio.run(main())
time.sleep(GONE_SECONDS + 1)
print("still here")
"""


def test_a_program_outlives_the_application_that_it_held() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "still here\n"), ended.stderr
