"""The Autobahn suite against the echo endpoint: `python -m tests.hostile.conformance PYTHON2 FOLDER`.

Ends with 1 where a case failed or was not strictly right; "informational" ones have no right answer. Cases
12 and 13 are about compression, which is never negotiated.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.support.instance import Instance

CASES = 290
"""The suite has 301 without compression: with many fewer something went wrong."""


async def main(python: str, folder: str, loop: str) -> int:
    with tempfile.TemporaryDirectory(prefix="quartchat-autobahn-") as work:
        async with Instance("memory://", app="tests.hostile.echo:app", loop=loop) as echo:  # type: ignore[arg-type]
            spec = Path(work) / "spec.json"
            spec.write_text(
                json.dumps(
                    {
                        "outdir": f"{work}/report",
                        "servers": [{"agent": "echo", "url": echo.ws_url}],
                        "cases": ["*"],
                        "exclude-cases": ["12.*", "13.*"],
                        "exclude-agent-cases": {},
                    }
                )
            )
            suite = await asyncio.create_subprocess_exec(
                *(python, "-m", "autobahntestsuite.wstest", "-m", "fuzzingclient", "-s", str(spec)),
                env={**os.environ, "PYTHONPATH": folder, "PYENV_VERSION": ""},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.STDOUT,
            )
            await suite.wait()
        found = json.loads((Path(work) / "report" / "index.json").read_text())["echo"]
    both = [(name, case["behavior"], case["behaviorClose"]) for name, case in sorted(found.items())]
    bad = [case for case in both if not {case[1], case[2]} <= {"OK", "INFORMATIONAL"}]
    print(f"{len(both)} cases on {loop}: {dict(Counter(case[1] for case in both))}")
    print(*bad, sep="\n")
    return int(bool(bad) or len(both) < CASES)


if __name__ == "__main__":
    sys.exit(max(asyncio.run(main(*sys.argv[1:3], loop)) for loop in ("asyncio", "uvloop")))
