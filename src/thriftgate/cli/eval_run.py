"""`thriftgate eval run`: read the set, price it, ask, judge, write the results, tell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from thriftgate.batch.work import Options
from thriftgate.cli import batch_progress
from thriftgate.cli.batch_asked import credential_of
from thriftgate.cli.eval_show import arms_document, judging_document, print_arms
from thriftgate.cli.output import dollars, dollars_exact, note, print_json, say
from thriftgate.core.deadline import Reserve
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.levers import LEVERS
from thriftgate.core.models import Capabilities
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.ledger.urls import is_file
from thriftgate.logs import trouble_only
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Answers
from thriftgate.quality.arms import arms_of
from thriftgate.quality.asks import Estimate, Pricer
from thriftgate.quality.batching import Batcher, folder_beside
from thriftgate.quality.calling import Caller
from thriftgate.quality.datasets import read_set, sampled
from thriftgate.quality.evaluation import Evaluated, Evaluation, Wanted
from thriftgate.quality.judges import Bench
from thriftgate.quality.results import check_out, write_results
from thriftgate.quality.rules import Llm, Rule, rule_of
from thriftgate.quality.sending import Sender
from thriftgate.settings import CacheSettings, ExperimentSettings, ProofSettings, RoutingSettings, Settings

USUAL_LIMIT_PICO = pico_from_usd(5)
"""The limit without --max-cost."""


class Asked(Struct, frozen=True):
    """What the command line of `eval run` asks for."""

    items: Path
    models: str
    judge: str | None = None
    max_cost: Decimal | None = None
    now: bool = False
    out: Path | None = None
    repeat: int = 1
    sample: int | None = None
    seed: int = 0
    answers: Path | None = None
    verifier: str | None = None

    @property
    def results(self) -> Path:
        """The file that results go to."""
        return self.out or self.items.with_name(self.items.stem + ".results.jsonl")


def run_set(settings: Settings, asked: Asked, *, json: bool) -> int:
    """The verb. Returns the exit code."""
    wanted, rule = wanted_of(asked)
    credential = credential_of(settings)
    check_out(asked.results, asked.items)
    with closing(Bench(rule, load_models())) as bench:
        bench.check(wanted.items)
        with trouble_only():
            done = asyncio.run(_evaluated(plainly(settings), asked, wanted, bench, credential))
    if isinstance(done, Estimate):
        if json:
            print_json(_refused(asked, wanted, done))
        return 1
    write_results(asked.results, done.lines)
    document = _document(asked, wanted, done, _notes(wanted, bench, done))
    print_json(document) if json else _print(document)
    for text in document["notes"]:
        note(text)
    if done.fell_short:
        note(f"thriftgate: {done.fell_short}")
    return 1 if done.fell_short else 0


def wanted_of(asked: Asked) -> tuple[Wanted, Rule | None]:
    """What to run, and how to judge what names no judge. Raises InputError."""
    if asked.repeat < 1:
        raise InputError(f"--repeat {asked.repeat}: must be at least 1")
    if asked.sample is not None and asked.sample < 1:
        raise InputError(f"--sample {asked.sample}: must be at least 1")
    if asked.max_cost is not None and asked.max_cost < 0:
        raise InputError(f"--max-cost {asked.max_cost}: must not be negative")
    arms = arms_of(asked.models, load_models())
    items = read_set(asked.items)
    if asked.sample is not None:
        items = sampled(items, asked.sample, asked.seed)
    limit = pico_from_usd(asked.max_cost) if asked.max_cost is not None else USUAL_LIMIT_PICO
    return Wanted(items, arms, asked.repeat, limit, _verifier(asked.verifier, len(arms))), judge_of(asked.judge)


def _verifier(model: str | None, arms: int) -> Capabilities | None:
    if model is None:
        return None
    found = load_models()[model]
    if not found.known:
        raise InputError(f"--verifier: the model {model!r} is not known; docs/reference/models.md lists them")
    if arms < 2:
        raise InputError("--verifier: it is asked about all arms but the last, and --models names one arm")
    return found


def judge_of(text: str | None) -> Rule | None:
    """The rule that `--judge` writes. Raises InputError."""
    if text is None:
        return None
    written: Any = text
    if text.lstrip().startswith("{"):
        try:
            written = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise InputError(f"--judge: not JSON: {error}") from None
    try:
        return rule_of(written)
    except InputError as error:
        raise InputError(f"--judge: {error}") from None


def plainly(settings: Settings) -> Settings:
    """The settings with all off that could change what is asked or who answers: the arms themselves are to be measured."""
    safe = tuple(lever.id for lever in LEVERS if lever.safe)
    policy = settings.policy.model_copy(update={"levers": tuple(one for one in settings.policy.levers if one in safe)})
    cache: CacheSettings = settings.cache.model_copy(update={"stabilise": ()})
    off = {"routing": RoutingSettings(), "experiment": ExperimentSettings(), "proof": ProofSettings(audit=0)}
    return settings.model_copy(update={"policy": policy, "cache": cache, **off})


async def _evaluated(
    settings: Settings, asked: Asked, wanted: Wanted, bench: Bench, credential: str
) -> Evaluated | Estimate:
    engine = await build_engine(settings, beside=True)
    try:
        pricer = Pricer(engine, credential, now=asked.now)
        sender = sender_for(settings, engine, credential, pricer, asked.results if not asked.now else None)
        with Answers(answers_path(settings, asked.answers)) as answers:
            evaluation = Evaluation(wanted, bench, pricer, sender, answers)
            return await evaluation.run(lambda estimate: _may_start(estimate, asked, wanted.limit_pico or 0))
    finally:
        await engine.close()


def sender_for(settings: Settings, engine: Engine, credential: str, pricer: Pricer, beside: Path | None) -> Sender:
    """Calls at once, or, where a file is named that their jobs are kept beside, in batches."""
    table = settings.batch
    if beside is None:
        return Caller(engine, credential, parallel=table.parallel, worst_pico=pricer.worst_pico)
    reserve = Reserve(cancel_s=table.cancel_s, call_s=table.call_s, parallel=table.parallel)
    options = Options(queue_jobs=table.queue_jobs, reserve=reserve)
    return Batcher(engine, credential, folder_beside(beside), options, batch_progress.working)


def answers_path(settings: Settings, named: Path | None) -> Path:
    """The file that answers are kept in: `named`, else beside the ledger. Raises ConfigError."""
    if named is not None:
        return named
    ledger = settings.ledger.path
    if not is_file(ledger):
        raise ConfigError("the ledger is not kept in a file: name one for the answers with --answers")
    return Path(ledger).with_suffix(".answers.db")


def _may_start(estimate: Estimate, asked: Asked, limit_pico: int) -> bool:
    """Tell the price; whether it is within the limit."""
    parts = ((estimate.judging_pico, "judges"), (estimate.verifying_pico, "the verifier"))
    judging = "".join(f", {dollars(pico)} of it for {whom}" for pico, whom in parts if pico)
    note(
        f"{estimate.calls:,} calls {'at once' if asked.now else 'in batches'}, about {estimate.prompt_tokens:,} prompt and "
        f"{estimate.output_tokens:,} answer tokens: about {dollars(estimate.pico)}{judging}; "
        f"at most {dollars(estimate.worst_pico)}"
    )
    if estimate.pico <= limit_pico:
        return True
    whose = "of --max-cost" if asked.max_cost is not None else "that a run may cost without --max-cost"
    note(f"nothing was sent: that is more than the {dollars_exact(limit_pico)} {whose}")
    return False


def estimate_document(estimate: Estimate) -> dict[str, Any]:
    return {
        "calls": estimate.calls,
        "prompt_tokens": estimate.prompt_tokens,
        "output_tokens": estimate.output_tokens,
        "cost_usd": usd_from_pico(estimate.pico),
        "judging_usd": usd_from_pico(estimate.judging_pico),
        "verifying_usd": usd_from_pico(estimate.verifying_pico),
        "worst_usd": usd_from_pico(estimate.worst_pico),
    }


def _refused(asked: Asked, wanted: Wanted, estimate: Estimate) -> dict[str, Any]:
    """What is printed of a run that was too dear."""
    return _head(asked, wanted, "refused") | {"estimate": estimate_document(estimate), "cost_usd": "0"}


def _head(asked: Asked, wanted: Wanted, state: str) -> dict[str, Any]:
    return {
        "state": state,
        "set": str(asked.items),
        "results": str(asked.results),
        "mode": "now" if asked.now else "batch",
        "items": len(wanted.items),
        "repeats": wanted.repeats,
    }


def _notes(wanted: Wanted, bench: Bench, done: Evaluated) -> list[str]:
    """What whoever reads the results should know."""
    notes = []
    if done.lacking:
        notes.append(f"code of answers ran without a limit on: {', '.join(done.lacking)}")
    judging = {rule.model for rule in map(bench.rule, wanted.items) if isinstance(rule, Llm)}
    notes += [
        f"{model} judges answers of its own: models favour those"
        for model in sorted(judging & {arm.model for arm in wanted.arms})
    ]
    notes += [f"{count:,} answers have no verifier's score: {reason}" for reason, count in done.unverified.items()]
    return notes


def _document(asked: Asked, wanted: Wanted, done: Evaluated, notes: Sequence[str]) -> dict[str, Any]:
    return _head(asked, wanted, "done") | {
        "estimate": estimate_document(done.estimate),
        "calls": done.asked,
        "cached": done.cached,
        "recorded": done.recorded,
        "failed": dict(done.failed),
        "ungraded": dict(done.ungraded),
        "fell_short": done.fell_short,
        "cost_usd": usd_from_pico(done.paid_pico),
        "judging_usd": usd_from_pico(done.judging_pico),
        "verifying_usd": usd_from_pico(done.verifying_pico),
        "arms": arms_document(done.lines),
        "judging": judging_document(done.lines),
        "notes": list(notes),
    }


def _print(document: dict[str, Any]) -> None:
    print_arms(document["arms"])
    say("")
    say(
        f"{document['calls']:,} answers asked for now, {document['cached']:,} known from before; "
        f"paid {dollars(pico_from_usd(document['cost_usd']))}"
    )
    for reason, count in document["failed"].items():
        say(f"no answer {count:,} times: {reason}")
    for reason, count in document["ungraded"].items():
        say(f"not judged {count:,} times: {reason}")
    say(f"results: {document['results']}")
