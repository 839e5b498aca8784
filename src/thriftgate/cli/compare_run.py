"""`thriftgate compare`: price it for every target, ask, judge, and tell."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from thriftgate.cli.eval_run import Asked, answers_path, estimate_document, plainly, wanted_of
from thriftgate.cli.eval_show import arms_document, print_arms
from thriftgate.cli.output import dollars, note, print_json, say
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.money import usd_from_pico
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.engine.targets import Target
from thriftgate.logs import trouble_only
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Answers
from thriftgate.quality.asks import Estimate, Pricer, added
from thriftgate.quality.calling import Caller
from thriftgate.quality.evaluation import Evaluated, Evaluation, Wanted
from thriftgate.quality.judges import Bench
from thriftgate.quality.results import check_out, write_results
from thriftgate.settings import Settings


def compare_targets(settings: Settings, asked: Asked, names: Sequence[str], folder: Path, *, json: bool) -> int:
    """The verb. Returns the exit code."""
    wanted, rule = wanted_of(asked)
    with closing(Bench(rule, load_models())) as bench:
        bench.check(wanted.items)
        with trouble_only():
            found = asyncio.run(_compared(plainly(settings), asked, wanted, bench, names=names))
    head = {"set": str(asked.items), "items": len(wanted.items), "repeats": wanted.repeats}
    if isinstance(found, Estimate):
        if json:
            print_json({"state": "refused", **head, "estimate": estimate_document(found), "cost_usd": "0", "targets": []})
        return 1
    documents = []
    for target, done in found.items():
        path = folder / f"{asked.items.stem}.{target.name}.results.jsonl"
        check_out(path, asked.items)
        write_results(path, done.lines)
        documents.append(_document(target, done, path))
    short = [f"{one['target']}: {one['fell_short']}" for one in documents if one["fell_short"]]
    paid = sum(done.paid_pico for done in found.values())
    document = {"state": "done", **head, "cost_usd": usd_from_pico(paid), "targets": documents}
    print_json(document) if json else _print(documents, paid)
    for text in short:
        note(f"thriftgate: {text}")
    return 1 if short else 0


async def _compared(
    settings: Settings, asked: Asked, wanted: Wanted, bench: Bench, *, names: Sequence[str]
) -> Mapping[Target, Evaluated] | Estimate:
    """What came of it by target; only the estimate where that is more than it may cost."""
    engine = await build_engine(settings, beside=True)
    try:
        targets = _named(engine, names)
        estimates = []
        for target in targets:
            with Answers(_kept(settings, asked, target)) as answers:
                found = await _evaluation(engine, wanted, bench, target, answers=answers).run(lambda _: False)
            estimates.append(found if isinstance(found, Estimate) else Estimate())
        whole = added(estimates)
        limit = wanted.limit_pico or 0
        price = f"about {dollars(whole.pico)}, at most {dollars(whole.worst_pico)}"
        note(f"{whole.calls:,} calls at {len(targets)} targets: {price}")
        if whole.pico > limit:
            note(f"nothing was sent: that is more than {dollars(limit)}; --max-cost allows more")
            return whole
        done: dict[Target, Evaluated] = {}
        for target in targets:
            left = Wanted(wanted.items, wanted.arms, wanted.repeats, limit - sum(one.paid_pico for one in done.values()))
            with Answers(_kept(settings, asked, target)) as answers:
                one = await _evaluation(engine, left, bench, target, answers=answers).run(lambda _: True)
            assert isinstance(one, Evaluated)
            done[target] = one
        return done
    finally:
        await engine.close()


def _evaluation(engine: Engine, wanted: Wanted, bench: Bench, target: Target, *, answers: Answers) -> Evaluation:
    pricer = Pricer(engine, "", now=True)
    parallel = 8
    caller = Caller(engine, "", parallel=parallel, worst_pico=pricer.worst_pico, target=target.name)
    return Evaluation(wanted, bench, pricer, caller, answers)


def _named(engine: Engine, names: Sequence[str]) -> list[Target]:
    """The targets that are asked. Raises ConfigError where there are none, InputError for one that there is not."""
    pool = engine.upstreams.pool
    if not pool.targets:
        raise ConfigError("there are no targets to compare: name some under [[targets]], or keys under [[upstream.keys]]")
    for name in names:
        if name not in pool.by_name:
            raise InputError(f"--targets: there is no target {name!r}; {', '.join(pool.by_name)}")
    return [target for target in pool.targets if not names or target.name in names]


def _kept(settings: Settings, asked: Asked, target: Target) -> Path:
    """The answers of each target are kept apart: the same question has others there."""
    path = answers_path(settings, asked.answers)
    return path.with_name(f"{path.stem}.{target.name}{path.suffix}")


def _document(target: Target, done: Evaluated, path: Path) -> dict[str, Any]:
    return {
        "target": target.name,
        "provider": target.provider.name,
        "place": target.place,
        "results": str(path),
        "cost_usd": usd_from_pico(done.paid_pico),
        "asked": done.asked,
        "cached": done.cached,
        "failed": dict(done.failed),
        "arms": arms_document(done.lines),
        "fell_short": done.fell_short,
    }


def _print(documents: Sequence[dict[str, Any]], paid_pico: int) -> None:
    for one in documents:
        print_arms(one["arms"], title=f"{one['target']} ({one['provider']})")
        for reason, count in one["failed"].items():
            say(f"{count:,} calls failed: {reason}")
    say(f"paid {dollars(paid_pico)}; results: {', '.join(one['results'] for one in documents)}")
