"""`python -m tests.faults.soak`: hours of churn, traffic and faults, and whether anything piles up.

One trial after the other on the same instances: each brings new people and new rooms, breaks something,
and is judged like those of the campaign. Between two trials nobody is there; then the instance that is never
killed is looked at: its memory, its tasks, its open files. What is flat there leaks nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import platform
import random
import re
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import plan
from .breaking import CLOCK, Breakage
from .report import BROKERS, complaint
from .site import KINDS, Kind, Place, Site
from .trial import Trial
from .worker import child, row_of, run

WARM = 0.25
"""The first part of the time, in which caches and pools fill: not part of the slope."""

PACE = 1.0
"""Seconds between two messages of one person: all brokers are soaked side by side."""

RETAINED_SECONDS = 120
BUCKET_BYTES = 4 << 20
"""What rooms keep: more than one trial needs."""

ALLOWED_MIB = 4.0
ALLOWED_COUNT = 3.0
"""How much more there may be at the end than at the first look after warming up: memory; tasks and files."""


class Sample(NamedTuple):
    """One look at an instance at rest."""

    minutes: float
    mib: float
    """Resident memory."""
    tasks: float
    files: float


async def look(place: Place, began: float) -> Sample:
    """Look at an instance, when its last client is gone."""
    for _ in range(750):  # a link that died in silence is held for a minute
        text = (await place.instance.get("/metrics")).text
        if _metric(text, "quartchat_members") == 0:
            break
        await asyncio.sleep(0.1)
    proc = Path(f"/proc/{place.instance.pid}")
    resident = re.search(r"VmRSS:\s+(\d+) kB", (proc / "status").read_text())
    return Sample(
        (time.monotonic() - began) / 60,
        int(resident.group(1)) / 1024 if resident else 0.0,
        _metric(text, "quartchat_tasks"),
        len(list((proc / "fd").iterdir())),
    )


def _metric(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else float("nan")


async def soak(kind: Kind, minutes: float, folder: Path) -> dict[str, Any]:
    """Play trials for so long on one site; what came of it."""
    began = time.monotonic()
    rng = random.Random(kind)
    samples: list[Sample] = []
    rows: list[dict[str, Any]] = []
    scratch = folder / f"soak-{kind}"
    scratch.mkdir(parents=True, exist_ok=True)
    # Not the clock: an hour is more than anything is retained for. And in memory an instance is the broker.
    possible = [
        one
        for one in plan.fitting(kind)
        if one.name != CLOCK and (kind != "memory" or one.target != "instance")
    ]
    # Little is retained, or what an instance grows by would be what it was asked to keep.
    options = f"?bucket_bytes={BUCKET_BYTES}" if kind == "rabbitmq" else ""
    async with Site(kind, scratch, options=options, seconds=RETAINED_SECONDS) as site:
        while time.monotonic() - began < minutes * 60:
            chosen: list[Breakage] = plan.mixture(rng, possible, rng.choice((1, 1, 2)))
            site.forget_people()
            result = await Trial(site, chosen, len(rows), pace=PACE, spared=site.places[0]).play()
            rows.append(row_of(result))
            row = rows[-1]
            if row["verdict"] != "pass":
                result.history.save(folder / f"soak-{kind}-{row['seed']}.history")
            samples.append(await look(site.places[0], began))
            print(
                f"{row['verdict']:7} {kind:15} {samples[-1].minutes:5.1f} min {samples[-1].mib:.1f} MiB"
                f" {samples[-1].tasks:.0f} tasks {samples[-1].files:.0f} files: {' + '.join(row['names'])}",
                *row["findings"][:3],
                *row["unknown"][:3],
                flush=True,
            )
    return {"kind": kind, "rows": rows, "samples": samples, "tracebacks": site.tracebacks}


class Growth(NamedTuple):
    """How one figure went over the time after warming up."""

    first: float
    last: float
    """Medians of the first and the last fifth."""
    slope: float
    """Per hour, by least squares."""

    @classmethod
    def of(cls, samples: Sequence[Sample], what: str) -> Growth:
        warm = samples[int(len(samples) * WARM) :]
        values = [float(getattr(sample, what)) for sample in warm]
        if len(values) < 2:
            return cls(values[0], values[0], 0.0) if values else cls(0.0, 0.0, 0.0)
        fifth = max(1, len(values) // 5)
        slope, _ = statistics.linear_regression([sample.minutes / 60 for sample in warm], values)
        return cls(statistics.median(values[:fifth]), statistics.median(values[-fifth:]), slope)


def verdict(result: dict[str, Any]) -> list[str]:
    """What is wrong with a soak; empty where all is well."""
    rows = result["rows"]
    wrong = [f"{row['verdict']}: {complaint(row)}" for row in rows if row["verdict"] != "pass"]
    for what, allowed in (("mib", ALLOWED_MIB), ("tasks", ALLOWED_COUNT), ("files", ALLOWED_COUNT)):
        growth = Growth.of(result["samples"], what)
        if growth.last - growth.first > allowed:
            wrong.append(f"{what} grew from {growth.first:.1f} to {growth.last:.1f}")
    return wrong + ["a traceback in a log" for _ in result["tracebacks"]]


def page_of(results: Sequence[dict[str, Any]], minutes: float) -> str:
    """Markdown."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        "# Soak",
        "",
        f"Written by `make soak MINUTES={minutes:g}` on {today};"
        f" {os.cpu_count()} cores, Python {platform.python_version()}, the brokers side by side."
        " Do not edit: run it again.",
        "",
        "Trials as in [faults](faults.md), one after the other on the same instances, each with some fifty",
        "new people in four new rooms. Between two trials, when nobody is connected, the instance that is",
        "never killed is looked at. First and last: medians of the first and last fifth of the time after",
        f"the first {WARM:.0%}, in which caches fill; the slope is of all looks after that.",
        "",
        "| broker | trials | faults | acked | findings | memory first, last | slope | tasks | open files |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        rows = result["rows"]
        memory, tasks, files = (Growth.of(result["samples"], what) for what in ("mib", "tasks", "files"))
        cells = (
            BROKERS[result["kind"]],
            len(rows),
            sum(len(row["names"]) for row in rows),
            f"{sum(row['acked'] for row in rows):,}",
            sum(row["verdict"] != "pass" for row in rows),
            f"{memory.first:.1f}, {memory.last:.1f} MiB",
            f"{memory.slope:+.1f} MiB/h",
            f"{tasks.first:.0f}, {tasks.last:.0f} ({tasks.slope:+.1f}/h)",
            f"{files.first:.0f}, {files.last:.0f} ({files.slope:+.1f}/h)",
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    for result in results:
        lines += ["", *(f"- {BROKERS[result['kind']]}: {what}" for what in verdict(result))]
    return "\n".join(lines).rstrip() + "\n"


async def _side_by_side(kinds: Sequence[Kind], minutes: float, folder: Path) -> bool:
    """Whether all came to their end."""
    words = ("tests.faults.soak", "--alone", "--folder", str(folder), "--minutes", str(minutes))
    return not any(await asyncio.gather(*(child(*words, "--brokers", kind) for kind in kinds)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--brokers", default="memory,redis-everysec,rabbitmq", help="side by side")
    parser.add_argument("--folder", type=Path, default=Path(".faults"))
    parser.add_argument("--page", type=Path, help="write the table there")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if kind in options.brokers.split(",")]
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)

    if options.alone:
        result = run(soak(kinds[0], options.minutes, folder))
        (folder / f"soak-{kinds[0]}.json").write_text(json.dumps(result))
        return 0
    # A process for each: one that is busy must not look like a chat that is late.
    done = run(_side_by_side(kinds, options.minutes, folder))
    results = [json.loads((folder / f"soak-{kind}.json").read_text()) for kind in kinds]
    for result in results:
        result["samples"] = [Sample(*sample) for sample in result["samples"]]
    if options.page:
        options.page.write_text(page_of(results, options.minutes))
    wrong = [f"{result['kind']}: {what}" for result in results for what in verdict(result)]
    wrong += [] if done else ["one of them did not come to its end"]
    print("\n".join(wrong) or "nothing was lost, and nothing piles up")
    return 1 if wrong or not kinds else 0


if __name__ == "__main__":
    sys.exit(main())
