import pytest

from thriftgate.simulator import errors
from thriftgate.simulator.errors import STATUS_OF, ApiError


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("conflict_error", 409),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("overloaded_error", 529),
    ],
)
def test_status_of_each_type(kind: str, status: int) -> None:
    assert STATUS_OF[kind] == ApiError(kind, "x").status == status


def test_body_byte_for_byte() -> None:
    assert errors.overloaded().body("req_1") == (
        b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    )
    with_details = ApiError("rate_limit_error", "m", details={"error_code": "enforced_spend_limit_reached"})
    assert with_details.body("r") == (
        b'{"type":"error","error":{"type":"rate_limit_error","message":"m",'
        b'"details":{"error_code":"enforced_spend_limit_reached"}},"request_id":"r"}'
    )


def test_helpers() -> None:
    assert errors.rate_limited("slow", 3).retry_after_s == 3
    assert errors.rate_limited("slow", None).retry_after_s is None
    assert errors.internal().status == 500
    assert errors.not_found("x").kind == "not_found_error"
    assert ApiError("invalid_request_error", "x", status=405).status == 405
