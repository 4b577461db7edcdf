"""The example in docs/brokers.md, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_documented_example_runs_on_every_broker(broker_url: str, tmp_path: Path) -> None:
    page = (ROOT / "docs/brokers.md").read_text()
    found = re.search(r"```python\n(.*?)```", page, re.S)
    assert found
    script = tmp_path / "example.py"
    script.write_text(found[1])
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), broker_url],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "so far [] "
    assert sorted(lines[1:3]) == ["new ['two eggs']", "stored once True True"]
    assert lines[3] == "page ['two eggs'] True"
