"""The log says where and what kind, never what was in it."""

import asyncio

import msgspec
import pytest

from thriftgate.logs import log, trouble_only, where_raised


def test_one_json_line_an_event_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log.warning("something", path="/v1/messages")
    captured = capsys.readouterr()
    line = msgspec.json.decode(captured.err)
    assert captured.out == ""
    assert line["event"] == "something"
    assert line["level"] == "warning"
    assert line["path"] == "/v1/messages"


def test_commands_that_people_watch_tell_trouble_only(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        with trouble_only():
            log.info("all is well")
            log.error("all is lost")
        log.info("well again")

    asyncio.run(work())
    told = [msgspec.json.decode(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert told == ["all is lost", "well again"]


def test_where_raised_names_places_and_no_values() -> None:
    def fail(secret: str) -> None:
        raise ValueError(secret)

    with pytest.raises(ValueError, match="sk-ant") as caught:
        fail("sk-ant-very-secret")
    where = where_raised(caught.value)
    assert where.startswith("test_logs.py:")
    assert "sk-ant" not in where
