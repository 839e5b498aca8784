"""Claude Code's logs: what is one call, what is none, and what the lines leave open. Whole logs are in the golden cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import GOLDEN, claims, lines, one, read, read_values
from thriftgate.audit.importers.claude_code import PLACEHOLDER_MAX, ClaudeCode
from thriftgate.audit.records import API_ERROR, DUPLICATE, MALFORMED, NO_USAGE, NOT_A_CALL, OTHER_PROVIDER, SYNTHETIC

IT = ClaudeCode()
NOON = 1_793_966_400_000_000  # 2026-11-06T12:00:00Z
SECOND = 1_000_000


def call(usage: object = None, *, at: str = "2026-11-06T12:00:00Z", **message: Any) -> dict[str, Any]:
    counts = {"input_tokens": 3, "output_tokens": 50} if usage is None else usage
    told = {"id": "msg_1", "model": "claude-sonnet-5", "stop_reason": "end_turn", "content": [], "usage": counts} | message
    return {"type": "assistant", "sessionId": "s", "requestId": "req_1", "timestamp": at, "message": told}


def asked(at: str, *, side: bool = False) -> dict[str, Any]:
    return {"type": "user", "timestamp": at, "isSidechain": side, "message": {"role": "user", "content": "hi"}}


def text(size: int) -> list[dict[str, str]]:
    return [{"type": "text", "text": "x" * size}]


# --- which files are its own -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        call(),
        {"type": "summary", "summary": "Mended", "leafUuid": "u"},
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}, "isSnapshotUpdate": False},
        {"type": "queue-operation", "operation": "enqueue", "timestamp": "2026-11-06T12:00:00Z", "sessionId": "s"},
        {"parentUuid": None, "type": "user", "message": {}},
        b'{"type":"us\n{"parentUuid":null,"sessionId":"s","type":"user","uuid":"u"}\n',
    ],
)
def test_it_knows_its_files_by_any_first_line(first: object) -> None:
    assert claims(first) == ["claude-code"]


@pytest.mark.parametrize(
    "first",
    [
        {"display": "fix it", "timestamp": 1, "project": "/p", "sessionId": "s"},  # its own history of prompts
        {"agentType": "general-purpose", "description": "look", "toolUseId": "toolu_1"},
        {"id": "1", "traceId": "t", "type": "GENERATION", "sessionId": "s", "usageDetails": {}},
        {"type": "result", "session_id": "s", "total_cost_usd": 1, "usage": {}},
        {"type": "message", "usage": {}},
    ],
)
def test_what_lies_beside_its_files_is_not(first: object) -> None:
    assert "claude-code" not in claims(first)


# --- one call, many lines --------------------------------------------------------------------------------------------------


def test_the_copy_with_the_most_output_counts_and_any_tells_how_it_ended(tmp_path: Path) -> None:
    usages = [
        {"input_tokens": 3, "output_tokens": count, "service_tier": tier} for count, tier in ((1, "standard"), (90, "batch"))
    ]
    told = read_values(
        IT,
        tmp_path,
        call(usages[0], stop_reason=None),
        call(usages[1], stop_reason=None),
        call(usages[0], stop_reason="tool_use"),
    )
    (record,) = told.records
    assert (record.output, record.mode, record.stop_reason) == (90, "batch", "tool_use")
    assert told.issues == {DUPLICATE: 2}


def test_copies_go_on_behind_results_of_tools(tmp_path: Path) -> None:
    told = read_values(IT, tmp_path, call(), asked("2026-11-06T12:00:01Z"), call(at="2026-11-06T12:00:02Z"))
    (record,) = told.records
    assert (record.at_us, record.ended_us, record.at_is_end) == (NOON + 2 * SECOND, NOON + 2 * SECOND, True)


@pytest.mark.parametrize("other", [{"id": "msg_2"}, {"id": None}, {"id": ""}])
def test_another_id_or_none_is_another_call(tmp_path: Path, other: dict[str, Any]) -> None:
    told = read_values(IT, tmp_path, call(**other), call(), call(**other), call(**other))
    expected = ["msg_2", "msg_1", "msg_2"] if other["id"] else ["", "msg_1", "", ""]
    assert [record.call_id for record in told.records] == expected


def test_another_request_of_the_same_message_is_left_to_the_merge(tmp_path: Path) -> None:
    told = read_values(IT, tmp_path, call(), call() | {"requestId": "req_2"}, call() | {"requestId": None})
    assert [(record.call_id, record.request_id) for record in told.records] == [
        ("msg_1", "req_1"),
        ("msg_1", "req_2"),
        ("msg_1", ""),
    ]


# --- when ------------------------------------------------------------------------------------------------------------------


def test_a_call_begins_with_the_question_before_it(tmp_path: Path) -> None:
    told = read_values(
        IT, tmp_path, asked("2026-11-06T11:59:50Z"), asked("2026-11-06T11:59:55.5Z"), call(), call(id="msg_2")
    )
    first, second = told.records
    assert (first.at_us, first.ended_us, first.at_is_end) == (NOON - 4_500_000, NOON, False)
    assert (second.at_us, second.at_is_end) == (NOON, True)  # each question is answered once


def test_the_questions_of_a_side_chain_are_its_own(tmp_path: Path) -> None:
    side = call(id="msg_2") | {"isSidechain": True}
    told = read_values(IT, tmp_path, asked("2026-11-06T11:59:00Z"), asked("2026-11-06T11:59:30Z", side=True), call(), side)
    assert [(record.side, NOON - record.at_us) for record in told.records] == [(False, 60 * SECOND), (True, 30 * SECOND)]


@pytest.mark.parametrize("before", ["2026-11-06T12:00:01Z", "soon", None, "1960-01-01T00:00:00Z"])
def test_a_question_at_no_such_time_does_not_cost_the_call(tmp_path: Path, before: Any) -> None:
    (record,) = read_values(IT, tmp_path, asked(before), call()).records
    assert (record.at_us, record.at_is_end) == (NOON, True)


@pytest.mark.parametrize("at", ["2026-11-06T12:00:00.000Z", "2026-11-06T13:00:00+01:00", "2026-11-06T12:00:00"])
def test_times_in_any_zone_and_none(tmp_path: Path, at: str) -> None:
    assert one(IT, tmp_path, call(at=at)).ended_us == NOON


@pytest.mark.parametrize("at", ["soon", "", "2026-13-01T00:00:00Z", None])
def test_a_call_at_no_time_is_malformed(tmp_path: Path, at: Any) -> None:
    assert read(IT, tmp_path, call(at=at)) == ([], {MALFORMED: 1})


# --- what it used ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "split", "written"),
    [
        (900, (900, 0), (900, 0, 0)),
        (900, (0, 0), (900, 0, 0)),
        (900, (100, 300), (600, 300, 0)),
        (None, (100, 300), (100, 300, 0)),
        (900, (None, 900), (0, 900, 0)),
        (900, None, (0, 0, 900)),
        (None, None, (0, 0, 0)),
    ],
)
def test_what_the_split_does_not_explain_lives_five_minutes(
    tmp_path: Path, total: int | None, split: tuple[int | None, int] | None, written: tuple[int, int, int]
) -> None:
    usage: dict[str, Any] = {"input_tokens": 3, "cache_creation_input_tokens": total, "cache_read_input_tokens": 70}
    if split is not None:
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": split[0], "ephemeral_1h_input_tokens": split[1]}
    record = one(IT, tmp_path, call(usage))
    assert (record.write_5m, record.write_1h, record.write_unsplit) == written
    assert (record.input, record.read) == (3, 70)  # cached tokens stand beside the input


@pytest.mark.parametrize(
    ("output", "stop", "size", "high"),
    [
        (PLACEHOLDER_MAX, None, 400, 200),
        (PLACEHOLDER_MAX + 1, None, 400, 0),
        (PLACEHOLDER_MAX, "end_turn", 400, 0),
        (PLACEHOLDER_MAX, None, 2 * PLACEHOLDER_MAX, 0),
        (0, None, 0, 0),
    ],
)
def test_an_answer_never_finished_has_a_floor_and_a_ceiling(
    tmp_path: Path, output: int, stop: str | None, size: int, high: int
) -> None:
    record = one(IT, tmp_path, call({"output_tokens": output}, stop_reason=stop, content=text(size)))
    assert (record.output, record.output_high, record.output_is_floor) == (output, high, high > 0)


def test_a_ceiling_counts_the_text_of_all_lines(tmp_path: Path) -> None:
    unfinished = [call({"output_tokens": 1}, stop_reason=None, content=text(size)) for size in (100, 300)]
    (record,) = read_values(IT, tmp_path, *unfinished, call({"output_tokens": 1}, stop_reason=None)).records
    assert record.output_high == 200


def test_thinking_is_never_more_than_the_output(tmp_path: Path) -> None:
    usage = {"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 50}}
    assert one(IT, tmp_path, call(usage)).thinking == 40


@pytest.mark.parametrize(("cost", "pico"), [(0.5, 500_000_000_000), ("0.25", 250_000_000_000), (None, None), ("much", None)])
def test_its_own_cost_is_a_claim(tmp_path: Path, cost: object, pico: int | None) -> None:
    assert one(IT, tmp_path, call() | {"costUSD": cost}).reported_pico == pico


# --- what is no call -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (call(model="<synthetic>"), SYNTHETIC),
        (call(model="<synthetic>") | {"isApiErrorMessage": True}, API_ERROR),
        (call() | {"isApiErrorMessage": True}, API_ERROR),
        ({"type": "assistant", "sessionId": "s", "message": {"id": "msg_1", "model": "claude-sonnet-5"}}, NO_USAGE),
        ({"type": "assistant", "sessionId": "s", "message": {"id": "msg_1", "model": "<synthetic>"}}, SYNTHETIC),
        ({"type": "assistant", "sessionId": "s"}, NOT_A_CALL),
        (call(model="kimi-k3"), OTHER_PROVIDER),
        (call({"input_tokens": "three"}), MALFORMED),
        (call({"input_tokens": -3}), MALFORMED),
        ({"type": "of-tomorrow", "message": 7, "timestamp": []}, NOT_A_CALL),
        (asked("2026-11-06T12:00:00Z") | {"toolUseResult": {"usage": {"input_tokens": 9}}}, NOT_A_CALL),
        ({"type": "result", "sessionId": "s", "usage": {"input_tokens": 9}, "modelUsage": {}}, NOT_A_CALL),
        (b"\xff\xfe", MALFORMED),
        (b"[" * 5_000, MALFORMED),
    ],
)
def test_what_is_no_call_is_counted_by_reason(tmp_path: Path, line: object, reason: str) -> None:
    told = read_values(IT, tmp_path, call(id="msg_0"), line, call(id="msg_9"))
    assert [record.call_id for record in told.records] == ["msg_0", "msg_9"]
    assert told.issues == {reason: 1}


def test_a_model_without_a_name_stays_for_the_report(tmp_path: Path) -> None:
    assert one(IT, tmp_path, call(model=None)).model == ""


# --- whose -----------------------------------------------------------------------------------------------------------------


def test_folder_and_name_tell_what_the_lines_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = {name: value for name, value in call().items() if name != "sessionId"}
    agents = tmp_path / "-code" / "5e1f" / "subagents"
    agents.mkdir(parents=True)
    record = one(IT, tmp_path / "-code" / "5e1f.jsonl", bare)
    assert (record.session, record.project, record.agent) == ("5e1f", "-code", "")
    record = one(IT, agents / "agent-a1.jsonl", bare)
    assert (record.session, record.project, record.agent) == ("5e1f", "-code", "agent-a1")
    monkeypatch.chdir(agents.parent)
    record = one(IT, Path("subagents/agent-a1.jsonl"), bare)
    assert (record.session, record.project, record.agent) == ("5e1f", "-code", "agent-a1")


def test_a_log_that_grew_while_it_was_read_is_read_to_its_last_whole_line(tmp_path: Path) -> None:
    whole = (GOLDEN / "claude-code" / "blocks" / "session.jsonl").read_bytes()
    told = [read(IT, tmp_path, whole[:size]) for size in range(0, len(whole), 97)]
    counts = [len(records) for records, _ in told]
    assert counts == sorted(counts)
    assert all(issues[MALFORMED] <= 1 for _, issues in told)
    assert read(IT, tmp_path, whole + lines(call()).encode()[:-30]).issues[MALFORMED] == 1
