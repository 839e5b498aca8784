"""What judges share."""

from __future__ import annotations

import pytest

from tests.quality.evaluating import item
from thriftgate.quality.judges.judge import Grade, expected_json, expected_text, ungraded, wrong


def test_grades() -> None:
    assert wrong("off by one") == Grade(0.0, "off by one")
    assert ungraded("it broke").quality is None


def test_what_is_expected_as_text_and_as_json() -> None:
    assert expected_text(item("four")) == "four"
    assert expected_text(item({"a": 1})) == '{"a":1}'
    assert expected_text(item(4)) == "4"
    assert expected_json(item('{"a": 1}')) == expected_json(item({"a": 1})) == {"a": 1}
    with pytest.raises(ValueError, match="truncated"):
        expected_json(item("four"))
