"""Names of rooms and of people: which are allowed, and the one form in which they are kept."""

from __future__ import annotations

import unicodedata

ROOM_CHARACTERS = 64
ROOM_BYTES = 200
PERSON_CHARACTERS = 32

# Categories that show nothing or change how their neighbours are shown: controls, formats (bidi controls
# among them), surrogates, private use, unassigned, line and paragraph separators.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters, marks and symbols of other categories that show nothing (Default_Ignorable_Code_Point and the
# blank Braille pattern), and the replacement character: it stands for bytes that were not UTF-8.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc\ufffd\U00016fe4\U0001d159"
    + "".join(map(chr, (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))))
)

# Pictures on keyboards that Unicode does not count among the symbols (So); they ask for the emoji style.
_STYLED = frozenset("©®‼⁉ℹ〰↔⤴⤵◻◼◽◾")
_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_SPACES = frozenset(" \u3000")
_JOINER, _EMOJI_STYLE, _KEYCAP, _KEYS = "\u200d", "\ufe0f", "\u20e3", frozenset("0123456789#*")


class BadName(ValueError):
    """The name is not allowed; the text says why, to the person who chose it."""


def room_name(text: str) -> str:
    """The room that a text names, in NFC. Raise `BadName`."""
    name = _checked(text, "room", ROOM_CHARACTERS)
    if len(name.encode()) > ROOM_BYTES:
        raise BadName(f"The name of a room has at most {ROOM_BYTES} bytes.")
    return name


def person_name(text: str) -> str:
    """A person's display name, in NFC, without spaces around it. Raise `BadName`."""
    return _checked(text.strip(), "person", PERSON_CHARACTERS)


def _checked(text: str, what: str, characters: int) -> str:
    if len(text) > 4 * characters:  # before any work on it
        raise BadName(f"The name of a {what} has at most {characters} characters.")
    name = unicodedata.normalize("NFC", text)
    if not name:
        raise BadName(f"The name of a {what} cannot be empty.")
    if len(name) > characters:
        raise BadName(f"The name of a {what} has at most {characters} characters.")
    if name in (".", "..") or "/" in name:
        raise BadName("A name cannot be . or .. or hold a slash.")
    if name[0] in _SPACES or name[-1] in _SPACES:
        raise BadName("A name cannot begin or end with a space.")
    if unicodedata.category(name[0]).startswith("M"):
        raise BadName("A name cannot begin with a combining mark.")
    for index, character in enumerate(name):
        if not _shown(character, name[index - 1 : index], name[index + 1 : index + 2]):
            raise BadName(f"A name cannot hold the character U+{ord(character):04X}.")
    return name


def _shown(character: str, before: str, after: str) -> bool:
    if character == _EMOJI_STYLE:
        return _pictured(before) or (before in _KEYS and after == _KEYCAP)
    if character == _JOINER:
        return (_pictured(before) or before == _EMOJI_STYLE) and _pictured(after)
    category = unicodedata.category(character)
    if category == "Zs":
        return character in _SPACES
    return category not in _REFUSED and character not in _INVISIBLE


def _pictured(character: str) -> bool:
    """Whether this may be followed by the emoji style, or joined to another picture."""
    if not character:
        return False
    symbol = unicodedata.category(character) == "So" and character >= "\u2100"
    return symbol or character in _STYLED or character in _TONES
