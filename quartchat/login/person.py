"""Somebody for whom another program vouches: the `user.id` and the name that follow from what it says."""

from __future__ import annotations

import base64
import hmac
import unicodedata

from .. import names

_SHOWS_NOTHING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me"})


def user_id(key: str, source: str, subject: str) -> str:
    """The same for the same person each time, another with another key, 24 characters.

    `source` says who vouches (no NUL), `subject` whom they mean. Subjects are often e-mail addresses or
    numbers, and ids are shown to everybody: without the key, nobody can try which subject an id belongs to.
    """
    said = "\0".join(("quartchat person", source, subject))
    digest = hmac.digest(key.encode(), said.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest[:18]).decode()


def shown_name(*said: object) -> str | None:
    """The first of these from which a name can be made that people may have here; None where there is none.

    Of an address (ada@example.org) only what stands before the @ is shown: nobody chose to tell it to all.
    """
    for each in said:
        name = _fitting(each) if isinstance(each, str) else None
        if name is not None:
            return name
    return None


def _fitting(text: str) -> str | None:
    text = text[: 8 * names.PERSON_CHARACTERS].strip()
    before, at, after = text.partition("@")
    if at and before and "." in after and " " not in text:
        text = before
    cleaned = "".join(" " if each == "/" else each for each in text if not _hidden(each))
    for name in (text, cleaned):
        # A character less at a time: the end may be the middle of a picture, or a mark.
        for length in range(min(len(name), names.PERSON_CHARACTERS), 0, -1):
            try:
                return names.person_name(name[:length])
            except names.BadName:
                if length == len(name) <= names.PERSON_CHARACTERS:
                    break
    return None


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _SHOWS_NOTHING
