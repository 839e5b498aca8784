"""What `thriftgate calibrate` does and prints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from random import Random  # noqa: TID251  the entry point, where the seed comes in
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from thriftgate.cli.output import note, print_table
from thriftgate.clock import SystemClock
from thriftgate.core.cost import day_of
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.routing.artefact import Artefact, price_ratio, signed, split_arm
from thriftgate.engine.build import artefact_secret
from thriftgate.ledger.sql import SqlLedger
from thriftgate.pricing.load import load_book, load_models
from thriftgate.quality.agreements import agreements
from thriftgate.quality.datasets import read_set
from thriftgate.quality.labels import Labelled
from thriftgate.quality.labels_file import read_labelled
from thriftgate.quality.traffic_file import read_traffic
from thriftgate.quality.watch import delay_of
from thriftgate.settings import Settings

if TYPE_CHECKING:
    from thriftgate.quality.calibrate import Calibration, TaskLine
    from thriftgate.quality.families import Family, Wish

AGREED = "answers that are the same as the strong model's"
NUMERICS = ("numpy", "scipy", "sklearn")
WORSE = 0.1  # a rise of differing answers by so much is what the stated time until an alarm is for


class Told(NamedTuple):
    """What stood on the command line."""

    data: Path
    strong: str
    candidates: str
    target: float
    confidence: float
    mode: Literal["default", "strict"]
    only: Literal["both", "router", "cascade"]
    agreement: bool
    traffic: Path | None
    out: Path
    days: float
    audit: float
    verifier: str
    samples: int
    seed: int


def calibrated(settings: Settings, told: Told) -> dict[str, Any]:
    """Calibrate, write the artefact if there is one, and tell all of it. Raises InputError and ConfigError."""
    if any(find_spec(name) is None for name in NUMERICS):
        raise ConfigError("calibrate needs numpy, SciPy and scikit-learn: pip install thriftgate[eval]")
    _check(told)
    from thriftgate.quality.calibrate import calibrate  # noqa: PLC0415  half a second of numerics
    from thriftgate.quality.families import Wish  # noqa: PLC0415  half a second of numerics

    examples = agreements(read_set(told.data), told.strong) if told.agreement else read_labelled(told.data)
    wish = Wish(
        strong=told.strong,
        candidates=_candidates(told, examples),
        target=told.target,
        confidence=told.confidence,
        mode=told.mode,
        seed=told.seed,
        verifier=told.verifier,
        samples=told.samples,
        kinds=("router", "cascade") if told.only == "both" else (told.only,),
        days=told.days,
    )
    now_s = SystemClock().now_s()
    book, day = load_book(settings.prices), day_of(now_s)
    ratios = {arm: price_ratio(wish.strong, arm, book, day) for arm in wish.candidates}
    traffic = read_traffic(told.traffic) if told.traffic is not None else ()
    found = calibrate(examples, wish, made_s=now_s, price_ratios=ratios, traffic=traffic)
    if found.artefact is not None:
        told.out.write_bytes(signed(found.artefact, asyncio.run(_secret(settings))))
    return _document(found, wish, told)


def _check(told: Told) -> None:
    """Raises InputError for what cannot be meant."""
    for name, value in (("--target", told.target), ("--confidence", told.confidence)):
        if not 0.5 <= value < 1:
            raise InputError(f"{name} {value:g}: must be at least 0.5 and below 1, such as 0.98")
    if not 0 < told.audit <= 1:
        raise InputError(f"--audit {told.audit:g}: must be a share above 0 and at most 1")
    if not 1 <= told.samples <= 10:
        raise InputError(f"--samples {told.samples}: must be from 1 to 10")
    if told.days <= 0:
        raise InputError(f"--days {told.days:g}: must be above 0")
    models = load_models()
    for model in (split_arm(told.strong)[0], *([told.verifier] if told.verifier else [])):
        if model not in models:
            raise InputError(f"{model} is not in the capability table (docs/reference/models.md)")


def _candidates(told: Told, examples: Sequence[Labelled]) -> tuple[str, ...]:
    named = tuple(word.strip() for word in told.candidates.split(",") if word.strip())
    found = named or tuple(sorted({arm for one in examples for arm in one.outcomes} - {told.strong}))
    if not found:
        raise InputError(f"{told.data} holds outcomes of {told.strong} alone: there is nothing to compare it with")
    models = load_models()
    for arm in found:
        if split_arm(arm)[0] not in models:
            raise InputError(f"the candidate {arm} is not in the capability table (docs/reference/models.md)")
    return found


async def _secret(settings: Settings) -> bytes:
    """Signs: the settings' secret, or that of the ledger, which is made where there is none yet."""
    told = settings.routing.secret.get_secret_value()
    if told:
        return told.encode()
    books = SqlLedger.open(settings.ledger.path)
    try:
        return await artefact_secret(settings, books)
    finally:
        await books.close()


def _document(found: Calibration, wish: Wish, told: Told) -> dict[str, Any]:
    artefact = found.artefact
    return {
        "artefact": artefact.id if artefact is not None else None,
        "file": str(told.out) if artefact is not None else None,
        "why": found.why,
        "promise": {
            "target": wish.target,
            "confidence": wish.confidence,
            "mode": wish.mode,
            "of": AGREED if told.agreement else "the strong model's quality",
        },
        "strong": wish.strong,
        "cheap": artefact.cheap if artefact is not None else None,
        "kind": None if artefact is None else "cascade" if artefact.cascade is not None else "router",
        "saving": None
        if artefact is None
        else {"share": artefact.saving.share, "low": artefact.saving.low, "high": artefact.saving.high},
        "evidence": None if artefact is None else _evidence(artefact),
        "examples": found.examples,
        "least_examples": found.least,
        "accuracy": dict(found.accuracy),
        "highest_target": found.highest,
        "stays": dict(found.stays),
        "tasks": [_task(one) for one in found.tasks],
        "families": [_family(one) for one in found.families],
        "more": [{"examples": one.examples, "saving": one.saving} for one in found.more],
        "alarm": None if artefact is None else _alarm(artefact, told),
    }


def _evidence(artefact: Artefact) -> dict[str, Any]:
    one = artefact.evidence
    return {
        "examples": one.examples,
        "strong_right": one.strong_right,
        "losses": one.losses,
        "wins": one.wins,
        "p": one.p,
        "test": one.test,
        "data": one.data,
    }


def _family(one: Family) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "kind": one.kind,
        "certified": one.at,
        "points": [
            {
                "share": float(point.share),  # of numpy
                "losses": point.losses,
                "wins": point.wins,
                "quality": point.quality,
                "p": point.p,
                "saving": point.saving,
            }
            for point in one.points
        ],
    }


def _task(one: TaskLine) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "task": one.task,
        "examples": one.examples,
        "losses": one.losses,
        "wins": one.wins,
        "p": one.p,
        "certified": one.certified,
    }


def _alarm(artefact: Artefact, told: Told) -> dict[str, Any]:
    """How soon a change for the worse is noticed, at the share that is audited."""
    limit = artefact.differ
    rate = min(1.0, limit + WORSE)
    delay = delay_of(limit, rate, Random(told.seed).random)  # noqa: S311  a simulation
    return {
        "limit": limit,
        "rate": rate,
        "audits_median": delay.median,
        "audits_most": delay.most,
        "calls_median": round(delay.median / told.audit),
        "calls_most": round(delay.most / told.audit),
    }


def print_calibration(document: dict[str, Any]) -> None:
    """For people: the promise, or why there is none."""
    promise = document["promise"]
    accuracy = ", ".join(f"{arm} {share:.1%}" for arm, share in document["accuracy"].items())
    note(f"{document['examples']} examples; right: {accuracy}")
    for family in document["families"]:
        _print_family(family)
    if document["artefact"] is None:
        note(f"no promise: {document['why']}; {document['strong']} goes on serving")
        _print_more(document)
        return
    saving, evidence = document["saving"], document["evidence"]
    print_table(
        ("", ""),
        [
            (
                "promise",
                f"at least {promise['target']:.1%} of {document['strong']}'s quality, {promise['confidence']:.0%} sure",
            ),
            ("policy", f"{document['kind']} on {document['cheap']}"),
            ("saves", f"{saving['share']:.1%} of the cost (between {saving['low']:.1%} and {saving['high']:.1%})"),
            (
                "evidence",
                (
                    f"{evidence['losses']} losses, {evidence['wins']} wins, {evidence['strong_right']} right by the strong "
                    f"model; p = {evidence['p']:.4f} ({evidence['test']})"
                ),
            ),
            ("artefact", f"{document['artefact']} in {document['file']}"),
        ],
    )
    _print_tasks(document)
    alarm = document["alarm"]
    note(
        f"calibration allows {alarm['limit']:.1%} of answers to differ; a rise to {alarm['rate']:.1%} is noticed within "
        f"{alarm['calls_median']:,} calls half of the time, within {alarm['calls_most']:,} 95 % of the time"
    )
    _print_more(document)


def _print_family(family: dict[str, Any]) -> None:
    rows = [
        (
            f"{point['share']:.0%}",
            str(point["losses"]),
            str(point["wins"]),
            f"{point['quality']:.1%}",
            f"{point['p']:.4f}",
            f"{point['saving']:.1%}",
            "certified" if at == family["certified"] else "",
        )
        for at, point in enumerate(family["points"])
    ]
    if rows:
        columns = ("calls on it", "losses", "wins", "quality", "p", "saves", "")
        print_table(columns, rows, title=f"\n{family['kind']} on {family['arm']}")


def _print_tasks(document: dict[str, Any]) -> None:
    """Tasks that could go to the cheap model whole."""
    whole = [f"{one['task']} on {one['arm']}" for one in document["tasks"] if one["certified"]]
    if whole:
        note(f"tasks that could go whole: {', '.join(whole)}")


def _print_more(document: dict[str, Any]) -> None:
    if document["more"]:
        told = "; ".join(f"{one['examples']:,} examples: {one['saving']:.1%}" for one in document["more"])
        note(f"what more examples like these would be expected to save: {told}")
