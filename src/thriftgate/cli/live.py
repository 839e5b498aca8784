"""The one check of `doctor` that leaves this machine: does the upstream answer?"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from thriftgate.cli.ask import get
from thriftgate.cli.checks import Check, fine
from thriftgate.core.errors import ConfigError, UpstreamError
from thriftgate.core.prices import PriceBook
from thriftgate.providers import PROVIDERS
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.transport import Timeouts
from thriftgate.settings import Upstream

API_VERSION = b"2023-06-01"
READ_S = 15.0


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


def live_checks(upstream: Upstream, key: str, book: PriceBook) -> list[Check]:
    """Resolve the upstream's name, then list its models (GET /v1/models, free) with `key`."""
    name = "upstream"
    if not key:
        return [Check(name, ok=False, detail="no key to ask with", fix="set ANTHROPIC_API_KEY or upstream.api_key")]
    try:
        status, body = _models(upstream, key)
    except (UpstreamError, ConfigError) as error:
        return [Check(name, ok=False, detail=str(error), fix="check upstream.url, the network and any proxy in between")]
    if status != 200:
        said = body[:200].decode("utf-8", "replace")
        fix = "check the key" if status in (401, 403) else "check upstream.url"
        return [Check(name, ok=False, detail=f"{upstream.url} answered {status}: {said}", fix=fix)]
    try:
        offered = [model.id for model in msgspec.json.decode(body, type=_Models).data]
    except msgspec.DecodeError as error:
        said = f"{upstream.url} answered no list of models: {error}"
        return [Check(name, ok=False, detail=said, fix="check upstream.url")]
    unpriced = [model for model in offered if not book.knows(model)]
    checks = [fine(name, f"{upstream.url} ({urlsplit(upstream.url).hostname}) answers and offers {len(offered)} models")]
    if unpriced:
        fix = "update thriftgate, or price them under [[prices.models]]; until then calls to them are refused"
        checks.append(Check("offered models", ok=False, detail=f"without a price: {', '.join(unpriced)}", fix=fix))
    return checks


def _models(upstream: Upstream, key: str) -> tuple[int, bytes]:
    provider = PROVIDERS[upstream.provider](Endpoint(url=upstream.url, key=key))
    outgoing = provider.prepare("GET", "/v1/models", "limit=1000", ((b"anthropic-version", API_VERSION),), b"")
    return get(outgoing.url, outgoing.headers, timeouts=Timeouts(upstream.connect_timeout_s, READ_S))
