"""The suite that every broker passes, for anyone's broker: `docs/conformance.md` shows how.

From a shell, against a server that runs somewhere::

    python -m brokers.conformance redis://127.0.0.1:6379/0

From pytest, against a broker of one's own::

    from brokers.conformance import BrokerConformance

    class TestMine(BrokerConformance):
        @pytest.fixture
        def url(self) -> str:
            return "mine://127.0.0.1:4222"

Needs pytest and pytest-asyncio. Three more classes ask for more: `SharedConformance` (two brokers
of one URL share their logs), `LinkConformance` (there is a TCP link to cut), `ServerConformance`
(there is a server to kill, freeze and wipe).
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .proxy import Proxy
    from .recorder import Recorder
    from .site import Server, Site, Station
    from .suite import (
        BrokerConformance,
        LinkConformance,
        PrivateConformance,
        ServerConformance,
        SharedConformance,
    )

__all__ = [
    "BrokerConformance",
    "LinkConformance",
    "PrivateConformance",
    "Proxy",
    "Recorder",
    "Server",
    "ServerConformance",
    "SharedConformance",
    "Site",
    "Station",
]

_HOMES = {
    "Proxy": "proxy",
    "Recorder": "recorder",
    "Server": "site",
    "Site": "site",
    "Station": "site",
}


def __getattr__(name: str) -> Any:
    # Late, so that `python -m brokers.conformance` can say in one line that pytest is missing.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    # They judge with plain asserts, but are no test modules themselves.
    judges = {f"{__name__}.checks", f"{__name__}.site"} - set(sys.modules)
    pytest.register_assert_rewrite(*judges)
    return getattr(import_module(f".{_HOMES.get(name, 'suite')}", __name__), name)
