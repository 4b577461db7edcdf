"""What every answer has, whatever the framework has already put there."""

from __future__ import annotations

import pytest

from quartchat.headers import Header, complete


def values(headers: list[Header], name: bytes) -> list[bytes]:
    return [value for each, value in headers if each == name]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([], b"Accept-Language, Cookie"),
        ([b"Cookie"], b"Accept-Language, Cookie"),
        ([b"Cookie, Accept-Encoding"], b"Accept-Language, Cookie, Accept-Encoding"),
        ([b"Cookie", b"Origin"], b"Accept-Language, Cookie, Origin"),
    ],
)
def test_what_depends_on_who_asks_says_so_once(made: list[bytes], said: bytes) -> None:
    """Quart 0.23 names the cookie where a session was looked at, 0.22 does not."""
    headers = complete([(b"Vary", value) for value in made], secure=False)
    assert values(headers, b"vary") == [said]
    assert values(headers, b"cache-control") == [b"no-store"]


def test_what_may_be_kept_is_left_as_it_is() -> None:
    headers = complete([(b"Cache-Control", b"max-age=60"), (b"Vary", b"Accept-Encoding")], secure=False)
    assert values(headers, b"vary") == [b"Accept-Encoding"]
    assert values(headers, b"cache-control") == [b"max-age=60"]
