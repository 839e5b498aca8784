"""`doctor --gateway URL`: what a client of the gateway finds on its way, from the name to a stream. Costs nothing.

The steps build on each other; behind the first that fails nothing more is asked. Only the standard library speaks here, and
no proxy of the environment's is used: what is between is to be seen.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
from cryptography import x509

from thriftgate import __version__
from thriftgate.cli.checks import Check, fine
from thriftgate.cli.checks_machine import in_force
from thriftgate.clock import Clock

PATIENCE_S = 10.0
ROUNDS = 10
FAR_MS = 100.0
STREAM_S_MIN = 0.4  # of the 0.8 s that the gateway takes for it
MODEL = "claude-haiku-5-5"
BODY = msgspec.json.encode({"model": MODEL, "messages": [{"role": "user", "content": "thriftgate doctor"}]})
VERSION = {"anthropic-version": "2023-06-01"}
SENT = VERSION | {
    "anthropic-beta": "doctor",
    "thriftgate-task": "doctor",
}  # to the gateway alone: a provider may refuse them
_ADDRESS = "check the address: it is what clients have in ANTHROPIC_BASE_URL"


class Target(NamedTuple):
    """Where the gateway is said to be; `path` is what its URL holds behind the host."""

    host: str
    port: int
    tls: bool
    path: str
    key: str

    def with_key(self, headers: Mapping[str, str]) -> dict[str, str]:
        """As a client of Anthropic's sends it."""
        return {**headers, "x-api-key": self.key} if self.key else {**headers}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> str:
        return f"{self.status}: {self.body[:200].decode('utf-8', 'replace')}"


def gateway_checks(url: str, key: str, clock: Clock) -> list[Check]:
    """All of them, as far as they get."""
    try:
        parts = urlsplit(url)
        tls, port = parts.scheme == "https", parts.port
    except ValueError:
        return [Check("address", ok=False, detail=f"{url!r} is no URL", fix=_ADDRESS)]
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return [Check("address", ok=False, detail=f"{url!r} is no http(s) URL", fix=_ADDRESS)]
    target = Target(parts.hostname, port or (443 if tls else 80), tls, parts.path.rstrip("/"), key)
    found: list[Check] = []
    for step in (resolves, connects, speaks_tls, lives, is_ready, lists_models, counts, streams, is_near):
        if step is speaks_tls and not tls:
            found.append(_in_the_clear(target))
            continue
        try:
            found.append(step(target, clock))
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            name = step.__name__.replace("_", " ")
            fix = "look at what is between here and the gateway, and at the gateway's log"
            found.append(Check(name, ok=False, detail=f"{type(error).__name__}: {error}", fix=fix))
        if not found[-1].ok and step in (resolves, connects, speaks_tls, lives):
            break
    return found


# --- on the way --------------------------------------------------------------------------------------------------------


def resolves(target: Target, _clock: Clock) -> Check:
    """The name has an address."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        fix = "check the name, and the machine's DNS"
        return Check("resolves", ok=False, detail=f"{target.host}: {error.strerror}", fix=fix)
    return fine("resolves", f"{target.host}: {', '.join(sorted({str(one[4][0]) for one in found}))}")


def connects(target: Target, clock: Clock) -> Check:
    """Somebody listens there."""
    began_s = clock.monotonic_s()
    try:
        with socket.create_connection((target.host, target.port), PATIENCE_S):
            return fine("connects", f"port {target.port}, in {(clock.monotonic_s() - began_s) * 1e3:.1f} ms")
    except OSError as error:
        fix = "start the gateway, check the port, and firewalls in between"
        return Check("connects", ok=False, detail=f"port {target.port}: {error.strerror or error}", fix=fix)


def _in_the_clear(target: Target) -> Check:
    local = target.host in ("localhost", "127.0.0.1", "::1")
    fix = "" if local else "use https:// unless the network between is yours alone: keys and prompts can be read on it"
    return fine("speaks tls", "no: http://", fix)


def speaks_tls(target: Target, clock: Clock) -> Check:
    """The certificate is trusted here, for this name, and lasts. SSL_CERT_FILE names other authorities."""
    name = "speaks tls"
    try:
        with (
            socket.create_connection((target.host, target.port), PATIENCE_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=target.host) as secured,
        ):
            shown, version = secured.getpeercert(binary_form=True), secured.version()
    except ssl.SSLCertVerificationError as error:
        fix = "let the certificate be for this name and from an authority that is trusted here; SSL_CERT_FILE names others"
        return Check(name, ok=False, detail=error.verify_message, fix=fix)
    except OSError as error:
        fix = "check that this port speaks TLS; where it wants clients' certificates, doctor cannot show one"
        return Check(name, ok=False, detail=f"{type(error).__name__}: {error.strerror or error}", fix=fix)
    return in_force(name, str(version), x509.load_der_x509_certificate(shown or b""), clock.now_s())


# --- the gateway itself ------------------------------------------------------------------------------------------------


@contextmanager
def _connection(target: Target) -> Iterator[http.client.HTTPConnection]:
    kind = http.client.HTTPSConnection if target.tls else http.client.HTTPConnection
    connection = kind(target.host, target.port, timeout=PATIENCE_S)
    try:
        yield connection
    finally:
        connection.close()


def _ask(target: Target, method: str, path: str, body: bytes | None = None) -> Answer:
    with _connection(target) as connection:
        return _asked(connection, target, method, path, body)


def _asked(
    connection: http.client.HTTPConnection, target: Target, method: str, path: str, body: bytes | None = None
) -> Answer:
    headers = target.with_key(VERSION) | ({"content-type": "application/json"} if body is not None else {})
    connection.request(method, target.path + path, body, headers)
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


class _Health(msgspec.Struct):
    status: str
    version: str


class _Ready(msgspec.Struct):
    status: str
    reasons: list[str] = []


def lives(target: Target, _clock: Clock) -> Check:
    """It is a thriftgate that answers, and of this version."""
    answer = _ask(target, "GET", "/healthz")
    if answer.status != 200:
        return Check("lives", ok=False, detail=f"/healthz answered {answer.said}", fix=_ADDRESS)
    try:
        health = msgspec.json.decode(answer.body, type=_Health)
    except msgspec.DecodeError:
        return Check("lives", ok=False, detail="/healthz answered, but not as a thriftgate does", fix=_ADDRESS)
    fix = "" if health.version == __version__ else f"this doctor is of thriftgate {__version__}: ask with the same version"
    return fine("lives", f"thriftgate {health.version}", fix)


def is_ready(target: Target, _clock: Clock) -> Check:
    """It wants calls."""
    answer = _ask(target, "GET", "/readyz")
    ready = msgspec.json.decode(answer.body, type=_Ready)
    ok = answer.status == 200
    fix = "" if ok else "run `thriftgate doctor` where the gateway runs, and look at its log"
    return Check("is ready", ok, "; ".join(ready.reasons) or ready.status, fix)


class _Error(msgspec.Struct):
    message: str = ""


class _Refused(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class _Counted(msgspec.Struct):
    input_tokens: int


def lists_models(target: Target, _clock: Clock) -> Check:
    """The key is taken, and a free call gets through to the provider."""
    answer = _ask(target, "GET", "/v1/models?limit=1000")
    if answer.status != 200:
        return _refused("lists models", answer, target)
    offered = msgspec.json.decode(answer.body, type=_Models).data
    fix = "" if any(one.id == MODEL for one in offered) else f"{MODEL} is not among them: tokens cannot be counted here"
    return fine("lists models", f"{len(offered)} models", fix)


def counts(target: Target, _clock: Clock) -> Check:
    """A body gets through, too: counting tokens is free."""
    answer = _ask(target, "POST", "/v1/messages/count_tokens", BODY)
    if answer.status != 200:
        return _refused("counts", answer, target)
    return fine("counts", f"{msgspec.json.decode(answer.body, type=_Counted).input_tokens} tokens of {MODEL}")


def _refused(name: str, answer: Answer, target: Target) -> Check:
    try:
        said = msgspec.json.decode(answer.body, type=_Refused).error.message or answer.said
    except msgspec.DecodeError:
        said = answer.said
    fixes = {
        401: "show another key with --key" if target.key else "show a key with --key, or ANTHROPIC_API_KEY",
        403: "let the key do this: `thriftgate keys list` shows its scopes",
        429: "wait: the caller's or the provider's limit is reached",
    }
    fix = fixes.get(answer.status, "look at the gateway's log, and run `thriftgate doctor --live` where it runs")
    return Check(name, ok=False, detail=f"{answer.status}: {said}", fix=fix)


# --- streams -----------------------------------------------------------------------------------------------------------


class _Event(msgspec.Struct):
    number: int
    of: int
    arrived: list[str] = []


def streams(target: Target, clock: Clock) -> Check:
    """What is streamed arrives piece by piece, and headers get through in both directions."""
    came: list[tuple[float, _Event]] = []
    sent = target.with_key(SENT)
    with _connection(target) as connection:
        connection.request("GET", target.path + "/thriftgate/stream-check", headers=sent)
        response = connection.getresponse()
        if response.status != 200:
            detail, fix = f"/thriftgate/stream-check answered {response.status}", "let it through to the gateway"
            return Check("streams", ok=False, detail=detail, fix=fix)
        while line := response.readline():
            if line.startswith(b"data: "):
                came.append((clock.monotonic_s(), msgspec.json.decode(line[6:], type=_Event)))
        marked = response.getheader("thriftgate-check") == "1"
    return _streamed(came, marked=marked, sent=set(sent))


def _streamed(came: list[tuple[float, _Event]], *, marked: bool, sent: set[str]) -> Check:
    name = "streams"
    if not came or len(came) != came[0][1].of:
        detail = f"{len(came)} of {came[0][1].of if came else 'the'} events of a stream came"
        return Check(name, ok=False, detail=detail, fix="something in between cuts answers off")
    span_s = came[-1][0] - came[0][0]
    lost = sorted(sent - set(came[0][1].arrived))
    detail = f"{len(came)} events within {span_s:.1f} s; headers lost on the way: {', '.join(lost) or 'none'}"
    wrong = []
    if span_s < STREAM_S_MIN:
        wrong.append("switch buffering off in what is between (nginx: proxy_buffering off): the stream came in one piece")
    if lost:
        wrong.append("let these headers through to the gateway")
    if not marked:
        wrong.append("let the gateway's thriftgate-… headers through to clients")
    return Check(name, not wrong, detail, "; ".join(wrong))


def is_near(target: Target, clock: Clock) -> Check:
    """How long a question takes that the gateway answers by itself, on one connection."""
    waits_ms = []
    with _connection(target) as connection:
        for _ in range(ROUNDS):
            began_s = clock.monotonic_s()
            _asked(connection, target, "GET", "/healthz")
            waits_ms.append((clock.monotonic_s() - began_s) * 1e3)
    middle, worst = sorted(waits_ms)[ROUNDS // 2], max(waits_ms)
    fix = "" if middle < FAR_MS else "put the gateway nearer to its clients: every call waits for this"
    return fine("is near", f"{middle:.1f} ms there and back, at most {worst:.1f} ms in {ROUNDS}", fix)
