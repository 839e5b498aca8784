"""What a provider is: a frozen description and pure functions over requests."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Protocol, runtime_checkable

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from thriftgate.core.models import NEVER_CACHED, Capabilities
from thriftgate.core.request import Request, Ttl
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.transport import FileBody, Headers, Outgoing

MIB = 1024 * 1024
NULL = b"null"

BETAS_DROPPED = frozenset(
    {
        # In every API by now, with or without the header (platform.claude.com/docs/en/release-notes/overview, 2026-11).
        "prompt-caching-2024-07-31",
        "context-1m-2025-08-07",  # or, for models before 4.6, in none
        "message-batches-2024-09-24",
        "token-counting-2024-11-01",
        "pdfs-2024-09-25",
        "extended-cache-ttl-2025-04-11",
        "effort-2025-11-24",
        "adaptive-thinking-2026-01-28",
        "structured-outputs-2025-11-13",
        "web-search-2025-03-05",
        "model-context-window-exceeded-2025-08-26",
        # Say who calls, or how finely a stream or a cache is cut: the answer is the same without.
        "claude-code-20250219",
        "oauth-2025-04-20",
        "fine-grained-tool-streaming-2025-05-14",
        "token-efficient-tools-2025-02-19",
        "prompt-caching-scope-2026-01-05",
        # Switch nothing on by themselves: what they allow is a member of the body, which `refuses` or `fast` speaks of.
        "fast-mode-2026-02-01",
        "mcp-client-2025-04-04",
        "mcp-client-2025-11-20",
        "skills-2025-10-02",
        "cache-diagnosis-2026-04-07",
    }
)
"""Values of `anthropic-beta` that are left out, with no loss, for providers that do not hear them."""


class _Tool(Struct):
    type: str = ""


_TOOLS = msgspec.json.Decoder(list[_Tool])


class Traits(Struct, frozen=True):
    """What a provider can do beside answering Messages calls, by its documentation (`source`: pages and date).

    `claude`: it serves Claude by the names that Anthropic gives; any other serves what its endpoint's `models` name.
    `marks`: `cache_control` on blocks counts there, `automatic`: so does the one at the top, `ttls`: the lives that can be
    asked for. `batches`, `counts`: it has Message Batches, and counts tokens for free. `betas`: whatever stands in
    `anthropic-beta` is heard; where not, `betas_heard` are, and those of `BETAS_DROPPED` are left out, as are
    `betas_needless`, which mean nothing to its models. `fast`, `geo`: `speed` and `inference_geo` are; `fast_models`:
    `speed` for these only, empty is for all that have it. `refuses` are other members of a body that it does not take,
    `tools_refused` beginnings of the types of tools that it does not have.
    `body_bytes_max` is its longest request.
    """

    source: str
    claude: bool = True
    marks: bool = True
    automatic: bool = True
    ttls: tuple[Ttl, ...] = ("5m", "1h")
    batches: bool = False
    counts: bool = True
    betas: bool = True
    betas_heard: Set[str] = frozenset()
    betas_needless: Set[str] = frozenset()
    fast: bool = False
    fast_models: tuple[str, ...] = ()
    geo: bool = False
    refuses: tuple[str, ...] = ()
    tools_refused: tuple[str, ...] = ()
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
        fast=capability.fast and traits.is_fast(capability.id),
        cache_min_tokens=capability.cache_min_tokens if traits.marks else NEVER_CACHED,
    )


def objection_of(provider: Provider, request: Request, headers: Headers) -> str:
    """Why this provider cannot take a call as it is, by its traits and by what it says itself; "" where it can."""
    told = objection(request, headers, provider.traits)
    return told or (provider.objection(request) if isinstance(provider, Choosy) else "")


def objection(request: Request, headers: Headers, traits: Traits) -> str:
    """Why a provider cannot take a call as it is, by its traits; "" where it can. `headers` are the client's."""
    return next(_objections(request, headers, traits), "")


def _objections(request: Request, headers: Headers, traits: Traits) -> Iterator[str]:
    if request.mode == "fast" and not traits.is_fast(request.model):
        yield "it has no fast mode (speed)" + (f" for {request.model}" if traits.fast else "")
    if request.geo and not traits.geo:
        yield "it takes no inference_geo"
    if request.automatic is not None and not traits.automatic:
        yield "it takes no cache_control at the top of a request"
    for beta in betas_of(headers):
        if not _is_heard(beta, traits) and beta not in BETAS_DROPPED and beta not in traits.betas_needless:
            yield f"it does not hear the beta {beta}"
    for name in traits.refuses:
        if request.raw(name) not in (b"", NULL):
            yield f"it takes no {name}"
    if traits.tools_refused and (tool := _refused_tool(request.raw("tools"), traits.tools_refused)):
        yield f"it has no tool {tool}"
    if len(request.body) > traits.body_bytes_max:
        yield f"it takes no more than {traits.body_bytes_max // MIB} MiB"


def betas_of(headers: Headers) -> tuple[str, ...]:
    """What a client asks for in `anthropic-beta`, each once, in its order."""
    told = b",".join(value for name, value in headers if name == b"anthropic-beta").decode("latin-1")
    return tuple(dict.fromkeys(one for part in told.split(",") if (one := part.strip())))


def betas_heard(headers: Headers, traits: Traits) -> tuple[str, ...]:
    """Of these what a provider hears."""
    return tuple(beta for beta in betas_of(headers) if _is_heard(beta, traits))


def with_betas(headers: Headers, traits: Traits) -> Headers:
    """The headers with those of the client's betas that the provider hears."""
    heard = ",".join(betas_heard(headers, traits)).encode()
    kept = tuple(one for one in headers if one[0] != b"anthropic-beta")
    return (*kept, (b"anthropic-beta", heard)) if heard else kept


def _is_heard(beta: str, traits: Traits) -> bool:
    return traits.betas or beta in traits.betas_heard


def _refused_tool(tools: bytes, refused: tuple[str, ...]) -> str:
    """The type of the first tool that begins with one of these; "" for none."""
    if b'"type"' not in tools:
        return ""
    try:
        found = _TOOLS.decode(Raw(tools))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return next((tool.type for tool in found if tool.type.startswith(refused)), "")
