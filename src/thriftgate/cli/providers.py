"""`thriftgate providers`: where calls can go."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, settings_for
from thriftgate.cli.output import print_json


def providers(
    *,
    live: Annotated[bool, Parameter(negative="", help="Also ask each target one question that is free.")] = False,
    json: Json = False,
    config: Config = None,
) -> int:
    """List what each provider can do, by its documentation, and the targets that are set: their models, prices and place.

    Touches no network unless --live is given. Then each target counts the tokens of two words, or lists its models, with the
    credentials that are set for it. Exits 1 where one of them does not answer, or not as it should. Keys that are kept with
    the books are not used.
    """
    from thriftgate.cli.providers_asked import ask_all  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.providers_told import document_of, show  # noqa: PLC0415  --help shall be quick
    from thriftgate.engine.build import keys_of, pool_of  # noqa: PLC0415  --help shall be quick

    settings = settings_for(config)
    pool = pool_of(settings, keys_of(settings))
    heard = asyncio.run(ask_all(pool.targets, settings)) if live else {}
    document = document_of(pool, settings, heard)
    print_json(document) if json else show(document)
    return 0 if all(one.ok for one in heard.values()) else 1
