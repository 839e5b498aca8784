"""One audit, from paths to findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.audit.accounts import Accounts, account, parts
from thriftgate.audit.books import as_sent, claims
from thriftgate.audit.books import replayed as held_against
from thriftgate.audit.calls import Calls
from thriftgate.audit.find import importer_named
from thriftgate.audit.findings import Findings
from thriftgate.audit.gaps import gaps
from thriftgate.audit.intake import Intake, Progress, take_in
from thriftgate.audit.judge import misses, replayed, results
from thriftgate.audit.reach import judged
from thriftgate.audit.recommend import actions
from thriftgate.audit.replay.engines import Where
from thriftgate.audit.replay.plan import replays
from thriftgate.audit.replay.policies import BOUND, Candidate, client_candidates, planner_candidates
from thriftgate.audit.shards import working
from thriftgate.audit.table import no_room
from thriftgate.audit.whatif import what_ifs
from thriftgate.core.errors import ConfigError
from thriftgate.core.models import ModelTable
from thriftgate.core.plan import Policy
from thriftgate.core.prices import PriceBook

MONTH_US = 30 * 86_400_000_000
DAY_US = 86_400_000_000


class Wanted(Struct, frozen=True):
    """What to audit. `cache` is the folder for imported shards; None: none are kept. `config` is the policy of the user's
    settings, if there is one; `optimise` judges every setting, not only the defaults.
    `model` is what calls are priced as whose log names none. `where` says on what it is replayed."""

    paths: tuple[str, ...]
    format_name: str = ""
    cache: Path | None = None
    replay: bool = True
    config: Policy | None = None
    optimise: bool = False
    model: str = ""
    where: Where = Where()


def audit(wanted: Wanted, book: PriceBook, models: ModelTable, *, progress: Progress = lambda _done, _all: None) -> Findings:
    """Read, price and replay. Raises InputError for paths that name nothing and for a format or an engine that does not
    exist, ConfigError where the folder for what is imported cannot be written or is full, and ThriftgateError where a
    process was killed and again when it was started anew. Nothing but what is kept in `cache` is left behind, whatever
    happens."""
    if wanted.format_name:
        importer_named(wanted.format_name)
    wanted.where.check()
    candidates = [*planner_candidates(wanted.config), *client_candidates(), BOUND]
    with working(wanted.cache) as folder:
        try:
            findings = _audited(wanted, candidates, book, models, folder, progress=progress)
        except duckdb.Error as error:
            raise no_room(wanted.cache or folder, error) from None
    return replace(findings, actions=actions(findings, candidates, optimise=wanted.optimise))


def _audited(
    wanted: Wanted,
    candidates: list[Candidate],
    book: PriceBook,
    models: ModelTable,
    folder: Path,
    *,
    progress: Progress,
) -> Findings:
    calls = Calls(folder / "calls.duckdb")
    try:
        intake = _taken_in(wanted, calls, wanted.cache or folder, progress)
        if wanted.model:
            calls.connection.execute("update calls set model = ? where model = ''", [wanted.model])
        findings = _findings(intake, account(calls, book), calls, book)
        asked_too = what_ifs(calls, findings.cost, book, models) if wanted.replay else ()
        if wanted.replay and calls.count("calls where kind = 'call'"):
            findings = _replayed(findings, candidates, calls, book, models, where=wanted.where)
    finally:
        calls.close()
    return replace(findings, policies=(*findings.policies, *asked_too), levers=judged(findings.depth))


def _taken_in(wanted: Wanted, calls: Calls, folder: Path, progress: Progress) -> Intake:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return take_in(
            wanted.paths, calls, folder, format_name=wanted.format_name, processes=wanted.where.processes, progress=progress
        )
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {error.strerror or error}; --cache names another folder") from None


def _replayed(
    findings: Findings, candidates: list[Candidate], calls: Calls, book: PriceBook, models: ModelTable, *, where: Where
) -> Findings:
    """What it would have cost otherwise."""
    untold = bool(calls.count("calls where kind = 'call' and cache_untold"))
    claimed = claims(calls)
    done = replays(calls, book, models, candidates, where)
    found = results(done, candidates, findings.cost, untold=untold)
    if claimed is not None:
        found = (found[0], as_sent(claimed, findings.cost), *found[1:])
    return replace(
        findings,
        replay=replayed(done.whole),
        policies=found,
        misses=misses(done),
        books=None if claimed is None else held_against(claimed, done),
    )


def _findings(intake: Intake, accounts: Accounts, calls: Calls, book: PriceBook) -> Findings:
    first_us, last_us, reported = next(
        calls.rows(
            "select coalesce(min(at_us), 0), coalesce(max(at_us + span_us), 0), sum(reported_pico)::hugeint from calls"
        )
    )
    total = accounts.total
    return Findings(
        sources=intake.sources,
        depth=intake.depth,
        calls=accounts.calls + sum(row.calls for row in accounts.unpriced_rows()),
        duplicates=intake.copies,
        skipped=intake.skipped,
        skipped_examples=intake.skipped_examples,
        unpriced=accounts.unpriced_rows(),
        first_us=first_us,
        last_us=last_us,
        months=max(last_us - first_us, DAY_US) / MONTH_US,
        price_book=book.id,
        cost=total.cost,
        baseline_pico=total.plain,
        reported_pico=reported,
        kinds=total.kinds(),
        by_model=parts(accounts.models, top=1000),
        by_key=parts(accounts.keys),
        by_project=parts(accounts.projects),
        by_session=parts(accounts.sessions),
        sessions=accounts.session_count(),
        days=accounts.day_rows(),
        gaps=gaps(calls),
        replay=None,
        policies=(),
        misses=(),
        actions=(),
        levers=(),
        notes=_notes(calls),
    )


def _notes(calls: Calls) -> tuple[str, ...]:
    words: Sequence[tuple[str, str]] = (("sum", "rows of usage sums"), ("charge", "rows of charges"))
    return tuple(
        f"{calls.set_aside[kind]:,} {name} cover the same spend as the calls beside them and were not added; "
        "`thriftgate reconcile` compares the two"
        for kind, name in words
        if kind in calls.set_aside
    )
