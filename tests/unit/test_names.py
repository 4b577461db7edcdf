"""Names of rooms and people in many scripts, and what hides in a name."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartchat.names import BadName, person_name, room_name
from tests.unit.real_names import real_names

GOOD = [
    # Latin and friends
    "a", "lobby", "Case", "Ünïcödé", "naïve café", "Straße", "Łódź", "Øresund", "İstanbul",
    "Đà Nẵng", "Ħal Għaxaq",
    # other alphabets and abjads
    "Ελλάδα", "Привет", "Київ", "Հայաստան", "საქართველო", "עִבְרִית", "العَرَبِيَّة", "فارسی",
    "اردو", "ትግርኛ", "ⵜⴰⵎⴰⵣⵉⵖⵜ", "ᏣᎳᎩ", "ߒߞߏ", "ܣܘܪܝܝܐ", "ދިވެހި",
    # Brahmic scripts: their vowels are marks
    "हिन्दी", "বাংলা", "தமிழ்", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "ਪੰਜਾਬੀ", "සිංහල", "ไทย",
    "ລາວ", "မြန်မာ", "ខ្មែរ", "བོད་ཡིག",
    # East Asia
    "日本語の部屋", "カタカナ", "中文聊天室", "繁體", "한국어", "ᄒᆞᆫ글", "あ　い", "ㄅㄆㄇ",
    "𠮷野家", "ᠮᠣᠩᠭᠣᠯ",
    # digits and punctuation
    "123", "١٢٣", "१२३", "½", "...", ".hidden", "a-b_c.d", "what?", "a&b=c+d", "100%", "#1", "it's",
    '"x"', "<b>", 'back\\slash', "a:b;c", "two words", "a  b", "~", "€5", "a—b", "„so“",
    "¿qué?", "、。",
    # emoji
    "🎉", "❤️", "❤", "☎️", "👍🏽", "👩🏽‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🏴‍☠️",
    "👁️‍🗨️", "❤️‍🔥", "🧑‍⚕️", "🏃‍♂️‍➡️", "1️⃣", "#️⃣", "*️⃣", "🇰🇷",
    "🇺🇳", "↔️", "‼️", "⁉️", "㊗️", "™️", "©️", "team 🦊 fox", "🐻‍❄️", "⤴️",
    "◼️",
]  # fmt: skip

BAD = {
    "nothing": "",
    "a space": " ",
    "an ideographic space": "\u3000",
    "a space before": " a",
    "a space after": "a ",
    "an ideographic space before": "\u3000a",
    "an ideographic space after": "a\u3000",
    "a dot": ".",
    "two dots": "..",
    "a slash": "a/b",
    "only a slash": "/",
    "up and away": "../x",
    "a null": "a\x00b",
    "a tab inside": "a\tb",
    "a line feed inside": "a\nb",
    "a return inside": "a\rb",
    "an escape": "\x1b[31m",
    "a delete": "a\x7fb",
    "a C1 control": "a\x85b",
    "a no-break space": "a\u00a0b",
    "a soft hyphen": "a\u00adb",
    "an en space": "a\u2002b",
    "a thin space": "a\u2009b",
    "a narrow no-break space": "a\u202fb",
    "a mathematical space": "a\u205fb",
    "an ogham space": "a\u1680b",
    "a zero width space": "a\u200bb",
    "a zero width non-joiner": "a\u200cb",
    "a zero width joiner between letters": "a\u200db",
    "a joiner at the end": "🎉\u200d",
    "a joiner at the start": "\u200d🎉",
    "a joiner after a letter": "a\u200d🎉",
    "a joiner before a letter": "🎉\u200da",
    "two joiners": "🎉\u200d\u200d🎉",
    "a word joiner": "a\u2060b",
    "a byte order mark": "\ufeffa",
    "left-to-right": "a\u200eb",
    "right-to-left": "a\u200fb",
    "an Arabic letter mark": "a\u061cb",
    "a right-to-left override": "\u202egpj.exe",
    "an embedding": "a\u202ab",
    "a pop": "a\u202cb",
    "an isolate": "a\u2066b",
    "a pop of an isolate": "a\u2069b",
    "a line separator": "a\u2028b",
    "a paragraph separator": "a\u2029b",
    "a combining grapheme joiner": "a\u034fb",
    "a choseong filler": "a\u115fb",
    "a jungseong filler": "a\u1160b",
    "a Hangul filler": "a\u3164b",
    "a halfwidth Hangul filler": "a\uffa0b",
    "only a Hangul filler": "\u3164",
    "a Khmer inherent vowel": "ក\u17b4",
    "a Mongolian variation selector": "ᠠ\u180b",
    "a Mongolian vowel separator": "ᠠ\u180e",
    "a blank Braille pattern": "a\u2800b",
    "a text-style selector": "❤\ufe0e",
    "a variation selector": "a\ufe00",
    "an emoji style on a letter": "a\ufe0f",
    "an emoji style on a digit": "1\ufe0f",
    "an emoji style on nothing": "\ufe0f",
    "two emoji styles": "❤\ufe0f\ufe0f",
    "a replacement character": "a\ufffdb",
    "an interlinear annotation": "a\ufff9b",
    "a private character": "a\ue000b",
    "a private character of plane 15": "a\U000f0000b",
    "a noncharacter": "a\uffff",
    "the last noncharacter": "a\U0010ffff",
    "an unassigned character": "a\u0378",
    "a tag letter": "a\U000e0041",
    "a half surrogate": "a\ud83d",
    "the other half": "\ude00a",
    "a tag letter behind a flag": "\U0001f3f4\U000e0061",
    "a flag of nowhere": "\U0001f3f4\U000e0078\U000e0079\U000e007a\U000e007f",
    "a flag's end alone": "\U0001f3f4\U000e007f",
    "a circle around a letter": "a\u20dd",
    "a keycap on a letter": "a\u20e3",
    "five marks on a letter": "x\u0300\u0316\u0301\u0317\u0302",
    "a mark twice": "x\u0307\u0307",
    "marks piled up": "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319",
    "a non-joiner in Hebrew": "\u05d0\u200c\u05d1",
    "a non-joiner in Hangul": "\uac00\u200c\ub098",
    "a joiner between Arabic letters": "\u0639\u200d\u0644",
    "a joiner between Devanagari letters": "\u0915\u200d\u0937",
    "a joiner behind a ra without a virama": "\u09b0\u200d\u09af",
    "two joiners behind a virama": "\u0dc1\u0dca\u200d\u200d\u0dbb",
    "a non-joiner before Latin": "\u0639\u200ca",
    "a parter between other letters": "\u1820\u180e\u1833",
    "a parter at the end": "\u1820\u180e",
    "a mark first": "\u0301a",
    "an enclosing mark first": "\u20dda",
    "a spacing mark first": "\u0903a",
    "a musical control": "a\U0001d173",
    "a shorthand control": "a\U0001bca0",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_names_of_every_script_are_taken(name) -> None:
    assert room_name(name) == unicodedata.normalize("NFC", name)
    assert person_name(name) == unicodedata.normalize("NFC", " ".join(name.split()))


@pytest.mark.parametrize("name", BAD.values(), ids=BAD.keys())
def test_what_hides_or_disturbs_is_refused_for_rooms(name) -> None:
    with pytest.raises(BadName):
        room_name(name)


SPACED = {
    "a no-break space",
    "an en space",
    "a thin space",
    "a narrow no-break space",
    "a mathematical space",
    "an ogham space",
}


@pytest.mark.parametrize(
    "name", [bad for what, bad in BAD.items() if bad == bad.strip() and what not in SPACED], ids=ascii
)
def test_what_hides_or_disturbs_is_refused_for_people(name) -> None:
    with pytest.raises(BadName):
        person_name(name)


JOINED = [
    # Persian: the first letter would join the next one
    "علی\u200cرضا", "می\u200cخواهم", "حُسَیْنْ\u200cزاده",
    # half letters, conjuncts, and what stood for chillus
    "आर्\u200dया", "क्\u200cष", "ශ්\u200dරී", "മോഹന്\u200dലാല്\u200d", "র\u200d্যাচেল", "ರ\u200d್ಯಾನ್",
    # Mongolian: a vowel that stands apart
    "ᠰᠠᠷ\u180eᠠ",
    # flags of parts of a country
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f FC",
    # a picture of Unicode 15, which Python 3.11 does not know yet
    "🩷", "🩷\u200d🔥",
]  # fmt: skip


@pytest.mark.parametrize("name", JOINED, ids=ascii)
def test_what_shows_nothing_is_taken_where_a_script_needs_it(name) -> None:
    assert room_name(name) == unicodedata.normalize("NFC", name)
    assert person_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("typed", ["محمد\u200cرضا", "محمدرضا\u200c", "محم\u200c\u200cدرضا\u200c"], ids=ascii)
def test_a_non_joiner_that_changes_nothing_is_dropped_from_a_persons_name(typed) -> None:
    """Keyboards for Persian leave it behind letters that do not join anyhow."""
    assert person_name(typed) == ("محم\u200cدرضا" if typed.startswith("محم\u200c") else "محمدرضا")
    with pytest.raises(BadName):
        room_name(typed)


@pytest.mark.parametrize(
    "typed",
    ["Jean\u00a0Paul", "Jean  Paul", "Jean\u3000Paul", "Jean\u2003 \u202fPaul", "\u00a0Jean Paul\u3000"],
)
def test_spaces_of_every_kind_are_one_plain_space_in_a_persons_name(typed) -> None:
    assert person_name(typed) == "Jean Paul"


def test_fewer_than_one_in_a_hundred_real_names_is_refused_and_none_is_changed() -> None:
    names = real_names()
    assert len(set(names)) >= 2000
    assert len({script for script, _ in names}) >= 20
    changed = Counter()
    for script, name in names:
        try:
            same = person_name(name) == unicodedata.normalize("NFC", name)
        except BadName:
            same = False
        changed[script] += not same
    assert changed["Hangul"] == 0
    # Some of the Persian ones bear a non-joiner that shows nothing.
    del changed["Persian"]
    assert changed.total() == 0, +changed


def test_real_names_of_persian_are_taken() -> None:
    for script, name in real_names():
        if script == "Persian":
            assert person_name(name).replace("\u200c", "") == name.replace("\u200c", "")


INVISIBLE = [
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
]
"""Default_Ignorable_Code_Point of Unicode 15.1, DerivedCoreProperties.txt."""


def test_no_character_that_unicode_calls_ignorable_stands_between_letters() -> None:
    taken = []
    for code in INVISIBLE:
        try:
            room_name(f"a{chr(code)}b")
        except BadName:
            continue
        taken.append(f"U+{code:04X}")
    assert taken == []


@pytest.mark.parametrize("hidden", ["\ufe0f", "\u200d!", "\u200d+", "\ufe0f\u200d!"], ids=ascii)
def test_nothing_hides_behind_punctuation(hidden) -> None:
    """`a.b` and `a.<VS16>b` look alike and would be two rooms, or two people."""
    taken = []
    for base in "!?.,:;#*%&@'+<=>~|^`¨°§¶":
        try:
            taken.append(room_name(f"a{base}{hidden}b"))
        except BadName:
            continue
    assert taken == []


@pytest.mark.parametrize("name", ["ℹ️", "〰️", "ℹ️ help"])
def test_pictures_that_are_no_symbols_to_unicode_are_taken_as_keyboards_write_them(name) -> None:
    assert room_name(name) == name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("e\u0301", "\u00e9"),
        ("\u1112\u1161\u11ab", "\ud55c"),
        ("\u212b", "\u00c5"),
        ("\u2126", "\u03a9"),
        ("a\u0323\u0307", "a\u0307\u0323"),
        ("\u0958", "\u0915\u093c"),
        ("\uf900", "\u8c48"),
    ],
)
def test_two_spellings_of_one_name_are_one_name(one, other) -> None:
    assert one != other
    assert room_name(one) == room_name(other)
    assert person_name(one) == person_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Case", "case"),
        ("a", "а"),
        ("ﬁ", "fi"),
        ("1", "１"),
        ("a b", "a　b"),
        ("❤", "❤️"),
        ("ss", "ß"),
        ("µ", "μ"),
    ],
)
def test_names_that_only_look_or_sound_alike_are_two(one, other) -> None:
    assert room_name(one) != room_name(other)


@pytest.mark.parametrize("letter", ["x", "é", "e\u0301", "ⵜ", "\u1112\u1161\u11ab", "क"])
def test_a_room_has_at_most_64_characters_in_nfc(letter) -> None:
    assert len(room_name(letter * 64)) == 64
    with pytest.raises(BadName, match="64 characters"):
        room_name(letter * 65)


@pytest.mark.parametrize("letter", ["x", "é", "e\u0301", "日", "\u1112\u1161\u11ab", "🎉", "𠮷"])
def test_a_person_has_at_most_32_characters_in_nfc(letter) -> None:
    assert len(person_name(letter * 32)) == 32
    with pytest.raises(BadName, match="32 characters"):
        person_name(letter * 33)


@pytest.mark.parametrize(("letter", "most"), [("🎉", 50), ("𠮷", 50), ("日", 64), ("é", 64)])
def test_a_room_has_at_most_200_bytes(letter, most) -> None:
    assert len(room_name(letter * most).encode()) <= 200
    with pytest.raises(BadName):
        room_name(letter * (most + 1))
    if most == 50:
        assert len(room_name("x" * 3 + "🎉" * 49 + "x").encode()) == 200
        with pytest.raises(BadName, match="200 bytes"):
            room_name("x" * 4 + "🎉" * 49 + "x")


@pytest.mark.parametrize("text", ["x" * 10_000_000, "e\u0301" * 5_000_000, " " * 10_000_000 + "x"])
def test_a_huge_name_is_refused_before_any_work(text) -> None:
    with pytest.raises(BadName):
        room_name(text)


@pytest.mark.parametrize("text", ["\u1f82" * 64, unicodedata.normalize("NFD", "\u1f82" * 64)])
def test_the_longest_spelling_of_a_name_that_fits_is_taken(text) -> None:
    assert room_name(text) == "\u1f82" * 64


@pytest.mark.parametrize("typed", [" Ann", "Ann ", "\tAnn\n", "\u3000Ann\u3000", "\u00a0Ann", "  Ann  "])
def test_spaces_around_what_a_person_typed_are_dropped(typed) -> None:
    assert person_name(typed) == "Ann"


@pytest.mark.parametrize("typed", ["", " ", "\t\n", "\u3000\u3000"])
def test_a_person_needs_a_name(typed) -> None:
    with pytest.raises(BadName, match="empty"):
        person_name(typed)


@pytest.mark.parametrize("bad", ["a\u202eb", "a\ud800b", "a\x00b", "a/b", "x" * 100])
def test_the_reason_is_a_sentence_and_does_not_repeat_what_was_refused(bad) -> None:
    with pytest.raises(BadName) as caught:
        room_name(bad)
    text = str(caught.value)
    assert text.endswith(".")
    assert text.isprintable()
    assert bad not in text


@given(st.text(max_size=80))
def test_a_taken_name_is_in_its_final_form(text) -> None:
    try:
        name = room_name(text)
    except BadName:
        return
    assert room_name(name) == name
    assert 1 <= len(name) <= 64
    assert len(name.encode()) <= 200
    assert unicodedata.is_normalized("NFC", name)
    assert name.strip() == name
    assert "/" not in name
    assert "".join(c for c in name if c not in "\u3000\u200c\u200d\u180e").isprintable()
