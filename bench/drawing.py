"""Plots as SVG: text stays text, and they can be read on a light and on a dark page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from bench.figures import Fit, short, ticks

# A ground of its own: an image does not learn which theme the page around it has, only the system's.
STYLE = """\
<style>
  svg { --ground: #ffffff; --ink: #1f2328; --dim: #59636e; --rule: #d1d9e0; --bar: #8c96a0; --own: #0b6bcb;
        --l0: #0b6bcb; --l1: #b3541e; --l2: #1a7f37; --l3: #8250df; --l4: #59636e; }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #0d1117; --ink: #f0f6fc; --dim: #9198a1; --rule: #3d444d; --bar: #656c76; --own: #4ea1ff;
          --l0: #4ea1ff; --l1: #f0883e; --l2: #3fb950; --l3: #bc8cff; --l4: #9198a1; }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
  .title { font-size: 16px; font-weight: 600; }
  .dim { fill: var(--dim); font-size: 12px; }
  .own { font-weight: 600; }
  .rule { stroke: var(--rule); }
</style>"""

WIDTH = 760
LEFT = 228
EDGE = 20


class Bar(NamedTuple):
    label: str
    value: float
    own: bool
    mark: str = ""


class Line(NamedTuple):
    label: str
    points: Sequence[tuple[float, float]]
    fit: Fit | None


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars with their values, from the first row down."""
    top, step = 74, 24
    height = top + step * len(rows) + 14
    most = longest([row.value for row in rows])
    room = WIDTH - LEFT - EDGE - 70  # the value of the longest bar stands behind it
    parts = [_rule(LEFT, top - 8, LEFT, height - 12)]
    for number, row in enumerate(rows):
        y = top + step * number
        long = max(min(row.value / most, 1.0) * room, 1.5)
        own = ' class="own"' if row.own else ""
        colour = "--own" if row.own else "--bar"
        parts.append(f'<text x="{LEFT - 10}" y="{y + 12}" text-anchor="end"{own}>{escape(row.label)}</text>')
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{long:.1f}" height="16" rx="2" style="fill: var({colour})"/>'
        )
        if row.value > most:
            x = LEFT + room - 34
            parts.append(f'<path d="M{x} {y + 18}l6 -20h6l-6 20z" style="fill: var(--ground)"/>')
        parts.append(f'<text x="{LEFT + long + 7:.1f}" y="{y + 12}"{own}>{short(row.value)}{row.mark}</text>')
    if any(row.value > most for row in rows):
        unit += " Bars with a gap are cut short."
    return _picture(title, unit, height, parts)


def longest(values: Sequence[float]) -> float:
    """What the longest bar stands for: not so much that most of the others vanish."""
    most = max(values, default=0) or 1.0
    usual = statistics.median(values) * 4 if values else 0
    return usual if 0 < usual * 1.5 < most else most


def lines(title: str, unit: str, across: str, drawn: Sequence[Line]) -> str:
    """Points, the straight line through each set of them, and its name at the end."""
    left, right, top, low, height = 70, WIDTH - 178, 80, 360, 412
    x_ticks = ticks(max((x for line in drawn for x, _ in line.points), default=1))
    y_ticks = ticks(max((y for line in drawn for _, y in line.points), default=1))

    def across_at(x: float) -> float:
        return left + x / x_ticks[-1] * (right - left)

    def up_at(y: float) -> float:
        return low - y / y_ticks[-1] * (low - top)

    parts = []
    for tick in y_ticks:
        y = up_at(tick)
        parts.append(_rule(left, y, right, y))
        parts.append(
            f'<text class="dim" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>'
        )
    for tick in x_ticks:
        x = across_at(tick)
        parts.append(
            f'<text class="dim" x="{x:.1f}" y="{low + 20}" text-anchor="middle">{short(tick)}</text>'
        )
    middle = (left + right) / 2
    parts.append(
        f'<text class="dim" x="{middle}" y="{low + 40}" text-anchor="middle">{escape(across)}</text>'
    )
    for number, line in enumerate(drawn):
        colour = f"var(--l{number % 5})"
        if line.fit and line.points:
            first, last = line.points[0][0], line.points[-1][0]
            ends = [(across_at(x), up_at(max(line.fit.at(x), 0))) for x in (first, last)]
            (x1, y1), (x2, y2) = ends
            parts.append(
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
                f' style="stroke: {colour}; stroke-width: 2"/>'
            )
        for x, y in line.points:
            parts.append(
                f'<circle cx="{across_at(x):.1f}" cy="{up_at(y):.1f}" r="4" style="fill: {colour}"/>'
            )
    named = [(up_at(line.points[-1][1]), number) for number, line in enumerate(drawn) if line.points]
    for y, number in apart(named, 18):
        place = f'x="{right + 12}" y="{y + 4:.1f}"'
        parts.append(f'<text {place} style="fill: var(--l{number % 5})">{escape(drawn[number].label)}</text>')
    return _picture(title, unit, height, parts)


def apart(named: Sequence[tuple[float, int]], least: float) -> list[tuple[float, int]]:
    """The same places, from the lowest value down the page, moved until none covers another."""
    placed: list[tuple[float, int]] = []
    for y, number in sorted(named, reverse=True):
        placed.append((min(y, placed[-1][0] - least) if placed else y, number))
    return placed


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="rule" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _picture(title: str, unit: str, height: int, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
            STYLE,
            f'<rect width="{WIDTH}" height="{height}" rx="6" style="fill: var(--ground)"/>',
            f'<text class="title" x="{EDGE}" y="30">{escape(title)}</text>',
            f'<text class="dim" x="{EDGE}" y="50">{escape(unit)}</text>',
            *parts,
            "</svg>\n",
        ]
    )
