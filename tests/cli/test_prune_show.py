"""What is said of a pruned prompt: counts, prices, the diff."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.quality.evaluating import on_stage
from tests.quality.pruning.pruning import PROMPT, means_on, ticket_cases
from thriftgate.cli.prune_asked import Asked
from thriftgate.cli.prune_show import diff_of, document_of, worth_of
from thriftgate.core.money import pico_from_usd
from thriftgate.quality.arms import Arm
from thriftgate.quality.pruning.prune import Pruned, Pruner, Wish

HAIKU = Arm("claude-haiku-5-5")


async def done_on(folder: Path, prompt: str) -> Pruned:
    async with means_on(folder) as (means, _):
        done = await Pruner(Wish(prompt, ticket_cases(folder, 60), 0.1), means, Random(1)).run(lambda _: True)
    assert isinstance(done, Pruned)
    return done


async def test_a_prompt_that_becomes_too_short_for_the_cache_is_told(tmp_path: Path) -> None:
    prompt = PROMPT + "\n" + "The garden has chairs, tables, lamps and one old bench beside the pond. " * 200
    done = await done_on(tmp_path, prompt)
    asked = Asked(Path("p.md"), Path("c.jsonl"), HAIKU.model, calls_per_month=1_000)
    async with on_stage(tmp_path / "priced") as (engine, _):
        worth = worth_of(engine, HAIKU, done)
    document = document_of(done, asked, HAIKU, worth, None)
    assert worth.uncached
    assert worth.before > 2_000
    assert worth.after < 100
    plain, cached = (pico_from_usd(document[name]) for name in ("saved_usd_month", "saved_cached_usd_month"))
    assert plain == 1_000 * worth.saved_pico > cached
    assert any("too short for the provider's cache" in one for one in document["notes"])


async def test_no_saving_where_nothing_goes(tmp_path: Path) -> None:
    done = await done_on(tmp_path, PROMPT.partition("## Task\n\n")[2].partition("\n")[0])
    async with on_stage(tmp_path / "priced") as (engine, _):
        worth = worth_of(engine, HAIKU, done)
    document = document_of(done, Asked(Path("p.md"), Path("c.jsonl"), HAIKU.model), HAIKU, worth, None)
    assert (document["saved_usd_month"], document["diff"], document["removed"]) == ("0", "", [])
    assert (document["score_after"], document["calls_per_month"]) == (None, 60)
    assert [one["line"] for one in document["kept"]] == [1, 1]


def test_diffs() -> None:
    assert diff_of("a\n", "a\n", "p.md") == ""
    assert diff_of("a\nb", "a", "p.md") == "--- p.md\n+++ p.md (pruned)\n@@ -1,2 +1 @@\n a\n-b\n"
