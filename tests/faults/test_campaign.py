"""The campaign itself: what it plays, and that it cannot pass by doing nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faults import plan, report
from tests.faults.breaking import ALL
from tests.faults.checker import judge
from tests.faults.history import Fault, History
from tests.faults.site import KINDS, Kind


def names_of(parts: list[plan.Part], kind: Kind) -> Counter[str]:
    return Counter(name for part in parts if part.kind == kind for step in part.steps for name in step.names)


@pytest.mark.parametrize("kind", KINDS)
def test_the_short_campaign_plays_every_fault_that_is_over_within_a_minute(kind: Kind) -> None:
    played = names_of(plan.short(), kind)
    assert set(played) == {one.name for one in plan.fitting(kind) if not one.long}
    assert any(len(step.names) > 1 for part in plan.short() if part.kind == kind for step in part.steps)


def test_the_full_campaign_plays_as_many_faults_as_were_asked_for_and_every_kind_of_them() -> None:
    parts = plan.full(300)
    for kind in KINDS:
        played = names_of(parts, kind)
        assert set(played) == {one.name for one in plan.fitting(kind)}
        assert sum(played.values()) >= (75 if kind.startswith("redis") else 300)


def test_a_campaign_is_the_same_each_time() -> None:
    assert plan.full(100) == plan.full(100)


def test_an_instance_that_dies_takes_a_room_along_only_where_the_room_lived_in_it() -> None:
    killed = next(one for one in ALL if one.name == "instance killed")
    assert [kind for kind in KINDS if killed.loses(kind)] == ["memory"]


def test_a_broker_that_dies_may_lose_only_what_it_did_not_promise_to_keep() -> None:
    killed = next(one for one in ALL if one.name == "broker killed and restarted")
    loses = [kind for kind in KINDS if killed.fits(kind) and killed.loses(kind)]
    assert loses == ["redis-none", "redis-snapshots"]


def test_a_trial_in_which_nothing_happened_is_no_pass() -> None:
    missed = Fault("link reset", 1.0, 2.0, hit=False, detail="missed: there was no connection")
    assert judge(History({}, [], [missed], 10.0)).verdict != "pass"


def row(**changes: Any) -> report.Row:
    figures = dict.fromkeys(("lost", "announced", "duplicates", "reordered", "resets"), 0)
    given = {"kind": "rabbitmq", "names": ["link reset"], "seed": 1, "verdict": "pass", "acked": 1200}
    return {**figures, **given, "seen": 9000, "heals": [0.5, 1.5], "findings": [], "unknown": [], **changes}


ABOUT = {"command": "make faults", "date": "2026-01-01", "machine": "2 cores"}


def test_the_page_has_a_row_for_each_fault_and_one_for_those_that_came_together(tmp_path: Path) -> None:
    rows = [row(), row(seed=2, lost=3), row(names=["link reset", "all clients cut"], heals=[9.0])]
    report.write(tmp_path / "faults.md", rows, ABOUT)
    page = (tmp_path / "faults.md").read_text()
    assert "| link reset | 2 | 2,400 | 3 | 0 | 0 | 0 | 1.5 s | 1.5 s |" in page
    assert "| two or three at once | 2 | 1,200 | 0 | 0 | 0 | 0 | 9.0 s | 9.0 s |" in page
    assert "| **all** | 4 | 3,600 | 3 |" in page


def test_the_page_hides_no_trial_that_did_not_pass(tmp_path: Path) -> None:
    report.write(tmp_path / "faults.md", [row(verdict="fail", findings=["duplicate c07 text"])], ABOUT)
    page = (tmp_path / "faults.md").read_text()
    assert "RabbitMQ streams: link reset, seed 1: duplicate c07 text" in page


def test_a_broker_that_was_not_played_keeps_its_table(tmp_path: Path) -> None:
    report.write(tmp_path / "faults.md", [row(acked=11)], ABOUT)
    report.write(tmp_path / "faults.md", [row(kind="memory", acked=22)], ABOUT)
    page = (tmp_path / "faults.md").read_text()
    assert "## RabbitMQ streams" in page
    assert "2 faults in 2 trials, 33 messages acknowledged" in page
