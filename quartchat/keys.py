"""Keys that anybody could guess. What is signed with one is signed by everybody."""

from __future__ import annotations

import re
from itertools import pairwise

SHORTEST = 20
"""Characters. 128 random bits have 22 in base64 and 32 in hexadecimal."""

FEWEST = 8
"""Different characters: 32 random hexadecimal digits have fewer once in ten million keys."""

# What is written in documentation and templates to be replaced, and then is not.
_placeholder = re.compile(
    r"change.?(?:me|it|this)|replace.?(?:me|it|this)|example|placeholder|insecure|password|passw0rd"
    r"|your.?(?:own.?)?(?:secret|key)|(?:super|very|my|not.?so|top).?secret|qwertz?y?uiop|lorem.?ipsum"
    r"|correct.?horse|dev(?:elopment)?.?(?:secret|key)|keyboard.?cat|token_urlsafe|openssl.?rand",
    re.IGNORECASE,
).search


def weakness(key: str) -> str | None:
    """Why a key must not sign anything, without a word of it; None where nothing is wrong to be seen."""
    if len(key) < SHORTEST:
        return f"shorter than {SHORTEST} characters"
    if len(set(key)) < FEWEST:
        return f"made of fewer than {FEWEST} different characters"
    if key in (key + key)[1:-1]:
        return "one part repeated"
    steps = [ord(after) - ord(before) for before, after in pairwise(key)]
    if sum(step in (-1, 0, 1) for step in steps) > len(steps) / 2:
        return "a row of neighbours"
    if _placeholder(key):
        return "an example that everybody knows"
    return None
