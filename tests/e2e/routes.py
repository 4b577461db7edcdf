"""Every address that the application answers, read from the application itself: a new one is tested, too."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from quartchat.application import create_app


class Route(NamedTuple):
    """An address with something in its holes."""

    path: str
    methods: frozenset[str]
    static: bool


HOLES = {"room": "lobby", "filename": "chat.css"}


@cache
def routes() -> tuple[Route, ...]:
    """All of them. An address with a hole that `HOLES` does not know fails here, to be put there."""
    app = create_app({})
    found = []
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for hole in rule.arguments:
            path = path.replace(f"<path:{hole}>", HOLES[hole]).replace(f"<{hole}>", HOLES[hole])
        found.append(Route(path, frozenset(rule.methods or ()), rule.endpoint == "static"))
    return tuple(found)


def forms() -> list[str]:
    """Addresses that change something."""
    return sorted({route.path for route in routes() if route.methods - {"GET", "HEAD", "OPTIONS"}})
