"""What a test needs of the machine."""

from __future__ import annotations

import os
from typing import Protocol

import pytest


class Installable(Protocol):
    @classmethod
    def missing(cls) -> str | None: ...


def require(server: type[Installable]) -> None:
    """Skip the test at a desk, fail it where CI is set, if the server is not installed."""
    reason = server.missing()
    if reason and os.environ.get("CI"):
        pytest.fail(f"{reason}, and nothing is skipped in CI")
    if reason:
        pytest.skip(reason)
