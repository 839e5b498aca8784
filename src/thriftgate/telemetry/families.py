"""What the metrics page shows, made when it is asked for from plain integers kept elsewhere: a call pays nothing for it.

Labels come from bounded sets only: our own words, and names that `Busiest` has bounded. Never a key, a user or an id.
Naming: prometheus.io/docs/practices/naming, 2026-10.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from thriftgate import __version__
from thriftgate.core.misses import Cause
from thriftgate.core.money import PICO_PER_USD
from thriftgate.ledger.entries import Counters, Missed, Outcome
from thriftgate.telemetry.busiest import OTHER, label_text
from thriftgate.telemetry.pacing import governor_families
from thriftgate.telemetry.sharing import sharing_families
from thriftgate.telemetry.standings import BudgetStanding, QueueStanding, Standings, Verdicts
from thriftgate.telemetry.tallies import DOLLARS, SECONDS, Distribution, Tallies, Tally

PREFIX = "thriftgate_"
_UNNAMED = frozenset({"key", "user"})  # scopes whose names are as many as there are keys and people
_MS = 1000

Samples = Iterable[tuple[Sequence[str], float]]


def totals(counters: Counters) -> Iterator[Metric]:
    """All calls together. Every outcome and cause is there from the start, at 0."""
    none = Missed()
    missed = {cause: counters.misses.get(cause, none) for cause in get_args(Cause)}
    calls = {outcome: counters.calls.get(outcome, 0) for outcome in get_args(Outcome)}
    prompt = counters.read + counters.write_5m + counters.write_1h + counters.plain
    tokens = {
        "read": counters.read,
        "write_5m": counters.write_5m,
        "write_1h": counters.write_1h,
        "plain": counters.plain,
        "output": counters.output,
    }
    yield _counter("calls", "Settled calls by how they ended.", ("outcome",), _by(calls))
    yield _counter("tokens", "Tokens by how they were billed.", ("kind",), _by(tokens))
    yield _counter(
        "baseline_usd", "What the calls would have cost as they were sent.", (), [((), _usd(counters.baseline_pico))]
    )
    yield _counter("paid_usd", "What the provider bills.", (), [((), _usd(counters.paid_pico))])
    yield _gauge(
        "saved_usd",
        "Saved by lever; negative where one cost more than it saved so far.",
        ("lever",),
        _by({lever: _usd(pico) for lever, pico in counters.saved_pico.items()}),
    )
    yield _gauge(
        "cache_hit_share",
        "Prompt tokens read from the cache, as a share of all.",
        (),
        [((), counters.read / prompt if prompt else 0.0)],
    )
    yield _counter(
        "cache_misses",
        "Calls that did not read what had been sent before, by cause.",
        ("cause",),
        _by({cause: one.calls for cause, one in missed.items()}),
    )
    yield _counter(
        "cache_missed_tokens",
        "Tokens of these misses.",
        ("cause",),
        _by({cause: one.tokens for cause, one in missed.items()}),
    )
    yield _counter(
        "cache_missed_usd",
        "What these tokens cost above the price of reading them.",
        ("cause",),
        _by({cause: _usd(one.pico) for cause, one in missed.items()}),
    )


def breakdown(tallies: Tallies) -> Iterator[Metric]:
    """By model, team and task, and how long and how dear calls were."""
    models = tallies.models.tallies
    yield _counter(
        "model_calls",
        "Settled calls by model, endpoint and outcome.",
        ("model", "endpoint", "outcome"),
        [((name, *way), count) for name, one in models.items() for way, count in one.calls.items()],
    )
    yield _counter(
        "model_tokens",
        "Tokens by model and by how they were billed.",
        ("model", "kind"),
        [((name, kind), count) for name, one in models.items() for kind, count in one.tokens.items()],
    )
    yield _counter("model_baseline_usd", "Baseline by model.", ("model",), _amounts(models, "baseline_pico"))
    yield _counter("model_paid_usd", "Paid by model.", ("model",), _amounts(models, "paid_pico"))
    yield _histogram(
        "latency_seconds",
        "Until the answer was complete, of answered calls outside of batches.",
        "model",
        {name: one.latency_ms for name, one in models.items()},
    )
    yield _histogram(
        "first_byte_seconds",
        "Until the answer began, of answered calls outside of batches.",
        "model",
        {name: one.first_byte_ms for name, one in models.items()},
    )
    yield _costs(tallies.cost_pico)
    yield from _grouped("team", tallies.teams.tallies)
    yield from _grouped("task", tallies.tasks.tallies)


def standing(asked: Standings, *, open_holds: int, places: int) -> Iterator[Metric]:
    """How things stand now. Of budgets and audited tasks at most `places` are named."""
    yield _gauge("build_info", "1, for the version that runs.", ("version",), [((__version__,), 1)])
    yield _gauge("open_holds", "Calls of this process that are held and not settled yet.", (), [((), open_holds)])
    queue = asked.queue()
    if queue is not None:
        yield from _queue(queue)
    governor = asked.governor()
    if governor is not None:
        yield from governor_families(*governor)
    sharing = asked.sharing()
    if sharing is not None:
        yield from sharing_families(sharing)
    left = "Targets, or models of one, that are left alone because they fail, by why."
    yield _gauge("targets_left_alone", left, ("why",), _by(asked.targets()))
    yield from _budgets(asked.budgets(), places)
    firing = {label_text(rule): count for rule, count in sorted(asked.alerts().items())[:places]}
    yield _gauge("alerts_firing", "Alerts that stand, by rule.", ("rule",), _by(firing))
    yield _audits(asked.quality(), places)
    dropped = "Telemetry that was not delivered, by what it was."
    yield _counter("telemetry_dropped", dropped, ("signal",), _by(asked.dropped()))


def _queue(queue: QueueStanding) -> Iterator[Metric]:
    yield _gauge("queue_jobs", "Calls that can wait and are not answered yet.", (), [((), queue.jobs)])
    yield _gauge("queue_batches", "Batches of them that are under way.", (), [((), queue.batches)])


def _budgets(budgets: Sequence[BudgetStanding], places: int) -> Iterator[Metric]:
    """The fullest by name; of those on keys and users only how many there are, and how full the fullest is."""
    named = [one for one in budgets if _UNNAMED.isdisjoint(one.scope)]
    named.sort(key=lambda one: (-one.share, one.on, one.name))
    shown = {(label_text(one.on), label_text(one.name)): one for one in reversed(named[:places])}
    labels = ("scope", "budget")
    for name, meaning, amount in (
        ("limit", "The most that may be spent in the budget's window.", "limit_pico"),
        ("spent", "What was spent in the window so far.", "spent_pico"),
        ("held", "What is held for calls under way.", "held_pico"),
    ):
        samples = [(label, _usd(getattr(one, amount))) for label, one in shown.items()]
        yield _gauge(f"budget_{name}_usd", meaning, labels, samples)
    used = "Spent and held, as a share of the limit."
    yield _gauge("budget_used_share", used, labels, [(label, one.share) for label, one in shown.items()])
    scopes: dict[str, list[float]] = {}
    for one in budgets:
        scopes.setdefault(label_text(one.on), []).append(one.share)
    yield _gauge("budgets", "Budgets by what they are on.", ("scope",), _by({on: len(of) for on, of in scopes.items()}))
    fullest = "How much of the fullest budget is gone, by what it is on."
    yield _gauge("budget_fullest_share", fullest, ("scope",), _by({on: max(of) for on, of in scopes.items()}))


def _audits(quality: Mapping[str, Verdicts], places: int) -> Metric:
    told: dict[tuple[str, str], int] = {}
    ordered = sorted(quality.items(), key=lambda item: (-sum(item[1]), item[0]))
    for at, (task, verdicts) in enumerate(ordered):
        label = label_text(task) if at < places else OTHER
        for verdict, count in verdicts._asdict().items():
            told[label, verdict] = told.get((label, verdict), 0) + count
    meaning = "Calls of the cheaper model that were run on the dearer one as well, by what came of comparing the answers."
    return _counter("task_audits", meaning, ("task", "verdict"), told.items())


def _grouped(label: str, tallies: Mapping[str, Tally]) -> Iterator[Metric]:
    for name, meaning, member in (
        ("calls", "Calls of clients", "calls"),
        ("tried_calls", "Calls that were neither refused nor left by the client", "tried"),
        ("answered_calls", "Calls that were answered whole", "answered"),
    ):
        samples = _by({group: getattr(one, member) for group, one in tallies.items()})
        yield _counter(f"{label}_{name}", f"{meaning}, by {label}.", (label,), samples)
    yield _counter(f"{label}_baseline_usd", f"Baseline by {label}.", (label,), _amounts(tallies, "baseline_pico"))
    yield _counter(f"{label}_paid_usd", f"Paid by {label}.", (label,), _amounts(tallies, "paid_pico"))
    if label == "task":
        latencies = {group: one.latency_ms for group, one in tallies.items()}
        yield _histogram("task_latency_seconds", "Until the answer was complete, by task.", label, latencies)


def _costs(cost: Distribution) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}call_cost_usd", "What calls of clients cost.")
    family.add_metric((), _buckets(cost, DOLLARS), cost.total / PICO_PER_USD)
    return family


def _histogram(name: str, meaning: str, label: str, found: Mapping[str, Distribution]) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, meaning, labels=(label,))
    for value, one in found.items():
        family.add_metric((value,), _buckets(one, SECONDS), one.total / _MS)
    return family


def _buckets(one: Distribution, bounds: tuple[float, ...]) -> list[tuple[str, float]]:
    """Cumulative, as the format wants them."""
    counted, buckets = 0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), one.counts, strict=True):
        counted += count
        buckets.append((bound, float(counted)))
    return buckets


def _counter(name: str, meaning: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = CounterMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, amount in samples:
        family.add_metric(values, amount)
    return family


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, amount in samples:
        family.add_metric(values, amount)
    return family


def _by(values: Mapping[str, float]) -> Samples:
    return [((name,), value) for name, value in values.items()]


def _amounts(tallies: Mapping[str, object], member: str) -> Samples:
    return [((name,), _usd(getattr(one, member))) for name, one in tallies.items()]


def _usd(pico: int) -> float:
    return pico / PICO_PER_USD
