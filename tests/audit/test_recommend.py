"""What to do first."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.audit.report.samples import EMPTY
from thriftgate.audit.findings import Action, Family, Findings, MissSum, Money, PolicyResult, SourceSum
from thriftgate.audit.recommend import actions, written
from thriftgate.audit.replay.policies import ALL, CACHE, KEEPALIVE, SAFE, planner_candidates
from thriftgate.audit.whatif import BATCH, FAST, GEO, MIGRATE
from thriftgate.core.levers import LEVERS
from thriftgate.core.stability.rewrite import LEVER as STABILISE
from thriftgate.settings import load

CANDIDATES = planner_candidates(None)
TTL_ONLY, ADD, FULL = (f"cache.breakpoints:{mode}" for mode in ("ttl-only", "add", "full"))
BILL = 1_000_000


def policy(name: str, saved: int, family: Family = "lever", error: int = 0, calls: int = 7) -> PolicyResult:
    money = Money(saved, saved - error, saved + error)
    return PolicyResult(name, family, f"title of {name}", calls, Money(BILL - saved), money)


def adding(name: str, saved: int, lever: str, more: int, error: int = 0) -> PolicyResult:
    """A policy of which one lever saves `more` of the saving."""
    return replace(policy(name, saved, error=error), levers={CACHE: saved - more, lever: more}, safe=lever != STABILISE)


def source(name: str) -> SourceSum:
    return SourceSum(name, name, 1, 1, 1, "call", False, ())


def findings(*policies: PolicyResult, misses: tuple[MissSum, ...] = (), **more: Any) -> Findings:
    told: dict[str, Any] = {"months": 0.5, "sources": (source("anthropic-messages"),), **more}
    return replace(EMPTY, cost=Money(BILL, BILL, BILL), policies=policies, misses=misses, **told)


def texts(found: Findings, *, optimise: bool = False) -> list[str]:
    return [action.text for action in actions(found, CANDIDATES, optimise=optimise)]


def miss(cause: Any, avoidable: int) -> MissSum:
    return MissSum(cause, 3, 1_000, avoidable, avoidable, "an example")


def test_ranked_by_what_they_save_in_a_month() -> None:
    found = actions(
        findings(
            policy(TTL_ONLY, 40_000, error=1_000), policy(BATCH, 90_000, "what-if"), policy(GEO, 5_000, "what-if"),
            policy(FAST, 60_000, "what-if"), policy(f"{MIGRATE}:a->b", 70_000, "what-if"),
            misses=(miss("prefix_changed", 30_000), miss("cold", 400_000)),
        ),
        CANDIDATES, optimise=False,
    )  # fmt: skip
    assert [action.month.pico for action in found] == [180_000, 140_000, 120_000, 80_000, 30_000, 10_000]
    assert found[3].month == Money(80_000, 78_000, 82_000)
    assert found[3].config == '[cache]\nmode = "ttl-only"\n'
    assert found[0].text == "Send what can wait as Message Batches: 7 calls belong to no conversation"
    assert found[1].risk == "medium"
    assert found[4].month == Money(30_000, 0, 60_000)


def test_what_is_not_worth_a_line_is_left_out() -> None:
    assert texts(findings(policy(TTL_ONLY, 1_999), policy(BATCH, 1_999, "what-if"))) == []
    assert len(texts(findings(policy(TTL_ONLY, 2_000)))) == 1
    assert texts(findings(policy(TTL_ONLY, -50_000), policy(SAFE, -40_000, "levers"))) == []
    assert texts(findings()) == []
    assert actions(EMPTY, CANDIDATES, optimise=True) == ()


def test_the_defaults_unless_told_to_optimise() -> None:
    found = findings(
        policy(TTL_ONLY, 40_000), policy(SAFE, 45_000, "levers"), policy(FULL, 90_000), policy(ALL, 80_000, "levers")
    )
    (usual,) = actions(found, CANDIDATES, optimise=False)
    (best,) = actions(found, CANDIDATES, optimise=True)
    assert (usual.month.pico, usual.why) == (90_000, "title of safe-levers")
    assert (best.month.pico, best.config) == (180_000, '[cache]\nmode = "full"\n')


def test_the_surest_saving_is_the_best() -> None:
    found = findings(policy(ADD, 50_000, error=1_000), policy(FULL, 60_000, error=30_000))
    assert actions(found, CANDIDATES, optimise=True)[0].config == '[cache]\nmode = "add"\n'


def test_a_gateway_or_a_switch_of_the_client_but_not_both() -> None:
    gateway = findings(policy(TTL_ONLY, 50_000), policy("auto-5m", 40_000, "client"), policy("auto-1h", 20_000, "client"))
    (one,) = actions(gateway, CANDIDATES, optimise=False)
    assert one.text.startswith("Send the calls through the gateway")
    assert "without a gateway, top-level" in one.why
    assert '"ephemeral"} in each request' in one.why
    client = findings(policy(TTL_ONLY, 30_000), policy("auto-5m", 40_000, "client"), policy("auto-1h", 60_000, "client"))
    (one,) = actions(client, CANDIDATES, optimise=False)
    assert one.text == 'Set top-level "cache_control": {"type": "ephemeral", "ttl": "1h"} in each request'
    assert (one.config, one.month.pico) == ("", 120_000)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("claude-code",), "ENABLE_PROMPT_CACHING_1H=1"),
        (("claude-code-otel",), "ENABLE_PROMPT_CACHING_1H=1"),
        (("litellm",), "top-level"),
        (("claude-code", "litellm"), "top-level"),
    ],
)
def test_the_switch_is_one_of_the_client_that_wrote_the_log(sources: tuple[str, ...], expected: str) -> None:
    policies = (policy("auto-5m", 60_000, "client"), policy("P2-claude-code-1h", 50_000, "client"))
    (text,) = texts(findings(*policies, sources=tuple(source(name) for name in sources)))
    assert expected in text


def test_what_breakpoints_avoid_is_not_counted_again() -> None:
    far = (miss("look_back", 50_000), miss("model_changed", 50_000), miss("expired", 50_000))
    gateway = texts(findings(policy(ADD, 90_000), misses=far), optimise=True)
    assert len(gateway) == 2
    assert not any("second breakpoint" in text for text in gateway)
    assert any("second breakpoint" in text for text in texts(findings(policy(TTL_ONLY, 90_000), misses=far)))
    assert any("second breakpoint" in text for text in texts(findings(policy(ADD, -9), misses=far), optimise=True))


def test_what_is_written_can_be_loaded(tmp_path: Path) -> None:
    everything = findings(
        policy(ALL, 50_000, "levers"),
        misses=tuple(miss(cause, 90_000) for cause in ("prefix_changed", "model_changed", "concurrency", "look_back")),
    )
    for optimise in (False, True):
        text = written(actions(everything, CANDIDATES, optimise=optimise))
        path = tmp_path / f"{optimise}.toml"
        path.write_text(text)
        settings = load(path, environ={})
        assert settings.cache.stabilise == ("split_volatile", "order_tools")
        assert settings.cache.fanout_wait_s == 2.0
        assert settings.cache.mode == ("full" if optimise else "add")
    assert settings.policy.levers == tuple(lever.id for lever in LEVERS if lever.safe)


def test_pings_are_an_action_of_their_own_where_they_surely_pay() -> None:
    def told(error: int) -> list[tuple[str, int]]:
        pings = adding(KEEPALIVE, 50_000, KEEPALIVE, 10_000, error)
        found = actions(findings(policy(TTL_ONLY, 40_000, error=error), pings), CANDIDATES, optimise=False)
        return [(action.config, action.month.pico) for action in found]

    gateway = ('[cache]\nmode = "ttl-only"\n', 80_000)
    assert told(0) == told(9_999) == [gateway, ("[keepalive]\non = true\n", 20_000)]
    assert told(10_000) == [gateway]


def test_pings_go_with_the_policy_that_they_were_tried_on() -> None:
    tried = policy(FULL, 60_000), adding(ALL, 66_000, KEEPALIVE, 6_000), adding(KEEPALIVE, 50_000, KEEPALIVE, 10_000)
    found = actions(findings(policy(TTL_ONLY, 40_000), *tried), CANDIDATES, optimise=True)
    assert [action.month.pico for action in found] == [120_000, 12_000]
    assert written(found).endswith('[cache]\nmode = "full"\n\n[keepalive]\non = true\n')
    found = actions(findings(policy(SAFE, 40_000, "levers"), policy(TTL_ONLY, 40_000), tried[2]), CANDIDATES, optimise=False)
    assert [action.month.pico for action in found] == [80_000, 20_000]


def test_a_switch_of_the_client_must_save_more_than_breakpoints_and_pings() -> None:
    ours = policy(TTL_ONLY, 40_000), adding(KEEPALIVE, 50_000, KEEPALIVE, 10_000)

    def told(saved: int, *, optimise: bool) -> int:
        return len(texts(findings(*ours, policy("auto-5m", saved, "client")), optimise=optimise))

    assert [told(saved, optimise=True) for saved in (35_000, 45_000, 55_000)] == [2, 2, 1]
    assert [told(saved, optimise=False) for saved in (35_000, 45_000, 55_000)] == [2, 1, 1]  # by default there are none


def test_rewriting_is_told_once_and_by_its_replay() -> None:
    rewriting = adding(STABILISE, 70_000, STABILISE, 30_000)
    missed = (miss("prefix_changed", 90_000),)
    for optimise in (False, True):
        found = actions(findings(policy(TTL_ONLY, 40_000), rewriting, misses=missed), CANDIDATES, optimise=optimise)
        assert [(action.month.pico, action.risk) for action in found] == [(80_000, "none"), (60_000, "medium")]
        assert "order_documents" in found[1].config
    useless = adding(STABILISE, 40_000, STABILISE, 0)
    found = actions(findings(policy(TTL_ONLY, 40_000), useless, misses=missed), CANDIDATES, optimise=True)
    assert [(action.month.pico, action.risk) for action in found] == [(90_000, "low"), (80_000, "none")]


@pytest.mark.parametrize("candidate", [one for one in CANDIDATES if one.config], ids=lambda one: one.name)
def test_the_settings_of_each_policy_can_be_loaded(candidate: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(written([Action("do it", Money(5), "low", "none", candidate.config)]))
    assert candidate.policy is not None
    assert load(path, environ={}).cache.mode == candidate.policy.cache_mode


def test_of_two_values_of_a_key_the_first_counts() -> None:
    best = Action("one\nline", Money(9), "low", "none", '[cache]\nmode = "full"\n')
    other = Action("another", Money(5), "low", "none", '[cache]\nmode = "add"\nfanout_wait_s = 2.0\n')
    same = Action("third", Money(4), "low", "none", '[cache]\nmode = "full"\nfanout_wait_s = 1.0\n')
    text = written([best, other, same])
    assert tomllib.loads(text) == {"cache": {"mode": "full", "fanout_wait_s": 1.0}}
    assert "# one line.\n# third.\n" in text
    assert "another" not in text


def test_nothing_to_write() -> None:
    text = written([Action("wait", Money(9), "low", "none")])
    assert tomllib.loads(text) == {}
    assert "no setting" in text
