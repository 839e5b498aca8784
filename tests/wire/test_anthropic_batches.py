"""Batches as they stand on the wire: what we write the simulator takes, and what it answers we read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures import HEADERS, message, simulator
from thriftgate.core.errors import InputError
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import SimClock, Simulator
from thriftgate.wire.anthropic_batches import (
    BETWEEN,
    HEAD,
    PATH,
    TAIL,
    Counts,
    ErrorBody,
    custom_id,
    errored,
    job_name,
    micros,
    read_batch,
    read_error,
    read_page,
    read_result,
    rejected,
    request_line,
    result_line,
    succeeded,
    whole_lines,
)

FINGERPRINT = "0123456789abcdef0123"
# platform.claude.com/docs/en/api/messages/batches, 2026-08: the examples of the pages
BATCH = b"""{"id": "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF", "type": "message_batch", "processing_status": "in_progress",
"request_counts": {"processing": 100, "succeeded": 50, "errored": 30, "canceled": 10, "expired": 10}, "ended_at": null,
"created_at": "2024-08-20T18:37:24.100435Z", "expires_at": "2024-08-21T18:37:24.100435Z", "archived_at": null,
"cancel_initiated_at": null, "results_url": null, "of_tomorrow": {"a": [1]}}"""
ANSWER = b"""{"id": "msg_014VwiXbi91y3JMjcpyGBHX5", "type": "message", "role": "assistant", "model": "claude-opus-4-8",
"content": [{"type": "text", "text": "Hello!"}], "stop_reason": "end_turn", "stop_sequence": null,
"usage": {"input_tokens": 11, "output_tokens": 36, "service_tier": "batch"}}"""


# --- ids ------------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**64 - 1))
def test_a_custom_id_is_legal_and_leads_back(seq: int) -> None:
    """`^[a-zA-Z0-9_-]{1,64}$` (platform.claude.com/docs/en/api/messages/batches, 2026-08)."""
    made = custom_id(FINGERPRINT, seq)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", made)
    assert job_name(made) == (FINGERPRINT, seq)


@pytest.mark.parametrize(
    "text",
    ["", "my-request", "tg_", f"tg_{FINGERPRINT}", f"tg_{FINGERPRINT}_", f"tg_{FINGERPRINT}_g", f"tg_{FINGERPRINT[:-1]}_1",
     f"tg_{FINGERPRINT.upper()}_1", f"TG_{FINGERPRINT}_1", f" tg_{FINGERPRINT}_1", f"tg_{FINGERPRINT}_1\n",
     f"tg_{FINGERPRINT}_" + "1" * 17, f"tg_{FINGERPRINT}_-1"],
)  # fmt: skip
def test_ids_of_others_are_none_of_ours(text: str) -> None:
    assert job_name(text) is None


# --- what we write --------------------------------------------------------------------------------------------------------


def test_params_stand_in_the_body_byte_for_byte() -> None:
    params = b'{ "model" : "m", "x": 1.0e2, "y": "\\u00e9" }'
    lines = [request_line(custom_id(FINGERPRINT, seq), params) for seq in range(3)]
    body = HEAD + BETWEEN.join(lines) + TAIL
    assert body.count(params) == 3
    read = msgspec.json.decode(body)
    assert [one["custom_id"] for one in read["requests"]] == [custom_id(FINGERPRINT, seq) for seq in range(3)]
    assert read["requests"][0]["params"] == msgspec.json.decode(params)
    assert msgspec.json.decode(HEAD + TAIL) == {"requests": []}


@given(st.text())
def test_a_result_stands_under_the_callers_own_id(name: str) -> None:
    line = result_line(name, succeeded(b' {"a":1.0}\n'))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert b'{"type":"succeeded","message":{"a":1.0}}' in line
    assert read_result(line).custom_id == name


def test_errors_are_told_as_a_batch_tells_them() -> None:
    line = read_result(result_line("a", errored("invalid_request_error", 'model: "x" is not known\n')))
    assert (line.kind, line.reading) == ("errored", None)
    assert line.error == ErrorBody("invalid_request_error", 'model: "x" is not known\n')


# --- what we read ---------------------------------------------------------------------------------------------------------


def test_the_batch_of_the_documentation() -> None:
    batch = read_batch(BATCH)
    assert batch is not None
    assert (batch.id, batch.processing_status, batch.ended) == ("msgbatch_013Zva2CMHLNnXjNJJKqJ2EF", "in_progress", False)
    assert batch.request_counts == Counts(100, 50, 30, 10, 10)
    assert batch.request_counts.total == 200
    assert batch.created_us == 1_724_179_044_100_435
    assert (batch.ended_at, batch.ended_us) == (None, 0)


def test_an_error_answer_as_a_result_on_one_line() -> None:
    body = b'{"type": "error",\n "error": {"type": "rate_limit_error", "message": "a\\nb"}, "request_id": "req_1"}'
    line = result_line("a", rejected(body))
    assert line.count(b"\n") == 1
    told = read_result(line)
    assert (told.kind, told.error) == ("errored", ErrorBody("rate_limit_error", "a\nb"))
    assert msgspec.json.decode(told.result)["error"] == msgspec.json.decode(body)


def test_a_batch_that_has_ended() -> None:
    ended = BATCH.replace(b"in_progress", b"ended").replace(b'"ended_at": null', b'"ended_at": "2024-08-20T19:00:00Z"')
    batch = read_batch(ended)
    assert batch is not None
    assert batch.ended
    assert batch.ended_us - batch.created_us == 1_355_899_565


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b"<html>", b'{"id": 1}', b'{"id": "a"}', b'{"id": "a", "processing_status": null}',
     b'{"id": "a", "processing_status": "ended", "request_counts": {"processing": "many"}}', b'{"id": "\xff"}',
     b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_batch(body: bytes) -> None:
    assert read_batch(body) is None
    assert read_page(b'{"data": [' + body + b"]}") is None or body == b""
    assert read_error(body) == ErrorBody()


def test_a_batch_of_few_words_is_one() -> None:
    batch = read_batch(b'{"id": "a", "processing_status": "canceling"}')
    assert batch is not None
    assert (batch.request_counts.total, batch.created_us, batch.ended) == (0, 0, False)


def test_a_page() -> None:
    page = read_page(b'{"data": [' + BATCH + b"," + BATCH + b'], "has_more": true, "first_id": "x", "last_id": "y"}')
    assert page is not None
    assert ([one.created_us for one in page.data], page.has_more, page.last_id) == (
        [1_724_179_044_100_435] * 2,
        True,
        "y",
    )
    empty = read_page(b'{"data": [], "has_more": false, "first_id": null, "last_id": null}')
    assert empty is not None
    assert (empty.data, empty.has_more, empty.last_id) == ([], False, None)
    assert read_page(b'{"has_more": false}') is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"type":"error","error":{"type":"not_found_error","message":"gone"}}', ErrorBody("not_found_error", "gone")),
        (b'{"error":{"type":"api_error"}}', ErrorBody("api_error", "")),
        (b'{"error":{}}', ErrorBody()),
        (b'{"type":"error"}', ErrorBody()),
        (b'{"error":"busy"}', ErrorBody()),
        (b'{"error":{"type":7}}', ErrorBody()),
    ],
)
def test_errors(body: bytes, error: ErrorBody) -> None:
    assert read_error(body) == error


def test_an_answer_in_the_results() -> None:
    result = b'{"type": "succeeded", "message": ' + ANSWER + b"}"
    line = read_result(b'{"custom_id": "my-request", "result": ' + result + b"}\r")
    assert (line.custom_id, line.kind, line.result, line.error) == ("my-request", "succeeded", result, ErrorBody())
    assert line.reading is not None
    assert line.reading.complete
    assert line.reading.usage is not None
    assert (line.reading.usage.input_tokens, line.reading.usage.output_tokens) == (11, 36)
    assert (line.reading.message_id, line.reading.model) == ("msg_014VwiXbi91y3JMjcpyGBHX5", "claude-opus-4-8")


@pytest.mark.parametrize("kind", ["canceled", "expired", "of_tomorrow"])
def test_results_without_an_answer(kind: str) -> None:
    line = read_result(b'{"custom_id":"a","result":{"type":"%b"}}' % kind.encode())
    assert line == ("a", kind, b'{"type":"%b"}' % kind.encode(), None, ErrorBody())


def test_an_answer_that_tells_nothing_is_still_one() -> None:
    line = read_result(b'{"custom_id":"a","result":{"type":"succeeded","message":{}}}')
    assert line.reading is not None
    assert line.reading.usage is None


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"null", b'{"custom_id":"a"}', b'{"custom_id":1,"result":{"type":"expired"}}',
     b'{"custom_id":"a","result":{}}', b'{"custom_id":"a","result":[]}', b'{"custom_id":"a","result":{"type":"succ',
     b'{"custom_id":"\xff","result":{"type":"expired"}}', b'{"custom_id":"a","result":' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_result(line: bytes) -> None:
    with pytest.raises(InputError, match="a line of batch results cannot be read"):
        read_result(line)


@given(st.lists(st.sampled_from([b'{"a":1}', b"", b" ", b"{}", b'"\xc3\xa9"']), max_size=8), st.lists(st.integers(1, 12)))
def test_lines_are_whole_however_they_come(lines: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(lines)
    found: list[bytes] = []
    rest = b""
    for size in (*cuts, len(data)):
        chunk, data = data[:size], data[size:]
        some, rest = whole_lines(rest, chunk)
        found += some
    assert b"\n" not in rest
    assert [*found, *([rest] if rest.strip() else [])] == [line for line in lines if line.strip()]


@pytest.mark.parametrize(
    ("moment", "us"),
    [
        (None, 0),
        ("", 0),
        ("soon", 0),
        ("2024-08-20T18:37:24", 0),  # whose time? not told
        ("1970-01-01T00:00:00Z", 0),
        ("2024-08-20T18:37:24Z", 1_724_179_044_000_000),
        ("2024-08-20T20:37:24+02:00", 1_724_179_044_000_000),
        ("2024-08-20T18:37:24.1Z", 1_724_179_044_100_000),
        ("2024-08-20T18:37:24.100435+00:00", 1_724_179_044_100_435),
        ("2024-08-20T18:37:24.100435999Z", 1_724_179_044_100_435),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000_000),
        ("9999-12-31T23:59:59.999999-23:59", 253_402_387_139_999_999),
    ],
)
def test_moments(moment: str | None, us: int) -> None:
    assert micros(moment) == us


@given(st.integers(0, 4_000_000_000_000_000))
def test_moments_are_exact_to_the_microsecond(us: int) -> None:
    seconds, rest = divmod(us, 1_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    assert micros(f"{whole}.{rest:06}Z") == us


# --- against the simulator ------------------------------------------------------------------------------------------------


async def ask(app: Simulator, method: str, path: str, body: bytes = b"") -> bytes:
    headers = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
    incoming = await AsgiTransport(app).send(Outgoing(method, f"http://x{path}", headers, body), Timeouts())
    data = await incoming.read()
    assert incoming.status == 200, data
    return data


async def test_a_batch_goes_out_and_comes_home() -> None:
    app = simulator()
    assert isinstance(app.config.clock, SimClock)
    bodies: list[dict[str, Any]] = [message(f"item {seq}") for seq in range(5)] + [{"model": "claude-opus-4-8"}]
    lines = [request_line(custom_id(FINGERPRINT, seq), msgspec.json.encode(body)) for seq, body in enumerate(bodies)]
    made = read_batch(await ask(app, "POST", PATH, HEAD + BETWEEN.join(lines) + TAIL))
    assert made is not None
    assert (made.ended, made.request_counts) == (False, Counts(processing=6))
    assert made.created_us == int(app.config.clock() * 1e6)
    app.config.clock.advance(86_400)
    done = read_batch(await ask(app, "GET", f"{PATH}/{made.id}"))
    assert done is not None
    assert (done.ended, done.request_counts) == (True, Counts(succeeded=5, errored=1))
    assert made.created_us < done.ended_us <= made.created_us + 86_400_000_000
    page = read_page(await ask(app, "GET", PATH))
    assert page is not None
    assert [one.id for one in page.data] == [made.id]
    found, rest = whole_lines(b"", await ask(app, "GET", f"{PATH}/{made.id}/results"))
    results = {line.custom_id: line for line in map(read_result, [*found, *([rest] if rest else [])])}
    assert set(results) == {custom_id(FINGERPRINT, seq) for seq in range(6)}
    failed = results.pop(custom_id(FINGERPRINT, 5))
    assert (failed.kind, failed.error.type) == ("errored", "invalid_request_error")
    for line in results.values():
        assert line.reading is not None
        assert line.reading.complete
        assert line.reading.usage is not None
