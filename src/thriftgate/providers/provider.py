"""What a provider is: a frozen description and pure functions over requests."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.models import Capabilities
from thriftgate.core.request import Request, Ttl
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.transport import FileBody, Headers, Outgoing, header

NEVER_CACHED = 2**31  # as a minimum prefix: no prompt is that long
MIB = 1024 * 1024


class Traits(Struct, frozen=True):
    """What a provider can do beside answering Messages calls, by its documentation (`source`: pages and date).

    `claude`: it serves Claude by the names that Anthropic gives; any other serves what its endpoint's `models` name.
    `marks`: `cache_control` on blocks counts there, `automatic`: so does the one at the top, `ttls`: the lives that can be
    asked for. `batches`, `counts`: it has Message Batches, and counts tokens for free. `betas`: the `anthropic-beta` header
    is heard. `fast`, `geo`: `speed` and `inference_geo` are; `fast_models`: `speed` only for these, empty is for all that
    have it. `body_bytes_max` is its longest request.
    """

    source: str
    claude: bool = True
    marks: bool = True
    automatic: bool = True
    ttls: tuple[Ttl, ...] = ("5m", "1h")
    batches: bool = False
    counts: bool = True
    betas: bool = True
    fast: bool = False
    fast_models: tuple[str, ...] = ()
    geo: bool = False
    body_bytes_max: int = 32 * MIB

    def is_fast(self, model: str) -> bool:
        """Whether `speed` is heard for that model."""
        return self.fast and (not self.fast_models or model in self.fast_models)


class Provider(Protocol):
    """Where calls go. `prepare` is pure: the same call gives the same request. What has to be done at the moment of sending
    (signatures, tokens), or to the answer (another wire format), it leaves to the request's `finish`."""

    @property
    def name(self) -> str:
        """Never renamed: it stands in the ledger."""

    @property
    def traits(self) -> Traits: ...

    @property
    def url(self) -> str:
        """The address, as it may be shown."""

    @property
    def count_path(self) -> str:
        """Where tokens can be counted for free; "" where they cannot."""

    @property
    def place(self) -> str:
        """The geography by which its prices differ from the list's, as the price book calls it; "" for none."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Raises ConfigError for an endpoint that lacks what it needs."""

    def model_id(self, model: str) -> str:
        """What the model is called there; "" where it is not served."""

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """The request to send: the client's own, with the envelope and credentials of this provider."""


def fitted(capability: Capabilities, traits: Traits) -> Capabilities:
    """What a model can do at a provider."""
    return replace(
        capability,
        batch=capability.batch and traits.batches,
        geo=capability.geo and traits.geo,
        fast=capability.fast and traits.is_fast(capability.id),
        cache_min_tokens=capability.cache_min_tokens if traits.marks else NEVER_CACHED,
    )


def objection(request: Request, headers: Headers, traits: Traits) -> str:
    """Why a provider cannot take a call as it is; "" where it can. `headers` are the client's."""
    if request.mode == "fast" and not traits.is_fast(request.model):
        return "it has no fast mode (speed)" if not traits.fast else f"it has no fast mode (speed) for {request.model}"
    if request.geo and not traits.geo:
        return "it takes no inference_geo"
    if request.automatic is not None and not traits.automatic:
        return "it takes no cache_control at the top of a request"
    if not traits.betas and header(headers, b"anthropic-beta"):
        return "it hears no anthropic-beta header"
    if len(request.body) > traits.body_bytes_max:
        return f"it takes no more than {traits.body_bytes_max // MIB} MiB"
    return ""
