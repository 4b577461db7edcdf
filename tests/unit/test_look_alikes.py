"""No second person in a room looks the same: names that look alike are refused or told apart.

Told apart means: the page shows the tag of their ids (`Names.shared` in static/core/presence.js). It has no
table; the server says what a name looks like where the page cannot know.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartchat import presence, protocol, skeleton
from quartchat.names import BadName, person_name, room_name
from quartchat.presence import Notice
from quartchat.protocol import Message, User
from quartchat.skeleton import look
from tests.unit.clock import settled
from tests.unit.doubles import ANN, ROOM, send, wire_of, world
from tests.unit.real_names import real_names
from tests.unit.test_js import SCRIPTS, node

SPOOFS = Path(__file__).with_name("spoofs.tsv")
ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(........))")

SHARED = """
import {{ readFileSync }} from 'node:fs';
import {{ Names }} from '{module}';

const shared = JSON.parse(readFileSync(0, 'utf8')).map((people) => {{
  const names = new Names();
  people.forEach((person) => names.see(person));
  return people.every(({{ name }}) => names.shared(name));
}});
console.log(JSON.stringify(shared));
"""
"""Groups of people in, whether all in a group share a look out."""

CLASSICS = [
    # letters of one script for another's
    ("Anna", "\u0410nna"),
    ("Anna", "An\u0578a"),
    ("pay", "\u0440\u0430\u0443"),
    ("HANNA", "\u0397\u0391\u039d\u039d\u0391"),
    ("Hanna", "\u0397anna"),
    ("Hanna", "\u041danna"),
    ("scope", "\u0455\u0441\u043e\u0440\u0435"),
    ("Ольга", "Oльга"),
    ("Μαρία", "Mαρία"),
    ("Opel", "\u0555pel"),
    ("BABA", "\u13f4\u13aa\u13f4\u13aa"),
    ("jose", "jo\u0455e"),
    # within Latin
    ("Ian", "lan"),
    ("Ian", "1an"),
    ("Bill", "BiII"),
    ("Bob", "B0b"),
    ("Tim", "Tirn"),
    ("Warren", "VVarren"),
    ("david", "clavid"),
    ("paul", "p\u0251ul"),
    ("Ilse", "|lse"),
    ("strasse", "\u017ftrasse"),
    ("fine", "\ufb01ne"),
    ("José", "Jos\u0435\u0301"),
    ("dino", "d\u0131no"),
    ("dino", "di\u0307no"),
    ("O'Neil", "O\u2019Neil"),
    ("a-b", "a\u2010b"),
    ("Łukasz", "L\u0337ukasz"),
    # widths and styles
    ("admin", "ａｄｍｉｎ"),
    ("admin", "\U0001d4b6\U0001d4b9\U0001d4c2\U0001d4be\U0001d4c3"),
    ("admin", "\u24d0dmin"),
    ("アンナ", "ｱﾝﾅ"),
    ("가나", "\uffa1\uffc2\uffa4\uffc2"),
    ("2", "\u00b2"),
    # East Asia
    ("김민수", "\u1100\u1175\u11b7민수"),
    ("김민수", "김민수\u3164"),
    ("カトウ", "力トウ"),
    ("ロビン", "口ビン"),
    ("エリ", "工リ"),
    ("一郎", "ー郎"),
    ("へいじ", "ヘいじ"),
    ("髙橋", "髙\ufe00橋"),
    ("麗", "\uf988"),
    ("工藤", "エ藤"),
    ("ㅋㅋ", "\u110f\u110f"),
    # Indic: what stands for the same letters
    ("മോഹൻ", "മോഹന\u0d4d\u200d"),
    ("শরৎ", "শরত\u09cd\u200d"),
    ("आशा", "अाशा"),
    ("ऋ", "\u090b"),
    ("క\u0c4d\u200cష", "క\u0c4dష"),
    # right to left, and both ways at once
    ("דוד1", "1דוד"),
    ("אl", "א|"),
    ("علی\u200cرضا", "علیرضا"),
    ("يوسف", "یوسف"),
    ("كريم", "کریم"),
    ("Anna א", "א Anna"),
    # what is not seen
    ("Anna", "An\u200bna"),
    ("Anna", "An\u00adna"),
    ("Anna", "Anna\u2060"),
    ("Anna", "\u202eannA"),
    ("Anna", "Anna\u3164"),
    ("Anna", "Anna\u2800"),
    ("Anna", "An\u034fna"),
    ("Anna", "Anna\U000e0061"),
    ("Anna", "Anna\ufe0f"),
    ("❤", "❤️"),
    ("🏴", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"),
    # spaces and case
    ("Anna Lee", "Anna  Lee"),
    ("Anna Lee", "Anna\u00a0Lee"),
    ("Anna Lee", "Anna\u3000Lee"),
    ("Anna Lee", "AnnaLee"),
    ("Anna", "anna"),
    ("Anna", "Anna "),
    ("ΣΊΣΥΦΟΣ", "σίσυφος"),
]


def spoofs() -> list[tuple[str, str]]:
    """A name, and one that looks like it."""

    def whole(text: str) -> str:
        return ESCAPE.sub(lambda found: chr(int("".join(filter(None, found.groups())), 16)), text)

    pairs = [line.split("\t") for line in SPOOFS.read_text("utf-8").splitlines()]
    return [(whole(name), whole(spoof)) for name, spoof in pairs]


def taken(*names: str) -> list[str] | None:
    try:
        return [person_name(name) for name in names]
    except BadName:
        return None


def told_apart(groups: list[list[str]], tmp_path: Path) -> list[bool]:
    """What the page says of people with these names, of whom it heard as the server tells them."""
    program = node()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for script in (SCRIPTS / "core").glob("*.js"):
        (tmp_path / script.name).write_text(script.read_text("utf-8"), "utf-8")
    (tmp_path / "shared.js").write_text(SHARED.format(module="./presence.js"))
    people = [[protocol.shown(str(n), name) for n, name in enumerate(names)] for names in groups]
    run = subprocess.run(
        [program, str(tmp_path / "shared.js")],
        input=msgspec.json.encode(people),
        capture_output=True,
        check=True,
    )
    shared = json.loads(run.stdout)
    assert isinstance(shared, list)
    return shared


def test_two_thousand_spoofs_are_refused_or_told_apart_in_the_page(tmp_path: Path) -> None:
    pairs = spoofs()
    assert len(set(pairs)) >= 2000
    assert len({name for name, _ in pairs}) >= 500
    both = [names for names in (taken(*pair) for pair in pairs) if names is not None]
    # Most pass the rules: it is the looks that are tested here.
    assert len(both) >= 0.9 * len(pairs)
    shared = told_apart(both, tmp_path)
    assert [names for names, told in zip(both, shared, strict=True) if not told] == []


def test_the_classics_are_refused_or_told_apart_in_the_page(tmp_path: Path) -> None:
    both = [names for names in (taken(*pair) for pair in CLASSICS) if names is not None]
    assert len(both) >= 60
    shared = told_apart(both, tmp_path)
    assert [names for names, told in zip(both, shared, strict=True) if not told] == []


def test_no_two_of_the_real_names_are_taken_for_each_other(tmp_path: Path) -> None:
    """A tag where there is no need for one costs little; it should be rare all the same."""
    alike = defaultdict(set)
    for _, name in real_names():
        alike[skeleton.skeleton(person_name(name))].add(person_name(name))
    assert [names for names in alike.values() if len(names) > 1] == []
    apart = [
        ["Anna", "Anne"],
        ["김민수", "김민주"],
        ["Ольга", "Олена"],
        ["محمد", "محمود"],
        ["王伟", "王芳"],
        ["Lia", "Mia"],
    ]
    assert told_apart(apart, tmp_path) == [False] * len(apart)


def test_one_person_under_two_names_that_look_alike_is_one() -> None:
    run = subprocess.run(
        [node(), "--input-type=module"],
        input=f"""
import {{ Names }} from '{(SCRIPTS / "core" / "presence.js").as_uri()}';
const names = new Names();
names.see({{ id: 'a', name: 'Anna' }});
names.see({{ id: 'a', name: '\u0410nna', look: 'anna' }});
const shared = () => ['Anna', '\u0410nna'].map((name) => names.shared(name));
const told = (id, name) => console.log(...shared(), names.title({{ id, name }}));
told('a', 'Anna');
names.see({{ id: 'b-wxyz', name: '\u0410nna', look: 'anna' }});
told('b-wxyz', '\u0410nna');
""",
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert run.stdout.splitlines() == ["false false Anna", "true true \u0410nna #wxyz"], run.stderr


# What is told -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["Ann", "Tim", "Amber Fox", "Zoë", "José", "김민수", "남궁빛나래", "王芳", "ゆい", "🎉"]
)
def test_nothing_is_told_of_a_name_that_looks_as_it_is_written(name) -> None:
    assert look(name) is None
    assert msgspec.json.encode(protocol.shown("i", name)) == msgspec.json.encode({"id": "i", "name": name})


def test_a_korean_name_never_needs_a_look() -> None:
    assert {look(name) for script, name in real_names() if script == "Hangul"} == {None}


@given(st.text(max_size=80))
def test_every_name_has_a_look_whatever_it_holds(name) -> None:
    key = skeleton.skeleton(name)
    assert key == skeleton.skeleton(unicodedata.normalize("NFD", name))
    assert look(name) == (None if key == skeleton.fold(name) else key)


def test_a_name_longer_than_any_that_is_taken_is_not_looked_at() -> None:
    assert look("\u0410" * 10_000_000) is None


async def frames(name: str) -> list[dict[str, Any]]:
    """What somebody in a room hears of a person of another instance, and of one of this."""
    async with world() as w:
        watching = await w.enter(ANN)
        entering = await w.enter(User("spoof", name))
        entering.receive(send("m1", "hi"))
        w.hub.signal(ROOM, presence.encode(Notice("t", "other", 1, [("far", name)])))
        w.hub.signal(ROOM, presence.encode(Notice("p", "other", 1, [("far", name)])))
        await settled()
        return [*wire_of(watching).frames, *wire_of(entering).frames]


def users(value: Any) -> list[dict[str, Any]]:
    """Everybody in some frames."""
    if isinstance(value, dict):
        own = [value] if {"id", "name"} <= value.keys() else []
        return own + [user for each in value.values() for user in users(each)]
    return [user for each in value for user in users(each)] if isinstance(value, list) else []


async def test_every_frame_that_names_somebody_says_what_the_name_looks_like() -> None:
    heard = await frames("\u0410nna")
    kinds = {frame["type"] for frame in heard if any(u["id"] in ("spoof", "far") for u in users(frame))}
    assert kinds == {"welcome", "presence", "message", "typing"}
    for frame in heard:
        where = frame.get("joined", []) if frame["type"] == "presence" else frame
        for user in users(where):
            if user["id"] in ("spoof", "far"):
                assert user["look"] == "anna", frame
            else:
                assert "look" not in user


async def test_nobody_hears_of_looks_where_names_are_plain() -> None:
    assert all("look" not in user for user in users(await frames("Bob")))


def test_a_look_that_comes_out_of_the_log_counts_for_nothing() -> None:
    """Whoever writes to the broker would else make one name look like any other, or unlike itself."""
    for name, told in (("\u0410nna", "x"), ("\u0410nna", None), ("Anna", "x"), ("Bob", "anna")):
        stored = msgspec.json.encode(Message("m", "hi", User("u", name, told), "2026-01-01T00:00:00.000Z"))
        assert protocol.load("u:m", stored).user == User("u", name, look(name))


def test_looks_are_not_kept_in_the_log() -> None:
    """They change with the table."""
    _, _, data = protocol.store("m", "hi", User("u", "\u0410nna"), 0)
    assert b"look" not in data


def test_the_log_as_json_says_it_too() -> None:
    key, _, data = protocol.store("m", "hi", User("u", "\u0410nna"), 0)
    told = protocol.fields("p", None, protocol.load(key, data))["user"]
    assert told == {"id": "u", "name": "\u0410nna", "look": "anna"}


# Rooms, and what it costs -----------------------------------------------------------------------------------


def test_rooms_that_look_alike_are_different_rooms() -> None:
    assert room_name("l\u043ebby") != room_name("lobby")
    assert skeleton.skeleton("l\u043ebby") == skeleton.skeleton("lobby")


def test_the_table_is_not_read_before_a_name_needs_it() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import quartchat.skeleton as s; print(s.table.cache_info().currsize)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=SCRIPTS.parents[1],
    )
    assert run.stdout.split() == ["0"]


def test_what_the_table_leads_to_is_reached_in_the_two_steps_that_are_made() -> None:
    table = skeleton.table()
    assert len(table) > 2500
    twice = {code: text.translate(table) for code, text in table.items()}
    assert {chr(code) for code, text in twice.items() if text.translate(table) != text} == set()
