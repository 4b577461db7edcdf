"""The pure decoders against anything: an answer or the one error that is told, and what is taken can be sent.

hypothesis here; `python -m tests.hostile.fuzz` does the same guided by coverage, with atheris.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile import payloads, texts
from tests.hostile.fuzz import TARGETS
from tests.hostile.inputs import seeded


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_are_a_fault_of_ours(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_a_fault_of_ours(name: str, text: str) -> None:
    TARGETS[name](text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("kind", texts.KINDS, ids=lambda kind: kind.name)
def test_no_text_of_the_campaign_is_a_fault_of_ours(kind: texts.Kind) -> None:
    for number in range(300):
        data = kind.make(seeded(1, kind.name, number)).data
        for target in TARGETS.values():
            target(data)


@pytest.mark.parametrize("make", [payloads.message, payloads.blob, payloads.notice])
def test_no_payload_of_the_campaign_is_a_fault_of_ours(make: object) -> None:
    for number in range(500):
        data = make(seeded(1, "payload", number))  # type: ignore[operator]
        for target in TARGETS.values():
            target(data)


def test_what_is_no_message_of_ours_is_never_loaded() -> None:
    from quartchat.protocol import load

    for number in range(1000):
        data = payloads.message(seeded(2, "message", number))
        with pytest.raises(ValueError, match=r"."):
            load("u-evil:m1", data)
