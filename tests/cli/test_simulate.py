"""`thriftgate simulate`, as a process."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.fixtures import running
from thriftgate.cli.ask import get
from thriftgate.providers.transport import Timeouts


def test_it_says_what_it_is_and_follows_its_flags() -> None:
    with running("simulate", "--port", "0", "--seed", "7", "--clock", "2026-11-21T12:00:00Z") as process:
        assert "simulated" in process.said[0]
        _, body = get(process.url + "/_sim/state", timeouts=Timeouts(5, 5))
    state = msgspec.json.decode(body)
    assert (state["seed"], state["now"], state["simulated"]) == (7, 1_795_262_400.0, True)


def test_it_listens_where_it_is_told() -> None:
    with running("simulate", "--host", "127.0.0.2", "--port", "0") as process:
        assert process.url.startswith("http://127.0.0.2:")
        assert get(process.url + "/_sim/state", timeouts=Timeouts(5, 5))[0] == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--clock", "soon"), "soon"), (("--faults", "none.toml"), "none.toml"), (("--port", "-3"), "-3")],
)
def test_bad_usage(run: Run, arguments: tuple[str, ...], words: str) -> None:
    done = run("simulate", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_a_wrong_fault_table(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text("no_such_fault = 1\n", encoding="utf-8")
    done = run("simulate", "--faults", str(file))
    assert done.code == 2
    assert "no_such_fault" in done.err
