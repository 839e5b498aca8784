"""What is read of an agent's rounds."""

from __future__ import annotations

import pytest

from tests.core.agents.sessions import Session, raw_turns, turns_of
from thriftgate.core.agents.rounds import Round, beginning_of, rounds_of
from thriftgate.core.agents.said import Reader, Result

GO = {"role": "user", "content": "go"}
CALL = (
    b'[{"role":"user","content":"go"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"Bash","input":%s}]}'
)
BACK = b',{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":%s}]}]'


def rounds(session: Session, most: int = 99) -> list[Round]:
    return rounds_of(session.turns(), most, Reader())


def one(given: bytes, result: bytes) -> Round:
    (found,) = rounds_of(raw_turns(CALL % given + BACK % result), 9, Reader())
    return found


def test_a_round_is_a_call_and_its_result() -> None:
    found = rounds(Session().bash("ls", "a.py").bash("cat a.py", "no such file", failed=True))
    assert [one.tools for one in found] == [("Bash",), ("Bash",)]
    assert [one.failed for one in found] == [False, True]
    assert found[0].calls != found[1].calls


def test_white_space_and_order_of_keys_make_no_other_call() -> None:
    plain = one(b'{"command":"ls","limits":{"a":1,"b":[1,2]}}', b'"x"')
    spelled = one(b'{ "limits" : {"b": [1, 2], "a":1},\n "command" : "\\u006cs" }', b'"x"')
    assert plain == spelled
    assert one(b'{"command":"ls ","limits":{"a":1,"b":[1,2]}}', b'"x"').calls != plain.calls


@pytest.mark.parametrize(
    "spelled",
    [
        b'[{"type":"text","text":"x"}]',
        b'[{"text":"x\\n","type":"text","cache_control":{"type":"ephemeral"}}]',
        b'"x\\n"',
    ],
)
def test_one_result_however_it_is_written(spelled: bytes) -> None:
    assert one(b"{}", spelled).results == one(b"{}", b'"x"').results


def test_other_results_differ() -> None:
    image = b'[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}]'
    found = {one(b"{}", result).results for result in (b'"x"', b'"y"', b'""', image % b"aaaa", image % b"bbbb")}
    assert len(found) == 5
    marked = image.replace(b'"image",', b'"image","cache_control":{"type":"ephemeral"},')
    assert one(b"{}", marked % b"aaaa") == one(b"{}", image % b"aaaa")


def test_calls_made_at_once_are_one_round_whatever_their_order() -> None:
    first, second = ("Read", {"file": "a"}, "A"), ("Read", {"file": "b"}, "B")
    together, turned = rounds(Session().round(first, second).round(second, first))
    assert together == turned
    assert rounds(Session().round(first, first, first))[0].calls == rounds(Session().round(first))[0].calls


def test_the_same_call_twice_at_once_has_both_results() -> None:
    twice = rounds(Session().round(("Read", {}, "A"), ("Read", {}, "B")))[0]
    turned = rounds(Session().round(("Read", {}, "B"), ("Read", {}, "A")))[0]
    assert twice == turned
    assert len(twice.results) == 1
    assert twice.results != rounds(Session().round(("Read", {}, "A")))[0].results


def test_a_call_without_its_result() -> None:
    found = rounds_of(raw_turns(CALL % b"{}" + b',{"role":"user","content":[]},{"role":"user","content":""}]'), 9, Reader())
    assert found == []  # nobody answered yet
    session = Session().bash("ls", "x")
    session.messages[-1]["content"][0]["tool_use_id"] = "another"
    assert rounds(session)[0].results == (Result(b""),)


def test_what_the_user_says_begins_anew() -> None:
    session = Session().bash("ls", "a").bash("ls", "a")
    assert len(rounds(session)) == 2
    assert len(rounds(session.says("There is a.", "And now?"))) == 0
    assert len(rounds(session.bash("ls", "a"))) == 1
    assert len(rounds(session.bash("ls", "a").adds("stop, look into b"))) == 0  # an interruption stands behind the results


@pytest.mark.parametrize(
    "nudge", ["<system-reminder>\nYour list is empty.\n</system-reminder>", "<env>12:01</env>\n<files>a</files>", "  "]
)
def test_what_a_program_adds_is_nobody_speaking(nudge: str) -> None:
    session = Session().bash("ls", "a").adds(nudge).bash("ls", "a").adds(nudge)
    assert len(rounds(session)) == 2


def test_who_says_the_same_each_time_is_a_program() -> None:
    session = Session()
    for step in range(5):
        session.bash("ls", "a").adds(f"Step {step} of 30. Go on.")
    assert len(rounds(session)) == 4  # the first time it may have been a person


def test_text_is_a_round_and_what_is_fenced_in_it_its_call() -> None:
    session = Session().says("Let me look.\n```bash\nls\n```", "<output>a</output>")
    session.says("I look again.\n```bash\nls\n```\nSo.", "<output>a</output>").says("ls", "<output>a</output>")
    first, second, third = rounds(session)
    assert first.calls == second.calls != third.calls
    assert first.results == second.results == third.results
    assert first.words != second.words
    assert first.tools == ()


def test_server_tools_have_their_results_in_the_answer() -> None:
    said = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "u"}]},
    ]
    paused = turns_of([GO, {"role": "assistant", "content": said}])
    (found,) = rounds_of(paused, 9, Reader())
    assert found.tools == ("web_search",)
    assert found.results != (Result(b""),)
    assert rounds_of(turns_of([GO, {"role": "assistant", "content": "so"}]), 9, Reader()) == []


def test_only_the_last_rounds_are_read() -> None:
    session = Session()
    for step in range(20):
        session.bash(f"echo {step}", "")
    assert rounds(session, 5) == rounds(session)[-5:]
    assert len(rounds(session, 5)) == 5


def test_a_name_that_is_none_is_not_repeated() -> None:
    assert rounds(Session().round(("rm -rf\r\nset-cookie: a", {}, "x")))[0].tools == ("a tool",)
    assert rounds(Session().round(("mcp__github__get.issue", {}, "x")))[0].tools == ("mcp__github__get.issue",)


@pytest.mark.parametrize(
    "content", [b"null", b'"\\u0000"', b"[]", b'[{"type":"text"}]', b'[{"type":"tool_use","name":null,"input":1e999}]']
)
def test_what_cannot_be_read_is_left_out(content: bytes) -> None:
    turns = raw_turns(b'[{"role":"user","content":"a"},{"role":"assistant","content":' + content + b'},{"role":"user"}]')
    assert len(rounds_of(turns, 9, Reader())) <= 1


def test_a_conversation_is_told_by_how_it_went_on() -> None:
    reader = Reader()
    session, twin, other = Session().bash("ls", "a"), Session().bash("ls", "a"), Session().bash("pwd", "a")
    begun = beginning_of(session.turns(), reader)
    assert begun == beginning_of(twin.turns(), reader) != beginning_of(other.turns(), reader)
    assert beginning_of(session.bash("more", "b").turns(), reader) == begun
    session.messages[2]["content"][0]["content"] = "[cleared]"  # what clients do to old results
    assert beginning_of(session.turns(), reader) == begun
    assert beginning_of(Session().turns(), reader) == b""
