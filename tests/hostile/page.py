"""What a campaign came to: the verdict, a summary for the terminal, and docs/hostile.md."""

from __future__ import annotations

import statistics
from typing import NamedTuple

from tests.e2e.canaries import Canaries, Leak
from tests.support.instance import SECRET_KEY

from .campaign import Campaign
from .crowd import ALLOWED, ATTACKERS, Cost
from .inputs import PLANTED

SERVED = 0.1
"""Seconds within which a good client is served meanwhile, 99 times of 100, less what the machine had no core for.
On two cores that also run the attackers and whatever else, the whole wait says more about these."""

CROWDED = 2 / 3
"""Of all waiting, in line for a core: then others work on the machine, and share its caches and the time of its
host, too. What the instance does takes some times as long, so `SERVED` is three times as long."""

WORST = 3.0
"""Seconds that a whole wait takes at the most, whosever they are."""


class Wait(NamedTuple):
    """How long the good client waited once, in seconds."""

    whole: float
    queued: float
    """How much of it the instance or the client was ready to run and got no core."""

    @property
    def served(self) -> float:
        """What is left is the instance's: the time until it came to this client, and what it did for it."""
        return max(0.0, self.whole - self.queued)


class Verdict(NamedTuple):
    """Everything that was seen."""

    campaign: Campaign
    seconds: float
    waits: dict[str, list[Wait]]
    costs: list[Cost]
    log: str
    lives: bool
    enough: float

    @property
    def bound(self) -> float:
        """Seconds within which the good client must have been served, 99 times of 100."""
        waits = [wait for each in self.waits.values() for wait in each]
        crowded = sum(wait.queued for wait in waits) > CROWDED * sum(wait.whole for wait in waits)
        return 3 * SERVED if crowded else SERVED

    def faults(self) -> list[str]:
        """What is not as it must be; empty is good."""
        found = [str(finding) for finding in self.campaign.findings]
        if not self.lives:
            found.append("the instance does not live, or is not ready")
        for mark in ("Traceback", "[ERROR]", "socket.send() raised"):
            if mark in self.log:
                found.append(f"{self.log.count(mark)} × {mark} in its log:\n{self.log[-3000:]}")
        found += [str(leak) for leak in leaks(self.log)]
        if self.campaign.done < self.enough:
            found.append(f"only {self.campaign.done} inputs in the time: nothing is proved")
        if not self.waits.get("message"):
            found.append("the good client was not served")
        bound = self.bound
        for what, waits in self.waits.items():
            served = _p99([wait.served for wait in waits])
            worst = max((wait.whole for wait in waits), default=0.0)
            if served > bound or worst > WORST:
                found.append(f"good client, {what}: served within {_ms(served)} (p99), worst {_ms(worst)}")
        found += [f"{c.name}: {_mb(c.growth)} more" for c in self.costs if c.growth > c.allowed]
        return found


def leaks(log: str) -> list[Leak]:
    """Secrets of the campaign, the instance's own key among them, that stand in a log."""
    canaries = Canaries()
    for name, text in {**PLANTED, "the secret key": SECRET_KEY}.items():
        canaries.plant(name, text)
    return canaries.leaks({"the log": log.encode()})


def summary(verdict: Verdict) -> str:
    lines = [f"{verdict.campaign.done} inputs in {verdict.seconds:.0f} s"]
    lines += [f"{name}: {_counted(seen)}" for name, seen in verdict.campaign.outcomes.items()]
    lines += [f"{what}: {whole}; less the line for a core: {less}" for what, whole, less in _waits(verdict)]
    lines += [f"{cost.name}: {_mb(cost.growth)} more" for cost in verdict.costs]
    faults = verdict.faults()
    lines += [f"NOT AS IT MUST BE: {fault}" for fault in faults[:40]]
    return "\n".join([*lines, f"{len(faults)} faults" if faults else "All as it must be."])


def page_of(verdict: Verdict, seed: int) -> str:
    outcomes = verdict.campaign.outcomes
    rows = [f"| {name} | {sum(seen.values()):,} | {_counted(seen)} |" for name, seen in outcomes.items()]
    faults = verdict.faults()
    return "\n".join(
        [
            "# Hostile input",
            "",
            f"Written by `make hostile INPUTS={verdict.campaign.done} SEED={seed}`: {verdict.campaign.done:,} generated inputs in",
            f"{verdict.seconds:.0f} s to one instance with every setting at its default. How it works:",
            "[design/hostile.md](design/hostile.md).",
            "",
            f"Outcomes that are not allowed: {len(verdict.campaign.findings)}. Tracebacks in the log: "
            f"{verdict.log.count('Traceback')}. The instance {'lives' if verdict.lives else 'DIED'}.",
            *([] if not faults else ["", *(f"- {fault[:200]}" for fault in faults)]),
            "",
            "| class | inputs | outcome: times |",
            "|---|---|---|",
            *rows,
            "",
            "Outcomes: a close code, an HTTP status, or a word. *lives*: answered, and the connection goes on. *error*, *nack*,",
            "*ack*, *pong*: the frame that answered. *ended*: closed without a word. *left*: no answer was due. *held*: of so",
            "many parts that the instance read on slowly; we left after two seconds. *h2*: HTTP/2 frames, no HTTP/1.1 answer.",
            "",
            "## A good client beside them",
            "",
            "| | waits | less what it or the instance stood in line for a core |",
            "|---|---|---|",
            *(f"| {what} | {' | '.join(told)} |" for what, *told in _waits(verdict)),
            "",
            f"Bound: {_ms(verdict.bound)} for p99 of the last column, {_ms(WORST)} for the longest wait.",
            "",
            "## Memory",
            "",
            f"{ATTACKERS} attackers at a time, against as many members who say nothing; the second time of each, since the",
            f"allocator keeps what it once had. Bound: {_mb(ALLOWED)} for the first two and bombs, twice that for the others.",
            "",
            "| attack | most, beside that |",
            "|---|---|",
            *(f"| {cost.name} | {_mb(cost.growth)} |" for cost in verdict.costs),
            "",
        ]
    )


def _waits(verdict: Verdict) -> list[tuple[str, str, str]]:
    names = {
        "message": "its message comes back through the log",
        "join": "it opens another socket",
        "page": "it loads the room's page",
    }
    return [
        (names[what], _spread([wait.whole for wait in waits]), _spread([wait.served for wait in waits]))
        for what, waits in verdict.waits.items()
        if waits
    ]


def _spread(seconds: list[float]) -> str:
    return (
        f"median {_ms(statistics.median(seconds))}, p99 {_ms(_p99(seconds))}, worst {_ms(max(seconds))}"
        f" of {len(seconds)}"
    )


def _counted(seen: dict[str, int]) -> str:
    return ", ".join(f"{what}: {times:,}" for what, times in sorted(seen.items(), key=lambda each: -each[1]))


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)] if seconds else 0.0


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
