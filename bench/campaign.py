"""Many trials in an order that is fair: round by round, and in each round peer by peer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from bench import trial
from bench.backends import Backends
from bench.catalogue import PEERS, Peer
from bench.scenarios import SCENARIOS, Scenario

Result = dict[str, Any]
"""{"peers": {peer: {point: {figure: [one value a round]}}}, "not measured": {peer: why}}"""

DISTURBED = 8.0
"""Percent of a core that others may use during a trial."""

OVERHEAD = 1.3
"""Seconds of a trial that are not load: start, connect, settle, drain, end."""
EACH_THOUSAND = 0.7
"""Seconds to connect a thousand."""


def chosen(names: str, known: Iterable[str], what: str) -> list[str]:
    """The names of a list with commas or spaces between them; all where it is empty."""
    known = list(known)
    wanted = names.replace(",", " ").split()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"No such {what}: {', '.join(unknown)}. There are: {', '.join(known)}")
    return wanted or known


def peers_of(scenario: Scenario, wanted: list[str]) -> list[Peer]:
    return [PEERS[name] for name in scenario.peers if name in wanted]


def estimate(scenarios: list[str], peers: list[str], rounds: int, seconds: float) -> float:
    """Seconds that all of it will take, about."""
    total = 0.0
    for name in scenarios:
        scenario = SCENARIOS[name]
        for point in scenario.points:
            people = point.options["clients"] * point.options.get("rooms", 1) + point.options.get(
                "joiners", 0
            )
            # Joiners are done long before their time is over.
            load = seconds if "joiners" in point.options else scenario.lasts(seconds) + scenario.warm
            each = OVERHEAD + EACH_THOUSAND * people / 1000 + load
            total += each * len([peer for peer in peers_of(scenario, peers) if not peer.missing()])
    return total * rounds


def run(
    name: str,
    peers: list[str],
    rounds: int,
    seconds: float,
    backends: Backends,
    tell: Callable[[str], None],
) -> Result:
    """One scenario at every peer that can run here."""
    scenario = SCENARIOS[name]
    tell(f"\n{scenario.title} ({name})")
    result: Result = {"peers": {}, "not measured": {}}
    present = []
    for peer in peers_of(scenario, peers):
        if reason := peer.missing():
            result["not measured"][peer.name] = reason
            tell(f"  {peer.label}: not measured, {reason}")
        else:
            present.append(peer)
    for number in range(rounds):
        for peer in present:
            _round(scenario, peer, number, seconds, backends, result, tell)
    return result


def _round(
    scenario: Scenario,
    peer: Peer,
    number: int,
    seconds: float,
    backends: Backends,
    result: Result,
    tell: Callable[[str], None],
) -> None:
    for point in scenario.points:
        try:
            figures = trial.run(peer, point, scenario.lasts(seconds), scenario.warm, backends)
        except trial.Failed as failure:
            reason = str(failure).strip().splitlines()[0]
            tell(f"  {peer.label}: failed, {failure}")
            result["not measured"][peer.name] = f"failed: {reason}"
            continue
        held = result["peers"].setdefault(peer.name, {}).setdefault(point.name, {})
        for figure, value in figures.items():
            held.setdefault(figure, []).append(value)
        shown = "  ".join(
            f"{figure} {figures[figure]:,g}" for figure in scenario.figures if figure in figures
        )
        busy = figures["generator_busy_percent"]
        bound = "  (the generator is the limit)" if busy > 95 else ""
        if figures["others_busy_percent"] > DISTURBED:
            bound += f"  (DISTURBED: others used {figures['others_busy_percent']:.0f} % of a core)"
        tell(f"  {number + 1}  {peer.label + ' ' + point.name:32} {shown}{bound}")
