"""Every language says everything, and each text is one that its reader can use."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from quartchat.words import DEFAULT, Words, languages, liked

CHECKOUT = Path(__file__).resolve().parents[2]
FILES = {
    file.stem: json.loads(file.read_text("utf-8")) for file in (CHECKOUT / "quartchat/words").glob("*.json")
}
HOLES = re.compile(r"\{\w*\}")


def test_english_and_korean_are_there_and_english_is_the_default() -> None:
    assert list(languages()) == ["en", "ko"]
    assert DEFAULT == "en"
    assert [each.say("language") for each in languages().values()] == ["English", "한국어"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("*", "en"),
        ("fr", "en"),
        ("ko", "ko"),
        ("ko-KR", "ko"),
        ("KO-kr", "ko"),
        ("en-GB,ko;q=0.5", "en"),
        ("ko-KR,en;q=0.5", "ko"),
        ("en;q=0.4,ko;q=0.5", "ko"),
        ("fr,ko;q=0.1", "ko"),
        ("ko;q=0", "en"),
        (";=,", "en"),
    ],
)
def test_the_language_that_is_liked_best_of_those_there_are(header, expected) -> None:
    assert liked(header) == expected


@pytest.mark.parametrize("language", FILES)
def test_every_language_has_every_word(language) -> None:
    keys = {name: list(section) for name, section in FILES[language].items()}
    assert keys == {name: list(section) for name, section in FILES[DEFAULT].items()}


@pytest.mark.parametrize("language", FILES)
def test_the_same_things_are_filled_in_everywhere(language) -> None:
    for name, section in FILES[language].items():
        for key, text in section.items():
            english = FILES[DEFAULT][name][key]
            assert set(HOLES.findall(text)) == set(HOLES.findall(english)), key


@pytest.mark.parametrize("language", FILES)
def test_no_text_is_empty_or_markup(language) -> None:
    for section in FILES[language].values():
        for key, text in section.items():
            assert text.strip() == text != "", key
            assert not set("<>&\t\n") & set(text), key


@pytest.mark.parametrize("language", FILES)
def test_a_word_of_two_sections_is_one_word(language) -> None:
    found: dict[str, str] = {}
    for section in FILES[language].values():
        for key, text in section.items():
            assert found.setdefault(key, text) == text


def test_one_is_told_from_many_where_the_language_does() -> None:
    words = Words("x", {"page": {"new": "{n} message|{n} messages", "here": "{n} here"}, "both": {}})
    assert [words.say("new", n) for n in (0, 1, 2)] == ["0 messages", "1 message", "2 messages"]
    assert [words.say("here", n) for n in (1, 2)] == ["1 here", "2 here"]


def test_what_a_script_gets_cannot_end_the_element_it_stands_in() -> None:
    words = Words("x", {"both": {"a": "</script><!--"}, "room": {"b": "한국어"}, "lobby": {"c": "x"}})
    assert "<" not in words.script("room")
    assert json.loads(words.script("room")) == {"a": "</script><!--", "b": "한국어"}
    assert "한국어" in words.script("room")


def test_every_word_that_a_template_says_is_there() -> None:
    known = {key for section in FILES[DEFAULT].values() for key in section}
    for template in (CHECKOUT / "templates").glob("*.html"):
        for said in re.findall(r"say\('(\w+)'[),]", template.read_text()):
            assert said in known, template.name


def test_no_template_has_words_of_its_own() -> None:
    for template in (CHECKOUT / "templates").glob("*.html"):
        text = re.sub(r"\{[{%#].*?[}%#]\}", "", template.read_text(), flags=re.DOTALL)
        text = re.sub(r"<[^>]*>", " ", text)
        assert not re.findall(r"[A-Za-z가-힣]+", re.sub("QuartChat|hue-", "", text)), template.name


def test_every_word_of_the_page_is_said_somewhere() -> None:
    used = "".join(path.read_text() for path in (CHECKOUT / "templates").glob("*.html"))
    posted = ("pages.py", "posts.py", "login/routes.py")
    used += "".join((CHECKOUT / "quartchat" / name).read_text() for name in posted)
    for key in FILES[DEFAULT]["page"]:
        made = re.fullmatch(r"not_sent_\w+|[ed]\d{3}|room_(?:closed|banned)", key)
        assert made or f"'{key}'" in used or f'"{key}"' in used, key
