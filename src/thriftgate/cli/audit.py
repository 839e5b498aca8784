"""`thriftgate audit`: what existing logs cost, where they leak, and what would have cost less."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Json, settings_for
from thriftgate.cli.output import note, print_json
from thriftgate.clock import SystemClock
from thriftgate.core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from rich.progress import Progress

    from thriftgate.audit.findings import Findings

STDIO = "-"
TITLE = "What Claude cost, and what it would have cost"


def audit(
    *paths: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="Log files, folders of them, patterns, or - for standard input.")
    ],
    format_name: Annotated[
        str, Parameter(name="--format", help="Take every file for this format; without it each file is looked at.")
    ] = "",
    policy: Annotated[
        Path | None, Parameter(help="Settings file (TOML) whose policy is replayed beside the others; its prices count.")
    ] = None,
    model: Annotated[str, Parameter(help="Model to price calls as whose log names none, as traces do.")] = "",
    html: Annotated[Path | None, Parameter(help="Write the report as one HTML file.")] = None,
    csv: Annotated[
        Path | None, Parameter(allow_leading_hyphen=True, help="Write the figures as CSV; - for standard output.")
    ] = None,
    optimise: Annotated[
        bool, Parameter(negative="", help="Search for the settings that would have cost least, and recommend those.")
    ] = False,
    write: Annotated[Path | None, Parameter(help="Write the recommended settings (TOML) to this new file.")] = None,
    replay: Annotated[bool, Parameter(help="Replay the log; --no-replay only reads and prices it.")] = True,
    cache: Annotated[
        Path | None, Parameter(help="Folder for what was imported, so that the next audit reads only what is new.")
    ] = None,
    engine: Annotated[
        str,
        Parameter(
            help="Where the log is replayed: local, ray (on this machine), ray:ADDRESS or ray://HOST:PORT (a cluster)."
        ),
    ] = "local",
    processes: Annotated[
        int, Parameter(help="Processes side by side on this machine, 0 for one a core; each needs memory of its own.")
    ] = 0,
    json: Json = False,
) -> int:
    """Read any usage logs, reproduce the bill, and say what each lever would have saved.

    Nothing is sent anywhere. The formats are told by looking: Claude Code sessions and telemetry, thriftgate's own ledger,
    Anthropic requests, batches, usage and cost reports, LiteLLM, Langfuse, Helicone, LangSmith, Portkey, OpenTelemetry,
    Bedrock, AWS cost reports, opencode. Exits 1 where nothing was read: neither a call nor a sum of days.
    """
    _check(paths, json=json, csv=csv, html=html, write=write)
    from thriftgate.audit.audit import Wanted  # noqa: PLC0415  --help shall be quick
    from thriftgate.audit.audit import audit as run_audit  # noqa: PLC0415  --help shall be quick
    from thriftgate.audit.replay.engines import Where  # noqa: PLC0415  --help shall be quick
    from thriftgate.engine.build import policy_of  # noqa: PLC0415  --help shall be quick
    from thriftgate.pricing.load import load_book, load_models  # noqa: PLC0415  --help shall be quick

    settings = settings_for(policy)
    wanted = Wanted(
        paths=paths,
        format_name=format_name,
        cache=cache or _cache_folder(),
        replay=replay,
        config=policy_of(settings) if policy is not None else None,
        optimise=optimise,
        model=model,
        where=Where(engine, processes),
    )
    with _ended_in_order(), _progress() as progress:
        findings = run_audit(wanted, load_book(settings.prices), load_models(), progress=progress)
    _show(findings, json=json, csv=csv)
    _write(findings, html=html, csv=csv, write=write)
    return _judged(findings, silent=json or str(csv) == STDIO)


def _check(paths: tuple[str, ...], *, json: bool, csv: Path | None, html: Path | None, write: Path | None) -> None:
    """Before anything is read. Raises InputError."""
    if wrong := [path for path in paths if path.startswith("-") and path != STDIO]:
        raise InputError(f"unknown option: {wrong[0]}")
    if not paths:
        raise InputError("name what to audit: log files, folders, patterns, or - for standard input")
    if STDIO in (str(html), str(write)) or (json and str(csv) == STDIO):
        raise InputError("only one thing can go to standard output: name a file for the other")
    for target in (html, csv, write):
        if target is not None and not target.absolute().parent.is_dir():
            raise InputError(f"{target} cannot be written: there is no folder {target.parent}")
    if write is not None and write.exists():
        raise InputError(f"--write {write}: the file exists; name a new one, and compare the two")


def _judged(findings: Findings, *, silent: bool) -> int:
    """The exit code. `silent`: what was printed does not say by itself that nothing was read."""
    from thriftgate.audit.report.wording import HOW_TO_READ, nothing_read, why_nothing  # noqa: PLC0415  --help shall be quick

    if not nothing_read(findings):
        return 0
    if silent:
        note(" ".join([*why_nothing(findings), HOW_TO_READ]))
    return 1


def _show(findings: Findings, *, json: bool, csv: Path | None) -> None:
    """What goes to standard output."""
    if json:
        from thriftgate.audit.report.document import document  # noqa: PLC0415  --help shall be quick

        print_json(document(findings))
    elif str(csv) == STDIO:
        from thriftgate.audit.report.table_csv import csv_table  # noqa: PLC0415  --help shall be quick

        sys.stdout.write(csv_table(findings))
    else:
        from rich.console import Console  # noqa: PLC0415  --help shall be quick

        from thriftgate.audit.report.terminal import show  # noqa: PLC0415  --help shall be quick

        show(findings, Console(highlight=False))


def _cache_folder() -> Path:
    """Where imported logs are kept unless --cache names a folder, by the XDG rules."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "thriftgate" / "audit"


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM end the audit as Ctrl-C does: with its processes, and with what they wrote on the way."""

    def end(_number: int, _frame: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Bar:
    """Bytes read, shown where people look; silent in a pipe."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task = bar.add_task("reading", total=None) if bar is not None else None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None)


@contextmanager
def _progress() -> Iterator[_Bar]:
    if not sys.stderr.isatty():
        yield _Bar(None)
        return
    from rich.console import Console  # noqa: PLC0415  --help shall be quick
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar)


def _write(findings: Findings, *, html: Path | None, csv: Path | None, write: Path | None) -> None:
    """The files that were asked for. Raises ConfigError where one cannot be written."""
    from thriftgate.audit.recommend import written  # noqa: PLC0415  --help shall be quick
    from thriftgate.audit.report.html import html_page  # noqa: PLC0415  --help shall be quick
    from thriftgate.audit.report.table_csv import csv_table  # noqa: PLC0415  --help shall be quick

    texts: list[tuple[Path, str]] = []
    if html is not None:
        texts.append((html, html_page(findings, title=TITLE, made_at_us=int(SystemClock().now_s() * 1e6))))
    if csv is not None and str(csv) != STDIO:
        texts.append((csv, csv_table(findings)))
    if write is not None:
        texts.append((write, written(findings.actions)))
    for path, text in texts:
        try:
            path.write_text(text, encoding="utf-8", newline="")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
        note(f"wrote {path}")
