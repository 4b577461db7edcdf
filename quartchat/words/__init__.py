"""Every word that people read, in each language: one JSON file a language beside this one.

A file has sections: `page` is what templates and answers say, `room` and `lobby` are for the scripts of these
pages, `both` is for either. What a script needs goes to it inside its page.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

DEFAULT = "en"
"""For who asks for no language that is here."""


class Words:
    """The words of one language."""

    def __init__(self, language: str, sections: dict[str, dict[str, str]]) -> None:
        self.language = language
        self._sections = sections
        self._all = {key: text for section in sections.values() for key, text in section.items()}

    def __contains__(self, key: object) -> bool:
        return key in self._all

    def say(self, key: str, n: int | None = None) -> str:
        """A text; `n` is its number. "one|other" where a language tells one from many."""
        text = self._all[key]
        if n is None:
            return text
        one, _, other = text.partition("|")
        return (one if n == 1 or not other else other).replace("{n}", str(n))

    def script(self, page: str) -> str:
        """What the scripts of a page say, as JSON that cannot end the element it stands in."""
        texts = {**self._sections["both"], **self._sections[page]}
        return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def languages() -> dict[str, Words]:
    """All languages by their tags, the default first."""
    files = sorted(Path(__file__).parent.glob("*.json"), key=lambda file: (file.stem != DEFAULT, file.stem))
    return {file.stem: Words(file.stem, json.loads(file.read_text("utf-8"))) for file in files}


def liked(header: str | None) -> str:
    """The language that an Accept-Language likes best. "en-GB" before "ko" is English, which is not
    what the library's `best_match` makes of it: that prefers what is there to the letter.
    """
    for tag, quality in parse_accept_header(header, LanguageAccept):
        language = tag.partition("-")[0].lower()
        if quality and language in languages():
            return language
    return DEFAULT
