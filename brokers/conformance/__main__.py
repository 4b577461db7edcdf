"""python -m brokers.conformance URL [--no-faults] [pytest options]"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from ..errors import BrokerConfigError
from ..registry import connect


def main(arguments: list[str] | None = None) -> int:
    """Run the suite through pytest; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m brokers.conformance",
        description="Check a broker against the contract in brokers/base.py.",
        epilog="Everything else goes to pytest, for instance -x, -v or -k odd_names.",
    )
    parser.add_argument("url", metavar="URL", help="redis://..., amqp://..., or an installed scheme")
    parser.add_argument(
        "--private", action="store_true", help="two brokers of this URL do not share their logs"
    )
    parser.add_argument(
        "--no-faults",
        action="store_true",
        help="without a proxy that cuts and black-holes the link",
    )
    options, rest = parser.parse_known_args(arguments)
    missing = [name for name in ("pytest", "pytest_asyncio") if find_spec(name) is None]
    if missing:
        names = " ".join(name.replace("_", "-") for name in missing)
        print(f"the conformance suite needs {names}: pip install {names}", file=sys.stderr)
        return 2
    try:
        connect(options.url)
    except BrokerConfigError as error:
        print(error, file=sys.stderr)
        return 2
    import pytest

    from .target import Target

    target = Target(options.url, private=options.private, faults=not options.no_faults)
    # Our own settings, whatever project the shell stands in.
    settings = ["-c", "/dev/null", "--rootdir", str(Path.cwd()), "-p", "no:cacheprovider"]
    settings += ["-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function"]
    return int(pytest.main([str(Path(__file__).with_name("run.py")), *settings, *rest], [target]))


if __name__ == "__main__":
    sys.exit(main())
