"""Models that are not Claude: what may be relied on."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.core.foreign import is_foreign, parse_foreign
from thriftgate.core.models import NEVER_CACHED, Capabilities
from thriftgate.pricing.load import FOREIGN, load_book

ROWS = parse_foreign(FOREIGN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_row_says_little_and_promises_nothing_else(row: Capabilities) -> None:
    assert is_foreign(row.id)
    assert row.known
    assert row.checked >= "2026-11"
    assert 0 < row.output_tokens_max < row.context_tokens
    assert row.cache_min_tokens == NEVER_CACHED
    never = ("prefill", "batch", "geo", "fast", "task_budget", "effort", "thinking", "thinking_always_on")
    assert [name for name in (*never, "prefix_bound_thinking") if getattr(row, name)] == []
    assert row.sampling
    assert load_book().knows(row.id)


def test_claudes_names_have_no_vendor() -> None:
    assert not is_foreign("claude-opus-5-5")


def test_a_wrong_row_is_named() -> None:
    with pytest.raises(ConfigError, match="row 'v/x'"):
        parse_foreign('[[model]]\nid = "v/x"\nprefill = true\n')
