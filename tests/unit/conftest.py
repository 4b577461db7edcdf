"""Every async test of this folder runs on a clock of its own: see `tests.unit.clock`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

from tests.unit.clock import ClockLoop

if TYPE_CHECKING:
    from tests.unit.doubles import World

# Machines differ in speed; more examples: --hypothesis-profile=long.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
settings.register_profile("unit", max_examples=60, deadline=None, phases=PHASES, report_multiple_bugs=False)
settings.register_profile("long", settings.get_profile("unit"), max_examples=2000)
settings.load_profile("unit")

# They judge with plain asserts, but are no test modules themselves.
pytest.register_assert_rewrite("tests.unit.doubles")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], ClockLoop]]:
    return {"clock": ClockLoop}


@pytest.fixture
async def w() -> AsyncIterator[World]:
    """A hub on a scripted broker."""
    from tests.unit.doubles import world

    async with world() as made:
        yield made
