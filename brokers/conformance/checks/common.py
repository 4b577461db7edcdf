"""What all topics have: the fixtures that a broker's own test class gives or replaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
import pytest_asyncio

from ...base import Broker, Window
from ...registry import connect
from ..site import MakeBroker, Site


class Checks:
    """Give a fixture `url`; replace `make_broker` where the URL scheme is not registered."""

    pytestmark: ClassVar = [pytest.mark.asyncio(loop_scope="function")]

    slow: ClassVar[bool] = False
    """True where the checks wait for deadlines: for whoever orders or selects tests by it."""

    @pytest.fixture
    def make_broker(self) -> MakeBroker:
        """Makes a broker, not yet open, for a URL and a window."""

        def make(url: str, window: Window | None) -> Broker:
            return connect(url, window=window)

        return make

    @pytest_asyncio.fixture(loop_scope="function")
    async def site(self, url: str, make_broker: MakeBroker) -> AsyncIterator[Site]:
        """Where one test works."""
        site = Site(url, make_broker)
        yield site
        await site.close()
