"""The campaign: `python -m tests.hostile --inputs 100000 --seed 1`.

Ends with 1 where anything was not as it must be.

--inputs N     how many in all, shared out over the classes
--seconds S    stop after so long, however many that were
--classes TEXT only classes whose name holds this
--only K:N     one input of a campaign, as a finding names it
--page FILE    write the table
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import time
from pathlib import Path

from tests.e2e.lean import room_for_sockets
from tests.faults.worker import run
from tests.support.instance import CHECKOUT, Instance

from .campaign import KINDS, Campaign
from .crowd import Cost, measure
from .page import Verdict, Wait, page_of, summary

ENOUGH = 0.2
"""Of the inputs asked for: with less, time was too short to prove anything."""


async def main() -> int:
    given = _arguments()
    name, _, number = given.only.rpartition(":")
    kinds = [kind for kind in KINDS if (kind.name == name if name else given.classes in kind.name)]
    if not kinds:
        sys.exit(f"no class is called {name or given.classes!r}: {[kind.name for kind in KINDS]}")
    room_for_sockets()
    async with Instance("memory://", loop=given.loop, tracebacks=True) as instance:
        campaign = Campaign(instance.port, given.seed, kinds, given.inputs)
        if name:
            await campaign.one(kinds[0], int(number))
            print(*campaign.findings or campaign.outcomes.values(), sep="\n")
            return len(campaign.findings)
        end = time.monotonic() + (given.seconds or math.inf)
        good = await _good(instance.port, instance.pid)
        began = time.monotonic()
        await campaign.run(lambda: time.monotonic() > end or not instance.running)
        took = time.monotonic() - began
        waits = await _told(good)
        costs: list[Cost] = []
        if not given.classes:
            costs = await measure(instance.port, instance.pid, given.seed)
        lives = instance.running and (await instance.get("/readyz")).status == 200
        verdict = Verdict(campaign, took, waits, costs, instance.log, lives, given.inputs * ENOUGH)
    print(summary(verdict))
    if given.page:
        Path(given.page).write_text(page_of(verdict, given.seed), encoding="utf-8")  # noqa: ASYNC240
    return 1 if verdict.faults() else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--classes", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--page", default="")
    return parser.parse_args()


async def _good(port: int, pid: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.hostile.good", str(port), str(pid)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
    )


async def _told(good: asyncio.subprocess.Process) -> dict[str, list[Wait]]:
    """What the good client saw; nothing where it was not served to the end."""
    out, _ = await good.communicate(b"")
    told = json.loads(out) if good.returncode == 0 else {}
    return {what: [Wait(*pair) for pair in pairs] for what, pairs in told.items()}


if __name__ == "__main__":
    sys.exit(run(main()))
