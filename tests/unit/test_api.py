"""The one parameter of the API that needs checking."""

from __future__ import annotations

import pytest

from quartchat.api import MOST, BadRequest, _limit


def test_a_limit_is_50_where_none_is_asked() -> None:
    assert _limit(None) == 50


@pytest.mark.parametrize("text", ["1", "50", "200", "007"])
def test_a_limit_may_be_1_to_200(text) -> None:
    assert _limit(text) == int(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "201",
        "-1",
        "+5",
        " 5",
        "5 ",
        "1.5",
        "1e2",
        "0x10",
        "1_0",
        "٣",
        "５",
        "²",
        "all",
        "9" * 20,
        "9" * 10_000,
        "000000150" + "9",
        "000000150" + "0" * 10_000,
        "\x00",
    ],
)
def test_nothing_else_is_a_limit(text) -> None:
    with pytest.raises(BadRequest, match=str(MOST)):
        _limit(text)
