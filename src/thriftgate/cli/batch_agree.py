"""Before anything of a run is sent: its jobs are taken in, tried at the provider, priced, and agreed to."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
from msgspec.structs import replace

from thriftgate.batch import build
from thriftgate.batch.build import FileJobs, Opened
from thriftgate.batch.intake import Estimate, Intake, Taken
from thriftgate.batch.sample import Tried, try_sample
from thriftgate.cli import batch_progress
from thriftgate.cli.batch_asked import Asked
from thriftgate.cli.output import dollars, dollars_exact, note
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.engine import Engine


async def may_send(engine: Engine, opened: Opened, files: FileJobs, asked: Asked, credential: str) -> bool:
    """Have the jobs taken in, and agreed to. Raises InputError where anything is wrong with them."""
    work, run = opened.work, opened.run
    if run.state == "reading":
        files = await _take_in(engine, opened, files, credential)
    else:
        files = build.named(run)
        if asked.max_cost is not None:
            files = replace(files, options=replace(files.options, max_cost_pico=pico_from_usd(asked.max_cost)))
    work.options = files.options
    state = "running" if run.state == "running" else "ready"
    await work.book.set_run(work.lease, work.now_us(), state=state, options=msgspec.json.encode(files))
    return state == "running" or bool(run.wanted) or _agreed(files, asked)


async def _take_in(engine: Engine, opened: Opened, files: FileJobs, credential: str) -> FileJobs:
    """Read, check and price every line; try some at the provider. Raises InputError where anything is wrong with them."""
    work = opened.work
    await work.book.forget_jobs(work.lease, work.now_us())
    with batch_progress.reading() as seen:
        intake = Intake(work, Path(files.jobs), deadline_us=files.deadline_us, seen=seen)
        taken = await intake.take(skip_bad=files.skip_bad)
    if taken.bad and not files.skip_bad:
        await work.book.forget_jobs(work.lease, work.now_us())
        raise InputError(_bad_lines(taken, files))
    for one in taken.bad:
        note(f"line {one.number} left out: {one.what}")
    if taken.estimate.bad > len(taken.bad):
        note(f"and {taken.estimate.bad - len(taken.bad):,} more lines left out")
    if not taken.estimate.jobs:
        raise InputError(f"{files.jobs}: none of its lines is a job that can be sent")
    await work.book.group(work.lease, work.now_us())
    tried = await try_sample(engine, work, taken.sample, credential)
    if tried.refusal:
        await work.book.forget_jobs(work.lease, work.now_us())
        raise InputError(f"{files.jobs}: the provider refuses one of its first jobs, so nothing was sent: {tried.refusal}")
    return replace(files, estimate=_scaled(taken, tried))


def _scaled(taken: Taken, tried: Tried) -> Estimate:
    """The estimate, corrected by what the provider counted in the sample; the part of the answers is left as it is."""
    one = taken.estimate
    share = one.prompt_tokens / max(1, one.prompt_tokens + 5 * one.output_tokens)
    factor = 1 + (tried.ratio - 1) * share
    return replace(
        one,
        prompt_tokens=round(one.prompt_tokens * tried.ratio),
        standard_pico=round(one.standard_pico * factor),
        batch_pico=round(one.batch_pico * factor),
    )


def _bad_lines(taken: Taken, files: FileJobs) -> str:
    shown = "\n".join(f"  line {one.number}: {one.what}" for one in taken.bad)
    more = taken.estimate.bad - len(taken.bad)
    rest = f"\n  and {more:,} more" if more > 0 else ""
    return (
        f"{files.jobs}: {taken.estimate.bad:,} of {taken.estimate.jobs + taken.estimate.bad:,} lines are no jobs that can "
        f"be sent:\n{shown}{rest}\nnothing was sent; mend them, or leave them out with --skip-bad"
    )


def _agreed(files: FileJobs, asked: Asked) -> bool:
    """Show what it will cost, and ask."""
    one = files.estimate
    note(
        f"{one.jobs:,} jobs, about {one.prompt_tokens:,} prompt and {one.output_tokens:,} answer tokens\n"
        f"  as calls, uncached   about {dollars(one.standard_pico)}\n"
        f"  in batches           about {dollars(one.batch_pico)}, less what shared prefixes save; "
        f"at most {dollars(one.worst_pico)}"
    )
    limit = files.options.max_cost_pico
    if limit is not None and one.batch_pico > limit:
        note(f"nothing was sent: that is more than the {dollars_exact(limit)} of --max-cost; a higher one agrees to it")
        return False
    if asked.yes or limit is not None:
        return True
    if not sys.stdin.isatty():
        note("nothing was sent: --yes agrees to it, or --max-cost sets what it may cost")
        return False
    note("Send them? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
