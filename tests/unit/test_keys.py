"""Keys that anybody could guess are refused; those that a machine made are not."""

from __future__ import annotations

import base64
import re
import secrets
import string
import uuid
from pathlib import Path

import pytest

from quartchat.keys import SHORTEST, weakness

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "key",
    [
        "~",
        "secret",
        "hunter2",
        "x" * (SHORTEST - 1),
        "aB3$xY7!kL9",
        "x" * 64,
        "ab" * 32,
        "0101010101110001" * 4,
        "1234567" * 8,
        "abcdefgh12" * 4,
        "q9Wm2_xT7b-R" * 2,
        string.ascii_lowercase,
        string.ascii_letters + string.digits,
        "0123456789abcdefghijklmnopqrstuv",
        "zyxwvutsrqponmlkjihgfedcba",
        "aabbccddeeffgghhiijjkkll",
        "changeme-changeme-please-1",
        "please-change-this-key-42",
        "CHANGE_ME_IN_PRODUCTION_9",
        "replace-me-with-something",
        "your-secret-key-goes-here",
        "your_own_secret_for_chat",
        "example-key-for-the-docs-7",
        "django-insecure-8h2k!x0q9z",
        "my-super-secret-chat-key",
        "supersecretkey-0192837465",
        "qwertyuiopasdfghjklzxcvb",
        "correct horse battery staple",
        "development-secret-key-0",
        "MyVeryLongPassword2024!!",
        "secrets.token_urlsafe(32)",
        "$(openssl rand -hex 32)",
        "keyboard cat in the sunshine",
    ],
)
def test_a_key_that_can_be_guessed_is_refused_without_a_word_of_it(key: str) -> None:
    found = weakness(key)
    assert found
    assert key not in found


@pytest.mark.parametrize(
    "make",
    [
        lambda: secrets.token_urlsafe(32),
        lambda: secrets.token_urlsafe(16),
        lambda: secrets.token_hex(32),
        lambda: secrets.token_hex(16),
        lambda: str(uuid.uuid4()),
        lambda: base64.b64encode(secrets.token_bytes(24)).decode(),
        lambda: "".join(secrets.choice(string.ascii_lowercase) for _ in range(30)),
        lambda: "".join(secrets.choice(string.printable[:94].replace(",", "")) for _ in range(20)),
    ],
)
def test_what_a_machine_made_is_good_enough(make) -> None:
    assert [key for key in (make() for _ in range(500)) if weakness(key)] == []


def test_no_key_that_stands_in_the_documentation_is_taken() -> None:
    files = [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "deploy").iterdir()]
    found = []
    for file in files:
        for key in re.findall(r"QUARTCHAT_SECRET_KEY[=:] *['\"]?([^\s'\"]+)", file.read_text()):
            found.append(key)
            made_there = key.startswith(("$", "*", "&", "%s"))  # by a command, or put in by compose
            assert made_there or weakness(key), f"{file}: {key}"
    assert found
