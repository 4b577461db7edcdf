"""What people say to each other in the pictures of docs/screenshots: everybody and everything is made up."""

from __future__ import annotations

from typing import NamedTuple


class Person(NamedTuple):
    """The id decides the colour."""

    id: str
    name: str


class Said(NamedTuple):
    at: str
    """Day of March 2026 and UTC, "12 09:02"."""
    who: Person
    text: str


MARA = Person("mara-in-the-pictures-09", "Mara")
BEN = Person("ben-in-the-pictures-04", "Ben")
INES = Person("ines-in-the-pictures-07", "Ines")
JIWOO = Person("jiwoo-in-the-pictures-02", "지우")
MINSEO = Person("minseo-in-the-pictures-01", "민서")
HAJUN = Person("hajun-in-the-pictures-14", "하준")
LAYLA = Person("layla-in-the-pictures-08", "ليلى")
NOAM = Person("noam-in-the-pictures-03", "נועם")

LAUNCH = [
    Said("11 16:42", INES, "Tomorrow at ten, then? I booked the small room."),
    Said("11 16:44", BEN, "Fine with me. I’ll bring the *good* coffee."),
    Said("12 09:02", MARA, "Morning! The new search is on staging:"),
    Said("12 09:02", MARA, "https://staging.example.org/search?q=kimchi"),
    Said("12 09:05", BEN, "Looking for **kimchi** finds the recipe now. `q=김치` finds nothing, though."),
    Said("12 09:05", BEN, '```\nGET /search?q=%EA%B9%80%EC%B9%98\n200 {"hits": 0, "took": "3 ms"}\n```'),
    Said("12 09:07", INES, "> `q=김치` finds nothing, though\nThat was me. Ten minutes!"),
    Said("12 09:07", MARA, "🙌"),
    Said("12 09:19", INES, "Try again? And @Mara, could you have a look at it on your phone, too?"),
    Said("12 09:21", MARA, "Works, and on the phone as well. Shall we **ship it** after coffee?"),
]

HIKE = [
    Said("11 12:10", HAJUN, "내일 비 온다던데 그래도 가나요?"),
    Said("11 12:12", JIWOO, "오전에는 갠대요. **아홉 시 정각**에 출발해요!"),
    Said("12 08:31", MINSEO, "저 지금 나왔어요. 김밥 세 줄 샀습니다 🙂"),
    Said("12 08:34", JIWOO, "최고예요! 도봉산역 1번 출구에서 만나요."),
    Said("12 08:34", JIWOO, "https://map.example.org/dobongsan"),
    Said("12 08:40", HAJUN, "> 도봉산역 1번 출구\n저는 5분쯤 늦어요. 먼저 올라가지 마세요…"),
    Said("12 08:41", JIWOO, "😂"),
    Said("12 08:47", HAJUN, "민서 님, 혹시 물도 있어요? 편의점에 들를까요?"),
    Said(
        "12 08:49",
        MINSEO,
        "두 병 있어요. 정상까지 두 시간 정도 걸리니까 한 병씩 더 있으면 좋겠네요. 천천히 오세요!",
    ),
]

MIXED = [
    Said("12 10:02", LAYLA, "مرحبًا بالجميع! هل الاجتماع في الساعة 11:00؟"),
    Said("12 10:03", MARA, "Hi Layla! Yes, at 11:00, in the usual room."),
    Said("12 10:04", NOAM, "שלום! אני מצטרף מהבית, הקישור: https://example.org/meet/42"),
    Said("12 10:04", NOAM, "`make test` עובר 🎉"),
    Said("12 10:05", LAYLA, "> Yes, at 11:00\nممتاز، شكرًا **جزيلاً**."),
    Said("12 10:06", MARA, "עד אחר כך · أراكم لاحقًا · see you later"),
]

_SMALL_TALK = [
    "The second draft is in the folder.",
    "Reading it now.",
    "Page four still says 2025.",
    "Fixed, thank you!",
    "Could somebody check the numbers in the table?",
    "They add up. I counted twice.",
    "Then I’d say we print it.",
    "Two hundred, as always?",
    "Two fifty. The spring fair is a big one.",
    "Ordered. They come on Tuesday.",
]

FAIR = [Said(f"12 08:{n:02}", (INES, BEN, MARA)[n % 3], _SMALL_TALK[n % len(_SMALL_TALK)]) for n in range(24)]
"""Enough to fill the window; all of it was read."""

FAIR_AWAY = [
    Said(f"12 11:{n:02}", (BEN, INES)[n // 2 % 2], text)
    for n, text in enumerate(
        [
            "The printer called: the blue comes out too dark.",
            "How dark is too dark?",
            "Like the sea at night, he says.",
            "I like the sea at night.",
            "Not on a leaflet for a *spring* fair …",
            "Fair enough. Ten per cent lighter?",
            "He can do that by noon.",
            "Then let’s do that.",
            "Done. He sends a photo first.",
            "And who carries the tables on Saturday?",
            "I have the van until four.",
            "Perfect.",
        ]
    )
]

FAIR_NOW = [
    Said("12 11:30", BEN, "The photo is here."),
    Said("12 11:31", INES, "Oh, that is much better!"),
    Said("12 11:31", INES, "Mara, have a look when you are back."),
]
