"""The pure modules of the pages, under node's own test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SCRIPTS = CHECKOUT / "quartchat" / "static"

OLDEST = 18
"""The first node with a test runner."""


def node() -> str:
    """Node, or the test is skipped at a desk and fails in CI."""
    found = shutil.which("node")
    reason = "node is not installed"
    if found is not None:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        if int(version.stdout.strip().lstrip("v").partition(".")[0]) >= OLDEST:
            return found
        reason = f"node {version.stdout.strip()} is too old"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and nothing is skipped in CI")
    pytest.skip(reason)


def test_the_modules_of_the_pages(tmp_path: Path) -> None:
    program = node()
    # A copy with the word that makes every node take .js files for modules, as browsers do.
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copytree(SCRIPTS, tmp_path / "quartchat" / "static")
    shutil.copytree(CHECKOUT / "tests" / "js", tmp_path / "tests" / "js")
    files = sorted(map(str, (tmp_path / "tests" / "js").glob("*.test.js")))
    assert files
    run = subprocess.run([program, "--test", *files], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]


def test_pure_modules_know_no_page() -> None:
    for script in sorted((SCRIPTS / "core").glob("*.js")):
        text = script.read_text()
        for word in ("document.", "window.", "localStorage", "../ui/"):
            assert word not in text, f"{script.name} uses {word}"


def test_modules_stay_small() -> None:
    for script in SCRIPTS.rglob("*.js"):
        assert len(script.read_text().splitlines()) <= 200, script.name


def test_the_room_loads_what_it_lists() -> None:
    """Every module that the room page's script brings along is preloaded by its template, and no other."""
    page = (CHECKOUT / "templates" / "room.html").read_text()
    listed = set(re.findall(r"<link rel=modulepreload href=/static/(\S+)\.js>", page))
    found: set[str] = set()
    waiting = ["room"]
    while waiting:
        name = waiting.pop()
        found.add(name)
        folder = (SCRIPTS / name).parent
        for line in (SCRIPTS / f"{name}.js").read_text().splitlines():
            if line.startswith("import ") and " from '" in line:
                target = (folder / line.split("'")[1]).resolve().relative_to(SCRIPTS)
                if str(target.with_suffix("")) not in found:
                    waiting.append(str(target.with_suffix("")))
    assert listed == found - {"room"}
