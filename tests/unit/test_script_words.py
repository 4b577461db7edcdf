"""What the scripts say is in the catalogue, and what is there for the owners' tools is said by them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "quartchat"
WORDS = json.loads((PACKAGE / "words/en.json").read_text())
OWNERS = sorted((PACKAGE / "static/ui").glob("owner*.js"))
ROOM = [
    PACKAGE / f"static/ui/{name}.js" for name in ("banner", "composer", "likes", "log-view", "people", "row")
]
LOBBY = [PACKAGE / "static/lobby.js", PACKAGE / "static/ui/private.js"]


@pytest.mark.parametrize(("page", "scripts"), [("room", ROOM), ("owner", OWNERS), ("lobby", LOBBY)])
def test_every_word_that_a_script_says_is_sent_to_it(page: str, scripts: list[Path]) -> None:
    said = {key for script in scripts for key in re.findall(r"\bsay\('(\w+)'", script.read_text())}
    assert len(said) > 2
    assert said <= {*WORDS["both"], *WORDS[page]}


def test_every_word_of_the_owners_is_said() -> None:
    text = "".join(script.read_text() for script in OWNERS)
    quoted = set(re.findall(r"['\"`](\w+)['\"`]", text))
    # Made of two: what was done, for how long, until when.
    made = re.compile(r"for_\d+|done_(mute|ban|pardon)|(muted|banned)_until|(mute|ban)_for").fullmatch
    assert [key for key in WORDS["owner"] if key not in quoted and not made(key)] == []


def test_every_time_that_can_be_chosen_has_a_word() -> None:
    text = "".join(script.read_text() for script in OWNERS)
    times = set(re.findall(r"\b\d{3,7}(?=[,\]])", text))
    assert len(times) > 4
    assert {f"for_{seconds}" for seconds in times} == {
        key for key in WORDS["owner"] if key.startswith("for_")
    }
