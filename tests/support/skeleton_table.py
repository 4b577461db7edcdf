"""Makes quartchat/skeleton.txt from ICU's data: python -m tests.support.skeleton_table libicui18n.so.72

ICU (Debian's package libicu72, for one) holds Unicode's confusables.txt in a form of its own and answers one
question: what is the skeleton of this text? So each character is asked for. What normalisation alone tells is
left out, and so are the jamo that syllables of Korean are made of: the table takes them one by one, an i for
a vertical stroke, and each Korean name would have a skeleton of its own for nothing. The head of the file,
which says where it is from and under which licence, stays as it is.
"""

from __future__ import annotations

import ctypes
import re
import sys
import unicodedata
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "quartchat" / "skeleton.txt"

SIZE = 4096

JAMO = {*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}


class Checker:
    """ICU's spoof checker (uspoof.h)."""

    def __init__(self, library: str) -> None:
        self.version = re.findall(r"\d+", library)[-1]
        self._library = ctypes.CDLL(library)
        status = ctypes.c_int(0)
        opened = self._function("uspoof_open", ctypes.c_void_p)(ctypes.byref(status))
        self._checker = ctypes.c_void_p(opened)
        self._skeleton = self._function("uspoof_getSkeletonUTF8", ctypes.c_int32)

    def _function(self, name: str, answers: type) -> ctypes._NamedFuncPointer:
        found = self._library[f"{name}_{self.version}"]
        found.restype = answers
        return found

    def skeleton(self, text: str) -> str:
        status, data, out = ctypes.c_int(0), text.encode(), ctypes.create_string_buffer(SIZE)
        size = self._skeleton(self._checker, 0, data, len(data), out, SIZE, ctypes.byref(status))
        if status.value > 0:
            raise ValueError(f"ICU's error {status.value}")
        return out.raw[:size].decode()


def rows(checker: Checker) -> dict[str, list[str]]:
    """Texts, and the characters that look like each."""
    looks = {}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if code not in JAMO and not 0xD800 <= code < 0xE000 and unicodedata.is_normalized("NFD", character):
            look = checker.skeleton(character)
            if look != character:
                looks[code] = look
    found: dict[str, list[str]] = {}
    for code, look in looks.items():
        compatible = unicodedata.normalize("NFKD", chr(code))
        plain = unicodedata.normalize("NFKD", look.translate(looks)).translate(looks)
        if compatible == chr(code) or compatible.translate(looks) != plain:
            found.setdefault(look, []).append(f"{code:X}")
    return found


def main(library: str) -> None:
    checker = Checker(library)
    lines = [
        f"{' '.join(f'{ord(character):X}' for character in look)}:{' '.join(alike)}"
        for look, alike in sorted(rows(checker).items())
    ]
    head = [line for line in FILE.read_text("ascii").splitlines() if line.startswith("#")]
    FILE.write_text("\n".join([*head, *lines, ""]), "ascii")


if __name__ == "__main__":
    main(sys.argv[1])
