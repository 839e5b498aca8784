"""Which calls share a limit, as the simulator has it."""

from __future__ import annotations

from msgspec.structs import replace

from thriftgate.core.governing.groups import counted_input, group_of
from thriftgate.core.usage import Tokens
from thriftgate.pricing.load import load_models
from thriftgate.simulator.limits import _group
from thriftgate.simulator.models import load_models as simulated_models


def test_models_share_their_limits_as_with_the_provider() -> None:
    known = load_models()
    ours: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    for model in simulated_models().by_name.values():
        if known[model.id].retired or (model.line == "mythos" and "5" not in model.id):
            continue  # nothing is documented of them
        ours.setdefault(group_of(known[model.id].id, "standard"), set()).add(model.id)
        theirs.setdefault(_group(model)[0], set()).add(model.id)
    assert sorted(map(sorted, ours.values())) == sorted(map(sorted, theirs.values()))


def test_fast_mode_has_limits_of_its_own() -> None:
    assert group_of("claude-opus-4-8", "fast") != group_of("claude-opus-4-8", "standard") == group_of("claude-opus-4-5", "")


def test_reads_count_only_where_the_table_says_so() -> None:
    tokens, row = Tokens(input=1, write_5m=2, write_1h=4, read=8, output=16), load_models()["claude-opus-4-8"]
    assert counted_input(row, tokens) == 7
    assert counted_input(replace(row, reads_count_as_itpm=True), tokens) == 15
