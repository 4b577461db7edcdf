"""Frames in and out, and the stored form, as functions: odd, broken and hostile input above all."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartchat import protocol
from quartchat.frames import payloads
from quartchat.protocol import (
    Malformed,
    Message,
    Ping,
    Pong,
    Send,
    Typing,
    User,
    decode,
    decode_plain,
    load,
    shown,
    store,
)

ANN = User("ann-id", "Ann")
DEEP = 100_000


def content(frame: bytes) -> dict[str, object]:
    (payload,) = payloads(frame)
    found = json.loads(payload)
    assert isinstance(found, dict)
    return found


# In ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"typing"}', Typing),
        ('{"type":"ping"}', Ping),
        ('{"type":"pong"}', Pong),
        (' { "type" : "pong" } \n', Pong),
        ('{"position":"x","type":"pong"}', Pong),
        ('{"type":"ping","x":1e999}', Ping),
        ('{"type":"ping","x":' + "1" * 5000 + "}", Ping),
        ('{"type":"ping","x":[[{"type":"send"}]]}', Ping),
        ('{"\\u0074ype":"ping"}', Ping),
        ('{"type":"\\u0070ing"}', Ping),
        ('{"type":"ping","":null}', Ping),
    ],
)
def test_frames_are_understood_and_unknown_fields_are_ignored(text, kind) -> None:
    assert type(decode(text)) is kind


@pytest.mark.parametrize("message_id", ["a", "Z", "0", "-", "_", "aB-_9", "x" * 64])
def test_ids_of_1_to_64_safe_characters_are_taken(message_id) -> None:
    assert decode(json.dumps({"type": "send", "id": message_id, "message": "hi"})) == Send(message_id, "hi")


@pytest.mark.parametrize(
    "message_id",
    [
        "",
        "x" * 65,
        "a b",
        "a\n",
        "\n",
        "a.b",
        "a:b",
        "a/b",
        "é",
        "٣",
        "a\x00",
        "🎉",
        "\ud83d",
        " a",
        '"',
        "\\",
        "\u200b",
    ],
)
def test_other_ids_are_an_error_without_an_id(message_id) -> None:
    frame = decode(json.dumps({"type": "send", "id": message_id, "message": "hi"}))
    assert isinstance(frame, Malformed)
    assert (frame.code, frame.id) == ("bad_request", None)


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "hi",
        "🎉",
        "\x00",
        "\u2028",
        "a\r\nb",
        "</script>",
        "x" * 100_000,
        "\uffff",
        "\ufeff",
        "\u202e",
    ],
)
def test_a_text_comes_through_as_it_is(message) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"type": "send", "id": "a", "message": message}, ensure_ascii=ascii_only)
        assert decode(text) == Send("a", message)
        assert decode_plain(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "}",
        "[]",
        "null",
        "true",
        "5",
        "NaN",
        "-Infinity",
        '"send"',
        "{}",
        '{"type"}',
        '{"type":}',
        '{"type":"ping"',
        '{"type":"ping",}',
        '{"type":"ping"}{"type":"ping"}',
        '{"type":"ping"}x',
        "{'type':'ping'}",
        '{type:"ping"}',
        '{"type":null}',
        '{"type":5}',
        '{"type":true}',
        '{"type":["ping"]}',
        '{"type":{"type":"ping"}}',
        '[{"type":"ping"}]',
        '\ufeff{"type":"ping"}',
        '{"type":"ping"}\x00',
        '\x00{"type":"ping"}',
        '{"type":"pi\nng"}',
        '{"type":"ping","x":"\\x"}',
        '{"type":"ping","x":"\\u12"}',
        '{"type":"ping","x":01}',
        '{"type":"ping","x":.5}',
        '{"type":"ping","x":1.}',
        '{"type":"ping"/**/}',
        "[" * DEEP,
        '{"type":' * DEEP,
        '{"a":' * DEEP + "1" + "}" * DEEP,
        '{"type":"ping","x":' + "[" * DEEP + "]" * DEEP + "}",
        '{"type":"send","id":"a","message":' + "[" * DEEP + "]" * DEEP + "}",
        "\ud83d",
        '{"type":"send","id":"a"' + " " * 1_000_000,
    ],
)
def test_what_is_no_frame_is_an_error_and_nothing_worse(text) -> None:
    frame = decode(text)
    assert isinstance(frame, Malformed)
    assert frame.code == "bad_request"
    assert frame.id is None
    assert frame.detail.isprintable()
    assert isinstance(decode_plain(text), Malformed)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "Send",
        "SEND",
        " send",
        "send ",
        "ack",
        "welcome",
        "message",
        "reset",
        "join",
        "x" * 10_000,
        "\x00",
    ],
)
def test_an_unknown_type_is_named_as_such(kind) -> None:
    frame = decode(json.dumps({"type": kind, "id": "a", "message": "hi"}))
    assert isinstance(frame, Malformed)
    assert (frame.code, frame.id) == ("unknown_type", None)


@pytest.mark.parametrize("broken", ["NaN", "Infinity", '"\\ud83d"', '"\ud83d"'])
@pytest.mark.parametrize("kind", ["ping", "pong", "typing"])
def test_a_known_type_in_a_broken_frame_is_not_called_unknown(kind, broken) -> None:
    frame = decode(f'{{"type":"{kind}","x":{broken}}}')
    assert not isinstance(frame, Malformed) or frame.code == "bad_request"


@pytest.mark.parametrize(
    "message",
    ["null", "5", "true", "[]", "{}", '["hi"]', "1e999", "NaN", '"\\ud83d"', '"\\udc00\\ud83d"', '"\ud83d"'],
)
def test_a_send_whose_message_is_no_text_is_refused_by_its_id(message) -> None:
    frame = decode(f'{{"type":"send","id":"a","message":{message}}}')
    assert isinstance(frame, Malformed)
    assert (frame.code, frame.id) == ("bad_request", "a")


def test_a_send_without_a_message_is_refused_by_its_id() -> None:
    frame = decode('{"type":"send","id":"a"}')
    assert isinstance(frame, Malformed)
    assert frame.id == "a"


@pytest.mark.parametrize("message_id", ["null", "5", "[]", '{"a":1}', '""', '"a b"', '"\\ud83d"'])
def test_a_send_without_a_usable_id_is_an_error(message_id) -> None:
    frame = decode(f'{{"type":"send","id":{message_id},"message":"hi"}}')
    assert isinstance(frame, Malformed)
    assert (frame.code, frame.id) == ("bad_request", None)


def test_of_a_field_that_comes_twice_the_last_one_counts() -> None:
    assert decode('{"type":"send","id":"a","message":"x","id":"b","message":"y"}') == Send("b", "y")


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"send","type":"ping"}',
        '{"type":"ping","type":"send","id":"a","message":"b"}',
        '{"type":"ping","type":5}',
    ],
)
def test_a_type_that_comes_twice_is_never_a_fault_of_ours(text) -> None:
    assert isinstance(decode(text), Malformed | Ping | Send)


@given(st.text(max_size=300))
def test_no_text_is_a_fault_of_ours(text) -> None:
    assert isinstance(decode(text), Malformed)
    assert isinstance(decode_plain(text), Malformed)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["type", "id", "message"]) | st.text(max_size=5)
frames = st.dictionaries(fields, st.sampled_from(["send", "ping", "a", "hi"]) | json_values, max_size=5)


@given(frames)
def test_no_json_object_is_a_fault_of_ours_and_a_send_always_has_a_usable_id(frame) -> None:
    found = decode(json.dumps(frame))
    if isinstance(found, Send):
        assert (found.id, found.message) == (frame["id"], frame["message"])
        assert 1 <= len(found.id) <= 64
    elif isinstance(found, Malformed):
        assert found.code in ("bad_request", "unknown_type")
        assert found.id is None or found.id == frame["id"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"message":"hi"}', "hi"),
        ('{"message":"hi","user":"x"}', "hi"),
        ('{"type":"chat_message","message":"hi"}', "hi"),
        ('{"message":""}', ""),
    ],
)
def test_the_tutorial_s_frame_is_understood(text, expected) -> None:
    assert decode_plain(text) == expected


@pytest.mark.parametrize(
    "text", ['{"message":null}', '{"message":5}', '{"message":["hi"]}', '{"Message":"hi"}']
)
def test_other_plain_frames_are_not(text) -> None:
    assert isinstance(decode_plain(text), Malformed)


# What is taken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " ", "\n", "\t \r\n", "\u00a0", "\u3000\u2003", "\x1f"])
def test_a_message_needs_some_text(text) -> None:
    assert (protocol.refusal_of(text, 100) or ("",))[0] == "empty"


@pytest.mark.parametrize("character", ["x", "é", "日", "🎉"])
@pytest.mark.parametrize("most", [4, 8, 12, 8192])
def test_the_limit_is_in_bytes_and_exact(character, most) -> None:
    size = len(character.encode())
    assert protocol.refusal_of(character * (most // size), most) is None
    assert (protocol.refusal_of(character * (most // size + 1), most) or ("",))[0] == "too_long"


@given(st.text(alphabet="xé日🎉", min_size=1, max_size=20), st.integers(1, 80))
def test_the_limit_is_never_off_by_one(text, most) -> None:
    assert (protocol.refusal_of(text, most) is None) is (len(text.encode()) <= most)


def test_half_a_surrogate_has_a_length_too() -> None:
    assert (protocol.refusal_of("\ud83d" * 10, 20) or ("",))[0] == "too_long"


# The stored form --------------------------------------------------------------------------------------------


@given(
    st.text(min_size=1, max_size=100),
    st.text("aé한🎉Я٣ .-", min_size=1, max_size=32),
    st.integers(0, 4_000_000_000_000),
)
def test_what_is_stored_is_read_back(text, name, stamp) -> None:
    user = User("u", name)
    try:
        key, _, data = store("i", text, user, stamp)
    except UnicodeError:  # lone surrogates never get into the log
        assert any("\ud800" <= character <= "\udfff" for character in text + name)
        return
    message = load(key, data)
    assert (message.id, message.message, message.user) == ("i", text, shown("u", name))
    assert message.time.endswith("Z")
    assert round(datetime.fromisoformat(message.time).timestamp() * 1000) == stamp
    assert len(message.time) == len("2026-01-01T00:00:00.000Z")


def test_the_digest_depends_on_the_text_alone() -> None:
    one = store("a", "hi", ANN, 0)[1]
    assert store("b", "hi", User("bob", "Bob"), 5)[1] == one
    assert store("a", "hi ", ANN, 0)[1] != one
    assert len(one) <= 16


def test_keys_of_different_people_and_ids_differ() -> None:
    keys = {store(i, "hi", User(u, "x"), 0)[0] for i in ("a", "b", "-a") for u in ("u", "v", "u-")}
    assert len(keys) == 9


@pytest.mark.parametrize("text", ["\ud83d", "a\udc00b"])
def test_half_a_surrogate_is_never_stored(text) -> None:
    with pytest.raises(UnicodeError):
        store("a", text, ANN, 0)


def stored(**changes: object) -> bytes:
    fields = {
        "id": "i",
        "message": "hi",
        "user": {"id": "u", "name": "U"},
        "time": "2026-01-01T00:00:00.000Z",
    }
    return json.dumps({**fields, **changes}).encode()


def test_the_stored_form_may_get_more_fields_in_later_versions() -> None:
    assert load("u:i", stored(colour="red")).message == "hi"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf" + stored(),
        stored() + b"x",
        stored(message=5),
        stored(message=None),
        stored(user="u"),
        stored(user={"id": "u"}),
        stored(user={"id": 5, "name": "U"}),
        stored(user=["u", "U"]),
        stored(id=["i"]),
        stored(time=5),
        stored().replace(b"hi", b"\xff"),
        stored().replace(b"hi", b"\\ud83d"),
        stored().replace(b"hi", b"\xed\xa0\xbd"),
        b"[" * DEEP,
        b'{"user":' * DEEP,
        stored(extra=1).replace(b"1}", b"[" * DEEP + b"]" * DEEP + b"}"),
    ],
)
def test_data_that_this_program_did_not_write_is_refused(data) -> None:
    with pytest.raises(ValueError, match="not a message"):
        load("u:i", data)


@pytest.mark.parametrize("key", ["", "u", "u:", ":i", "u:j", "v:i", "u:i ", "u:i:", "U:i", "u\x00:i"])
def test_a_message_under_another_key_is_refused(key) -> None:
    with pytest.raises(ValueError, match="another"):
        load(key, stored())


@given(st.binary(max_size=200))
def test_no_stored_bytes_are_a_fault_of_ours(data) -> None:
    with pytest.raises(ValueError, match="not a message"):
        load("u:i", data)


# Out --------------------------------------------------------------------------------------------------------

MESSAGE = Message("i", 'h"i\n🎉\u2028</script>', ANN, "2026-01-01T00:00:00.000Z")


def test_a_message_in_both_dialects() -> None:
    assert content(protocol.message_frame("p", "q", MESSAGE)) == {
        "type": "message",
        "position": "p",
        "prev": "q",
        "id": "i",
        "message": MESSAGE.message,
        "user": {"id": ANN.id, "name": ANN.name},
        "time": MESSAGE.time,
    }
    assert content(protocol.message_frame("p", None, MESSAGE))["prev"] is None
    assert content(protocol.plain_frame(MESSAGE)) == {"message": MESSAGE.message}


def test_the_json_of_the_api_is_the_frame_s_without_its_type() -> None:
    frame = content(protocol.message_frame("p", "q", MESSAGE))
    del frame["type"]
    assert protocol.fields("p", "q", MESSAGE) == frame


@pytest.mark.parametrize("message_id", ["a", "x" * 64, "-_-"])
def test_an_ack_is_json(message_id) -> None:
    position = "abcdefghijkl.ff.00000000"
    assert content(protocol.ack(message_id, position)) == {
        "type": "ack",
        "id": message_id,
        "position": position,
    }


def test_other_answers() -> None:
    assert content(protocol.nack("a", "empty", "why")) == {
        "type": "nack",
        "id": "a",
        "code": "empty",
        "detail": "why",
    }
    assert content(protocol.nack("a", "rate_limited", "why", 0.5))["retry_after"] == 0.5
    assert content(protocol.unknown("a", 1.0)) == {"type": "unknown", "id": "a", "retry_after": 1.0}
    assert content(protocol.frame("welcome", you=ANN, members=[ANN]))["members"] == [
        {"id": "ann-id", "name": "Ann"}
    ]
