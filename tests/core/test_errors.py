"""The error tree: each answers with a status, a type in Anthropic's error shape, and a metric label."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from thriftgate.core import errors
from thriftgate.core.errors import ThriftgateError

TYPES_OF_THE_API = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
    "request_too_large", "rate_limit_error", "timeout_error", "api_error", "overloaded_error",
}  # fmt: skip
"""platform.claude.com/docs/en/api/errors, 2026-08"""


def _tree(root: type[ThriftgateError] = ThriftgateError) -> Iterator[type[ThriftgateError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


@pytest.mark.parametrize("kind", list(_tree()))
def test_every_error_can_be_answered_counted_and_caught(kind: type[ThriftgateError]) -> None:
    assert 400 <= kind.status_hint < 600
    assert kind.error_type in TYPES_OF_THE_API
    assert kind.label.replace("_", "").isalpha()
    assert kind.__doc__
    with pytest.raises(ThriftgateError, match="what was wrong"):
        raise kind("what was wrong")


def test_whose_fault_decides_the_status() -> None:
    assert errors.InputError.status_hint == 400
    assert errors.TooLarge.status_hint == 413
    assert errors.UpstreamTimeout.status_hint == 504
    assert errors.LedgerError.status_hint == 503
    assert issubclass(errors.TooLarge, errors.InputError)
    assert all(
        issubclass(kind, errors.UpstreamError) for kind in (errors.Unreachable, errors.UpstreamTimeout, errors.BrokenReply)
    )


def test_labels_tell_errors_apart() -> None:
    labels = [kind.label for kind in _tree()]
    assert len(labels) == len(set(labels))
