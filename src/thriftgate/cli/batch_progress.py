"""The progress lines of `thriftgate batch`, on stderr, for people at a terminal; elsewhere there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from thriftgate.batch.work import Work
from thriftgate.cli.output import dollars_short
from thriftgate.core.deadline import words

LEAST_S = 5.0  # nobody can promise less


@contextmanager
def reading() -> Iterator[Callable[[int], None]]:
    """Tell it how many lines were read."""
    with _bar() as bar:
        task = bar.add_task("reading", total=None, told="")
        yield lambda lines: bar.update(task, told=f"{lines:,} lines")


@contextmanager
def working(work: Work) -> Iterator[Callable[[], None]]:
    """Call it whenever the run has come a bit further."""
    with _bar() as bar:
        task = bar.add_task("jobs", total=None, told="")

        def changed() -> None:
            bar.update(task, total=work.progress.jobs, completed=work.progress.settled, told=told(work))

        work.progress.changed = lambda _: changed()
        yield changed


def told(work: Work) -> str:
    """How far a run is, what is most wanted first: narrow terminals cut the end off."""
    reached = work.progress
    parts = [f"{reached.settled:,}/{reached.jobs:,}"]
    if reached.settled < reached.jobs:
        parts.append(f"about {words(max(LEAST_S, left_s(work)))} left")
    saved = reached.baseline_pico - reached.paid_pico
    parts.append(f"{dollars_short(reached.paid_pico)} paid, {dollars_short(saved)} saved")
    if reached.in_batches and reached.settled < reached.jobs:
        parts.append(f"{reached.in_batches:,} in batches")
    return "  ".join(parts)


def left_s(work: Work) -> float:
    """Seconds until a run is through, as far as the durations of batches tell: what the youngest open batch is likely to
    take on, and one batch more for jobs that are in none yet."""
    ages_s = [work.clock.now_s() - batch.made_us / 1e6 for batch in work.batches.values() if batch.state != "ended"]
    seconds = max((_more_s(work, age_s) for age_s in ages_s), default=0.0)
    waiting = work.progress.jobs - work.progress.settled - work.progress.in_batches
    return seconds + (work.completions.quantile(0.5) if waiting > 0 else 0.0)


def _more_s(work: Work, age_s: float) -> float:
    """How much longer half of the batches took that had not ended at that age."""
    over = work.completions.chance(age_s)
    return max(0.0, work.completions.quantile((1 + over) / 2) - age_s)


def _bar() -> Progress:
    console = Console(stderr=True)
    text = Column(no_wrap=True, overflow="ellipsis")
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[told]}", table_column=text),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
