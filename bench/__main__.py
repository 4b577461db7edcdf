"""python -m bench: measure, write down, draw."""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from bench import campaign, home, machine, report
from bench.backends import Backends
from bench.catalogue import PEERS
from bench.scenarios import SCENARIOS


def main() -> None:
    options = arguments()
    if not options.report:
        measure(options)
    report.write(json.loads(options.results.read_text()), options.page)
    print(f"The report: {options.page}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--scenarios", default="", help=f"of {', '.join(SCENARIOS)}; without: all")
    parser.add_argument("--peers", default="", help=f"of {', '.join(PEERS)}; without: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load in a trial")
    parser.add_argument(
        "--results", type=Path, default=home.RESULTS, help="what was measured earlier is kept"
    )
    parser.add_argument("--page", type=Path, default=home.PAGE)
    parser.add_argument("--report", action="store_true", help="measure nothing, write the report again")
    parser.add_argument("--estimate", action="store_true", help="only say how long it would take")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> None:
    scenarios = campaign.chosen(options.scenarios, SCENARIOS, "scenario")
    peers = campaign.chosen(options.peers, PEERS, "peer")
    prepare()
    minutes = campaign.estimate(scenarios, peers, options.rounds, options.seconds) / 60
    print(f"{len(scenarios)} scenarios, {options.rounds} rounds: about {minutes:.0f} minutes", flush=True)
    if options.estimate:
        sys.exit(0)
    described = machine.describe()
    busy = machine.busy()
    if busy > machine.BUSY:
        described["not idle"] = f"{busy:.0%} of the cores were in use before the first trial"
        print(
            f"WARNING: {described['not idle']}; the figures will be worse and differ from run to run",
            flush=True,
        )
    backends = Backends()
    try:
        for name in scenarios:
            found = campaign.run(name, peers, options.rounds, options.seconds, backends, tell)
            keep(options, {**described, **backends.versions}, name, found)
    finally:
        backends.close()
        shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)


def tell(line: str) -> None:
    print(line, flush=True)


def prepare() -> None:
    """Sockets enough, a folder for everything, and an orderly end for whoever ends us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < 5200:
        print(f"WARNING: only {most} files may be open; the larger rooms will be refused", flush=True)
    home.MADE.mkdir(exist_ok=True)
    tempfile.tempdir = tempfile.mkdtemp(prefix="run-", dir=home.MADE)

    def leave(_: int, __: FrameType | None) -> None:
        sys.exit("ended")

    signal.signal(signal.SIGTERM, leave)


def keep(
    options: argparse.Namespace, described: machine.Description, name: str, found: campaign.Result
) -> None:
    """Put what was found to what there is: a campaign may be run in parts, and may be ended."""
    path = options.results
    held = json.loads(path.read_text()) if path.exists() else {"scenarios": {}}
    held["machine"] = {**held.get("machine", {}), **described}
    old = held["scenarios"].setdefault(name, {"peers": {}, "not measured": {}})
    for peer in (*found["peers"], *found["not measured"]):
        old["peers"].pop(peer, None)
        old["not measured"].pop(peer, None)
    old["peers"].update(found["peers"])
    old["not measured"].update(found["not measured"])
    run = {"date": described["date"], "rounds": options.rounds, "seconds": options.seconds}
    run["started"] = described["started"]
    old.setdefault("runs", {}).update(dict.fromkeys(found["peers"], run))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
