"""Positions and stored entries as bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import codec
from brokers.codec import Place, pack, place, position, unpack

EPOCH, PROOF = "abcdefghijkl", "0123abcd"


@given(st.integers(0, 2**63 - 1))
def test_a_position_comes_apart_again(offset) -> None:
    token = position(EPOCH, offset, PROOF)
    assert place(token) == Place(EPOCH, offset, PROOF)
    assert len(token) <= 64
    assert all(character.isalnum() or character in "_.-" for character in token)


@pytest.mark.parametrize(
    "offset",
    [
        "", "+1", "-1", "-0", "00", "01", "0x1", "0X1", "1_0", "F", "aB", " 1", "1 ", "\t1", "1\n",
        "1.0", "1e+3", "g", "٣", "１", "²",
        "0b1", "0o7", "8000000000000000", "ffffffffffffffff", "f" * 30, "\x00", "1\x00", "--1", "+", "-",
    ],
)  # fmt: skip
def test_an_offset_in_another_form_is_no_position(offset) -> None:
    """Else two texts would name one place, or Redis would get a number that it cannot read."""
    assert place(f"{EPOCH}.{offset}.{PROOF}") is None


@pytest.mark.parametrize("offset", ["0", "1", "a", "ff", "10", "7fffffffffffffff"])
def test_the_form_that_we_write_is_one(offset) -> None:
    found = place(f"{EPOCH}.{offset}.{PROOF}")
    assert found is not None
    assert found.offset == int(offset, 16)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a",
        "a.1",
        "a.1.",
        ".1.b",
        "a..b",
        "a.1.b.",
        "a.1.b.c",
        ".a.1.b",
        " . . ",
        "a.1.b" + "x" * 60,
        "x" * 1_000_000,
        "." * 1_000_000,
        "a." + "1" * 1_000_000 + ".b",
        "null",
        "\ud83d.1.\ud83d" * 20,
    ],
)
def test_garbage_is_no_position(token) -> None:
    assert place(token) is None


def test_the_longest_position_has_64_characters() -> None:
    token = f"{EPOCH}.1.{'p' * (64 - 15)}"
    assert len(token) == 64
    assert place(token) is not None
    assert place(token + "p") is None


@given(st.text(max_size=70))
def test_no_text_is_a_fault_and_only_one_text_names_a_place(token) -> None:
    found = place(token)
    assert found is None or position(*found) == token


def test_epochs_never_meet_and_fit_into_a_position() -> None:
    epochs = {codec.new_epoch() for _ in range(2000)}
    assert len(epochs) == 2000
    assert {len(epoch) for epoch in epochs} == {15}
    assert all(epoch.isascii() and epoch.isalnum() for epoch in epochs)


def test_proofs_tell_entries_apart_and_are_eight_hex_digits() -> None:
    proofs = {codec.proof_of(b"entry %d" % number) for number in range(2000)}
    assert len(proofs) > 1990
    assert {len(proof) for proof in proofs} == {8}
    assert codec.proof_of(b"") == "00000000"


@given(st.text(max_size=50), st.binary(max_size=16), st.integers(0, 2**53), st.binary(max_size=200))
def test_an_entry_comes_through(key, digest, time, data) -> None:
    try:
        key.encode()
    except UnicodeError:
        return
    assert unpack(pack(key, digest, time, data)) == codec.Blob(key, digest, time, data)


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "text",
        b"bytes",
        [],
        {},
        ["key"],
        ["key", b"d", 1],
        [b"key", b"d", 1, b"x"],
        ["key", 5, 1, b"x"],
        ["key", b"d", 1.5, b"x"],
        ["key", b"d", "1", b"x"],
        ["key", b"d", None, b"x"],
        ["key", b"d", 1, None],
        ["key", b"d", 1, 5],
        {"key": "k", "digest": b"d", "time": 1, "data": b"x"},
        [["key", b"d", 1, b"x"]],
    ],
)
def test_a_blob_of_another_form_is_refused(value) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        unpack(msgspec.msgpack.encode(value))


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\xc1",
        b"\x94",
        b"{}",
        b"\xff" * 100,
        b"\x91" * 1_000_000,
        b"\xdd\xff\xff\xff\xff",
        b"\x94\xdb\xff\xff\xff\xff",
        b"\x94\xa1\xffA\x01A",
        pack("key", b"d", 1, b"x")[:-1],
        pack("key", b"d", 1, b"x") + b"\x00",
    ],
)
def test_broken_bytes_are_refused(blob) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        unpack(blob)


@given(st.binary(max_size=100))
def test_no_bytes_are_a_fault_of_ours(blob) -> None:
    try:
        found = unpack(blob)
    except ValueError:
        return
    assert isinstance(found, codec.Blob)


def test_digests_are_short_and_tell_contents_apart() -> None:
    digests = {codec.digest_of(b"%d" % number) for number in range(2000)}
    assert len(digests) == 2000
    assert all(len(digest) <= 16 for digest in digests)
