"""What `thriftgate reuse report` tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from thriftgate.cli.books import ask_books
from thriftgate.cli.options import settings_for
from thriftgate.cli.output import note, print_table
from thriftgate.core.moments import text_from_micros
from thriftgate.engine.reusing.standing import NAME, report_in
from thriftgate.ledger.sql import SqlLedger


def document(ledger: str | None, config: Path | None) -> dict[str, Any]:
    """All scopes as they were last put down. Raises ConfigError and LedgerError."""

    async def asked(books: SqlLedger) -> bytes | None:
        return await books.kept(NAME)

    data = ask_books(settings_for(config, ledger__path=ledger).ledger.path, asked)
    if data is None:
        return {"at": None, "scopes": []}
    report = report_in(data)
    scopes = [msgspec.to_builtins(one) for one in report.scopes]
    for scope in scopes:
        for certificate in scope["certificates"]:
            certificate["at"] = text_from_micros(int(certificate.pop("at_s") * 1e6))
    return {"at": text_from_micros(int(report.at_s * 1e6)), "scopes": scopes}


def tell(found: dict[str, Any]) -> None:
    """For people."""
    if not found["scopes"]:
        note("nothing is known of similar questions yet; [[reuse.semantic]] names the tasks")
        return
    print_table(
        ("task", "tenant", "state", "certified", "bound", "calls", "hits", "audits", "wrong", "surely between"),
        [_row(scope) for scope in found["scopes"]],
        title=f"as of {found['at']}",
        left=4,
    )


def _row(scope: dict[str, Any]) -> tuple[str, ...]:
    certificates = scope["certificates"]
    certified = "; ".join(f"{one['wrong']} of {one['hits']} wrong" for one in certificates)
    if not certified:
        certified = f"{scope['watched']:,} of {scope['needed']:,} samples" if scope["needed"] else f"{scope['items']:,} kept"
    return (
        scope["task"],
        scope["tenant"],
        scope["state"],
        certified,
        f"{scope['max_error']:.1%}",
        f"{scope['calls']:,}",
        f"{scope['hits']:,}",
        f"{scope['audits']:,}",
        f"{scope['wrong']:,}",
        f"{scope['low']:.1%} and {scope['high']:.1%}" if scope["audits"] else "-",
    )
