"""What the command line of `thriftgate batch run` asks for, checked and put into the words of the runner."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.batch import build
from thriftgate.batch.build import FileJobs
from thriftgate.batch.jobs_file import fingerprint
from thriftgate.batch.tables import TableSource, write_jobs
from thriftgate.batch.work import Options
from thriftgate.clock import SystemClock
from thriftgate.core.deadline import FARTHEST_S, Reserve, parse_duration, words
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.settings import BatchSettings, Settings

TABLES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
_OF_TABLES = {
    "--template": "template", "--map": "columns", "--model": "model", "--max-tokens": "max_tokens", "--system": "system",
}  # fmt: skip


class Asked(Struct, frozen=True):
    """What the command line of `batch run` asks for."""

    jobs: Path
    out: Path
    template: Path | None = None
    columns: tuple[str, ...] = ()
    model: str = ""
    max_tokens: int | None = None
    system: Path | None = None
    order: Any = "input"
    deadline: str | None = None
    yes: bool = False
    max_cost: Decimal | None = None
    skip_bad: bool = False
    prime: bool = True
    betas: tuple[str, ...] = ()
    requests_max: int | None = None
    queue_jobs: int | None = None


def files_of(settings: Settings, asked: Asked) -> FileJobs:
    """The run that is asked for. Of a table its jobs are written to a file first. Raises InputError."""
    deadline_us, options = _deadline_us(asked.deadline), _options(settings.batch, asked)
    return build.file_jobs(
        _jobs_file(asked),
        asked.out,
        order=asked.order,
        deadline_us=deadline_us,
        betas=asked.betas,
        skip_bad=asked.skip_bad,
        options=options,
    )


def remove_made(files: FileJobs) -> None:
    """Remove what a run over a table has put beside its results, now that it is through."""
    if Path(files.jobs) == _made_path(Path(files.out), files.content):
        Path(files.jobs).unlink(missing_ok=True)


def credential_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """The key to send with. Raises ConfigError where there is none."""
    found = settings.upstream.first_key or environ.get("ANTHROPIC_API_KEY", "")
    if not found:
        raise ConfigError("no key to send with: set ANTHROPIC_API_KEY or upstream.api_key")
    return found


def _options(table: BatchSettings, asked: Asked) -> Options:
    reserve = Reserve(cancel_s=table.cancel_s, call_s=table.call_s, parallel=table.parallel)
    options = Options(prime=asked.prime, queue_jobs=table.queue_jobs, reserve=reserve)
    if asked.max_cost is not None:
        if asked.max_cost < 0:
            raise InputError(f"--max-cost {asked.max_cost}: must not be negative")
        options = replace(options, max_cost_pico=pico_from_usd(asked.max_cost))
    for name in ("requests_max", "queue_jobs"):
        value = getattr(asked, name)
        if value is not None:
            if value < 1:
                raise InputError(f"--{name.replace('_', '-')}: must be at least 1")
            options = replace(options, **{name: min(value, getattr(options, name)) if name == "requests_max" else value})
    return options


def _deadline_us(text: str | None) -> int:
    """Microseconds since 1970 of `6h` from now, or of an RFC 3339 time; 0 without one. Raises InputError."""
    if text is None:
        return 0
    now_s = SystemClock().now_s()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at_s = now_s + _duration_s(text)
    else:
        if at.tzinfo is None:
            raise InputError(f"--deadline {text}: name the time of day and its zone, as in 2026-12-31T18:00:00Z")
        at_s = at.timestamp()
    if at_s <= now_s:
        raise InputError(f"--deadline {text}: that is over already")
    if at_s > now_s + FARTHEST_S:
        raise InputError(f"--deadline {text}: more than {words(FARTHEST_S)} ahead, when results are not kept any more")
    return int(at_s * 1e6)


def _duration_s(text: str) -> float:
    try:
        return parse_duration(text)
    except InputError:
        raise InputError(
            f"--deadline {text}: neither a length of time (90m, 6h, 2d) nor an RFC 3339 time (2026-12-31T18:00:00Z)"
        ) from None


def _jobs_file(asked: Asked) -> Path:
    """The jobs file itself, or one made of a table."""
    if not asked.jobs.name.lower().endswith(TABLES):
        given = [option for option, name in _OF_TABLES.items() if getattr(asked, name)]
        if given:
            raise InputError(f"{', '.join(given)}: only for tables ({', '.join(TABLES)}); {asked.jobs} is read as JSONL")
        return asked.jobs
    if asked.template is None:
        raise InputError(f"{asked.jobs} is a table: --template names what makes calls of its rows")
    columns = dict(_pair(one) for one in asked.columns)
    source = TableSource(asked.jobs, asked.template, columns, asked.model, asked.max_tokens, asked.system)
    fresh = asked.out.with_name(asked.out.name + ".jobs.new")
    try:
        fresh.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            write_jobs(source, file)
        # Named by its content: a run that was begun over another one keeps its own.
        return fresh.replace(_made_path(asked.out, fingerprint(fresh)))
    except OSError as error:
        raise InputError(f"cannot write {fresh}: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)


def _made_path(out: Path, content: str) -> Path:
    return out.with_name(f"{out.name}.{content[:8]}.jobs.jsonl")


def _pair(text: str) -> tuple[str, str]:
    variable, equals, column = text.partition("=")
    if not equals or not variable or not column:
        raise InputError(f"--map {text}: write variable=column")
    return variable, column
