"""A conversation of the project's own making: the same lines each time, with all that is odd in chats."""

from __future__ import annotations

import json
import random

LINES = 300
SPEAKERS = 25

_WORDS = [
    *["the", "a", "server", "redis", "rabbit", "stream", "log", "window", "after", "before", "why", "not"],
    *["안녕하세요", "그래요", "감사합니다", "오늘", "내일", "서울", "こんにちは", "世界", "привет", "мир"],
    *["שלום", "مرحبا", "naïve", "façade", "Ωmega", "½", "№5", ":-)", "🎉", "👩‍👩‍👧", "🇰🇷", "❤️", "👍🏽"],
]

_ODD = [
    "\ttabs\tinside\t",
    "nul \x00 bell \x07 escape \x1b[31mred\x1b[0m",
    "separators \u2028 \u2029 \x85 and \ufeff",
    "right \u202eto left\u202c and isolates \u2066x\u2069",
    "<script>alert('x')</script> &amp; <b>bold</b>",
    '{"type": "message", "message": "not a frame"}',
    "back\\slash \"quotes\" 'single' `ticks` %s %n {0} ${x}",
    "e\u0301 is not é, and \u1112\u1161\u11ab is not 한",
    "Z̸̧̢̛͇̗͍a̵̧͇̗͍l̴̢̛͇̗g̸̛o",
    "last planes \U0010fffd \U000f0000 \ufffe",
    "   spaces around   ",
    "https://example.org/?a=b&c=d#e",
    "x",
    "0",
    "\u200b",
]


def made_up() -> list[tuple[str, str]]:
    """Who says what: bursts of one person, pastes of many lines and long ones, questions and answers."""
    dice = random.Random(20260101)
    people = [f"Person {number}" for number in range(SPEAKERS - 3)]
    people += ["한국 사람", "👩‍🚀", "Person 1\u202e"]  # the last looks like another one
    lines: list[tuple[str, str]] = []
    for odd in _ODD:
        lines.append((dice.choice(people), odd))
    while len(lines) < LINES:
        who, kind = dice.choice(people), dice.random()
        if kind < 0.1:
            for number in range(dice.randint(3, 12)):
                lines.append((who, f"burst {number} {dice.choice(_WORDS)}"))
        elif kind < 0.15:
            rows = (" ".join(dice.choices(_WORDS, k=8)) for _ in range(dice.randint(5, 40)))
            lines.append((who, "\n".join(rows)))
        elif kind < 0.18:
            lines.append((who, "".join(dice.choices(_WORDS, k=dice.randint(300, 900)))[:8000]))
        elif kind < 0.25:
            lines.append((who, "the same again"))
        else:
            lines.append((who, " ".join(dice.choices(_WORDS, k=dice.randint(1, 15)))))
    lines = lines[: LINES - 1]
    lines.append((people[0], "too long for one message: " + "한 글자 " * 2500))
    for number, name in enumerate(people):  # everybody says something
        lines[20 + number] = (name, lines[20 + number][1])
    return lines


def as_file() -> bytes:
    """In the project's own format."""
    rows = [
        json.dumps({"name": name, "text": text, "at": number / 10}, ensure_ascii=number % 2 == 0)
        for number, (name, text) in enumerate(made_up())
    ]
    return "\n".join(rows).encode()
