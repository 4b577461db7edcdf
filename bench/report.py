"""The report: tables in Markdown, and a plot for each scenario beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import drawing, home
from bench.campaign import DISTURBED
from bench.catalogue import PEERS
from bench.columns import COLUMNS
from bench.figures import Fit, Middle, apart, ratio, short
from bench.scenarios import SCENARIOS, Scenario
from bench.trial import FAULTS

BASES = {"floor": "÷ floor", "nchan": "÷ nchan", "quartchat": "÷ QuartChat, memory"}
PROSE = home.BENCH / "page"
FEW = 10.0
"""Messages in a trial; with fewer, the edges of the load phase count for too much."""
GENERATOR_LIMIT = 95.0
"""Percent of its core: from here on the load generator may be what is slow."""


def write(held: dict[str, Any], page: Path) -> None:
    """The page, and its pictures in a folder of the same name."""
    pictures = page.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    sections = [(PROSE / "head.md").read_text(), "\n".join(machine(held)) + "\n"]
    for name, scenario in SCENARIOS.items():
        result = held["scenarios"].get(name)
        if not result:
            continue
        lines = [f"## {scenario.title}", "", scenario.text, ""]
        if result["peers"]:
            for file, picture in draw(scenario, result["peers"]).items():
                (pictures / file).write_text(picture)
                lines += [f"![{scenario.title}]({pictures.name}/{file})", ""]
            lines += [*tables(scenario, result["peers"]), "", *run_lines(result), ""]
        lines += [
            f"Not measured: {label(peer)} ({reason}).\n" for peer, reason in result["not measured"].items()
        ]
        sections.append("\n".join(lines))
    sections.append((PROSE / "remarks.md").read_text())
    page.write_text("\n".join(section.rstrip("\n") + "\n" for section in sections))


def machine(held: dict[str, Any]) -> Iterator[str]:
    """What it was measured on."""
    yield from ("## The machine", "", "| | |", "|---|---|")
    for name, value in held["machine"].items():
        yield f"| {name} | {value} |"


def label(peer: str) -> str:
    return PEERS[peer].label


def middle(figures: dict[str, list[float]], name: str) -> Middle | None:
    return Middle.of(figures[name]) if figures.get(name) else None


def median(figures: dict[str, list[float]], name: str) -> float | None:
    found = middle(figures, name)
    return found.median if found else None


def limited(figures: dict[str, list[float]]) -> bool:
    return (median(figures, "generator_busy_percent") or 0) > GENERATOR_LIMIT


def thin(scenario: Scenario, figures: dict[str, list[float]]) -> bool:
    """Whether there was talk, and so little that a message more or less changes the figure."""
    talks = any("talkers" in point.options for point in scenario.points)
    return talks and "joiners" not in scenario.name and min(figures.get("messages", [FEW])) < FEW


def disturbed(figures: dict[str, list[float]]) -> bool:
    return max(figures.get("others_busy_percent", [0])) > DISTURBED


Row = tuple[str, str, dict[str, list[float]]]


def rows(scenario: Scenario, peers: dict[str, Any], figure: str) -> list[Row]:
    """(peer, point, figures): the best first, and the points of a peer together."""
    points = [point.name for point in scenario.points]
    less = COLUMNS[figure].less_is_better

    def rank(peer: str) -> float:
        values = [median(peers[peer].get(point, {}), figure) for point in points]
        known = [value for value in values if value is not None]
        worst = max(known, default=float("inf")) if less else -min(known, default=0.0)
        return worst

    found = []
    for peer in sorted(peers, key=rank):
        found += [(peer, point, peers[peer][point]) for point in points if point in peers[peer]]
    return found


def draw(scenario: Scenario, peers: dict[str, Any]) -> dict[str, str]:
    """File name -> picture."""
    first = scenario.figures[0]
    if scenario.kind == "lines":
        drawn = [
            drawing.Line(label(peer), curve, Fit.through(curve)) for peer, curve in curves(scenario, peers)
        ]
        across = "rooms" if "rooms" in scenario.points[0].options else "members"
        return {f"{scenario.name}.svg": drawing.lines(scenario.title, COLUMNS[first].axis, across, drawn)}
    wanted = {scenario.name: first}
    if scenario.name == "idle":
        wanted["connects"] = "connects_per_s"
    if scenario.name == "busy100":
        wanted["busy100-rate"] = "deliveries_per_s"
    return {f"{name}.svg": bars(scenario, peers, figure) for name, figure in wanted.items()}


def bars(scenario: Scenario, peers: dict[str, Any], figure: str) -> str:
    drawn = []
    timed = figure.endswith(("_per_s", "_ms"))
    for peer, point, figures in rows(scenario, peers, figure):
        value = median(figures, figure)
        if value is not None:
            mark = " †" if timed and limited(figures) else ""
            drawn.append(drawing.Bar(f"{label(peer)} {point}".strip(), value, PEERS[peer].ours, mark))
    return drawing.bars(scenario.title, COLUMNS[figure].axis, drawn)


def curves(scenario: Scenario, peers: dict[str, Any]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    for peer in (peer for peer in scenario.peers if peer in peers):
        curve = []
        for point in scenario.points:
            value = median(peers[peer].get(point.name, {}), scenario.figures[0])
            if value is not None:
                curve.append((point.x, value))
        yield peer, curve


def tables(scenario: Scenario, peers: dict[str, Any]) -> list[str]:
    if scenario.kind == "lines":
        return [*fit_table(scenario, peers), "", *point_table(scenario, peers), *fault_lines(scenario, peers)]
    return [*bar_table(scenario, peers), *fault_lines(scenario, peers)]


def bar_table(scenario: Scenario, peers: dict[str, Any]) -> list[str]:
    """A row for each peer and point; ratios where a peer has one point, else to its first point."""
    first = scenario.figures[0]
    single = len(scenario.points) == 1
    shown = [
        name
        for name in scenario.figures
        if any(_has(figures, name) for *_, figures in rows(scenario, peers, first))
    ]
    start = scenario.points[0].name
    bases = {heading: middle(peers.get(base, {}).get(start, {}), first) for base, heading in BASES.items()}
    bases = {heading: value for heading, value in bases.items() if value and value.median} if single else {}
    headings = ["", *(COLUMNS[name].heading for name in shown), *bases]
    if not single:
        headings.append(f"÷ {start}")
    found = [_line(headings), _line(["---", *["--:"] * (len(headings) - 1)])]
    for peer, point, figures in rows(scenario, peers, first):
        mark = " †" * limited(figures) + " ‡" * disturbed(figures) + " §" * thin(scenario, figures)
        cells = [f"{_bold(peer)}{', ' * bool(point)}{point}{mark}"]
        cells += [_cell(figures, name, spread=name == first) for name in shown]
        against = list(bases.values()) if single else [middle(peers[peer].get(start, {}), first)]
        cells += [_times(middle(figures, first), base) for base in against]
        found.append(_line(cells))
    return found


def _times(own: Middle | None, base: Middle | None) -> str:
    """A ratio; with ≈ where the rounds overlap, so that the order of the two was not measured."""
    if own is None or base is None:
        return ""
    value = ratio(own.median, base.median)
    if value is None:
        return ""
    return f"{'' if own is base or apart(own, base) or own == base else '≈ '}{value:.2f}"


def run_lines(result: dict[str, Any]) -> list[str]:
    """How often and how long; and that rows come from several runs, where they do."""
    runs = [result.get("runs", {}).get(peer) for peer in result["peers"]]
    different = []
    for run in runs:
        if run and run not in different:
            different.append(run)
    told = [
        f"{run['date']} {run['started']}, {run['rounds']} round{'s' * (run['rounds'] != 1)}"
        f" of {short(run['seconds'])} s"
        for run in different
    ]
    if len(told) > 1:
        return [f"**Rows from {len(told)} runs** ({'; '.join(told)}): they were not measured side by side."]
    if different and different[0]["rounds"] == 1:
        return [
            f"Measured {told[0]}: with one round nothing is known of the spread, nor of small differences."
        ]
    return [f"Measured {told[0]}."] if told else []


def fit_table(scenario: Scenario, peers: dict[str, Any]) -> list[str]:
    what = "room" if "rooms" in scenario.points[0].options else "member"
    found = [
        _line(["", "µs a message", f"+ µs for each further {what}", "R²"]),
        _line(["---", "--:", "--:", "--:"]),
    ]
    for peer, curve in curves(scenario, peers):
        if fit := Fit.through(curve):
            found.append(_line([_bold(peer), short(fit.base), short(fit.slope), f"{fit.r2:.4f}"]))
    return found


def point_table(scenario: Scenario, peers: dict[str, Any]) -> list[str]:
    found = [
        _line(["µs a message at", *(f"{point.x:,g}" for point in scenario.points)]),
        _line(["---", *["--:"] * len(scenario.points)]),
    ]
    for peer, _ in curves(scenario, peers):
        cells = [_cell(peers[peer].get(point.name, {}), scenario.figures[0]) for point in scenario.points]
        found.append(_line([_bold(peer), *cells]))
    return found


def fault_lines(scenario: Scenario, peers: dict[str, Any]) -> list[str]:
    """What the faults were, in the worst of the rounds."""
    found = []
    for peer, point, figures in rows(scenario, peers, scenario.figures[0]):
        worst = {name: max(figures.get(name, [0])) for name in FAULTS}
        told = ", ".join(f"{name.replace('_', ' ')} {value:,g}" for name, value in worst.items() if value)
        if told:
            found.append(f"- {label(peer)}{', ' * bool(point)}{point}: {told}")
    return ["", "Faults, in the worst round:", "", *found] if found else []


def _bold(peer: str) -> str:
    return f"**{label(peer)}**" if PEERS[peer].ours else label(peer)


def _has(figures: dict[str, list[float]], name: str) -> bool:
    return name == "faults" or any(figures.get(name, []))


def _cell(figures: dict[str, list[float]], name: str, *, spread: bool = False) -> str:
    if name == "faults" and figures.get(name):
        return short(max(figures[name]))
    found = middle(figures, name)
    if found is None:
        return ""
    if spread and found.least != found.most:
        return f"{short(found.median)} ({short(found.least)}–{short(found.most)})"
    return short(found.median)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
