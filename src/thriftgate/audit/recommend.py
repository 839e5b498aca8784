"""What to do first: actions worth money, dearest first, with the settings that do them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from msgspec.structs import astuple

from thriftgate.audit.findings import Action, Findings, Money, PolicyResult
from thriftgate.audit.replay.policies import KEEPALIVE, KEEPALIVE_ON, Candidate
from thriftgate.audit.whatif import BATCH, FAST, GEO, MIGRATE
from thriftgate.core.misses import Cause
from thriftgate.drawing.words import money

DEFAULT_CONFIG = '[cache]\nmode = "ttl-only"\n'
WORTH_SHARE = 500  # less than a five-hundredth of the bill is not worth a line
CLIENT_HINTS = {
    "auto-5m": 'top-level "cache_control": {"type": "ephemeral"} in each request',
    "auto-1h": 'top-level "cache_control": {"type": "ephemeral", "ttl": "1h"} in each request',
}
CLAUDE_CODE_HINTS = {"P2-claude-code-1h": "ENABLE_PROMPT_CACHING_1H=1 in Claude Code's environment"}
"""Client policies that are one switch away, for programs of one's own and for Claude Code."""

_MISS_ADVICE: dict[Cause, tuple[str, str, str]] = {
    "prefix_changed": (
        "Keep what changes out of the prompt's beginning: dates, ids, the order of tools",
        "medium",
        '[cache]\nstabilise = ["split_volatile", "order_tools"]\n',
    ),
    "model_changed": ("Keep a conversation on one model: each switch writes its whole prompt again", "medium", ""),
    "concurrency": (
        "Let the first of several equal requests begin its answer before the others are sent",
        "low",
        "[cache]\nfanout_wait_s = 2.0\n",
    ),
    "look_back": ("Set a second breakpoint where many blocks are added in one turn", "low", '[cache]\nmode = "add"\n'),
}


def actions(findings: Findings, candidates: Sequence[Candidate], *, optimise: bool) -> tuple[Action, ...]:
    """Ranked by what they save in a month. Those that exclude each other (a gateway, or a switch of the client) are given as
    the best of them alone; `optimise` chooses among all settings that were replayed, else the defaults are judged."""
    configs = {candidate.name: candidate.config for candidate in candidates}
    more = _additions(findings, candidates)
    tempting = more if optimise else []  # pings are off by default, and do not decide there
    adding = {one.candidate.name for one in more}
    planner = [one for one in findings.policies if one.family in ("lever", "levers") and one.safe and one.name not in adding]
    if not optimise:
        planner = [policy for policy in planner if policy.name in ("cache.breakpoints:ttl-only", "safe-levers")]
    best, worth = max(
        ((one, _with_pings(one, tempting)) for one in planner), key=lambda pair: pair[1], default=(None, (0, 0))
    )
    hints = _hints(findings)
    switch = max((policy for policy in findings.policies if policy.name in hints), key=_surely, default=None)
    config = configs.get(best.name, "") if best is not None else ""
    found: list[Action | None] = []
    if best is not None and (switch is None or worth >= _surely(switch)):
        found.append(_gateway(best, config or DEFAULT_CONFIG, findings, switch, hints))
        found += [
            _more(one, findings) for one in more if one.saved.low > 0 and (best.name in one.to or not one.candidate.safe)
        ]
    elif switch is not None:
        found.append(_action(f"Set {hints[switch.name]}", switch.saved, findings, why=switch.title, effort="low"))
    replayed = "".join(action.config for action in found if action is not None)
    found += [_question(policy, findings) for policy in findings.policies if policy.family == "what-if"]
    found += _from_misses(findings, replayed)
    told = [action for action in found if action is not None]
    return tuple(sorted(told, key=lambda action: -action.month.pico))


class _Addition(NamedTuple):
    """A lever on top of others: the candidate that adds it, the names of those that do all else that it does, and what it
    saves beyond them."""

    candidate: Candidate
    to: frozenset[str]
    saved: Money
    note: str


def _additions(findings: Findings, candidates: Sequence[Candidate]) -> list[_Addition]:
    """The error of what a lever saves beyond the others is not known by itself: that of the whole saving is taken, which is
    more."""
    policies = {policy.name: policy for policy in findings.policies}
    acting = {candidate.name: candidate.acts_as for candidate in candidates if candidate.name in policies}
    found: list[_Addition] = []
    for one in candidates:
        if one.name in acting and one.beside in acting:
            policy = policies[one.name]
            pico, (whole, low, high) = policy.levers.get(one.adds, 0), astuple(policy.saved)
            alike = frozenset(name for name, acts_as in acting.items() if acts_as == acting[one.beside])
            found.append(_Addition(one, alike, Money(pico, pico - (whole - low), pico + (high - whole)), policy.note))
    return found


def _with_pings(policy: PolicyResult, more: Sequence[_Addition]) -> tuple[int, int]:
    """What is surely saved, and what probably, with the pings that go with it if they surely pay."""
    low, pico = _surely(policy)
    for one in more:
        if one.candidate.adds == KEEPALIVE and policy.name in one.to and one.saved.low > 0:
            return low + one.saved.low, pico + one.saved.pico
    return low, pico


def _more(one: _Addition, findings: Findings) -> Action | None:
    if one.candidate.adds == KEEPALIVE:
        text, effort, risk = "Send pings that keep pausing conversations cached", "low", "low"
        config = KEEPALIVE_ON
    else:
        (text, effort, _), risk, config = _MISS_ADVICE["prefix_changed"], "medium", one.candidate.config
    return _action(text, one.saved, findings, why=one.note, effort=effort, risk=risk, config=config)


def _surely(policy: PolicyResult) -> tuple[int, int]:
    return policy.saved.low, policy.saved.pico


def _hints(findings: Findings) -> dict[str, str]:
    """The switches that there are for what wrote these logs."""
    clients = {source.format.startswith("claude-code") for source in findings.sources if source.records}
    return (CLAUDE_CODE_HINTS if True in clients else {}) | (CLIENT_HINTS if False in clients else {})


def _gateway(
    best: PolicyResult, config: str, findings: Findings, switch: PolicyResult | None, hints: dict[str, str]
) -> Action | None:
    why = best.title
    if switch is not None and switch.saved.pico > 0:
        without = f"{hints[switch.name]} saves about {money(_monthly(switch.saved, findings).pico)} a month"
        why = f"{why}; without a gateway, {without}"
    return _action(
        "Send the calls through the gateway: it sets cache breakpoints by what each is expected to save",
        best.saved,
        findings,
        why=why,
        effort="low",
        config=config,
    )


def _question(policy: PolicyResult, findings: Findings) -> Action | None:
    if policy.name == BATCH:
        text = f"Send what can wait as Message Batches: {policy.calls:,} calls belong to no conversation"
        return _action(text, policy.saved, findings, why=policy.note, effort="medium")
    if policy.name == GEO:
        return _action("Drop inference_geo where data need not stay in one country", policy.saved, findings, effort="low")
    if policy.name == FAST:
        return _action("Use standard speed where answers may take longer", policy.saved, findings, effort="low")
    if policy.name.startswith(MIGRATE):
        text = f"Evaluate {policy.title.removeprefix('the calls to ')}"
        return _action(text, policy.saved, findings, why=policy.note, effort="medium", risk="medium")
    return None


def _from_misses(findings: Findings, config: str) -> list[Action | None]:
    """Misses that the breakpoints of a gateway with this `config` do not avoid. What expired is the breakpoints' business
    and is in their saving; so is what lay too far back, where they may add some."""
    found: list[Action | None] = []
    for miss in findings.misses:
        advice = _MISS_ADVICE.get(miss.cause)
        if advice is None or not miss.avoidable_pico:
            continue
        if miss.cause == "prefix_changed" and "stabilise" in config:
            continue
        if miss.cause == "look_back" and ('mode = "add"' in config or 'mode = "full"' in config):
            continue
        text, effort, setting = advice
        saved = Money(miss.avoidable_pico // 2, 0, miss.avoidable_pico)
        why = f"{miss.calls:,} calls missed what they had sent before: {miss.example}"
        found.append(_action(text, saved, findings, why=why, effort=effort, risk="low", config=setting))
    return found


def _action(
    text: str,
    saved: Money,
    findings: Findings,
    *,
    why: str = "",
    effort: str = "low",
    risk: str = "none",
    config: str = "",
) -> Action | None:
    """None where it is not worth a line."""
    if saved.pico * WORTH_SHARE < findings.cost.pico or saved.pico <= 0:
        return None
    return Action(text, _monthly(saved, findings), effort, risk, config, why)


def _monthly(saved: Money, findings: Findings) -> Money:
    months = Fraction(findings.months)
    return Money(*(round(pico / months) for pico in (saved.pico, saved.low, saved.high)))


def written(found: Sequence[Action]) -> str:
    """The settings of all actions as one TOML file. Where two set one key, the first of them counts, and the other is left
    out."""
    tables: dict[str, dict[str, str]] = {}
    reasons: list[str] = []
    for action in found:
        settings = _settings(action.config)
        known = {(table, key): value for table, keys in tables.items() for key, value in keys.items()}
        if not settings or any(known.get((table, key), value) != value for table, key, value in settings):
            continue
        reasons.append(f"# {' '.join(action.text.split())}.")
        for table, key, value in settings:
            tables.setdefault(table, {})[key] = value
    if not tables:
        return "# The audit found no setting to recommend.\n"
    parts = [f"[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) for table, keys in tables.items()]
    return "\n".join(("# Recommended by thriftgate audit.", *reasons, "", *parts))


def _settings(config: str) -> list[tuple[str, str, str]]:
    """The lines of an action's settings: table, key, value."""
    found: list[tuple[str, str, str]] = []
    table = ""
    for line in config.splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        elif " = " in line:
            key, _, value = line.partition(" = ")
            found.append((table, key, value))
    return found
