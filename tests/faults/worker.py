"""Plays one part of a campaign on one site, in a process of its own, and writes a line for each trial."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from .breaking import ALL
from .checker import judge
from .history import History
from .plan import Part
from .site import Site
from .trial import Result, Trial

T = TypeVar("T")


async def play(part: Part, folder: Path) -> None:
    """Write `folder/<kind>-<number>.jsonl`, and the history of every trial that did not pass beside it."""
    by_name = {one.name: one for one in ALL}
    scratch = folder / part.name
    scratch.mkdir(parents=True, exist_ok=True)
    with (folder / f"{part.name}.jsonl").open("w") as out:
        async with Site(part.kind, scratch) as site:
            for step in part.steps:
                began = time.monotonic()
                result = await Trial(site, [by_name[name] for name in step.names], step.seed).play()
                row = row_of(result)
                out.write(json.dumps(row) + "\n")
                out.flush()
                if row["verdict"] != "pass":
                    name = name_of(row)
                    result.history.save(folder / f"{name}.history")
                    for place in site.places:
                        (folder / f"{name}.{place.number}.log").write_text(place.instance.log[-200_000:])
                _tell(row, time.monotonic() - began)
    for log in site.tracebacks:
        print(f"{part.kind}: a traceback in an instance's log:\n{log[-3000:]}", file=sys.stderr)
    if site.tracebacks:
        (folder / f"{part.name}.tracebacks").write_text("\n".join(site.tracebacks))


def name_of(row: dict[str, Any]) -> str:
    """What the kept history of a trial is called."""
    return f"{row['kind']}-{'+'.join(row['names'])}-{row['seed']}".replace(" ", "_").replace("'", "")


def again(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The row of a trial whose history was kept, as it is judged now; other rows as they are."""
    kept = folder / f"{name_of(row)}.history"
    if row["verdict"] == "pass" or not kept.exists():
        return row
    history = History.load(kept)
    result = Result(row["kind"], row["names"], row["seed"], judge(history), history, row["heals"])
    return row_of(result)


def row_of(result: Result) -> dict[str, Any]:
    """What goes into the results of a trial."""
    verdict = result.verdict
    return {
        "kind": result.kind,
        "names": result.names,
        "seed": result.seed,
        "verdict": verdict.verdict,
        "acked": verdict.acked,
        "seen": verdict.seen,
        "lost": verdict.lost,
        "announced": verdict.announced,
        "duplicates": verdict.duplicates,
        "reordered": verdict.reordered,
        "resets": verdict.resets,
        "heals": [round(heal, 2) for heal in result.heals],
        "faults": [f"{fault.name}: {fault.detail}" for fault in result.history.faults],
        "findings": [f"{one.kind} {one.who} {one.detail}" for one in verdict.findings[:20]],
        "unknown": verdict.unknown,
    }


def _tell(row: dict[str, Any], seconds: float) -> None:
    heal = f"{row['heals'][-1]:.1f}" if row["heals"] else "-"
    print(
        f"{row['verdict']:7} {row['kind']:15} {' + '.join(row['names'])}, seed {row['seed']}:"
        f" {row['acked']} acked, {row['announced']} announced, healed in {heal} s ({seconds:.0f} s)",
        flush=True,
    )
    for finding in [*row["findings"][:5], *row["unknown"][:5]]:
        print(f"        {finding}", flush=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, which a signal ends in an orderly way: servers and other processes are taken along.

    Python's own handling knows SIGINT only, and not where a shell has begun us in the background.
    """

    async def whole() -> T:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(whole())
    except asyncio.CancelledError:
        sys.exit("told to end")


async def child(*words: str) -> int:
    """One of this package's commands in a process of its own, until it ends; its exit code."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *words, start_new_session=True)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
