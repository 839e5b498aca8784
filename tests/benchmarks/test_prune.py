"""The pruner finds what was planted: the short form of `python -m benchmarks.prune`."""

from __future__ import annotations

import msgspec
import pytest
from benchmarks.prune.__main__ import main
from benchmarks.prune.prompts import PROMPTS, Planted

from thriftgate.quality.pruning.sections import sections_of, shown


def test_two_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--seeds", "2", "--cases", "150", "--margin", "0.05", "--json"])
    out = capsys.readouterr().out
    assert code == 0, out
    document = msgspec.json.decode(out.splitlines()[-1])
    assert document["seeds"] == [0, 1]
    for one in document["runs"]:
        assert (one["dead_found"], one["load_kept"], one["confirmed"]) == (one["dead"], one["load"], True)
        assert one["spent_pico"] == one["billed_pico"] > 0
    assert "desk          2/2" in out


@pytest.mark.parametrize("planted", PROMPTS, ids=lambda one: one.name)
def test_what_is_planted_stands_in_the_prompt_once(planted: Planted) -> None:
    assert all(planted.text.count(one) == 1 for one in (*planted.load, *planted.dead))
    assert len(sections_of(planted.text)) > 0
    assert len({shown(planted.text, one) for one in sections_of(planted.text)}) == len(sections_of(planted.text))
    first, second = planted.cases(40, 0), planted.cases(40, 1)
    assert len({one["id"] for one in first}) == 40
    assert first != second
