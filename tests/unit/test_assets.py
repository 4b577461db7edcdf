"""What browsers get of the scripts and styles."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quartchat.application import create_app
from quartchat.assets import FOLDER, lean

FILES = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".js", ".css"))
IDS = [path.relative_to(FOLDER).as_posix() for path in FILES]


def test_indentation_comment_lines_and_blank_lines_go_and_nothing_else() -> None:
    text = (
        b"// A module.\n\nimport x from 'y';\n\n\tif (a) {\n\t\t// why\n\t\tb('// c'); // d\n\t}\n/* e */\n"
    )
    assert lean(text) == b"import x from 'y';\nif (a) {\nb('// c'); // d\n}\n"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_no_string_or_comment_spans_lines_so_that_none_can_be_changed(path: Path) -> None:
    for line in path.read_text("utf-8").splitlines():
        assert line.count("`") % 2 == 0 or re.search(r"/[^/]*`[^/]*/", line), line
        assert not line.endswith("\\"), line
        assert ("/*" in line) == ("*/" in line), line


async def test_a_browser_that_has_it_is_not_sent_it_again() -> None:
    client = create_app({}).test_client()
    first = await client.get("/static/room.js")
    assert first.status_code == 200
    assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert first.headers["Cache-Control"] == "no-cache"
    again = await client.get("/static/room.js", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert await again.get_data() == b""
    other = await client.get("/static/room.js", headers={"If-None-Match": '"another"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path", ["../pages.py", "%2e%2e/pages.py", "core", "core/", "room.js/", "nothing.js", "x" * 5000, "%00"]
)
async def test_whatever_is_not_there_is_not_found(path: str) -> None:
    answer = await create_app({}).test_client().get(f"/static/{path}")
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"
