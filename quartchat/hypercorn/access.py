"""What a line of the access log holds, where an operator switches it on."""

from __future__ import annotations

import re
from typing import Any

from hypercorn import logging
from hypercorn.logging import AccessLogAtoms

_odd = re.compile('[\x00-\x1f"\\\\\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]').sub
"""Controls, what ends a quoted part, and what changes lines or the direction of writing."""


class Atoms(AccessLogAtoms):
    """Hypercorn's, with what clients wrote kept on one line and in its quotes.

    Hypercorn writes paths decoded: `GET /x%0a…` would end the line and begin another one, which anybody can
    make look like somebody else's request; `%1b` speaks to the operator's terminal.
    """

    def __getitem__(self, key: str) -> str:
        value: Any = super().__getitem__(key)
        return _odd(_escaped, value) if isinstance(value, str) else value


def _escaped(found: re.Match[str]) -> str:
    return '\\"' if found[0] == '"' else found[0].encode("unicode_escape").decode()


def install() -> None:
    """Have Hypercorn make its access log of these, in this process."""
    module: Any = logging
    if getattr(module, "AccessLogAtoms", None) is AccessLogAtoms:
        module.AccessLogAtoms = Atoms
