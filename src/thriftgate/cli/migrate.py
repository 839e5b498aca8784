"""`thriftgate migrate`: a whole ledger from one database into another, and back."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Json

SLICE = 5_000


def migrate(
    source: Annotated[str, Parameter(name="FROM", help="The ledger to copy: a SQLite file, or a postgresql:// URL.")],
    target: Annotated[str, Parameter(name="TO", help="Where to: a new or empty one, or one that was copied before.")],
    /,
    *,
    verify_only: Annotated[bool, Parameter(negative="", help="Copy nothing: only compare the two.")] = False,
    batch: Annotated[int, Parameter(help="How many rows are read and written at once.")] = SLICE,
    json: Json = False,
) -> int:
    """Copy a whole ledger into another database, and compare the two row for row.

    No gateway may be at work on either. FROM stays as it is. What was interrupted goes on where it was. Exit code 1 where
    anything differs.
    """
    from thriftgate.cli.migrate_run import migrated, print_migrated  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    document = migrated(source, target, copy=not verify_only, at_once=batch)
    if json:
        print_json(document)
    else:
        print_migrated(document)
    return 0 if document["ok"] else 1
