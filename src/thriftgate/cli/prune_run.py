"""`thriftgate prune`: read prompt and cases, price, search, confirm, tell, and write where it was asked to."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from random import Random  # noqa: TID251  the entry point, where the seed comes in
from typing import TYPE_CHECKING, Any

from thriftgate.batch.jobs_file import require_file
from thriftgate.cli.batch_asked import credential_of
from thriftgate.cli.eval_run import answers_path, judge_of, plainly, sender_for
from thriftgate.cli.output import dollars, dollars_exact, note, print_json
from thriftgate.cli.prune_asked import Asked
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.engine.build import build_engine
from thriftgate.logs import trouble_only
from thriftgate.pricing.load import load_models
from thriftgate.quality.answers import Answers
from thriftgate.quality.arms import Arm, arms_of
from thriftgate.quality.asks import Pricer
from thriftgate.quality.datasets import read_set
from thriftgate.quality.judges import Bench
from thriftgate.settings import Settings

if TYPE_CHECKING:
    from thriftgate.quality.pruning.prune import Forecast, Pruned, Wish

NUMERICS = ("numpy", "scipy")


def run_prune(settings: Settings, asked: Asked, *, json: bool) -> int:
    """The verb. Returns the exit code."""
    if any(find_spec(name) is None for name in NUMERICS):
        raise ConfigError("prune needs numpy and SciPy: pip install thriftgate[eval]")
    from thriftgate.cli.prune_show import document_of, print_pruned  # noqa: PLC0415  half a second of numerics
    from thriftgate.quality.pruning.prune import Pruned, Wish, check_wish  # noqa: PLC0415  half a second of numerics

    arm = _arm(asked)
    wish = Wish(read_prompt(asked.prompt), read_set(asked.cases), asked.margin, asked.confidence, asked.seed)
    check_wish(wish)
    credential = credential_of(settings)
    with closing(Bench(judge_of(asked.judge), load_models())) as bench:
        bench.check(wish.cases)
        with trouble_only():
            done, worth = asyncio.run(_pruned(plainly(settings), asked, wish, (arm, bench), credential))
    if not isinstance(done, Pruned):
        if json:
            print_json(
                {"state": "refused", "spent_usd": "0", "needed_usd": usd_from_pico(done.base_pico + done.reserve_pico)}
            )
        return 1
    copy = write_prompt(asked.prompt, wish.prompt, done.after) if asked.write and done.state == "confirmed" else None
    document = document_of(done, asked, arm, worth, copy)
    print_json(document) if json else print_pruned(document)
    for text in document["notes"]:
        note(text)
    if done.why:
        note(f"thriftgate: not confirmed: {done.why}")
    return 1 if done.why else 0


def _arm(asked: Asked) -> Arm:
    if asked.budget <= 0:
        raise InputError(f"--budget {asked.budget}: must be above 0")
    if asked.calls_per_month is not None and asked.calls_per_month < 0:
        raise InputError(f"--calls-per-month {asked.calls_per_month}: must not be negative")
    try:
        arms = arms_of(asked.model, load_models())
    except InputError as error:
        raise InputError(str(error).replace("--models", "--model")) from None
    if len(arms) != 1:
        raise InputError(f"--model {asked.model}: name one; a prompt is pruned for the model that it is used with")
    return arms[0]


def read_prompt(path: Path) -> str:
    """The text of a prompt, line ends as they are. Raises InputError."""
    require_file(path)
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 (byte {error.start})") from None


def write_prompt(path: Path, before: str, after: str) -> Path:
    """Put `after` in place of the prompt. Returns where the copy of it is: a name that was free. Raises InputError where the
    file is no longer what was pruned, or cannot be written."""
    if read_prompt(path) != before:
        raise InputError(f"{path} has changed since it was read: nothing was written")
    fresh, number = path.with_name(path.name + ".new"), 1
    copy = path.with_name(path.name + ".orig")
    while copy.exists():
        number += 1
        copy = path.with_name(f"{path.name}.orig{number}")
    try:
        copy.write_bytes(before.encode())
        fresh.write_bytes(after.encode())
        os.replace(fresh, path)  # noqa: PTH105  the one that is atomic on every system
    except OSError as error:
        raise InputError(f"cannot write {error.filename}: {error.strerror}") from None
    return copy


async def _pruned(
    settings: Settings, asked: Asked, wish: Wish, who: tuple[Arm, Bench], credential: str
) -> tuple[Pruned | Forecast, Any]:
    """What came of it, and what the prompts cost a call."""
    from thriftgate.cli.prune_show import worth_of  # noqa: PLC0415  half a second of numerics
    from thriftgate.quality.pruning.prune import Pruned, Pruner  # noqa: PLC0415  half a second of numerics
    from thriftgate.quality.pruning.trials import Means, Metered  # noqa: PLC0415  half a second of numerics

    arm, bench = who
    engine = await build_engine(settings, beside=True)
    try:
        pricer = Pricer(engine, credential, now=not asked.batch)
        sender = Metered(sender_for(settings, engine, credential, pricer, asked.prompt if asked.batch else None))
        budget = pico_from_usd(asked.budget)
        with Answers(answers_path(settings, asked.answers)) as answers:
            means = Means(arm, bench, pricer, sender, answers, budget, not asked.batch)
            pruner = Pruner(wish, means, Random(asked.seed))  # noqa: S311  rounds grades, no secret
            done = await pruner.run(lambda forecast: _may_start(forecast, asked, budget))
        return done, worth_of(engine, arm, done) if isinstance(done, Pruned) else None
    finally:
        await engine.close()


def _may_start(forecast: Forecast, asked: Asked, budget_pico: int) -> bool:
    """Tell the price; whether it is within the budget."""
    least = forecast.base_pico + forecast.reserve_pico
    note(
        f"{forecast.search:,} cases to search on, {forecast.heldout:,} held out; {asked.model} "
        f"{'in batches' if asked.batch else 'at once'}: up to {dollars(forecast.base_pico)} for the prompt as it is, up to "
        f"{dollars(forecast.reserve_pico)} set aside for confirming; the search may use the rest of "
        f"{dollars_exact(budget_pico)}"
    )
    if forecast.heldout < forecast.least:
        note(
            f"{forecast.heldout:,} held-out cases cannot confirm a margin of {asked.margin:.1%} with {asked.confidence:.0%} "
            f"confidence, it takes {forecast.least:,} at least: more cases, or a larger --margin"
        )
    if least <= budget_pico or not forecast.base_pico:  # what was asked before may reach to the end
        return True
    note(f"nothing was sent: that is {dollars(least)} before the search begins, more than the --budget")
    return False
