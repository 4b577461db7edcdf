"""`python -m tests.faults`: break the chat in every way there is, and see whether its promise holds."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import sys
from pathlib import Path

from . import plan, report, worker
from .breaking import ALL
from .checker import judge
from .history import History
from .site import KINDS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--full", type=int, metavar="N", help="N faults for each broker; else a short campaign"
    )
    parser.add_argument("--brokers", default="", help=f"of {', '.join(KINDS)}; all, where not given")
    parser.add_argument(
        "--only", default="", help="one fault by name (with --seed), or several with + between"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=3, help="sites at a time")
    parser.add_argument("--folder", type=Path, default=Path(".faults"), help="for results and histories")
    parser.add_argument("--page", type=Path, help="write the table there")
    parser.add_argument("--judge", type=Path, metavar="FILE", help="judge a history that was kept, again")
    parser.add_argument(
        "--again", action="store_true", help="judge all that was kept of the last campaign again"
    )
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge is not None:
        verdict = judge(History.load(options.judge))
        print(verdict.verdict, *verdict.findings, *verdict.unknown, sep="\n")
        return int(verdict.verdict != "pass")
    if options.part is not None:
        kind, number, steps = json.loads(options.part.read_text())
        part = plan.Part(kind, number, [plan.Step(*step) for step in steps])
        worker.run(worker.play(part, options.folder))
        return 0
    kinds = tuple(kind for kind in KINDS if not options.brokers or kind in options.brokers.split(","))
    if not kinds:
        parser.error(f"no such broker; there are {', '.join(KINDS)}")
    if options.only:
        names = [name.strip() for name in options.only.split("+")]
        unknown = [name for name in names if name not in {one.name for one in ALL}]
        if unknown:
            parser.error(f"no such fault: {unknown[0]}; there are {', '.join(one.name for one in ALL)}")
        parts = [plan.Part(kind, 0, [plan.Step(names, options.seed)]) for kind in kinds]
    else:
        parts = plan.full(options.full, kinds) if options.full else plan.short(kinds)
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    done = True
    if not options.again:
        for old in folder.iterdir():
            if old.is_file():
                old.unlink()
        done = worker.run(_campaign(parts, folder, options.jobs))
    done = done and not list(folder.glob("*.tracebacks"))
    rows = [row for part in parts for row in report.load(folder / f"{part.name}.jsonl")]
    rows = [worker.again(row, folder) for row in rows]
    planned = sum(len(part.steps) for part in parts)
    passed = sum(row["verdict"] == "pass" for row in rows)
    print(f"{planned} trials planned, {len(rows)} played, {passed} passed")
    if options.page:
        about = {
            "command": f"make faults-full FAULTS={options.full}" if options.full else "make faults",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": f"{os.cpu_count()} cores, {options.jobs} sites at a time,"
            f" Python {platform.python_version()}",
        }
        report.write(options.page, rows, about)
    return 0 if done and passed == planned else 1


async def _campaign(parts: list[plan.Part], folder: Path, jobs: int) -> bool:
    """Play all parts, `jobs` at a time; whether all came to their end."""
    turns = asyncio.Semaphore(jobs)
    codes: list[int] = []

    async def one(part: plan.Part) -> None:
        async with turns:
            name = folder / part.name
            name.with_suffix(".plan").write_text(json.dumps(part))
            words = ("tests.faults", "--folder", str(folder), "--part", str(name.with_suffix(".plan")))
            codes.append(await worker.child(*words))

    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(one(part))
    return not any(codes)


if __name__ == "__main__":
    sys.exit(main())
