"""What was said, by whom and when. Reads three kinds of files; docs/replay.md describes them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from quartchat.names import PERSON_CHARACTERS, BadName, person_name

PAIRS = 20
"""Questions and answers of a CSV file name nobody: so many people ask, and as many answer, in turn."""

_IRC = re.compile(r"\[(\d\d):(\d\d)\] <([^>]+)> ?(.*)", re.DOTALL)


class UnknownFormat(ValueError):
    """The file is not a conversation; the text says why in one line."""


class Line(NamedTuple):
    """One thing that was said."""

    speaker: str
    text: str
    at: float
    """Seconds after the conversation began."""


class Conversation(NamedTuple):
    """A file's lines in order."""

    lines: list[Line]
    skipped: int
    """Lines of the file that are neither messages nor the log's own notes about people coming and going."""

    @property
    def speakers(self) -> list[str]:
        """Everybody who says something, by their first appearance."""
        return list(dict.fromkeys(line.speaker for line in self.lines))


def parse(data: bytes) -> Conversation:
    """The conversation in a file, whichever of the formats it has. Raise `UnknownFormat`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnknownFormat(f"not UTF-8 at byte {error.start}") from None
    if "\x00" in text:
        raise UnknownFormat("not a text file")
    conversation = _reader(text)(text)
    if not conversation.lines:
        raise UnknownFormat("nobody says anything in it")
    return conversation


def _reader(text: str) -> Callable[[str], Conversation]:
    head = list(islice((line for line in text.split("\n") if line.strip()), 50))
    if not head:
        raise UnknownFormat("it is empty")
    if head[0].lstrip().startswith("{"):
        return _jsonl
    if any(_IRC.fullmatch(line.rstrip("\r")) for line in head):
        return _irc
    if [name.strip() for name in head[0].split(",")][:2] == ["Q", "A"]:
        return _pairs
    raise UnknownFormat('neither an IRC log, nor CSV with Q,A, nor lines like {"name": …, "text": …}')


def _irc(text: str) -> Conversation:
    """`[HH:MM] <nick> text`; lines that begin with === are joins, leaves and renames."""
    found: list[tuple[int, str, str]] = []
    skipped, day, last = 0, 0, 0
    for row in text.split("\n"):  # not splitlines: a message may hold odd line separators
        line = row.rstrip("\r")
        match = _IRC.fullmatch(line)
        if match is None:
            skipped += bool(line.strip()) and not line.startswith("===")
            continue
        minute = int(match[1]) * 60 + int(match[2])
        if minute < last - 12 * 60:  # past midnight; small steps back are a clock that was set
            day += 1
        last = minute
        found.append((day * 24 * 60 + minute, match[3], match[4]))
    # Lines of one minute are spread over it: the log knows no seconds.
    in_minute = Counter(minute for minute, _, _ in found)
    done: Counter[int] = Counter()
    lines: list[Line] = []
    at = 0.0
    for minute, speaker, said in found:
        at = max(at, 60 * (minute - found[0][0] + done[minute] / in_minute[minute]))
        done[minute] += 1
        lines.append(Line(speaker, said, at))
    return Conversation(lines, skipped)


def _pairs(text: str) -> Conversation:
    """CSV with the columns Q and A: in each row one person asks and another one answers."""
    lines: list[Line] = []
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    next(rows)
    try:
        for number, row in enumerate(row for row in rows if row):
            if len(row) < 2:
                raise UnknownFormat(f"line {rows.line_num} has no answer")
            pair = number % PAIRS + 1
            lines.append(Line(f"Asker {pair}", row[0], float(len(lines))))
            lines.append(Line(f"Answerer {pair}", row[1], float(len(lines))))
    except csv.Error as error:
        raise UnknownFormat(f"line {rows.line_num}: {error}") from None
    return Conversation(lines, 0)


def _jsonl(text: str) -> Conversation:
    """One JSON object a line: `name`, `text`, and if wanted `at`, the seconds since the beginning."""
    lines: list[Line] = []
    at = 0.0
    for number, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            entry = json.loads(row)
            name, said, at = entry["name"], entry["text"], float(entry.get("at", at))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UnknownFormat(f'line {number} is not like {{"name": …, "text": …}}') from None
        if not isinstance(name, str) or not isinstance(said, str):
            raise UnknownFormat(f"line {number}: name and text have to be texts")
        lines.append(Line(name, said, at))
    return Conversation(lines, 0)


def valid_name(speaker: str) -> str:
    """The nearest name that the chat takes; two speakers may end up with the same one."""
    kept = "".join(char for char in speaker if _allowed(f"x{char}x"))
    for end in range(PERSON_CHARACTERS, 0, -1):
        name = kept[:end].strip()
        if _allowed(name):
            return person_name(name)
    return "somebody"


def _allowed(name: str) -> bool:
    try:
        person_name(name)
    except BadName:
        return False
    return True


def pieces(text: str, most: int) -> list[str]:
    """The text in parts of at most `most` bytes in UTF-8, cut after white space where there is some."""
    parts: list[str] = []
    while _size(text) > most:
        end = size = 0
        while end < len(text) and size + _size(text[end]) <= most:
            size += _size(text[end])
            end += 1
        end = max(end, 1)  # a character larger than the limit: the server says what it thinks of it
        space = max(text.rfind(char, end // 2, end) for char in " \n\t")
        end = space + 1 if space > 0 else end
        parts.append(text[:end])
        text = text[end:]
    return [*parts, text] if text or not parts else parts


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
