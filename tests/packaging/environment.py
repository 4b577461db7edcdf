"""A virtual environment to install into, and the app started out of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http.client import HTTPException
from pathlib import Path

from tests.support.instance import request
from tests.support.process import Process
from tests.support.waiting import until

CHECKOUT = Path(__file__).resolve().parents[2]


def tool(name: str) -> str:
    """A program that came with the development environment."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def clean_environment() -> dict[str, str]:
    """What is set at this desk must not change a test."""
    unwanted = ("QUARTCHAT_", "PYTHON")
    return {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}


class Environment:
    """A fresh virtual environment that borrows what is installed in the one of the tests.

    Borrowed as a plain path entry, behind its own packages: path entries of a path entry do not
    count, so that the checkout, which is installed here by one, is not imported by accident.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        self.packages = next(folder.glob("lib/python3*/site-packages"))
        (self.packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def install(self, *what: str | Path) -> None:
        """Install one distribution without asking any registry."""
        options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
        # The borrowed environment has a quartchat, too, which pip must neither count nor remove.
        options.append("--ignore-installed")
        pip = [sys.executable, "-m", "pip", "--python", self.python, "install"]
        run([*pip, *options, *what], cwd=self.packages)

    def origin(self, module: str, cwd: Path) -> Path:
        """The file that `import module` would take here."""
        find = f"import importlib.util as u; print(u.find_spec({module!r}).origin)"
        return Path(run([self.python, "-c", find], cwd=cwd).strip())

    def hypercorn(self, port: int) -> list[str]:
        """The start command: the program, since `python -m` would add the working directory."""
        bind = ("--bind", f"127.0.0.1:{port}")
        return [str(self.python), tool("hypercorn"), *bind, "quartchat:app"]


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """Its output; where it fails, an error that shows it."""
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@asynccontextmanager
async def started(command: Sequence[str], port: int, folder: Path, cwd: Path) -> AsyncIterator[Process]:
    """Run a server until the end of the block, from when it answers; its log goes into `folder`."""
    process = Process(command, log=folder / f"{port}.log", env=clean_environment(), cwd=cwd)

    async def answers() -> bool:
        if not process.running:
            raise RuntimeError(f"it ended with {process.returncode}\n{process.log}")
        try:
            return (await request(f"http://127.0.0.1:{port}/healthz")).status == 200
        except (OSError, HTTPException):
            return False

    process.start()
    try:
        await until(answers, 20, f"{command} answers")
        yield process
        assert "Traceback" not in process.log, process.log
    finally:
        process.kill()


async def assert_pages_work(url: str) -> None:
    """The lobby answers, and so does every static file that it names."""
    page = await request(f"{url}/chat/")
    assert page.status == 200
    names = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert names, page.text
    for name in names:
        answer = await request(url + name)
        assert (answer.status, bool(answer.body)) == (200, True), name
