"""The results of a campaign, as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .breaking import ALL
from .site import KINDS

Row = dict[str, Any]
"""What one trial showed, as it stands in the results: see `worker.row_of`."""

BROKERS = {
    "memory": "Memory, one instance",
    "redis-none": "Redis without persistence",
    "redis-snapshots": "Redis with snapshots",
    "redis-everysec": "Redis, AOF every second",
    "redis-always": "Redis, AOF always",
    "rabbitmq": "RabbitMQ streams",
}

MIXED = "two or three at once"
EVERYTHING = "**all**"

FIGURES = ("acked", "seen", "lost", "announced", "duplicates", "reordered")

Summary = dict[str, Any]
"""What is kept of the trials with one broker."""


def summary_of(rows: Sequence[Row], about: dict[str, str]) -> Summary:
    """What is kept of the trials with one broker: a line for each fault, and all that did not pass."""
    lines = []
    for name in (*(one.name for one in ALL), MIXED, EVERYTHING):
        mine = [
            row for row in rows if name in (EVERYTHING, row["names"][0] if len(row["names"]) == 1 else MIXED)
        ]
        if mine:
            heals = sorted(heal for row in mine for heal in row["heals"])
            line: dict[str, Any] = {"name": name, "faults": sum(len(row["names"]) for row in mine)}
            line |= {what: sum(int(row[what]) for row in mine) for what in FIGURES}
            lines.append(line | {"p50": _at(heals, 0.5), "p99": _at(heals, 0.99)})
    bad = [complaint(row) for row in rows if row["verdict"] != "pass"]
    return {**about, "trials": len(rows), "lines": lines, "bad": bad}


def complaint(row: Row) -> str:
    """One line about a trial that did not pass."""
    what = "; ".join(row["findings"][:3] + row["unknown"][:3])
    return f"{' + '.join(row['names'])}, seed {row['seed']}: {what}"


def page_of(summaries: dict[str, Summary]) -> str:
    """Markdown: a table for each broker, a row for each fault."""
    totals = [summary["lines"][-1] for summary in summaries.values()]

    def total(what: str) -> int:
        return sum(line[what] for line in totals)

    failed = [f"- {BROKERS[kind]}: {what}" for kind, summary in summaries.items() for what in summary["bad"]]
    trials = sum(summary["trials"] for summary in summaries.values())
    lines = [
        "# Faults, and what became of the messages",
        "",
        "Written by the commands that stand at each table. Do not edit: run them again.",
        "",
        f"{total('faults')} faults in {trials} trials, {total('acked'):,} messages acknowledged,"
        f" {total('seen'):,} deliveries noted. Lost without a word: {total('lost')}."
        f" Doubled: {total('duplicates')}. Reordered: {total('reordered')}."
        f" Trials with any finding, or that proved nothing: {len(failed)}.",
        "",
        *PREFACE,
    ]
    for kind in KINDS:
        if kind in summaries:
            lines += ["", f"## {BROKERS[kind]}", "", *_table(summaries[kind])]
    if failed:
        lines += ["", "## What did not pass", "", *failed]
    return "\n".join(lines) + "\n"


def write(page: Path, rows: Sequence[Row], about: dict[str, str]) -> None:
    """Write the page, with the brokers that were played now, and the others as they were."""
    kept = page.with_suffix(".json")
    summaries: dict[str, Summary] = json.loads(kept.read_text()) if kept.exists() else {}
    for kind in {row["kind"] for row in rows}:
        summaries[kind] = summary_of([row for row in rows if row["kind"] == kind], about)
    kept.write_text(json.dumps(summaries, indent=1, ensure_ascii=False) + "\n")
    page.write_text(page_of(summaries))


PREFACE = """\
A trial is two instances (one with memory) on a private server of that broker, a TCP proxy in every link,
and 40 people in four rooms who talk all the time, each with a session of its own. Something breaks and is
mended, everybody goes on until all have been answered again; late readers then read everything. What every
client sent and saw is judged by [a checker](../tests/faults/checker.py) that knows nothing of the app: it
looks for what is lost, doubled, reordered, seen differently by two people, out of line with its `prev` or
its ack, given to the wrong name or room, refused and yet delivered, made up, unanswered, late, and for
resets without a reason. A trial whose fault was not felt counts as unknown, which is no pass.

*lost*: acknowledged, and missing at somebody who was not told. *announced*: acknowledged and gone, as the
durability told allows for this fault, and everybody whom it concerns got a `reset`. *healed*: seconds from
the end of the fault until a client had a message acknowledged that it first sent after that, for half of
the clients and for 99 of 100.
""".splitlines()


def _table(summary: Summary) -> list[str]:
    lines = [
        f"`{summary['command']}`, {summary['date']}; {summary['machine']}; {summary['trials']} trials.",
        "",
        "| fault | faults | acked | lost | announced | doubled | reordered | healed p50 | p99 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for line in summary["lines"]:
        counts = (f"{line[what]:,}" for what in ("acked", "lost", "announced", "duplicates", "reordered"))
        cells = (line["name"], line["faults"], *counts, f"{line['p50']:.1f} s", f"{line['p99']:.1f} s")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def load(path: Path) -> list[Row]:
    """The rows that a part of a campaign has written so far."""
    if not path.exists():
        return []
    with path.open() as lines:
        return [json.loads(line) for line in lines]
