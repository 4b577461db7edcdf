"""Secrets that are planted, and looked for afterwards wherever they must not be."""

from __future__ import annotations

import base64
import html
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote

PIECE = 12
"""Characters of a secret that give it away: logs and `repr` cut long texts short. Those of the names that we
make hold 36 random bits at the least, so nothing else looks like them."""


class Canary(NamedTuple):
    """One secret."""

    name: str
    """What it is, for whoever reads that it leaked."""
    text: str
    may: frozenset[str]
    """Places that have a right to it: who it belongs to, or where it is kept on purpose."""


class Leak(NamedTuple):
    """A secret, or a piece of one, where it must not be."""

    canary: str
    place: str
    form: str
    around: str

    def __str__(self) -> str:
        return f"{self.canary} in {self.place}, {self.form}: {self.around}"


class Canaries:
    """All secrets of one campaign."""

    def __init__(self) -> None:
        self.planted: dict[str, Canary] = {}

    def plant(self, name: str, text: str | None = None, *, may: tuple[str, ...] = ()) -> str:
        """A secret of this name; `text` where it has a form of its own, else letters and digits.

        Raise `ValueError` where one is too short to be told from anything else, or the name is taken.
        """
        made = secrets.token_hex(PIECE) if text is None else text
        if len(made) < PIECE or name in self.planted:
            raise ValueError(f"{name}: {PIECE} characters at the least, and a name of its own")
        self.planted[name] = Canary(name, made, frozenset(may))
        return made

    def plant_token(self, name: str, text: str, *, may: tuple[str, ...] = ()) -> str:
        """A token that is signed: how it begins, with whose it is, and its signature.

        What stands between them (times, for one) is the same in tokens that were made together. Of one
        whose content is compressed (it begins with a dot) its middle: first comes which letters there are,
        which may be the same in another, and last where the login leads.
        """
        if text.startswith("."):
            content = text.split(".")[1]
            middle = len(content) // 2
            self.plant(f"{name}, its middle", content[middle - PIECE : middle + PIECE], may=may)
        else:
            self.plant(f"{name}, how it begins", text[: 2 * PIECE], may=may)
        self.plant(f"{name}, its signature", text.rpartition(".")[2], may=may)
        return text

    def leaks(self, places: Mapping[str, bytes]) -> list[Leak]:
        """Everything that was found where it must not be; `places` is what was seen, by the place's name."""
        found = []
        for canary in self.planted.values():
            needles = sorted(forms(canary.text), key=lambda each: (not each[0].endswith("it is"), each))
            for place, seen in places.items():
                if place in canary.may:
                    continue
                for form, needle in needles:
                    at = seen.find(needle)
                    if at >= 0:
                        around = seen[max(0, at - 80) : at + len(needle) + 40]
                        found.append(Leak(canary.name, place, form, repr(around)))
                        break
        return found

    def seen(self, places: Mapping[str, bytes]) -> set[str]:
        """Names of those that were found where they have a right to be: so the search does see."""
        return {
            canary.name
            for canary in self.planted.values()
            for place in canary.may & places.keys()
            if any(needle in places[place] for _, needle in forms(canary.text))
        }


def forms(text: str) -> set[tuple[str, bytes]]:
    """How a secret may look somewhere: the name of the form, and bytes to look for.

    Three pieces of it, from its beginning, middle and end: what holds the whole holds them, too.
    """
    middle = (len(text) - PIECE) // 2
    pieces = {
        "its beginning": text[:PIECE],
        "its middle": text[middle : middle + PIECE],
        "its end": text[-PIECE:],
    }
    return {(f"{where} {how}", needle) for where, piece in pieces.items() for how, needle in _written(piece)}


def _written(piece: str) -> Iterator[tuple[str, bytes]]:
    raw = piece.encode()
    yield "as it is", raw
    yield "in small letters", piece.lower().encode()
    percent = quote(piece, safe="")
    yield "percent-encoded", percent.encode()
    yield (
        "percent-encoded in lower case",
        "".join(
            each if each.isascii() and each.isalnum() else "".join(f"%{byte:02x}" for byte in each.encode())
            for each in piece
        ).encode(),
    )
    yield "as in a form", percent.replace("%20", "+").encode()
    yield "as in HTML", html.escape(piece).encode()
    yield "as in JSON", json.dumps(piece)[1:-1].encode()
    yield "as Python writes it", ascii(piece)[1:-1].encode()
    yield "in bytes that Python writes", repr(raw)[2:-1].encode()
    yield "in hexadecimal", raw.hex().encode()
    for shift in range(3):
        # What of it does not depend on what stands before and behind it.
        whole = base64.b64encode(bytes(shift) + raw)
        inside = whole[(shift and shift + 1) : (shift + len(raw)) * 8 // 6]
        yield "in base64", inside
        yield "in base64 for URLs", inside.replace(b"+", b"-").replace(b"/", b"_")
