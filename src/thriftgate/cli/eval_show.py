"""What `thriftgate eval` shows of results: from the file alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random  # noqa: TID251  the entry point, where the seed comes in
from typing import Any

from thriftgate.cli.output import dollars, print_table, say
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.quality.compare import CONFIDENCE, Comparison, Interval, Paired, compare
from thriftgate.quality.evaluation import UNGRADED_MAX
from thriftgate.quality.results import Line, arms_in, read_results
from thriftgate.quality.summary import ArmSummary, arm_summaries, by_task, judging, ungraded_reasons


def report_document(path: Path) -> dict[str, Any]:
    """What `eval report --json` prints. Raises InputError."""
    lines = read_results(path)
    arms, reasons = arms_document(lines), ungraded_reasons(lines)
    answers, missing = sum(one["items"] for one in arms), sum(reasons.values())
    short = missing > UNGRADED_MAX * answers
    return {
        "results": str(path),
        "items": len(lines),
        "arms": arms,
        "tasks": [
            {"task": task, "items": sum(line.task == task for line in lines), "arms": [_arm_document(one) for one in found]}
            for task, found in by_task(lines).items()
        ],
        "judging": judging_document(lines),
        "ungraded": reasons,
        "fell_short": f"{missing:,} of {answers:,} answers could not be judged" if short else "",
        "confidence": CONFIDENCE,
    }


def arms_document(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Every arm, for `--json`."""
    return [_arm_document(one) for one in arm_summaries(lines)]


def judging_document(lines: Sequence[Line]) -> dict[str, Any]:
    """What can be said of the judges, for `--json`."""
    found = judging(lines)
    return {
        "kinds": found.kinds,
        "cost_usd": usd_from_pico(found.paid_pico),
        "pairs": found.pairs,
        "shown_first": _interval(found.first) if found.pairs else {},
        "swayed_by_order": found.swayed,
        "human_answers": found.human_answers,
        "human_agreement": _interval(found.human) if found.human_answers else {},
        "human_kappa": round(found.kappa, 4),
    }


def compare_document(path: Path, a: str, b: str, seed: int) -> dict[str, Any]:
    """What `eval compare --json` prints. Raises InputError for arms that are not there."""
    lines = read_results(path)
    arms = arms_in(lines)
    for arm in (a, b):
        if arm not in arms:
            raise InputError(f"{path} has no arm {arm!r}; it has {', '.join(arms)}")
    if a == b:
        raise InputError(f"{a} cannot be compared with itself: name two arms of {', '.join(arms)}")
    found = compare(lines, a, b, Random(seed))  # noqa: S311  a bootstrap, no secret
    if found is None:
        return {"results": str(path), "a": a, "b": b, "items": 0}
    return {"results": str(path), "a": a, "b": b, "items": found.quality.items, **_compared(found), "seed": seed}


def _compared(found: Comparison) -> dict[str, Any]:
    return {
        "quality": _paired(found.quality),
        "wins": found.wins,
        "losses": found.losses,
        "ties": found.ties,
        "p": found.p,
        "test": found.test,
        "verdict": _verdict(found),
        "cost": _paired_usd(found.cost) if found.cost is not None else {},
        "cost_ratio": _interval(found.cost_ratio) if found.cost_ratio is not None else {},
        "latency_ms": _paired(found.latency) if found.latency is not None else {},
        "confidence": CONFIDENCE,
    }


def _verdict(found: Comparison) -> str:
    low, high = found.quality.difference.low, found.quality.difference.high
    if found.p > 1 - CONFIDENCE:
        return f"no difference in quality is shown; it may be anything from {low:+.1%} to {high:+.1%}"
    better, worse = (found.b, found.a) if found.quality.difference.value > 0 else (found.a, found.b)
    return f"{better} is better than {worse}"


def _arm_document(one: ArmSummary) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "items": one.items,
        "ungraded": one.ungraded,
        "quality": round(one.quality.value, 6),
        "quality_low": round(one.quality.low, 6),
        "quality_high": round(one.quality.high, 6),
        "cost_usd": usd_from_pico(one.cost_pico),
        "paid_usd": usd_from_pico(one.paid_pico),
        "latency_ms_p50": one.latency_ms_p50,
        "latency_ms_p90": one.latency_ms_p90,
        "output_tokens": one.output_tokens,
        "truncated": round(one.truncated, 6),
        "refused": round(one.refused, 6),
        "modes": list(one.modes),
    }


def _interval(one: Interval) -> dict[str, float]:
    return {"value": round(one.value, 6), "low": round(one.low, 6), "high": round(one.high, 6)}


def _paired(one: Paired) -> dict[str, Any]:
    return {"a": round(one.a, 6), "b": round(one.b, 6), "items": one.items, "difference": _interval(one.difference)}


def _paired_usd(one: Paired) -> dict[str, Any]:
    return {
        "items": one.items,
        "a_usd": usd_from_pico(round(one.a)),
        "b_usd": usd_from_pico(round(one.b)),
        "difference_usd": usd_from_pico(round(one.difference.value)),
        "low_usd": usd_from_pico(round(one.difference.low)),
        "high_usd": usd_from_pico(round(one.difference.high)),
    }


def print_report(document: dict[str, Any]) -> None:
    """The report for people."""
    print_arms(document["arms"])
    tasks = [one for one in document["tasks"] if one["task"] or len(document["tasks"]) > 1]
    for one in tasks:
        say("")
        print_arms(one["arms"], title=f"task {one['task'] or '(none)'}: {one['items']:,} items")
    say("")
    _print_judging(document["judging"])
    for reason, count in document["ungraded"].items():
        say(f"not judged {count:,} times: {reason}")
    if document["fell_short"]:
        say(f"{document['fell_short']}: what is left may be a biased choice")


def print_arms(arms: Sequence[dict[str, Any]], title: str = "") -> None:
    """A row an arm, within 80 columns."""
    rows = [
        (
            one["arm"],
            f"{one['items'] - one['ungraded']:,}",
            f"{one['quality']:.1%}",
            f"{one['quality_low']:.1%} to {one['quality_high']:.1%}",
            dollars(pico_from_usd(one["cost_usd"])),
            f"{one['latency_ms_p50']:,} ms" if one["latency_ms_p50"] else "-",
        )
        for one in arms
    ]
    print_table(("arm", "judged", "quality", "95 %", "a call", "median"), rows, title=title)


def _print_judging(one: dict[str, Any]) -> None:
    say("judged by " + ", ".join(f"{kind} ({count:,})" for kind, count in one["kinds"].items()))
    if one["pairs"]:
        say(
            f"{one['pairs']:,} pairs shown in both orders, {one['swayed_by_order']:,} decided by the order alone; the one "
            f"shown first won {one['shown_first']['value']:.0%}; judging cost {dollars(pico_from_usd(one['cost_usd']))}"
        )
    if one["human_answers"]:
        agreement = one["human_agreement"]
        say(
            f"people agree with {agreement['value']:.0%} of {one['human_answers']:,} judgements "
            f"({agreement['low']:.0%} to {agreement['high']:.0%}), kappa {one['human_kappa']:.2f}"
        )


def print_compare(document: dict[str, Any]) -> None:
    """The comparison for people."""
    if not document["items"]:
        say(f"no item has a grade of both {document['a']} and {document['b']}")
        return
    quality, cost, latency = document["quality"], document["cost"], document["latency_ms"]
    rows: list[tuple[str, ...]] = []
    rows.append(("quality", f"{quality['a']:.1%}", f"{quality['b']:.1%}", *_shown(quality["difference"], "{:+.1%}")))
    if cost:
        usd = [dollars(pico_from_usd(cost[name])) for name in ("a_usd", "b_usd", "difference_usd", "low_usd", "high_usd")]
        rows.append(("a call", *usd[:3], f"{usd[3]} to {usd[4]}"))
    if latency:
        rows.append(
            ("latency, ms", f"{latency['a']:,.0f}", f"{latency['b']:,.0f}", *_shown(latency["difference"], "{:+,.0f}"))
        )
    print_table(("", document["a"], document["b"], "difference", "95 %"), rows)
    say("")
    say(
        f"{document['items']:,} items: {document['b']} better on {document['wins']:,}, worse on {document['losses']:,}, "
        f"alike on {document['ties']:,} (p = {document['p']:.3g}, {document['test']})"
    )
    say(document["verdict"])
    if document["cost_ratio"]:
        ratio = document["cost_ratio"]
        say(f"it costs {ratio['value']:.2f} times as much ({ratio['low']:.2f} to {ratio['high']:.2f})")


def _shown(one: dict[str, float], form: str) -> tuple[str, str]:
    return form.format(one["value"]), f"{form.format(one['low'])} to {form.format(one['high'])}"
