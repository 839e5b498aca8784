"""One line of a jobs file: what is read of it, what is refused and in which words, and what batches do not take."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.batch.job_line import NAME_CHARS_MAX, JobLine, check_params, read_job_line, read_like
from thriftgate.core.alike import Alike
from thriftgate.core.errors import InputError
from thriftgate.core.request import parse_request

CALL = b'{"model":"claude-haiku-4-5","max_tokens":64,"messages":[{"role":"user","content":"hi"}]}'


def refused(line: bytes) -> str:
    with pytest.raises(InputError) as raised:
        read_job_line(line)
    return str(raised.value)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'{"custom_id":"row-1","params":%b}', "row-1"),
        (b'{"params": %b, "custom_id": "A_b-9"}', "A_b-9"),
        (b'{"custom_id":"' + b"x" * 64 + b'","params":%b}', "x" * 64),
        (b'{"id":"any name: \\u00e9/ \xc3\xa9","params":%b}', "any name: é/ é"),
        (b'{"id":4711,"params":%b}', "4711"),
        (b'{"id":-0,"params":%b}', "0"),
        (b'{"id":123456789012345678901234567890,"params":%b}', "123456789012345678901234567890"),
        (b' \t{ "id" : "a" ,\r "params" :  %b  } \r', "a"),
        (b'{"i\\u0064":"a","par\\u0061ms":%b}', "a"),
        (b'{"id":"' + "é".encode() * NAME_CHARS_MAX + b'","params":%b}', "é" * NAME_CHARS_MAX),
    ],
)
def test_names_and_params_of_every_form(line: bytes, name: str) -> None:
    assert read_job_line(line % CALL) == JobLine(name, CALL)


MEMBERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SPACE = st.sampled_from([b"", b" ", b"\t ", b"\r"])


@given(
    st.text(min_size=1, max_size=NAME_CHARS_MAX), st.dictionaries(st.text(), MEMBERS, max_size=4), st.integers(-1, 3), SPACE
)
def test_params_are_the_bytes_that_stood_there(name: str, members: dict[str, object], indent: int, space: bytes) -> None:
    params = msgspec.json.format(msgspec.json.encode(members), indent=indent)
    line = b'{%b"id"%b:%b,%b"params":%b%b}%b' % (space, space, msgspec.json.encode(name), space, space, params, space)
    assert read_job_line(line) == JobLine(name, params)


@given(st.binary(max_size=60))
def test_whatever_stands_there_is_read_or_refused(line: bytes) -> None:
    for one in (line, b'{"id":1,"params":{%b}}' % line, b'{"id":%b,"params":{}}' % line):
        try:
            told = read_job_line(one).params.decode()
        except InputError as error:
            told = str(error)
        assert told.startswith("{") or told.isprintable()


def test_spelling_of_numbers_and_escapes_is_kept() -> None:
    params = b'{"temperature": 1.0e-1, "big": 123456789012345678901234567890, "text": "\\u00e9\\/", "a": 1, "a": 2}'
    assert read_job_line(b'{"id":1,"params":' + params + b"}").params == params


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            b'{"model":"m","max_tokens":1,"messages":[]}',
            ["bare Messages body", "model, max_tokens, messages", '{"id": ..., "params"'],
        ),
        (b'{"id":"a","model":"m","messages":[]}', ["bare Messages body", "model, messages"]),
        (
            b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}',
            ["OpenAI's batch format", "not read yet"],
        ),
        (b'{"id":"a","params":{},"priority":1,"deadline":2}', ["take out priority, deadline"]),
        (b'{"id":"a","params":{},"model":"m"}', ["take out model", "move it into params"]),
        (b'{"id":"a","a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}', ["a, b, c, d, e and 2 more"]),
        (b'{"custom_id":"a","result":{"type":"succeeded"}}', ["take out result"]),
        (b'{"id":"a","\\u001b[31m\\n":1,"params":{}}', ["take out \\x1b[31m\\x0a"]),
        (b'{"id":"a","custom_id":"a","params":{}}', ["both an id and a custom_id", "keep one"]),
        (b'{"id":"a"}', ["params: missing"]),
        (b'{"params":{}}', ["id: missing"]),
        (b"{}", ["params: missing"]),
        (b'{"other":1,"params":{}}', ["take out other"]),
        (b'{"id":"a","id":"b","params":{}}', ["stands twice"]),
        (b'{"id":1,"id":2,"params":{}}', ["stands twice"]),
        (b'{"id":1,"params":1,"params":{}}', ["stands twice", "id, params"]),
        (b'{"params":{},"custom_id":"a","params":{"a":1}}', ["stands twice"]),
        (b'{"id":"a","params":[1]}', ["params: must be a JSON object", "not [1]"]),
        (b'{"id":"a","params":"{}"}', ["params: must be a JSON object"]),
        (b'{"id":"a","params":null}', ["params: must be a JSON object", "not null"]),
        (b"[" + b"1," * 200 + b"1]", ["must be a JSON object", "not [1,1,", "...", "one job stands on each line"]),
        (b"4", ["must be a JSON object"]),
    ],
)
def test_what_is_no_job_is_told_with_what_to_do(line: bytes, words: list[str]) -> None:
    message = refused(line)
    assert [word for word in words if word not in message] == []
    assert message.isprintable()


@pytest.mark.parametrize("name", ['""', '"a b"', '"é"', '"%s"' % ("x" * 65), '"a\\n"', "7", "null", "{}", '["a"]'])
def test_a_custom_id_keeps_the_rule_of_the_api(name: str) -> None:
    message = refused(b'{"custom_id":%b,"params":{}}' % name.encode())
    assert message.startswith("custom_id: must be 1 to 64 letters, digits, _ or -")
    assert '"id"' in message


@pytest.mark.parametrize(
    "name", ['""', '"%s"' % ("x" * (NAME_CHARS_MAX + 1)), "1.5", "1e3", "true", "null", "{}", "1" * 513, "1" * 9999]
)
def test_an_id_is_a_text_or_an_integer(name: str) -> None:
    message = refused(b'{"id":%b,"params":{}}' % name.encode())
    assert message.startswith("id: must be a text of 1 to 512 characters or an integer")
    assert len(message) < 130


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "breaks off (byte 0)"),
        (b'{"id":"a","params":{"a":', "breaks off (byte 24)"),
        (b"{", "each job stands on a line of its own"),
        (b"[", "one job stands on each line"),
        (b'{"id":"a","params":{}} {}', "trailing characters (byte 2"),
        (b"{'id': 1}", "(byte 1)"),
        (b'{"id":"a","params":{"a":nul}}', "(byte 25)"),
        (b'{"id":"a","params":{"a":"x\x00"}}', "(byte 26)"),
        (b'{"id":"\xff","params":{}}', "not valid UTF-8 (byte 7)"),
        (b'{"id":"a","params":{"a":"\xc3\xa9\xff"}}', "not valid UTF-8 (byte 27)"),
        (b'{"id":"a","params":{"a\xed\xa0\x80":1}}', "not valid UTF-8 (byte 22)"),
        (b'{"id":"a","params":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply (byte 200018)"),
        (b'{"id":"[[[[","params":{"a":' + b'{"b":' * 200_000 + b"1" + b"}" * 200_002, "nested too deeply (byte 1000022)"),
    ],
)
def test_broken_json_is_told_with_its_place(line: bytes, words: str) -> None:
    assert words in refused(line)


# --- what batches do not take ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (b'"stream":true', "remove stream: batches are not streamed"),
        (b'"speed":"fast"', "remove speed"),
        (b'"speed":"standard"', "remove speed"),
        (b'"store":true', "remove store"),
        (b'"previous_thread_event_id":"evt_1"', "remove previous_thread_event_id and send all messages"),
        (b'"cache_hint":{}', "remove cache_hint"),
        (b'"context_hint":{"a":[1,{"b":2}]}', "remove context_hint"),
        (b'"max_tokens":0', "set max_tokens to 1 or more"),
        (b'"max_tokens" : -0', "set max_tokens to 1 or more"),
        (b'"research_preview_2026_02":"active"', "remove research_preview_2026_02"),
        (b'"fallbacks":"default"', "remove fallbacks"),
        (b'"fallbacks":["claude-haiku-4-5"]', "remove fallbacks"),
        (b'"str\\u0065am":true', "remove stream"),
    ],
)
def test_what_cannot_be_batched_is_told_with_what_to_do(member: bytes, words: str) -> None:
    assert check_params(b'{"model":"m",%b,"messages":[]}' % member).startswith(words)


@pytest.mark.parametrize(
    "member",
    [
        b'"stream":false',
        b'"store":false',
        *(
            b'"%b":null' % name
            for name in (
                b"stream",
                b"speed",
                b"store",
                b"previous_thread_event_id",
                b"cache_hint",
                b"context_hint",
                b"fallbacks",
            )
        ),
        b'"research_preview_2026_02":"inactive"',
        b'"max_tokens":1',
        b'"metadata":{"stream":true,"speed":"fast","max_tokens":0}',
        b'"fallback_credit_token":"ignored by batches"',
        b'"inference_geo":"us"',
    ],
)
def test_what_can_be_batched_is_left_alone(member: bytes) -> None:
    assert check_params(b'{"model":"m",%b,"messages":[{"role":"user","content":"stream"}]}' % member) == ""
    assert check_params(CALL) == ""


def test_all_complaints_come_at_once() -> None:
    said = check_params(b'{"stream":true,"speed":"fast","max_tokens":0}')
    assert [part.split(":")[0] for part in said.split("; ")] == [
        "remove stream",
        "remove speed",
        "set max_tokens to 1 or more",
    ]


def test_params_that_are_no_object_are_refused() -> None:
    for params in (b"[]", b"", b'{"stream":tru}', b"[" * 100_000):
        with pytest.raises(InputError):
            check_params(params)


def test_a_job_is_a_request() -> None:
    assert parse_request(read_job_line(b'{"id":1,"params":%b}' % CALL).params).model == "claude-haiku-4-5"


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b'{"custom_id":"row-1","params":%b}', True),
        (b'{"id": "A_b-9", "params": %b}', True),
        (b'{"params":%b,"id":"a"}', False),
        (b'{"id":4711,"params":%b}', False),
        (b'{"id":"\xc3\xa9","params":%b}', False),
        (b'{"custom_id":"a","params":%b} ', False),
        (b'{"custom_id":"a","params":%b,"id":"b"}', False),
    ],
)
def test_a_line_like_an_earlier_one_is_read_as_it_would_have_been(line: bytes, read: bool) -> None:
    alike = Alike()
    alike.learn(parse_request(CALL))
    other = line % CALL.replace(b'"hi"', b'"hello \\n \xc3\xa9"')
    assert read_like(other, alike) == (read_job_line(other) if read else None)
    assert read_like(line % CALL.replace(b"64", b"65"), alike) is None
    assert read_like(line % b"{}", alike) is None
