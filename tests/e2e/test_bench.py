"""The bench runs: the load generator compiles, and its books balance on a real instance."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import home, trial
from bench.backends import Backends
from bench.catalogue import PEERS
from bench.scenarios import Point


@pytest.fixture(scope="module", autouse=True)
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A generator of this checkout's source, and not in the checkout."""
    if not shutil.which("cc") or not Path("/usr/include/stdio.h").exists():
        pytest.skip("no C compiler with its headers")
    if not shutil.which("taskset") or not hasattr(os, "sched_getaffinity"):
        pytest.skip("the bench needs Linux")
    folder = tmp_path_factory.mktemp("bench")
    subprocess.run([home.BENCH / "build", folder], check=True)
    patch = pytest.MonkeyPatch()
    patch.setattr(home, "LOAD", folder / "load")
    patch.setattr(home, "FLOOR", folder / "floor")
    patch.setattr(tempfile, "tempdir", str(folder))
    yield
    patch.undo()


@pytest.mark.parametrize("peer", ["floor", "quartchat", "quartchat-v1"])
def test_every_delivery_is_counted(peer: str) -> None:
    point = Point("", {"rooms": 2, "clients": 5, "talkers": 2, "window": 2, "settle": 0.05})
    # Less than the second after which a talker on a busy machine counts as kept waiting.
    figures = trial.run(PEERS[peer], point, seconds=0.9, warm=0.05, backends=Backends())
    assert figures["faults"] == 0
    assert figures["messages"] > 0
    assert figures["deliveries_per_s"] > 100
    assert figures["cpu_us"] > 0
    assert (figures["ack_p50_ms"] > 0) == (peer == "quartchat-v1")


def test_joiners_get_their_page() -> None:
    joining = {"clients": 3, "talkers": 1, "rate": 20, "seed": 52, "joiners": 20, "settle": 0.05}
    figures = trial.run(PEERS["quartchat-v1"], Point("", joining), seconds=2, warm=0, backends=Backends())
    assert figures["paged"] == 20
    assert figures["faults"] == 0
