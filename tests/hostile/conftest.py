"""Fixtures of the hostile campaign's tests."""

from __future__ import annotations

import secrets

import pytest


@pytest.fixture
def room() -> str:
    """A room that nobody else uses."""
    return f"room-{secrets.token_hex(6)}"
