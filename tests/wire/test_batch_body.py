"""The body of a batch, read as it comes: the same requests however it is cut, and clear words for what is none."""

from __future__ import annotations

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.errors import InputError
from thriftgate.wire.batch_body import BatchBody, Item

TEXTS = st.text(max_size=30) | st.sampled_from(['"', "\\", '\\"', "{[", "]}", "\\\\", "é\u2028"])
PARAMS = st.fixed_dictionaries(
    {"model": TEXTS, "max_tokens": st.integers(1, 10**6), "messages": st.lists(st.dictionaries(TEXTS, TEXTS), max_size=3)}
)


def read(body: bytes, size: int = 2**16) -> list[Item]:
    reader = BatchBody()
    items = [item for at in range(0, len(body), size) for item in reader.feed(body[at : at + size])]
    return [*items, *reader.close()]


@given(params=st.lists(PARAMS, max_size=5), size=st.integers(1, 40), indent=st.booleans())
def test_however_it_is_cut(params: list[dict[str, object]], size: int, indent: bool) -> None:
    requests = [{"custom_id": f"id-{at}", "params": one} for at, one in enumerate(params)]
    body = msgspec.json.encode({"before": [{"requests": [1]}], "requests": requests, "after": {"x": []}})
    if indent:
        body = b" " + msgspec.json.format(body, indent=2) + b"\n"
    items = read(body, size)
    assert [item.custom_id for item in items] == [one["custom_id"] for one in requests]
    assert [msgspec.json.decode(item.params) for item in items] == params
    assert [(item.model, item.max_tokens) for item in items] == [(one["model"], one["max_tokens"]) for one in params]


def test_params_keep_their_bytes() -> None:
    params = b'{ "max_tokens": 1.0e1, "model":"m", "x":"\\u00e9" }'
    (item,) = read(b'{"requests":[{"params":%b,"custom_id":"a","new":1}]}' % params)
    assert item == Item("a", params, "m", 0, "")


@pytest.mark.parametrize(
    "params", ["{}", '{"model":7,"max_tokens":"9"}', '{"model":null,"max_tokens":true,"inference_geo":[]}']
)
def test_what_the_provider_will_judge(params: str) -> None:
    (item,) = read(f'{{"requests":[{{"custom_id":"a","params":{params}}}]}}'.encode())
    assert (item.model, item.max_tokens, item.geo) == ("", 0, "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "ends in the middle"),
        (b"[]", "must be a JSON object"),
        (b"nonsense", "ends in the middle"),
        (b'x{"requests":[]}', "must be a JSON object"),
        (b"{}", "requests: Field required"),
        (b'{"requests":{}}', "requests: Field required"),
        (b'{"x":{"requests":[]}}', "requests: Field required"),
        (b'{"requests":[]}}', "something stands behind"),
        (b'{"requests":[', "ends in the middle"),
        (b'{"requests":[{"custom_id":"a","params":{"model":"m', "ends in the middle"),
        (b'{"requests":[7]}', "requests.0: Input should be an object"),
        (b'{"requests":[{"custom_id":"a","params":{}},{"custom_id":"b"}]}', "requests.1: custom_id and params are required"),
        (b'{"requests":[{"custom_id":1,"params":{}}]}', "requests.0: custom_id and params are required"),
        (b'{"requests":[{"custom_id":"a","params":[]}]}', "requests.0: custom_id and params are required"),
        (b'{"requests":[{"custom_id":"a","params":{,}}]}', "requests.0: "),
        (b'{"requests":[{"custom_id":"\xff","params":{}}]}', "requests.0: "),
        (b'{"requests":[],"requests":[]}', "stands twice"),
    ],
)
def test_what_is_no_batch(body: bytes, words: str) -> None:
    for size in (1, 7, 2**16):
        with pytest.raises(InputError, match=words):
            read(body, size)


def test_a_long_request_is_not_read_once_for_each_of_its_pieces() -> None:
    """8 MB in one string, in 2,000 pieces: read anew with each it would take minutes."""
    text = b"a\\n" * 2_700_000
    body = b'{"requests":[{"custom_id":"a","params":{"model":"m","max_tokens":1,"system":"%b"}}]}' % text
    began = time.monotonic()
    (item,) = read(body, 2**12)
    assert time.monotonic() - began < 5
    assert len(item.params) > len(text)
