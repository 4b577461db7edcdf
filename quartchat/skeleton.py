"""What a name looks like: one key for all names that an eye takes for the same (UTS #39, section 4).

Nobody is refused for the look of a name; those who look alike are told apart (docs/design/names.md). So
where it is not sure whether two names look alike, their keys are the same: it costs a tag beside a name.
The table is Unicode's, in `skeleton.txt`, read when the first name needs it. Keys change with the table:
they are never kept.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

LONGEST = 128
"""Characters; no name that was taken is longer."""

REMEMBERED = 4096
"""Names whose looks are kept. A look costs some 20 µs, and a name is looked at with each of its messages."""

# What shows nothing by itself, and what names hold for the sake of its neighbours: joiners, styles, tags.
_UNSEEN = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]+"
)

# Beside the table: marks that are hardly to be told from each other, and letters that are drawn like a letter
# with a virama (Unicode, chapter 12).
_DRAWN = {
    "\u030a": "\u0307",
    "\u030b": "\u0308",
    "\u09ce": "\u09a4\u09cd",
    "\u0d54": "\u0d2e\u0d4d",
    "\u0d55": "\u0d2f\u0d4d",
    "\u0d56": "\u0d34\u0d4d",
    "\u0d7a": "\u0d23\u0d4d",
    "\u0d7b": "\u0d28\u0d4d",
    "\u0d7c": "\u0d30\u0d4d",
    "\u0d7d": "\u0d32\u0d4d",
    "\u0d7e": "\u0d33\u0d4d",
    "\u0d7f": "\u0d15\u0d4d",
}

# Drawn alike side by side. (The table says that m is rn; so each Tim would have a key of his own.) And a dot
# on what has one.
_PAIRS = (("i\u0307", "i"), ("j\u0307", "j"), ("rn", "m"), ("vv", "w"), ("cl", "d"))

_RIGHT, _LEFT = frozenset({"R", "AL"}), frozenset({"L", "EN", "AN"})


@cache
def table() -> dict[int, str]:
    """Characters by number, and what each looks like."""
    drawn = str.maketrans(_DRAWN)
    found = dict(drawn)
    for line in Path(__file__).with_name("skeleton.txt").read_text("ascii").splitlines():
        if not line.startswith("#"):
            look, _, alike = line.partition(":")
            text = "".join(chr(int(code, 16)) for code in look.split()).translate(drawn)
            for code in alike.split():
                found.setdefault(int(code, 16), text)
    return found


def fold(name: str) -> str:
    """What pages take for one name without a table (`fold` in static/core/presence.js does the same)."""
    return "".join(unicodedata.normalize("NFKC", name).lower().split())


def skeleton(name: str) -> str:
    """The key: equal for two names that may look alike."""
    text = unicodedata.normalize("NFD", re.sub(_UNSEEN, "", name)).translate(table())
    # Once more: what a compatible form stands for may be in the table in its turn.
    text = unicodedata.normalize("NFKD", text).translate(table()).lower()
    text = unicodedata.normalize("NFD", text)
    for pair, letter in _PAIRS:
        text = text.replace(pair, letter)
    text = "".join(unicodedata.normalize("NFC", text).split())
    turns = {unicodedata.bidirectional(character) for character in text}
    if turns & _RIGHT and turns & _LEFT:
        # The order in which it is shown is not the one it is written in: two orders may be shown as one.
        text = "".join(sorted(filter(str.isalnum, text)))
    return text


@lru_cache(REMEMBERED)
def look(name: str) -> str | None:
    """The key where it is not the folded name itself, which it is for most; else None."""
    if len(name) > LONGEST:
        return None
    key = skeleton(name)
    return None if key == fold(name) else key
