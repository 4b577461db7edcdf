"""The pure parts of the bench: arithmetic, order, tables and pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from bench import campaign, drawing, report
from bench.catalogue import PEERS
from bench.columns import COLUMNS
from bench.cores import share_out
from bench.figures import Fit, Middle, apart, ratio, short, ticks
from bench.scenarios import SCENARIOS, Point
from bench.trial import Failed, check, derive


def rounds(**figures: list[float]) -> dict[str, list[float]]:
    return {"generator_busy_percent": [50.0], "faults": [0.0], **figures}


FAN = {
    "floor": {"": rounds(cpu_us=[5.0, 4.0, 6.0])},
    "nchan": {"": rounds(cpu_us=[10.0])},
    "quartchat": {"": rounds(cpu_us=[8.0], generator_busy_percent=[99.0], faults=[2.0], missing=[2.0])},
}


def test_a_median_and_its_spread() -> None:
    assert Middle.of([3, 1, 20]) == (3, 1, 20)
    assert Middle.of([1, 2]) == (1.5, 1, 2)


def test_a_ratio_needs_a_base() -> None:
    assert ratio(6, 4) == 1.5
    assert ratio(6, None) is None
    assert ratio(6, 0) is None


def test_rounds_that_overlap_decide_nothing() -> None:
    assert apart(Middle.of([1, 2]), Middle.of([3, 4]))
    assert not apart(Middle.of([1, 3]), Middle.of([2, 4]))
    overlapping = {"nchan": {"": rounds(cpu_us=[8.0, 12.0])}, "quartchat": {"": rounds(cpu_us=[9.0, 11.0])}}
    assert "≈ 1.00" in "".join(report.bar_table(SCENARIOS["fan1000"], overlapping)[2:])


def test_rows_of_several_runs_are_said_to_be() -> None:
    run = {"date": "2030-01-01", "started": "10:00:00 UTC", "rounds": 3, "seconds": 2.5}
    result = {"peers": {"floor": {}, "nchan": {}}, "runs": {"floor": run, "nchan": {**run, "rounds": 1}}}
    assert "not measured side by side" in report.run_lines(result)[0]
    result["runs"]["nchan"] = run
    assert report.run_lines(result) == ["Measured 2030-01-01 10:00:00 UTC, 3 rounds of 2.50 s."]


def test_a_fit_finds_the_line() -> None:
    fit = Fit.through([(1, 12), (10, 30), (100, 210)])
    assert fit is not None
    assert fit == pytest.approx((10, 2, 1))
    assert fit.at(50) == pytest.approx(110)
    assert Fit.through([(1, 2), (1, 3)]) is None
    assert Fit.through([(1, 4), (2, 4)]) == (4, 0, 1)


def test_a_crooked_curve_does_not_pass_for_a_line() -> None:
    fit = Fit.through([(n, n * n) for n in (1, 50, 100)])
    assert fit is not None
    assert fit.r2 < 0.99


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.012"), (0.5, "0.50"), (9.999, "10.0"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_three_digits_are_shown(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize("most", [0.003, 0.9, 1, 7, 99, 100, 12345])
def test_ticks_are_few_and_reach_the_top(most: float) -> None:
    found = ticks(most)
    assert found[0] == 0
    assert found[-1] >= most * 0.999
    assert 3 <= len(found) <= 8


def test_the_server_has_a_core_of_its_own_where_it_can() -> None:
    assert share_out([3]) == ({3}, {3}, {3}, {3})
    assert share_out([0, 1]) == ({0}, {0}, {1}, {1})
    assert share_out([0, 1, 2]) == ({0}, {0}, {1}, {2})
    assert share_out([0, 1, 2, 3]) == ({0}, {3}, {1}, {2})


def test_only_the_load_phase_counts_for_a_delivery() -> None:
    told = dict.fromkeys(
        [
            "late",
            "repeated",
            "stray",
            "nacks",
            "unknowns",
            "resets",
            "refused",
            "dropped",
            "given_up",
            "paged",
        ],
        0.0,
    )
    told |= dict.fromkeys(
        [f"{what}_{part}_ms" for what in ("delivery", "ack") for part in ("p50", "p99", "max")], 1.0
    )
    told |= {"missing": 3, "deliveries": 1000, "published": 10, "open": 100, "seconds": 2, "connect_s": 0.5}
    told["own_cpu_s"] = 1.0
    seen = {
        "start": {"cpu": 1.0, "broker_cpu": 0.0, "machine_cpu": 0.0, "kb": 1000.0},
        "open": {"cpu": 2.0, "broker_cpu": 0.0, "machine_cpu": 0.0, "kb": 3000.0},
        "load": {"cpu": 2.5, "broker_cpu": 1.0, "machine_cpu": 10.0},
        "loaded": {"cpu": 3.5, "broker_cpu": 1.5, "machine_cpu": 12.6, "kb": 3100.0},
    }
    figures = derive(told, seen)
    assert figures["cpu_us"] == 1000
    assert figures["message_us"] == 100_000
    assert figures["broker_us"] == 500
    assert figures["connect_us"] == 10_000
    assert figures["kb_each"] == 20
    assert figures["grown_kb"] == 100
    assert figures["connects_per_s"] == 200
    assert figures["faults"] == 3
    assert figures["others_busy_percent"] == pytest.approx(5)
    seen["loaded"]["cpu"] = seen["load"]["cpu"]
    with pytest.raises(Failed, match="used no CPU"):
        derive(told, seen)


@pytest.mark.parametrize(
    ("options", "told", "reason"),
    [
        ({"talkers": 1}, {"open": 0}, "refused everybody"),
        ({"talkers": 1}, {"open": 9, "deliveries": 0}, "delivered nothing"),
        ({"talkers": 1, "joiners": 5}, {"open": 9, "paged": 0}, "nobody got the page"),
    ],
)
def test_who_did_nothing_has_no_figures(
    options: dict[str, float], told: dict[str, float], reason: str
) -> None:
    with pytest.raises(Failed, match=reason):
        check(Point("", options), told)
    check(Point("", {}), {"open": 9})


def test_the_best_stands_first_and_is_compared() -> None:
    table = report.bar_table(SCENARIOS["fan1000"], FAN)
    assert "÷ nchan" in table[0]
    assert table[2] == "| bare C loop (the floor) | 5.00 (4.00–6.00) | 0 | 1.00 | 0.50 | 0.62 |"
    assert table[3].startswith("| **QuartChat, memory** † | 8.00 | 2.00 | 1.60 |")
    assert table[4].startswith("| nginx, nchan | 10.0 |")


def test_a_handful_of_messages_is_marked() -> None:
    peers = {"channels": {"": rounds(cpu_us=[480.0, 991.0], messages=[2.0, 1.0])}}
    assert "Django Channels §" in report.bar_table(SCENARIOS["fan1000"], peers)[2]


def test_faults_are_named() -> None:
    assert "- QuartChat, memory: missing 2" in report.fault_lines(SCENARIOS["fan1000"], FAN)


def test_more_is_better_for_rates() -> None:
    peers = {"nchan": {"": rounds(connects_per_s=[10.0])}, "floor": {"": rounds(connects_per_s=[20.0])}}
    assert [peer for peer, *_ in report.rows(SCENARIOS["idle"], peers, "connects_per_s")] == [
        "floor",
        "nchan",
    ]


def test_a_page_is_written_from_whatever_was_measured(tmp_path: Path) -> None:
    curve = {point.name: rounds(message_us=[100 + 2 * point.x]) for point in SCENARIOS["by-members"].points}
    held = {
        "machine": {"cpu": "a fast one"},
        "scenarios": {
            "fan1000": {"peers": FAN, "not measured": {"litestar": "no Python"}},
            "by-members": {"peers": {"quartchat": curve}, "not measured": {}},
            "pair": {"peers": {}, "not measured": {"nchan": "nginx is not installed"}},
        },
    }
    page = tmp_path / "benchmarks.md"
    report.write(held, page)
    text = page.read_text()
    assert "Not measured: Litestar channels (no Python)." in text
    assert "| **QuartChat, memory** | 100 | 2.00 | 1.0000 |" in text
    assert "a fast one" in text
    for name in ("fan1000", "by-members"):
        assert f"(benchmarks/{name}.svg)" in text
        ET.parse(tmp_path / "benchmarks" / f"{name}.svg")  # noqa: S314 - our own


def test_names_of_lines_do_not_cover_each_other() -> None:
    placed = drawing.apart([(100, 0), (99, 1), (98, 2), (10, 3)], 18)
    heights = [y for y, _ in placed]
    assert all(a - b >= 18 for a, b in pairwise(heights))
    assert {number for _, number in placed} == {0, 1, 2, 3}


def test_one_giant_does_not_hide_the_others() -> None:
    assert drawing.longest([5, 10, 12]) == 12
    assert drawing.longest([5, 10, 500]) == 40
    giant = [drawing.Bar(str(value), value, own=False) for value in (5, 10, 500)]
    assert "cut short" in drawing.bars("t", "µs", giant)
    assert ">500<" in drawing.bars("t", "µs", giant)


def test_labels_are_escaped() -> None:
    picture = drawing.bars(
        "a < b", "µs", [drawing.Bar("R&D", 1, own=True), drawing.Bar("none", 0, own=False)]
    )
    assert "a &lt; b" in picture
    assert "R&amp;D" in picture
    ET.fromstring(picture)  # noqa: S314 - our own


def test_the_list_of_scenarios_is_sound() -> None:
    for name, scenario in SCENARIOS.items():
        assert name == scenario.name
        assert set(scenario.peers) <= set(PEERS)
        assert set(scenario.figures) <= set(COLUMNS)
        assert len({point.name for point in scenario.points}) == len(scenario.points)


def test_an_unknown_name_ends_it_with_what_there_is() -> None:
    assert campaign.chosen("pair, idle", SCENARIOS, "scenario") == ["pair", "idle"]
    assert campaign.chosen("", ["a", "b"], "thing") == ["a", "b"]
    with pytest.raises(SystemExit, match="No such scenario: piar"):
        campaign.chosen("piar", SCENARIOS, "scenario")
