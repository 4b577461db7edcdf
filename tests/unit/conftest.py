"""Every async test of this folder runs on a clock of its own: see `tests.unit.clock`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tests.unit.clock import ClockLoop

# They judge with plain asserts, but are no test modules themselves.
pytest.register_assert_rewrite("tests.unit.doubles", "tests.unit.reader")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], ClockLoop]]:
    return {"clock": ClockLoop}
