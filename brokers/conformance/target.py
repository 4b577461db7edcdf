"""The URL that `python -m brokers.conformance` was pointed at, as a pytest plugin."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest


class Target:
    """Gives the fixture `url`, and leaves out what the URL cannot be asked for."""

    def __init__(self, url: str, *, private: bool = False, faults: bool = True) -> None:
        parts = urlsplit(url)
        self.private = private or parts.scheme == "memory"
        # A certificate is made for the server's name, not for a proxy's.
        secure = parts.scheme.endswith("s")
        self.faults = faults and not self.private and bool(parts.hostname) and not secure
        self._url = url

    @pytest.fixture
    def url(self) -> str:
        return self._url

    def pytest_report_header(self) -> str:
        left_out = [] if self.faults else ["faults of the link"]
        left_out += ["sharing"] if self.private else []
        return "conformance" + (f" without: {', '.join(left_out)}" if left_out else "")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        unwanted = {"TestShared"} if self.private else {"TestPrivate"}
        if not self.faults:
            unwanted.add("TestLink")
        left_out = [i for i in items if getattr(getattr(i, "cls", None), "__name__", "") in unwanted]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]
