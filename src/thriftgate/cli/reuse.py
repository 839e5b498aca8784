"""`thriftgate reuse`: earlier answers that are kept to be given again. Each verb is a function here, `reuse_<verb>`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from thriftgate.cli.options import Config, Json, LedgerPath

Path = Annotated[str | None, Parameter(name="--path", help="The file of the answers; reuse.path names it, too.")]


def reuse_stats(*, path: Path = None, json: Json = False, config: Config = None) -> None:
    """How many answers are kept, and from when."""
    from thriftgate.cli.output import print_json, say  # noqa: PLC0415  --help shall be quick
    from thriftgate.core.moments import text_from_micros  # noqa: PLC0415  --help shall be quick
    from thriftgate.engine.reusing.file import stats  # noqa: PLC0415  --help shall be quick

    file = _file(path, config)
    found = stats(file)
    oldest, newest = (text_from_micros(at_us) if at_us else None for at_us in (found.oldest_us, found.newest_us))
    if json:
        told = {"answers": found.answers, "bytes": found.bytes, "oldest": oldest, "newest": newest}
        print_json({"path": file, **told})
    elif found.answers:
        say(f"{found.answers:,} answers, {found.bytes:,} bytes, from {oldest} to {newest}")
    else:
        say("no answers are kept")


def reuse_clear(
    *,
    key: Annotated[str, Parameter(help="Only answers to calls of this key, by its id.")] = "",
    team: Annotated[str, Parameter(help="Only answers to calls of this team, by its id.")] = "",
    org: Annotated[str, Parameter(help="Only answers to calls of this organisation, by its id.")] = "",
    path: Path = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Let go of answers: of all that are kept, or of those of one key, team or organisation. A gateway that is running gives
    none of them any more."""
    from thriftgate.cli.output import print_json, say  # noqa: PLC0415  --help shall be quick
    from thriftgate.engine.reusing.file import cleared  # noqa: PLC0415  --help shall be quick

    gone = cleared(_file(path, config), key=key, team=team, org=org)
    print_json({"cleared": gone}) if json else say(f"{gone:,} answers are gone")


def reuse_report(*, ledger: LedgerPath = None, json: Json = False, config: Config = None) -> None:
    """How answers to similar questions stand: each scope with its certificates, its hits, and what audits found. As it was
    last put down: every few minutes, at the end, and when something has changed."""
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.reuse_report import document, tell  # noqa: PLC0415  --help shall be quick

    found = document(ledger, config)
    print_json(found) if json else tell(found)


def _file(path: str | None, config: Config) -> str:
    """The file. Raises ConfigError where there is none."""
    from pathlib import Path as File  # noqa: PLC0415  --help shall be quick

    from thriftgate.cli.options import settings_for  # noqa: PLC0415  --help shall be quick
    from thriftgate.core.errors import ConfigError  # noqa: PLC0415  --help shall be quick

    found = settings_for(config, reuse__path=path).reuse.path
    if not found:
        raise ConfigError("reuse.path: names no file, so answers are kept in the memory of the gateway and end with it")
    if not File(found).is_file():
        raise ConfigError(f"reuse.path: there is no file {found} yet; a gateway that reuses makes it")
    return found


reuse = App(name="reuse")
for _verb in (reuse_stats, reuse_clear, reuse_report):
    reuse.command(_verb, name=_verb.__name__.removeprefix("reuse_"))
