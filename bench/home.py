"""Where things are."""

from __future__ import annotations

from pathlib import Path

BENCH = Path(__file__).resolve().parent
CHECKOUT = BENCH.parent
PEERS = BENCH / "peers"
MADE = CHECKOUT / ".bench"
"""All that is built, installed and written while measuring; not in git."""
VENV = MADE / "venv"
NODE_MODULES = MADE / "node_modules"
LOAD = MADE / "load"
FLOOR = MADE / "floor"
RESULTS = BENCH / "results" / "latest.json"
PAGE = CHECKOUT / "docs" / "benchmarks.md"
