"""What is meant in an answer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from thriftgate.quality.judges.extract import code_in, json_in, number_in, number_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("null", None),
        ('Here you are:\n```json\n{"a": 1}\n```\nDone.', {"a": 1}),
        ('```\nnot json\n```\n```json\n{"a": 2}\n```', {"a": 2}),
        ('The result is {"a": "}", "b": [1, {"c": 2}]}, I think.', {"a": "}", "b": [1, {"c": 2}]}),
        ("see [a] and [1, 2]", [1, 2]),
    ],
)
def test_json(text: str, value: object) -> None:
    found = json_in(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("text", ["", "no json", "{broken", "{a: 1}", "[" * 5_000, "\ud800"])
def test_no_json(text: str) -> None:
    assert json_in(text) is None


def test_code() -> None:
    assert code_in("x = 1") == "x = 1"
    assert code_in("Sure:\n```python\nx = 1\n```\nand\n```sh\nls\n```\n```py\ny = 2\n```") == "x = 1\n\ny = 2\n"
    assert code_in("Sure:\n```\nx = 1\n```\nbye") == "x = 1\n"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", "42"),
        ("The answer is 1,234.50 USD.", "1234.50"),
        ("between 3-4", "4"),
        ("it is -7", "-7"),
        ("it is −7", "-7"),
        ("= .5", "0.5"),
        ("1e3", "1000"),
        ("12, then 13", "13"),
        ("about 85%", "85"),
    ],
)
def test_numbers(text: str, number: str) -> None:
    assert number_in(text) == Decimal(number)


def test_no_number() -> None:
    assert number_in("none at all") is None
    for text in ("", "x", "1 2", "inf", "nan", "1e999999", "9" * 500):
        assert number_of(text) is None
    assert number_of(" -1,000 ") == -1_000
