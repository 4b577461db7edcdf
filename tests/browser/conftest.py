"""Chromium for the tests of the pages: one for all of them, a context for each person."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.chat_page import ChatPage
from tests.browser.watch import Watch
from tests.support.instance import Instance

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Visitor = Callable[..., Awaitable[ChatPage]]
"""Opens a window: of a person of its own, or of the one whose window is given as `beside`."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing, and nothing is skipped in CI")
        pytest.skip("Chromium is missing")
    expect.set_options(timeout=15_000)  # the machine may be busy
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser: Browser) -> AsyncIterator[Visitor]:
    """A new person with a window (more options: those of Playwright's `new_context`)."""
    windows: list[ChatPage] = []
    contexts = []
    watches: list[Watch] = []

    async def visit(beside: ChatPage | None = None, **options: Any) -> ChatPage:
        if beside is not None:
            context = beside.page.context
        else:
            context = await browser.new_context(**options)
            contexts.append(context)
            watches.append(Watch(context))
            await watches[-1].begin()
        window = ChatPage(await context.new_page())
        windows.append(window)
        return window

    yield visit
    for context in contexts:
        await context.close()
    assert [problem for window in windows for problem in window.problems] == []
    assert [problem for watch in watches for problem in watch.seen] == []


@pytest_asyncio.fixture(loop_scope="session")
async def instance(broker_url: str) -> AsyncIterator[Instance]:
    """One instance on each broker in turn."""
    async with Instance(broker_url, env={"QUARTCHAT_MESSAGE_RATE": "0"}) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def alone() -> AsyncIterator[Instance]:
    """One instance on the memory broker, for what has nothing to do with brokers."""
    async with Instance("memory://", env={"QUARTCHAT_MESSAGE_RATE": "0"}) as one:
        yield one
