"""What a trace says of itself."""

from __future__ import annotations

from thriftgate.audit.traces.trace import Ask, Trace, digest
from thriftgate.core.blocks import DIGEST_BYTES
from thriftgate.core.prefix import Prefix


def ask(*cumulative: int) -> Ask:
    return Ask(0.0, 1.0, 0, Prefix((), ()), cumulative, ())


def test_a_request_is_as_long_as_its_last_boundary() -> None:
    assert ask(100, 2_500).tokens == 2_500


def test_a_trace_is_as_long_as_its_requests() -> None:
    assert Trace("t", (ask(100, 2_500), ask(40)), (0, 100, 2_500, 40), 1).tokens == 2_540
    assert Trace("none", (), (0,), 0).tokens == 0


def test_nodes_have_digests_as_the_planner_has_them() -> None:
    assert len({digest(node) for node in range(1_000)}) == 1_000
    assert {len(digest(node)) for node in (0, 1, 2**64)} == {DIGEST_BYTES}
