"""Names of rooms and of people: which are allowed, and the one form in which they are kept.

The rules follow PRECIS (RFC 8264 to 8266): what shows nothing or turns its neighbours round is refused, but
for the places where a script needs it (RFC 5892, appendix A). What looks like another name is no matter of
these rules: see `skeleton`, and docs/design/names.md.
"""

from __future__ import annotations

import re
import unicodedata

ROOM_CHARACTERS = 64
ROOM_BYTES = 200
PERSON_CHARACTERS = 32

MARKS = 4
"""Marks on one letter, or between two (UTS #39, 5.4). Tibetan and pointed Hebrew need as many."""

# Categories that show nothing or change how their neighbours are shown: controls, formats (bidi controls
# among them), surrogates, private use, unassigned, line and paragraph separators; marks around a letter.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me"})

# Letters, marks and symbols of other categories that show nothing (Default_Ignorable_Code_Point and the
# blank Braille pattern), and the replacement character: it stands for bytes that were not UTF-8.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc\ufffd\U00016fe4\U0001d159"
    + "".join(map(chr, (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))))
)

# Pictures on keyboards that Unicode does not count among the symbols (So); they ask for the emoji style.
_STYLED = frozenset("©®‼⁉ℹ〰↔⤴⤵◻◼◽◾")
_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_EMOJI_STYLE, _KEYCAP, _KEYS = "\ufe0f", "\u20e3", frozenset("0123456789#*")

# Kept for pictures by Unicode: this Python's may be older than the keyboard that writes them.
_PICTURES = range(0x1F000, 0x1FB00)

# Flags of parts of a country, spelt in letters that show nothing. There are these (UTS #51, B.1).
_PARTS = ("eng", "sct", "wls")
_FLAG = (
    "\U0001f3f4\U000e0067\U000e0062(?:"
    + "|".join("".join(chr(0xE0000 + ord(letter)) for letter in part) for part in _PARTS)
    + ")\U000e007f"
)

# Patterns are texts here: a program that starts has no name yet that is worth compiling them for.
_SPACES = frozenset(" \u3000")
_GAPS = "[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+"

# Joiners change what stands beside them in these places. After a virama: half and conjunct letters; before
# one only after the ra of Bengali and Kannada. Between Arabic letters of which the first would join the next.
_NON_JOINER, _JOINER = "\u200c", "\u200d"
_VIRAMA, _RAS = 9, frozenset("\u09b0\u0cb0")
_ARABIC = "\u0620-\u06ff\u0750-\u077f\u0870-\u08ff"
_BEFORE = (  # Joining_Type D of Unicode 15.0, DerivedJoiningType.txt
    "[\u0620\u0626\u0628\u062a-\u062e\u0633-\u063f\u0641-\u0647\u0649\u064a\u066e\u066f\u0678-\u0687"
    "\u069a-\u06bf\u06c1\u06c2\u06cc\u06ce\u06d0\u06d1\u06fa-\u06fc\u06ff\u0750-\u0758\u075c-\u076a"
    "\u076d-\u0770\u0772\u0775-\u0777\u077a-\u077f\u0886\u0889-\u088d\u08a0-\u08a9\u08af\u08b0"
    "\u08b3-\u08b8\u08ba-\u08c8]"
)
_UNJOINED = frozenset("\u0621\u0674\u06d4\u06dd\u06de\u06e9\u0883\u0884\u0885\u08ad\u08e2")
_IDLE = f"(?<=[{_ARABIC}])\u200c+(?=[{_ARABIC}]| |$)"

# Parts a final vowel from its word in Mongolian, which gives it another shape.
_PARTER, _MONGOLIAN, _FINAL = "\u180e", range(0x1820, 0x1843), frozenset("\u1820\u1821")


class BadName(ValueError):
    """The name is not allowed; the text says why, to the person who chose it."""


def room_name(text: str) -> str:
    """The room that a text names, in NFC. Raise `BadName`."""
    name = _checked(text, "room", ROOM_CHARACTERS)
    if len(name.encode()) > ROOM_BYTES:
        raise BadName(f"The name of a room has at most {ROOM_BYTES} bytes.")
    return name


def person_name(text: str) -> str:
    """A person's display name, in NFC. Raise `BadName`.

    Mapped as RFC 8266 does for nicknames: spaces of every kind are one plain space, and none stands around
    it. Width and letter case stay as they were written. A non-joiner between Arabic letters that do not join
    anyhow, as keyboards for Persian leave it, is dropped.
    """
    name = text.strip()
    if len(name) <= 4 * PERSON_CHARACTERS:
        name = re.sub(_GAPS, " ", unicodedata.normalize("NFC", name))
        name = _joined(name)
    return _checked(name, "person", PERSON_CHARACTERS)


def _joined(name: str) -> str:
    """Without the non-joiners that part nothing."""
    return re.sub(_IDLE, lambda found: _NON_JOINER if _parts(name, *found.span()) else "", name)


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
    seen = re.sub(_FLAG, "\U0001f3f4", name)
    for index, character in enumerate(seen):
        if not _shown(seen, index):
            raise BadName(f"A name cannot hold the character U+{ord(character):04X} there.")
    if _piled(name):
        raise BadName("A name cannot pile up marks on a letter.")
    return name


def _piled(name: str) -> bool:
    """Whether marks are drawn over the lines around, or the same one over itself."""
    marks, before = 0, ""
    for character in unicodedata.normalize("NFD", name):
        marks = marks + 1 if unicodedata.category(character) == "Mn" else 0
        if marks > MARKS or (marks > 1 and character == before):
            return True
        before = character
    return False


def _shown(name: str, index: int) -> bool:
    character, before, after = name[index], name[index - 1 : index], name[index + 1 : index + 2]
    if character == _EMOJI_STYLE:
        return _pictured(before) or (before in _KEYS and after == _KEYCAP)
    if character == _KEYCAP:
        return (before == _EMOJI_STYLE and name[index - 2] in _KEYS) or before in _KEYS
    if character == _JOINER and (_pictured(before) or before == _EMOJI_STYLE):
        return _pictured(after)
    if character in (_JOINER, _NON_JOINER):
        return _needed(name, index)
    if character == _PARTER:
        return bool(before) and ord(before) in _MONGOLIAN and after in _FINAL
    category = unicodedata.category(character)
    if category == "Zs":
        return character in _SPACES
    if category == "Cn":
        return ord(character) in _PICTURES
    return category not in _REFUSED and character not in _INVISIBLE


def _needed(name: str, index: int) -> bool:
    """Whether a joiner or non-joiner changes what is beside it."""
    before, after = name[index - 1 : index], name[index + 1 : index + 2]
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    if name[index] == _JOINER:
        return before in _RAS and bool(after) and unicodedata.combining(after) == _VIRAMA
    return _parts(name, index, index + 1)


def _parts(name: str, start: int, stop: int) -> bool:
    """Whether a non-joiner there parts two Arabic letters, whatever points these bear."""
    while start and unicodedata.category(name[start - 1]) == "Mn":
        start -= 1
    while stop < len(name) and unicodedata.category(name[stop]) == "Mn":
        stop += 1
    after = name[stop : stop + 1]
    joining = (
        re.match(f"[{_ARABIC}]", after) and unicodedata.category(after) == "Lo" and after not in _UNJOINED
    )
    return bool(start and re.match(_BEFORE, name[start - 1]) and joining)


def _pictured(character: str) -> bool:
    """Whether this may be followed by the emoji style, or joined to another picture."""
    if not character:
        return False
    symbol = unicodedata.category(character) == "So" and character >= "\u2100"
    return symbol or ord(character) in _PICTURES or character in _STYLED or character in _TONES
