"""The command: `python -m quartchat.replay FILE --url URL --room R`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from quartchat.names import BadName, room_name

from .conversation import Conversation, UnknownFormat, parse

DONE, WRONG, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # One line, without the usage that argparse puts before it.
        sys.stderr.write(f"replay: {message}\n")
        raise SystemExit(BAD_INPUT)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line, checked. Exits with one line where it cannot be used."""
    parser = _Arguments(
        prog="python -m quartchat.replay", description="Replay a conversation through the chat."
    )
    add = parser.add_argument
    add("file", type=Path, help="an IRC log, CSV with Q,A, or JSON lines with name and text")
    add("--url", type=_site, action="append", required=True, dest="sites", metavar="URL",
        help="where the chat is; given more than once, the speakers spread over the instances")  # fmt: skip
    add("--room", type=_room, required=True, help="the room to speak in")
    add("--speed", type=_speed, default=1.0, metavar="N|max",
        help="times the log's own speed (default 1), or max: as fast as the answers come")  # fmt: skip
    add("--in-flight", type=_count, default=1, metavar="N",
        help="lines under way at a time (default 1: the room's order is the file's)")  # fmt: skip
    add("--patience", type=_seconds, default=60.0, metavar="SECONDS",
        help="how long one message may take, outages included (default 60)")  # fmt: skip
    add("--verify", action="store_true", help="read the room afterwards and compare")
    return parser.parse_args(words)


def _site(text: str) -> str:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or "@" in parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is not like http://127.0.0.1:8000")
    return text.rstrip("/")


def _room(text: str) -> str:
    try:
        return room_name(text)
    except BadName as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    return _positive(text, "a speed is a number above 0, or max")


def _seconds(text: str) -> float:
    return _positive(text, "seconds are a number above 0")


def _positive(text: str, otherwise: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(otherwise)
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 10_000):
        raise argparse.ArgumentTypeError("a number from 1 to 10000")
    return int(text)


def _run(work: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ModuleNotFoundError:  # not on Windows
        return asyncio.run(work)
    # Each message comes back to every speaker: a fifth less time for all those frames.
    return uvloop.run(work)


async def _replay(given: argparse.Namespace, conversation: Conversation) -> int:
    from .play import play
    from .verify import compare, read_log

    done = await play(
        conversation,
        given.sites,
        given.room,
        speed=given.speed,
        in_flight=given.in_flight,
        patience=given.patience,
    )
    summary: dict[str, Any] = {
        "lines": len(conversation.lines),
        "skipped": conversation.skipped,
        "speakers": done.speakers,
        "messages": len(done.messages),
        "acked": done.acked,
        "refused": done.refused,
        "resent": done.resent,
        "reconnects": done.reconnects,
        "resets": done.resets,
        "seconds": done.seconds,
    }
    good = set(done.refused) <= {"empty"}
    if given.verify:
        log = await asyncio.to_thread(read_log, given.sites, given.room)
        verdict = compare(done.messages, log, done.window, one_order=given.in_flight == 1)
        summary["verdict"] = verdict._asdict()
        good = good and verdict.good
    print(json.dumps(summary))
    return DONE if good else WRONG


def main(words: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    given = arguments(words)
    try:
        from .client import ReplayError
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "websockets":
            raise
        return _say("the package websockets is missing: pip install 'quartchat[replay]'", BAD_INPUT)
    try:
        conversation = parse(given.file.read_bytes())
    except OSError as error:
        return _say(f"{given.file}: {error.strerror}", BAD_INPUT)
    except UnknownFormat as error:
        return _say(f"{given.file}: {error}", BAD_INPUT)
    try:
        return _run(_replay(given, conversation))
    except ReplayError as error:
        return _say(str(error), error.code)
    except KeyboardInterrupt:
        return INTERRUPTED


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"replay: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
