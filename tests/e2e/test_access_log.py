"""The access log, where an operator switches it on: a line for each request, whatever it holds."""

from __future__ import annotations

import re

from tests.support.client import ChatClient
from tests.support.instance import Instance
from tests.support.waiting import until

QUOTED = r'"(?:[^"\\]|\\.)*"'
LINE = re.compile(rf"\[[^]]+\] \[\d+\] \[INFO\] \S+ - - \[[^]]+\] {QUOTED} \d+ \S+ {QUOTED} {QUOTED}")

PATHS = [
    "/chat/x%0a[2026-01-01%2000:00:00%20+0000]%20[1]%20[INFO]%20forged/",
    *(
        f"{place}%{sign}x"
        for place in ("/chat/", "/nowhere/", "/static/", "/ws/")
        for sign in ("0d%0a", "1b[31m")
    ),
    *(
        "/chat/%22%20200%20-%20%22/",
        "/chat/%5c/",
        "/chat/%e2%80%a8x/",
        "/chat/%e2%80%aex/",
        "/chat/%7f/",
        "/chat/한/",
    ),
]


async def test_a_request_is_one_line_whatever_its_path_holds() -> None:
    async with Instance("memory://", options=("--access-logfile", "-")) as one:
        for path in PATHS:
            await one.get(path.replace("한", "%ed%95%9c"), {"User-Agent": f'x" "y{path.isascii()}'})
        await until(lambda: len(re.findall('\\\\"y.*\n', one.log)) >= len(PATHS), 10, "a line for each")
        lines = [line for line in one.log.splitlines() if not re.search("Running on|/healthz", line)]
        assert len(lines) == len(PATHS)
        assert [line for line in lines if not LINE.fullmatch(line) or not line.isprintable()] == []
        assert "/chat/한/" in lines[-1]


async def test_it_holds_no_query() -> None:
    async with Instance("memory://", options=("--access-logfile", "-")) as one:
        await one.get("/chat/?room=a-room-in-a-query")
        async with ChatClient(one, "there", as_=None, history=17):
            pass
        await until(lambda: "/ws/chat/there/ " in one.log, 10, "the socket's line")
        assert "GET /chat/ " in one.log
        assert "a-room-in-a-query" not in one.log
        assert "history=17" not in one.log
