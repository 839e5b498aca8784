"""`thriftgate count`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Run
from thriftgate.counting import count_request
from thriftgate.pricing.load import load_models

BODY = msgspec.json.encode(
    {
        "model": "claude-opus-5-5",
        "max_tokens": 10,
        "system": "You sort tickets. " * 40,
        "messages": [{"role": "user", "content": "Where is my parcel?"}],
    }
)


@pytest.mark.parametrize("arguments", [("-", "--json"), ("--json", "-")])
def test_standard_input(run: Run, arguments: tuple[str, ...]) -> None:
    done = run("count", *arguments, stdin=BODY)
    expected = count_request(BODY, load_models()["claude-opus-5-5"])
    assert done.code == 0
    assert done.json() == {
        "tokens": expected.tokens,
        "method": expected.method,
        "low": expected.low,
        "high": expected.high,
        "model": "claude-opus-5-5",
        "model_known": True,
    }
    assert 0 < expected.low <= expected.tokens <= expected.high


def test_a_file_for_people(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(BODY)
    done = run("count", str(file))
    assert done.code == 0
    assert "tokens" in done.out
    assert "claude-opus-5-5" in done.out
    assert done.err == ""


def test_another_model_counts_otherwise(run: Run) -> None:
    newer = run("count", "-", "--json", stdin=BODY).json()
    older = run("count", "-", "--json", "--model", "claude-sonnet-4-5", stdin=BODY).json()
    assert older["model"] == "claude-sonnet-4-5"
    assert older["tokens"] < newer["tokens"]


def test_an_unknown_model_is_flagged(run: Run) -> None:
    assert run("count", "-", "--json", "--model", "gpt-x", stdin=BODY).json()["model_known"] is False
    assert "not in the model table" in run("count", "-", "--model", "gpt-x", stdin=BODY).out


def test_plain_text_is_one_user_message(run: Run) -> None:
    text = b"Where is my parcel? " * 30
    body = msgspec.json.encode({"model": "claude-opus-5-5", "messages": [{"role": "user", "content": text.decode()}]})
    plain = run("count", "-", "--json", "--text", "--model", "claude-opus-5-5", stdin=text).json()
    assert plain == run("count", "-", "--json", stdin=body).json()


@pytest.mark.parametrize(
    ("stdin", "arguments", "words"),
    [
        (b'{"model": "claude-op', ("-",), "standard input is no request body"),
        (b"[1, 2]", ("-",), "standard input is no request body"),
        (b"\xff\xfe", ("-",), "standard input is no request body"),
        (b'{"messages": []}', ("-",), "names no model"),
        (b'{"model": "claude-opus-5-5", "messages": 3}', ("-",), "cannot be counted"),
        (b"\xff", ("-", "--text", "--model", "claude-opus-5-5"), "not UTF-8"),
        (b"", ("no/such/file.json",), "cannot read no/such/file.json: No such file"),
        (b"", ("--wrong",), "unknown option --wrong"),
        (b"", (), "requires an argument"),
    ],
)
def test_bad_input(run: Run, stdin: bytes, arguments: tuple[str, ...], words: str) -> None:
    done = run("count", *arguments, stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert words in " ".join(done.err.split())
