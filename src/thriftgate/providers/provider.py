"""What a provider is: a frozen description and pure functions over requests."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.models import NEVER_CACHED, Capabilities
from thriftgate.core.request import Request, Ttl
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.transport import FileBody, Headers, Outgoing

MIB = 1024 * 1024


class Traits(Struct, frozen=True):
    """What a provider can do beside answering Messages calls, by its documentation (`source`: pages and date).

    `claude`: it serves Claude by the names that Anthropic gives; any other serves what its endpoint's `models` name.
    `marks`: `cache_control` on blocks counts there, `automatic`: so does the one at the top, `ttls`: the lives that can be
    asked for. `batches`, `counts`: it has Message Batches, and counts tokens for free. `betas`: the `anthropic-beta` header
    is heard; where it is not, nothing is lost with those that begin as `needless_betas` do. `fast`, `geo`: `speed` and
    `inference_geo` are heard. `body_bytes_max` is its longest request.
    """

    source: str
    claude: bool = True
    marks: bool = True
    automatic: bool = True
    ttls: tuple[Ttl, ...] = ("5m", "1h")
    batches: bool = False
    counts: bool = True
    betas: bool = True
    needless_betas: tuple[str, ...] = ()
    fast: bool = False
    geo: bool = False
    body_bytes_max: int = 32 * MIB


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


@runtime_checkable
class Choosy(Protocol):
    """A provider that cannot take every Messages call, by more than its traits tell."""

    def objection(self, request: Request) -> str:
        """Why it cannot take the call; "" where it can."""


def fitted(capability: Capabilities, traits: Traits) -> Capabilities:
    """What a model can do at a provider."""
    return replace(
        capability,
        batch=capability.batch and traits.batches,
        geo=capability.geo and traits.geo,
        fast=capability.fast and traits.fast,
        cache_min_tokens=capability.cache_min_tokens if traits.marks else NEVER_CACHED,
    )


def objection_of(provider: Provider, request: Request, headers: Headers) -> str:
    """Why this provider cannot take a call as it is, by its traits and by what it says itself; "" where it can."""
    told = objection(request, headers, provider.traits)
    return told or (provider.objection(request) if isinstance(provider, Choosy) else "")


def objection(request: Request, headers: Headers, traits: Traits) -> str:
    """Why a provider cannot take a call as it is, by its traits; "" where it can. `headers` are the client's."""
    if request.mode == "fast" and not traits.fast:
        return "it has no fast mode (speed)"
    if request.geo and not traits.geo:
        return "it takes no inference_geo"
    if request.automatic is not None and not traits.automatic:
        return "it takes no cache_control at the top of a request"
    if not traits.betas and (beta := _needed_beta(headers, traits)):
        return f"it does not hear anthropic-beta: {beta}"
    if len(request.body) > traits.body_bytes_max:
        return f"it takes no more than {traits.body_bytes_max // MIB} MiB"
    return ""


def _needed_beta(headers: Headers, traits: Traits) -> str:
    """The first beta that the client asks for and that a provider would have to hear; "" for none."""
    values = [value.decode("latin-1") for name, value in headers if name == b"anthropic-beta"]
    asked = [one.strip() for value in values for one in value.split(",")]
    return next((one for one in asked if one and not one.startswith(traits.needless_betas)), "")
