import pytest

from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.frames import read_frames


def test_params_stay_the_bytes_that_came() -> None:
    first = b'{ "b":1,\n"a":"\xc3\xa9" }'
    raw = b'{"note": 1, "requests": [ {"params": %s, "custom_id":"x"}, {"custom_id":"y","params":null}]}' % first
    assert read_frames(raw, 2) == (["x", "y"], [first, b"null"])


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"[]", "requests: Field required"),
        (b'{"requests": null}', "requests: Field required"),
        (b'{"requests": 5}', "requests: at least one request is required"),
        (b'{"requests": []}', "requests: at least one request is required"),
        (b'{"requests": [5]}', "requests.0: custom_id and params are required"),
        (b'{"requests": [{"custom_id":"a","params":1},{"params":1}]}', "requests.1: custom_id and params are required"),
        (b'{"requests": [{"custom_id":null,"params":1}]}', "requests.0.custom_id: String should match"),
        (b'{"requests": [{"custom_id":"a.b","params":1}]}', "requests.0.custom_id: String should match"),
        (b'{"requests": [{"custom_id":"a","params":1},{"custom_id":"a","params":1}]}', "found duplicate: a"),
        (b'{"requests": [{"custom_id":"a","params":{"x":"\xff"}}]}', "not valid JSON"),
        (b'{"requests": [{"custom_id":"a","params":{"x":}}]}', "not valid JSON"),
        (b'{"requests": [{"custom_id":"a","params":' + b"[" * 100_000, "not valid JSON"),
    ],
)
def test_frames_that_are_refused(raw: bytes, said: str) -> None:
    with pytest.raises(ApiError, match=said) as problem:
        read_frames(raw, 10)
    assert problem.value.status == 400


def test_too_many() -> None:
    raw = b'{"requests": [{"custom_id":"a","params":1},{"custom_id":"b","params":1}]}'
    with pytest.raises(ApiError, match="requests: 2 > 1 maximum") as problem:
        read_frames(raw, 1)
    assert problem.value.status == 413
