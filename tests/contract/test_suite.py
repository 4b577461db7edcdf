"""The suite notices: brokers that break one clause each, and the check that has to fail for it."""

from __future__ import annotations

import asyncio
import contextvars
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from brokers import Append, Appended, Entry, Listener, Outcome, Page, Tail, Unknown, Window
from brokers.conformance import BrokerConformance, PrivateConformance, Recorder, Site
from brokers.memory import MemoryBroker

CHECKOUT = Path(__file__).resolve().parents[2]


class Between(Listener):
    """Passes on what the broker says, or something else."""

    def __init__(self, inner: Listener) -> None:
        self.inner = inner

    def tail(self, room: str, tail: Tail, reason: Any) -> None:
        self.inner.tail(room, tail, reason)

    def entries(self, room: str, entries: Sequence[Entry]) -> None:
        self.inner.entries(room, entries)

    def signal(self, room: str, data: bytes) -> None:
        self.inner.signal(room, data)


class Wrong(MemoryBroker):
    """A broker that talks to its listener by way of `between`."""

    between: type[Between] = Between

    async def open(self, listener: Listener) -> None:
        await super().open(self.between(listener))


class DeliversTwice(Wrong):
    class between(Between):  # noqa: N801
        def entries(self, room: str, entries: Sequence[Entry]) -> None:
            self.inner.entries(room, [*entries, entries[-1]])


class LosesSome(Wrong):
    class between(Between):  # noqa: N801
        def entries(self, room: str, entries: Sequence[Entry]) -> None:
            if kept := [entry for entry in entries if entry.key != "k7"]:
                self.inner.entries(room, kept)


class Swaps(Wrong):
    class between(Between):  # noqa: N801
        def entries(self, room: str, entries: Sequence[Entry]) -> None:
            self.inner.entries(room, list(reversed(entries)))


class TailsLate(MemoryBroker):
    async def follow(self, room: str) -> None:
        asyncio.get_running_loop().call_later(0.01, lambda: super(TailsLate, self))


class NeverUnfollows(MemoryBroker):
    def unfollow(self, room: str) -> None:
        pass


class KnowsNoKeys(MemoryBroker):
    count = 0

    def submit(self, append: Append) -> None:
        self.count += 1
        append.key += f"#{self.count}"
        super().submit(append)


class AcksOtherPositions(MemoryBroker):
    def submit(self, append: Append) -> None:
        done, self.last = append.done, getattr(self, "last", None)

        def swapped(outcome: Outcome) -> None:
            before, self.last = self.last, outcome
            done(before if isinstance(before, Appended) else outcome)

        append.done = swapped
        super().submit(append)


class AnswersTwice(MemoryBroker):
    def submit(self, append: Append) -> None:
        done = append.done

        def twice(outcome: Outcome) -> None:
            done(outcome)
            done(outcome)

        append.done = twice
        super().submit(append)


class AlwaysComplete(MemoryBroker):
    async def read(self, room: str, **asked: Any) -> Page:
        page = await super().read(room, **asked)
        return Page(page.entries, True)


class FoldsCase(MemoryBroker):
    def submit(self, append: Append) -> None:
        append.room = append.room.lower()
        super().submit(append)


class KeepsAll(MemoryBroker):
    def __init__(self, url: str, *, window: Window | None = None) -> None:
        super().__init__(url)


class HandsAnswersToOthers(MemoryBroker):
    """The bug of CVE-2023-28858: a reply waits for whoever asks next."""

    def __init__(self, url: str, *, window: Window | None = None) -> None:
        super().__init__(url, window=window)
        self.replies: list[Page] = []

    async def read(self, room: str, **asked: Any) -> Page:
        self.replies.append(await super().read(room, **asked))
        await asyncio.sleep(0.001)
        return self.replies.pop(0)


class RunsInTheCallersContext(Wrong):
    callers: ClassVar[list[contextvars.Context]] = []

    class between(Between):  # noqa: N801
        def entries(self, room: str, entries: Sequence[Entry]) -> None:
            RunsInTheCallersContext.callers.pop().run(self.inner.entries, room, entries)

    def submit(self, append: Append) -> None:
        self.callers.append(contextvars.copy_context())
        super().submit(append)


class StaysAfterClose(MemoryBroker):
    async def open(self, listener: Listener) -> None:
        await super().open(listener)
        self.task = asyncio.create_task(asyncio.sleep(3))


class SaysUnknownAndOvertakes(MemoryBroker):
    def submit(self, append: Append) -> None:
        if append.key == "k3":
            append.done(Unknown("no reason"))
        else:
            super().submit(append)


class Conformance(BrokerConformance, PrivateConformance):
    """Both, to call single checks of."""


CASES: list[tuple[type[MemoryBroker], str]] = [
    (DeliversTwice, "test_following_again_begins_with_a_new_tail"),
    (LosesSome, "test_entries_go_on_right_after_the_tail"),
    (Swaps, "test_a_burst_of_2000_entries_comes_through_in_order"),
    (TailsLate, "test_the_tail_of_an_empty_room"),
    (NeverUnfollows, "test_after_unfollow_nothing_is_heard"),
    (KnowsNoKeys, "test_the_same_key_again_gives_the_same_position"),
    (KnowsNoKeys, "test_another_digest_is_a_conflict_and_stores_nothing"),
    (AcksOtherPositions, "test_entries_stand_in_the_order_of_their_submission"),
    (AnswersTwice, "test_the_acked_position_is_the_delivered_one"),
    (AlwaysComplete, "test_resuming_before_the_window_says_trimmed"),
    (AlwaysComplete, "test_a_position_of_another_room_is_not_continued"),
    (AlwaysComplete, "test_invented_positions"),
    (FoldsCase, "test_odd_names_stay_apart"),
    (KeepsAll, "test_the_window_by_entries"),
    (HandsAnswersToOthers, "test_cancelled_calls_disturb_nobody"),
    (RunsInTheCallersContext, "test_deliveries_do_not_run_in_a_callers_context"),
    (StaysAfterClose, "test_close_leaves_no_task_behind"),
    (SaysUnknownAndOvertakes, "test_resuming_after_any_position"),
]


async def run(make: Callable[[str, Window | None], MemoryBroker], check: str) -> None:
    site = Site("memory://", make)
    try:
        async with asyncio.timeout(20):
            await getattr(Conformance(), check)(site)
    finally:
        await site.close()


@pytest.mark.parametrize(
    ("broker", "check"), CASES, ids=[f"{broker.__name__}-{check[5:40]}" for broker, check in CASES]
)
async def test_a_wrong_broker_fails(
    broker: type[MemoryBroker], check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What never comes is not waited for in full.
    monkeypatch.setattr(Recorder, "patience", 0.3)
    with pytest.raises((AssertionError, TimeoutError)):
        await run(lambda url, window: broker(url, window=window), check)
    monkeypatch.undo()
    # And the check itself is fine.
    await run(lambda url, window: MemoryBroker(url, window=window), check)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "brokers.conformance", *words],
        cwd=CHECKOUT,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_the_command_runs_the_suite() -> None:
    done = command("memory://", "-q", "-k", "same_key or share or empty_room")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.parametrize("url", ["nope://x", "memory://host", "redis://127.0.0.1:99999/0", "x"])
def test_the_command_refuses_a_bad_url_in_one_line(url: str) -> None:
    done = command(url)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
