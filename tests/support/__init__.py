"""What the tests start, speak through and wait for: servers, instances, links, clients."""

import pytest

# They judge with plain asserts, but are no test modules themselves.
pytest.register_assert_rewrite("tests.support.client", "tests.support.instance")
