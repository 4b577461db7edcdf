"""Which faults are played where: the short campaign for every day, and the full one."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import NamedTuple

from .breaking import ALL, CLOCK, Breakage
from .site import KINDS, Kind


class Step(NamedTuple):
    """One trial: these faults at once."""

    names: list[str]
    seed: int


class Part(NamedTuple):
    """The trials that are played on one site, one after the other."""

    kind: Kind
    number: int
    steps: list[Step]

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.kind}-{self.number}"


def short(kinds: Sequence[Kind] = KINDS) -> list[Part]:
    """Each fault of each kind once, but those that take a minute, and two mixtures."""
    return [
        Part(kind, 0, [*_alone(kind, sum(1 for one in fitting(kind) if not one.long)), *_mixed(kind, 4)])
        for kind in _longest_first(kinds)
    ]


def full(faults: int, kinds: Sequence[Kind] = KINDS) -> list[Part]:
    """So many faults for each broker, a third of them in mixtures; Redis' four kinds share theirs."""
    parts: list[Part] = []
    redis = [kind for kind in kinds if kind.startswith("redis")]
    for kind in _longest_first(kinds):
        mine = faults // len(redis) if kind in redis else faults
        mixed = _mixed(kind, mine // 3)
        alone = _alone(kind, mine - sum(len(step.names) for step in mixed))
        steps = [*alone, *mixed]
        random.Random(kind).shuffle(steps)
        sites = 3 if kind == "rabbitmq" else 2 if kind == "memory" else 1
        parts += [Part(kind, number, steps[number::sites]) for number in range(sites)]
    return parts


def fitting(kind: Kind) -> list[Breakage]:
    """What can happen there."""
    return [one for one in ALL if one.fits(kind)]


def _longest_first(kinds: Sequence[Kind]) -> list[Kind]:
    return sorted(kinds, key=lambda kind: (kind != "rabbitmq", not kind.startswith("redis")))


def _alone(kind: Kind, count: int) -> list[Step]:
    """In turn; those that take a minute come twice at the most."""
    steps: list[Step] = []
    for seed in itertools.count(1):
        for one in fitting(kind):
            if len(steps) == count:
                return steps
            # They come last in a turn of their own, so that a short campaign does without them.
            if not one.long or 1 < seed < 4:
                steps.append(Step([one.name], seed))
    return steps


def _mixed(kind: Kind, count: int) -> list[Step]:
    """Two or three at once: at least `count` faults."""
    rng = random.Random(f"mixed {kind}")
    steps: list[Step] = []
    while sum(len(step.names) for step in steps) < count:
        chosen = mixture(rng, fitting(kind), rng.choice((2, 2, 3)))
        if kind != "memory" and len(steps) % 4 == 3:
            # Two instances, or their links, at once: each fault gets a place of its own.
            target = rng.choice(("instance", "link"))
            same = [one for one in fitting(kind) if one.target == target and one.name != CLOCK]
            chosen = rng.sample(same, 2)
        steps.append(Step([one.name for one in chosen], len(steps) + 1))
    return steps


def mixture(rng: random.Random, among: Sequence[Breakage], count: int) -> list[Breakage]:
    """So many faults of different targets (fewer, where there are not so many), none that takes a minute.

    No link breaks while the broker stands still, and no client stops reading while its instance does: nobody
    could tell.
    """
    chosen: list[Breakage] = []
    for one in rng.sample(among, len(among)):
        with_it = [*chosen, one]
        targets = {other.target for other in with_it}
        names = {other.name for other in with_it}
        still = "link" in targets and any(name.startswith("broker ") for name in names)
        still |= "instance" in targets and "clients stop reading" in names
        if len(chosen) < count and not one.long and len(targets) == len(with_it) and not still:
            chosen = with_it
    return chosen
