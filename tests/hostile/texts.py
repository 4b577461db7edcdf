"""Texts that are JSON, nearly JSON or anything but."""

from __future__ import annotations

import json
import random

from .frames import TOO_BIG, frame
from .inputs import PLANTED, Input, Kind

V1 = frozenset({"error", "nack", "ack", "pong", "quiet"})
"""quiet: `typing` and `pong` are answered by nothing."""
REFUSED = frozenset({"error", "nack"})

CONTROLS = [
    chr(n) for n in (*range(32), 0x7F, 0x85, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF, 0x202E, 0x2066, 0x200B)
]
WORDS: list[object] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**64,
    "",
    "x",
    "한글",
    [],
    {},
    [[]],
    {"a": 1},
    "\x00",
    "🎉",
]


def _text(text: str, allowed: frozenset[str] = V1) -> Input:
    return Input("text", text.encode("utf-8"), allowed)


def _id(rng: random.Random) -> str:
    return f"{rng.getrandbits(60):x}"


def _with_message(rng: random.Random, raw: str) -> str:
    """A `send` whose message is this piece of JSON."""
    return f'{{"type":"send","id":"{_id(rng)}","message":{raw}}}'


def depth(rng: random.Random) -> Input:
    opener, closer, core = rng.choice((("[", "]", ""), ('{"a":', "}", "1"), ('[{"a":', "}]", "0")))
    deep = rng.choice((10, 100, 900, 1100, 5000, 48_000, 100_000))
    if deep == 100_000 and rng.random() < 0.5:
        return Input("frames", frame((opener * deep).encode()), TOO_BIG)
    deep = min(deep, 48_000 // len(opener + closer))
    text = opener * deep + core + (closer * deep if rng.random() < 0.6 else "")
    if rng.random() < 0.5:
        return _text(_with_message(rng, text), REFUSED)
    return _text(rng.choice(("", '{"type":"ping","more":')) + text + "}", V1)


def numbers(rng: random.Random) -> Input:
    number = rng.choice(
        (
            *(
                "9" * 5000,
                "-" + "1" * 5000,
                "0." + "1" * 5000,
                "1e400",
                "-1e400",
                "1E" + "9" * 4000,
                "1e-99999",
            ),
            *(
                "NaN",
                "Infinity",
                "-Infinity",
                "nan",
                "00",
                "01",
                "+1",
                ".5",
                "1.",
                "0x10",
                "1_0",
                "٣",
                "1e",
                "--1",
            ),
        )
    )
    where = rng.randrange(4)
    if where == 0:
        return _text(_with_message(rng, number), REFUSED)
    if where == 1:
        return _text(f'{{"type":"send","id":{number},"message":"x"}}', REFUSED)
    if where == 2:
        return _text(number, REFUSED)
    return _text(f'{{"type":"ping","more":{number}}}')


def surrogates(rng: random.Random) -> Input:
    lone = rng.choice(
        ("\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud83d", "ok \\ude00", "\\uD83D\\u0041", "\\udbff")
    )
    if rng.random() < 0.6:
        return _text(_with_message(rng, f'"{lone}"'), REFUSED)
    key = rng.choice(("id", "type", "more"))
    return _text(f'{{"{key}":"{lone}","type":"ping"}}')


def controls(rng: random.Random) -> Input:
    odd = "".join(rng.choices(CONTROLS, k=rng.randrange(1, 6)))
    if rng.random() < 0.5:  # escaped as JSON says: a text like any other
        return _text(_with_message(rng, json.dumps(f"a{odd}b")), frozenset({"ack", "nack"}))
    return _text(_with_message(rng, f'"{odd}"'), frozenset({"ack", "nack", "error"}))


def marks(rng: random.Random) -> Input:
    text = _with_message(rng, json.dumps(PLANTED["a message"]))
    odd = rng.choice(("\ufeff", "\x00", "\x0b", "\u00a0", "\u2028", "/**/", "//", ",", ")]}'", "\x1e"))
    return _text(odd + text if rng.random() < 0.5 else text + odd, REFUSED)


def duplicates(rng: random.Random) -> Input:
    one, two = _id(rng), _id(rng)
    pairs = [
        f'"id":"{one}"',
        f'"id":"{two}"',
        '"message":"a"',
        '"message":"b"',
        '"type":"send"',
        '"type":"ping"',
    ]
    pairs += ['"user":{"id":"evil","name":"evil"}', '"position":"1"', '"time":"now"', '"room":"other"']
    rng.shuffle(pairs)
    return _text("{" + ",".join(pairs) + "}")


def types(rng: random.Random) -> Input:
    frame: dict[str, object] = {"type": "send", "id": _id(rng), "message": PLANTED["a message"]}
    for name in rng.sample(sorted(frame), rng.randrange(1, 4)):
        if rng.random() < 0.2:
            del frame[name]
        else:
            frame[name] = rng.choice(WORDS)
    return _text(json.dumps(frame))


def ids(rng: random.Random) -> Input:
    odd = rng.choice(("", "a" * 65, "a b", "é", "a\n", "a\x00", "../x", "<b>", "a" * 9000, "한", "a.b", "Ａ"))
    return _text(json.dumps({"type": "send", "id": odd, "message": "x"}), frozenset({"error"}))


def lengths(rng: random.Random) -> Input:
    unit = rng.choice(("x", "é", "한", "🎉", "\x00", "Z̸̧"))
    over = unit * (8192 // len(unit.encode()) + 1)
    allowed = frozenset({"nack"}) if rng.random() < 0.5 else frozenset({"ack", "nack"})
    raw = json.dumps(over if "ack" not in allowed else over[:-1], ensure_ascii=rng.random() < 0.5)
    if len(raw) > 50_000:
        raw = json.dumps(over, ensure_ascii=False)
        raw = raw if len(raw) < 50_000 else '""'
    return _text(_with_message(rng, raw), allowed)


def mutated(rng: random.Random) -> Input:
    text = list(_with_message(rng, json.dumps('한글 🎉 \\ " \u0001')))
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(text))
        what = rng.randrange(3)
        if what == 0:
            text[at] = rng.choice('{}[]",:\\u0123456789eE+-.tfn \x00\x7fé한🎉')
        elif what == 1:
            del text[at]
        else:
            text.insert(at, rng.choice('{}[]",:\\u0123456789'))
    return _text("".join(text))


def plain(rng: random.Random) -> Input:
    """The same in the tutorial's dialect, where a refusal closes the socket."""
    made = rng.choice((depth, numbers, surrogates, controls, marks, duplicates, types, mutated))(rng)
    if made.way == "frames":
        return made
    return Input("plain", made.data, frozenset({"1008", "lives"}))


KINDS = [
    Kind("JSON: depth up to 100,000", depth, 3),
    Kind("JSON: 5,000 digits, NaN, Infinity", numbers, 8),
    Kind("JSON: lone surrogates", surrogates, 8),
    Kind("JSON: NUL and other controls", controls, 8),
    Kind("JSON: BOM and other marks", marks, 8),
    Kind("JSON: duplicate keys", duplicates, 8),
    Kind("JSON: wrong types", types, 8),
    Kind("ids that are none", ids, 4),
    Kind("texts of too many bytes", lengths, 2),
    Kind("JSON with random faults", mutated, 12),
    Kind("the same in the plain dialect", plain, 4),
]
