"""`hypercorn quartchat:app` works from a wheel, an editable install and a plain checkout."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.ports import free_port

from .environment import CHECKOUT, Environment, assert_pages_work, run, started


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that was made out of that sdist."""
    folder = tmp_path_factory.mktemp("distributions")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, CHECKOUT]
    run(build, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("*.whl"))


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def shipped(*folders: str) -> set[str]:
    """The files of these folders of the checkout, by their names there."""
    return {
        str(file.relative_to(CHECKOUT))
        for folder in folders
        for file in (CHECKOUT / folder).rglob("*")
        if file.is_file() and not any(part.startswith((".", "__pycache__")) for part in file.parts)
    }


async def assert_it_starts(environment: Environment, cwd: Path) -> None:
    port = free_port()
    async with started(environment.hypercorn(port), port, environment.packages, cwd):
        await assert_pages_work(f"http://127.0.0.1:{port}")


def test_the_wheel_holds_both_packages_with_all_their_files(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert shipped("quartchat", "brokers") <= names
    assert {"quartchat/py.typed", "brokers/py.typed"} <= names
    assert any(name.endswith(".lua") for name in names)
    assert {"quartchat/static/room.js", "quartchat/static/chat.css"} <= names
    assert {"quartchat/words/en.json", "quartchat/words/ko.json"} <= names


def test_the_wheel_holds_the_templates_inside_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"quartchat/{name}" for name in shipped("templates")} <= names


def test_the_wheel_puts_nothing_else_among_the_packages_of_others(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"quartchat", "brokers"}


def test_the_sdist_holds_what_is_needed_to_build_and_to_test(distributions: Path) -> None:
    with tarfile.open(next(distributions.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert shipped("quartchat", "brokers", "templates", "tests", "deploy") <= names
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "constraints.txt"} <= names


async def test_it_starts_from_an_installed_wheel_in_any_working_directory(
    environment: Environment, wheel: Path, elsewhere: Path
) -> None:
    environment.install(wheel)
    assert environment.origin("quartchat", elsewhere).is_relative_to(environment.packages)
    assert environment.origin("brokers", elsewhere).is_relative_to(environment.packages)
    await assert_it_starts(environment, elsewhere)


async def test_it_starts_from_an_editable_install_in_any_working_directory(
    environment: Environment, elsewhere: Path
) -> None:
    environment.install("--editable", CHECKOUT)
    assert environment.origin("quartchat", elsewhere) == CHECKOUT / "quartchat" / "__init__.py"
    await assert_it_starts(environment, elsewhere)


async def test_it_starts_from_a_plain_checkout(environment: Environment) -> None:
    await assert_it_starts(environment, CHECKOUT)
