"""The checks of `doctor` that need no network. Each answers with one `Check` and never raises."""

from __future__ import annotations

import asyncio
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from thriftgate import __version__
from thriftgate.cli.ask import get
from thriftgate.cli.books import check_is_ledger
from thriftgate.cli.serving import bind
from thriftgate.clock import SystemClock
from thriftgate.core.cost import day_of
from thriftgate.core.errors import ConfigError, LedgerError, UpstreamError
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook, day_from_iso, iso_from_day
from thriftgate.ledger.migrate import migrations
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.urls import is_file, without_password
from thriftgate.pricing.load import load_book, load_models
from thriftgate.providers.transport import Timeouts
from thriftgate.settings import Settings

PYTHON_MIN = (3, 11)
CTOK_PYTHON_MIN = (3, 12)
BOOK_DAYS_MAX = 90  # prices of a quarter ago are worth a look: models and prices have changed every month of 2026


class Check(Struct, frozen=True):
    """One line of the doctor's report. `fix` says what to do; empty where nothing is to be done."""

    name: str
    ok: bool
    detail: str
    fix: str = ""

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "fix": self.fix}


def fine(name: str, detail: str, fix: str = "") -> Check:
    """A check that passed; `fix` may still advise."""
    return Check(name, ok=True, detail=detail, fix=fix)


def check_all(settings: Settings | None) -> list[Check]:
    """Every check that can be made; without settings those that need none."""
    now_s = SystemClock().now_s()
    models = load_models()
    checks = [python(), libraries(), ctok(), clock(now_s, models)]
    if settings is None:
        return checks
    try:
        book = load_book(settings.prices)
    except ConfigError as error:
        checks.append(Check("price book", ok=False, detail=str(error), fix="correct the [prices] table of the settings"))
    else:
        checks += [price_book(book, models, day_of(now_s)), priced_models(book, models, day_of(now_s))]
    checks += [ledger(settings.ledger.path), upstream_url(settings.upstream.url)]
    return [*checks, port(settings.server.host, settings.server.port)]


def python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    ok = sys.version_info[:2] >= PYTHON_MIN
    return Check("python", ok, f"{version}, thriftgate {__version__}", "" if ok else "use Python 3.11 or later")


def libraries() -> Check:
    """Every library that the installed thriftgate requires (extras aside), with its version."""
    found, missing = [], []
    for requirement in metadata.requires("thriftgate") or []:
        name = re.split(r"[ <>=!~;\[(]", requirement, maxsplit=1)[0]
        if "extra ==" in requirement or name == "ctok" or ("win32" in requirement and sys.platform == "win32"):
            continue
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("libraries", ok=False, detail=f"missing: {', '.join(missing)}", fix="install thriftgate again")
    return fine("libraries", ", ".join(sorted(found)))


def ctok() -> Check:
    if find_spec("ctok") is not None:
        return fine("token counter", f"ctok {metadata.version('ctok')}: exact for text")
    if sys.version_info[:2] < CTOK_PYTHON_MIN:
        return fine("token counter", "estimates only: ctok needs Python 3.12", "for exact counts run under Python 3.12")
    return fine("token counter", "estimates only: ctok is not installed", "for exact counts install ctok")


def clock(now_s: float, models: ModelTable) -> Check:
    """A clock that runs before the data this version was made from is wrong, and so is one a decade ahead."""
    today, made = day_of(now_s), max(day_from_iso(row.checked) for row in models.rows)
    ok = made - 1 <= today < made + 3653
    detail = f"{iso_from_day(today)} (UTC); this thriftgate was made after {iso_from_day(made)}"
    return Check("clock", ok, detail, "" if ok else "set the machine's clock: prices and cache lives depend on it")


def price_book(book: PriceBook, models: ModelTable, today: int) -> Check:
    """The book has no date of its own; the model table it is compiled with names the day its rows were last checked."""
    checked = max(day_from_iso(row.checked) for row in models.rows)
    age = today - checked
    fix = "update thriftgate: prices may have changed since" if age > BOOK_DAYS_MAX else ""
    when = f"{iso_from_day(checked)}, {age} day{'s' * (age != 1)} ago"
    return fine("price book", f"{book.id}, {len(book.rows)} rows, last checked on {when}", fix)


def priced_models(book: PriceBook, models: ModelTable, today: int) -> Check:
    """Every model of the table has a price, but for those that the provider itself never published one for."""
    unpriced = [row.id for row in models.rows if not book.knows(row.id)]
    live = [model for model in unpriced if not models[model].is_retired(today)]
    detail = f"{len(models.rows) - len(unpriced)} of {len(models.rows)} models of the table are priced"
    if not live:
        return fine("models", detail)
    fix = f"calls to {', '.join(live)} are refused; to allow them add a price under [[prices.models]]"
    return fine("models", detail, fix)


def ledger(path: str) -> Check:
    """The file opens, has the newest schema, and every entry sums to zero. A ledger that is not there yet is fine."""
    name = "ledger"
    if path == ":memory:":
        return fine(name, "kept in memory: nothing survives the gateway", "set ledger.path to keep the books")
    if is_file(path) and not Path(path).exists():
        folder = Path(path).absolute().parent
        ok = folder.is_dir() or not folder.exists()
        fix = "" if ok else "set ledger.path to a file in a folder"
        return Check(name, ok, f"{path} does not exist yet; serve makes it", fix)
    try:
        check_is_ledger(path)
        unbalanced, holds, calls = asyncio.run(_books(path))
    except (ConfigError, LedgerError) as error:
        return Check(name, ok=False, detail=str(error), fix="name another file with --ledger, or restore it from a backup")
    detail = f"{without_password(path)}, schema {migrations()[-1][0]}, {calls} calls, each sums to zero"
    if unbalanced:
        detail = f"{without_password(path)}: {len(unbalanced)} entries do not sum to zero, such as {unbalanced[0]}"
        return Check(name, ok=False, detail=detail, fix="the file was changed by something else; restore it from a backup")
    if holds:
        detail += f"; {holds} open holds: calls under way, or cut off and closed when the gateway starts next"
    return fine(name, detail)


async def _books(path: str) -> tuple[list[str], int, int]:
    books = SqlLedger.open(path)
    try:
        report = await books.report()
        return list(await books.unbalanced()), report.open_holds, report.calls
    finally:
        await books.close()


def upstream_url(url: str) -> Check:
    """Looks at the URL only: asking it is for `--live`."""
    name = "upstream url"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Check(
            name, ok=False, detail=f"{url!r} is no http(s) URL", fix="set upstream.url, as in https://api.anthropic.com"
        )
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "http" and not local:
        return Check(name, ok=False, detail=f"{url} would carry keys in the clear", fix="use https:// in upstream.url")
    return fine(name, f"{url} (not asked; --live asks it)")


def port(host: str, number: int) -> Check:
    """Whether `serve` could listen, or does already."""
    name = "port"
    try:
        bind(host, number).close()
    except ConfigError as error:
        version = _running(host, number)
        if version:
            return fine(name, f"{host}:{number} is in use by a running thriftgate {version}")
        return Check(name, ok=False, detail=str(error), fix="stop what listens there, or set server.port")
    return fine(name, f"{host}:{number} is free")


class _Health(Struct):
    status: str
    version: str


def _running(host: str, number: int) -> str:
    """The version of the thriftgate that listens on a port of this machine, or ""."""
    try:
        status, body = get(f"http://{f'[{host}]' if ':' in host else host}:{number}/healthz", timeouts=Timeouts(1.0, 2.0))
        return msgspec.json.decode(body, type=_Health).version if status == 200 else ""
    except (UpstreamError, msgspec.DecodeError):
        return ""
