"""Reading conversations, cutting long texts, judging a log, and the command's arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quartchat.names import person_name
from quartchat.replay.__main__ import main
from quartchat.replay.client import Said, User
from quartchat.replay.conversation import Line, UnknownFormat, parse, pieces, valid_name
from quartchat.replay.verify import Message, Verdict, compare

IRC = """\
=== ada [n=a@example.org]  has joined #x
[23:59] <ada> hello
[23:59] <bob> hi ada \x85 there
[00:00] <ada>    
[00:00]  * bob waves
[00:01] <c[]^|> [12:00] <x> quoted
"""


def test_an_irc_log_is_read() -> None:
    found = parse(IRC.encode())
    assert [line.speaker for line in found.lines] == ["ada", "bob", "ada", "c[]^|"]
    assert found.lines[1].text == "hi ada \x85 there"
    assert found.lines[2].text == "   "
    assert found.lines[3].text == "[12:00] <x> quoted"
    assert [line.at for line in found.lines] == [0, 30, 60, 120]
    assert found.skipped == 1
    assert found.speakers == ["ada", "bob", "c[]^|"]


def test_a_clock_that_was_set_back_does_not_begin_a_new_day() -> None:
    found = parse(b"[10:05] <a> 1\r\n[10:04] <a> 2\r\n[10:06] <a> 3")
    assert [line.at for line in found.lines] == [0, 0, 60]
    assert [line.text for line in found.lines] == ["1", "2", "3"]


def test_questions_and_answers_are_read() -> None:
    found = parse('\ufeffQ,A,label\n"a, b","x ""y""",0\n\nc,d,1\n'.encode())
    assert [line.text for line in found.lines] == ["a, b", 'x "y"', "c", "d"]
    assert [line.speaker for line in found.lines] == ["Asker 1", "Answerer 1", "Asker 2", "Answerer 2"]


def test_the_own_format_is_read() -> None:
    rows = [{"name": "A", "text": "1"}, {"name": "B", "text": "2\n3", "at": 5}, {"name": "A", "text": ""}]
    found = parse("\n".join(json.dumps(row) for row in rows).encode())
    assert found.lines == [Line("A", "1", 0), Line("B", "2\n3", 5), Line("A", "", 5)]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"hello world", "neither"),
        (b"\xff\xfe", "UTF-8"),
        (b"\x00\x01", "text file"),
        (b"Q,A\n", "nobody"),
        (b"=== only notes", "neither"),
        (b"Q,A\na\n", "line 2"),
        (b'Q,A\n"a,b', "line 2"),
        (b'{"name": "A"}', "line 1"),
        (b'{"name": "A", "text": "x"}\n{', "line 2"),
        (b'{"name": "A", "text": 1}', "line 1"),
        (b'{"name": "A", "text": "x", "at": "soon"}', "line 1"),
        (b"{" * 100_000, "line 1"),
    ],
    ids=range(14),
)
def test_what_is_no_conversation_is_told(data: bytes, complaint: str) -> None:
    with pytest.raises(UnknownFormat, match=complaint):
        parse(data)


@pytest.mark.parametrize(
    ("speaker", "name"),
    [
        ("ada", "ada"),
        ("  ada  ", "ada"),
        ("x" * 40, "x" * 32),
        ("a/b\x00c\u202e", "abc"),
        ("..", "somebody"),
        ("", "somebody"),
        ("\u200b", "somebody"),
        ("김철수", "김철수"),
        ("x" * 31 + " y", "x" * 31),
    ],
)
def test_every_speaker_gets_a_name_that_the_chat_takes(speaker: str, name: str) -> None:
    assert valid_name(speaker) == name
    assert person_name(valid_name(speaker)) == name


@pytest.mark.parametrize("most", [4, 10, 100])
@pytest.mark.parametrize("text", ["", "short", "words " * 50, "한글 " * 60, "🎉" * 70, "x" * 500, "\n" * 30])
def test_a_long_text_is_cut_and_nothing_of_it_lost(text: str, most: int) -> None:
    parts = pieces(text, most)
    assert "".join(parts) == text
    assert all(len(part.encode()) <= most for part in parts)
    assert all(parts) or text == ""


def test_a_text_is_cut_after_a_space_where_there_is_one() -> None:
    assert pieces("one two three", 9) == ["one two ", "three"]


# The verdict ------------------------------------------------------------------------------------------------

SENT = [Said("a", "1", "one", "p1"), Said("b", "2", "two", "p2"), Said("a", "3", "three", "p3")]


def log(*numbers: int) -> list[Message]:
    found: list[Message] = []
    for number in numbers:
        said = SENT[number]
        prev = found[-1].position if found else None
        found.append(Message(said.position or "", prev, said.id, said.text, User(said.user_id, "x")))
    return found


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (log(0, 1, 2), Verdict()),
        (log(0, 2), Verdict(missing=1)),
        (log(), Verdict(missing=3)),
        (log(0, 1, 2, 2), Verdict(doubled=1)),
        (log(1, 0, 2), Verdict(swapped=1)),
        (log(2, 1, 0), Verdict(swapped=2)),
    ],
)
def test_the_verdict_counts_what_is_wrong(found: list[Message], verdict: Verdict) -> None:
    assert compare(SENT, found, 100, one_order=True) == verdict
    assert verdict.good == (verdict == Verdict())


def test_with_many_in_flight_only_each_speaker_s_order_counts() -> None:
    assert compare(SENT, log(1, 0, 2), 100, one_order=False) == Verdict()
    assert compare(SENT, log(2, 1, 0), 100, one_order=False) == Verdict(swapped=1)


def test_what_a_full_room_no_longer_keeps_is_not_missing() -> None:
    assert compare(SENT, log(2), 1, one_order=True) == Verdict(beyond=2)
    assert compare(SENT, log(0, 2), 2, one_order=True) == Verdict(missing=1)
    assert Verdict(beyond=2).good


def test_what_was_refused_must_not_be_there() -> None:
    refused = Said("a", "9", "nine", None, "too_long")
    there = [*log(0, 1, 2), Message("p9", "p3", "9", "nine", User("a", "x"))]
    assert compare([*SENT, refused], there, 100, one_order=True) == Verdict(phantom=1)
    assert compare([*SENT, refused], log(0, 1, 2), 100, one_order=True) == Verdict()


def test_other_people_s_messages_do_not_matter() -> None:
    there = [*log(0, 1, 2), Message("p9", "p3", "9", "nine", User("z", "x"))]
    assert compare(SENT, there, 100, one_order=True) == Verdict()


def test_another_text_or_place_is_told() -> None:
    other = [Said("a", "1", "one!", "p1"), Said("b", "2", "two", "p9"), SENT[2]]
    assert compare(other, log(0, 1, 2), 100, one_order=True) == Verdict(altered=2)


def test_a_broken_chain_is_told() -> None:
    there = log(0, 1, 2)
    there[1] = Message("p2", None, "2", "two", User("b", "x"))
    assert compare(SENT, there, 100, one_order=True) == Verdict(broken=1)


# The command ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required"),
        (["nothing-there.txt"], "No such file"),
        (["/"], "directory"),
        (["OTHER"], "neither an IRC log"),
        (["FILE", "--url", "ftp://x"], "ftp://x"),
        (["FILE", "--url", "127.0.0.1:8000"], "127.0.0.1:8000"),
        (["FILE", "--url", "http://[::1"], "[::1"),
        (["FILE", "--url", "http://x:port"], "x:port"),
        (["FILE", "--url", "http://"], "is not like"),
        (["FILE", "--url", "http://a@b"], "is not like"),
        (["FILE", "--room", "a/b"], "slash"),
        (["FILE", "--room", ""], "empty"),
        (["FILE", "--speed", "0"], "speed"),
        (["FILE", "--speed", "fast"], "speed"),
        (["FILE", "--speed", "nan"], "speed"),
        (["FILE", "--speed", "-1"], "speed"),
        (["FILE", "--in-flight", "0"], "in-flight"),
        (["FILE", "--in-flight", "x"], "in-flight"),
        (["FILE", "--patience", "0"], "seconds"),
        (["FILE", "--what"], "--what"),
        (["FILE", "--url", "http://127.0.0.1:1"], "cannot reach"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    good, other = tmp_path / "good", tmp_path / "other"
    good.write_text('{"name": "A", "text": "x"}')
    other.write_text("just some words")
    given = [{"FILE": str(good), "OTHER": str(other)}.get(word, word) for word in words]
    for option, value in (("--url", "http://127.0.0.1:1"), ("--room", "r")):
        if words and option not in given:
            given += [option, value]
    try:
        code = main(given)
    except SystemExit as ended:
        code = int(ended.code or 0)
    told = capsys.readouterr()
    assert code == 2
    assert told.out == ""
    assert len(told.err.splitlines()) == 1, told.err
    assert complaint in told.err
    assert told.err.startswith("replay: ")


def test_without_websockets_the_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['websockets'] = None\n"
        "from quartchat.replay.__main__ import main\n"
        "sys.exit(main(['x', '--url', 'http://127.0.0.1:1', '--room', 'r']))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "replay: the package websockets is missing: pip install 'quartchat[replay]'"
    ]


def test_the_help_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--verify" in capsys.readouterr().out
