"""The log says where and what kind, never what was in it."""

import asyncio
import logging

import msgspec
import pytest

from thriftgate.logs import bound, log, silence, trouble_only, where_raised


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


def test_bound_fields_stand_in_every_line_of_their_task(capsys: pytest.CaptureFixture[str]) -> None:
    async def call(name: str) -> None:
        with bound(trace=name):
            await asyncio.sleep(0)
            with bound(step="inner"):
                log.info("inside")
            await asyncio.ensure_future(later())
        log.info("after")

    async def later() -> None:
        log.info("later")

    async def both() -> None:
        await asyncio.gather(call("one"), call("two"))

    asyncio.run(both())
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]
    told = {(line["event"], line.get("trace"), line.get("step")) for line in lines}
    assert told == {
        *(("inside", name, "inner") for name in ("one", "two")),
        *(("later", name, None) for name in ("one", "two")),
        ("after", None, None),
    }


def test_libraries_can_be_silenced(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("noisy.part").error("said before")
    silence("noisy")
    logging.getLogger("noisy").critical("a URL with a secret")
    logging.getLogger("noisy.part").error("a URL with a secret")
    assert "secret" not in capfd.readouterr().err
