"""Where connections may lead. Webhooks, chat and mail, whose receivers others name: never into the own network. Providers,
which the operator names: wherever, unless `upstream.private_hosts` says less.

A name is resolved once, every address that it has is looked at, and the connection is made to these very addresses: a name
that answers otherwise the next time it is asked (DNS rebinding) leads nowhere else. Only public addresses will do, by IANA's
registries as Python has them, and:

    ::ffff:10.0.0.1, 64:ff9b::10.0.0.1, 2002:a00:1::    an IPv4 address inside an IPv6 one counts as what it is
    2001::/32, ::/8, everything outside 2000::/3         tunnels and addresses of no public use
    168.63.129.16                                        Azure's own, though public
    0x7f.1, 2130706433, 127.1                            numbers that only some resolvers take for addresses

Hosts that the operator lists may be anywhere but where clouds keep their machines' credentials
(owasp.org, Server Side Request Forgery Prevention, 2026-11).
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from thriftgate.core.errors import InputError
from thriftgate.providers.urls import Place, place_of

# What getaddrinfo answers: family, type, protocol, canonical name, socket address.
Found = tuple[int, int, int, str, tuple[Any, ...]]
Resolve = Callable[[str, int], Awaitable[list[Found]]]

USUAL_PORTS = frozenset({80, 443})
_FREE_PORTS = 1024  # below, other services listen that may take a request for something else
_GLOBAL6 = IPv6Network("2000::/3")
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_NAT64 = IPv6Network("64:ff9b::/96")
# Where clouds tell machines their credentials, apart from 169.254.0.0/16: Azure (public!), Alibaba, Oracle, AWS by IPv6
# (each cloud's page on instance metadata, 2026-11).
_CLOUDS = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")))
_NOT_PUBLIC = (
    ip_network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ip_network("192.0.0.0/24"),  # protocol assignments
    ip_network("2001::/23"),  # the same of IPv6, RFC 2928; Python 3.13 takes some of them for public
)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


async def resolved(host: str, port: int) -> list[Found]:
    """Whatever the system's resolver says."""
    return list(await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Denied(OSError):
    """The address is none that messages may be sent to; the words name no address, which would tell of the inner network."""


class Receivers:
    """`allowed` are hosts that may have private addresses, and may be reached by plain http and on any port."""

    def __init__(
        self, allowed: Collection[str] = (), resolve: Resolve = resolved, *, listed_in: str = "alerts.allow_hosts"
    ) -> None:
        self._allowed = frozenset(_plain(host) for host in allowed)
        self._resolve = resolve
        self._listed_in = listed_in

    def check(self, url: str) -> Place:
        """Where the URL leads. Raises InputError for one that is surely none to send to; addresses are looked at later."""
        try:
            place = place_of(url)
        except InputError:  # not quoted: whole URLs can be secrets
            raise InputError("not a plain http:// or https:// URL, without a user and without a fragment") from None
        self.check_host(place.host)
        if _plain(place.host) not in self._allowed:
            if place.scheme != "https":
                raise InputError(f"{place.host}: only https, unless alerts.allow_hosts lists the host")
            if place.port not in USUAL_PORTS and place.port < _FREE_PORTS:
                raise InputError(f"{place.host}: port {place.port} is that of another service; alerts.allow_hosts allows it")
        return place

    def check_host(self, host: str) -> None:
        """Raises InputError for a host that surely must not be sent to."""
        plain = _plain(host)
        try:
            address = ip_address(plain)
        except ValueError:
            if _NUMERIC.fullmatch(plain.rpartition(".")[2]):
                raise InputError(f"{host}: an address written in an unusual way") from None
            return
        why = denied(address, allowed=plain in self._allowed)
        if why:
            raise InputError(f"{host}: {why}; alerts.allow_hosts lists hosts of the own network that may be sent to")

    async def find(self, host: str, port: int) -> list[Found]:
        """The addresses to connect to. Raises Denied where any of them is none to send to, OSError where there are none."""
        allowed = _plain(host) in self._allowed
        found = await self._resolve(host, port)
        for *_, address in found:
            if denied(ip_address(str(address[0])), allowed=allowed):
                raise Denied(f"its address is not public; {self._listed_in} lists hosts of the own network")
        if not found:
            raise OSError("the name has no address")
        return found


async def found_for_operator(host: str, port: int) -> list[Found]:
    """The addresses of a host that the operator's own settings name: any, also those of the own network, but for those that
    nothing but a mistake or an attack leads to. Raises Denied, and OSError where there are none."""
    found = await resolved(host, port)
    for *_, address in found:
        if denied(ip_address(str(address[0])), allowed=True):
            raise Denied("its address is one of the link, of a cloud's own services, or of nobody")
    return found


def guarded(private_hosts: Collection[str]) -> Resolve:
    """What finds addresses for calls to providers: with `*` as `found_for_operator`, else private ones of these only."""
    if "*" in private_hosts:
        return found_for_operator
    return Receivers(private_hosts, listed_in="upstream.private_hosts").find


def denied(address: IPv4Address | IPv6Address, *, allowed: bool = False) -> str:
    """Why nothing may be sent there; "" where it may."""
    inner = _inner(address)
    if inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner in _CLOUDS:
        return "an address of the link, of a cloud's own services, or of nobody"
    if allowed:
        return ""
    public = inner.is_global and not inner.is_reserved and not any(inner in net for net in _NOT_PUBLIC)
    if isinstance(inner, IPv6Address):
        public = public and inner in _GLOBAL6 and inner not in _TEREDO and inner.scope_id is None
    return "" if public else "not a public address"


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one leads to, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR and address.sixtofour is not None:
        return address.sixtofour
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address


def _plain(host: str) -> str:
    return host.lower().rstrip(".").removeprefix("[").removesuffix("]")
