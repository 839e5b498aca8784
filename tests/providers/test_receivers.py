"""Nothing is sent into the own network: by address, by name, by a name that changes its mind, by numbers in odd clothes."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from tests.scripted import answering, raw_answer, upstream
from thriftgate.core.errors import InputError, Unreachable
from thriftgate.engine.build import transport_of
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.receivers import Denied, Found, Receivers, denied, found_for_operator, guarded, resolved
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.settings import Upstream

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::", "::ffff:8.8.8.8"]
PRIVATE = [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.255.255.254", "100.64.0.1", "198.18.0.1", "192.0.2.1",
    "203.0.113.9", "240.0.0.1", "255.255.255.255", "192.88.99.1", "192.0.0.8", "::1", "fd00::1", "fec0::1", "2001:db8::1",
    "2001:0:1::1", "100::1", "64:ff9b:1::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "64:ff9b::7f00:1", "2002:a00:1::", "2002:7f00:1::", "2001:20::1", "5f00::1",
]  # fmt: skip
NEVER = [
    "169.254.169.254", "169.254.1.1", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "::", "168.63.129.16",
    "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_will_do(address: str) -> None:
    assert not denied(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_only_of_hosts_that_are_listed(address: str) -> None:
    assert denied(ip_address(address))
    assert not denied(ip_address(address), allowed=True)


@pytest.mark.parametrize("address", NEVER)
def test_those_of_clouds_and_links_never(address: str) -> None:
    assert denied(ip_address(address))
    assert denied(ip_address(address), allowed=True)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://hooks.example/x", "only https"),
        ("ftp://hooks.example/x", "not a plain http"),
        ("file:///etc/passwd", "not a plain http"),
        ("gopher://hooks.example:70/_x", "not a plain http"),
        ("https://user:pass@hooks.example/x", "not a plain http"),
        ("https://hooks.example@10.0.0.1/x", "not a plain http"),
        ("https://hooks.example/x#y", "not a plain http"),
        ("https://hooks.example\\@10.0.0.1/", "not a plain http"),
        ("https://hooks.example/a\r\nhost: b", "not a plain http"),
        ("https://hooks.example/%2e%2e/x", "not a plain http"),
        ("https://127.0.0.1/x", "127.0.0.1: not a public address"),
        ("https://[::1]/x", "::1: not a public address"),
        ("https://[::ffff:7f00:1]/x", "not a public address"),
        ("https://169.254.169.254/latest/meta-data/", "of a cloud's own services"),
        ("https://2130706433/x", "written in an unusual way"),
        ("https://0x7f000001/x", "written in an unusual way"),
        ("https://0x7f.1/x", "written in an unusual way"),
        ("https://0177.0.0.1/x", "written in an unusual way"),
        ("https://127.1/x", "written in an unusual way"),
        ("https://10.0.0.1./x", "not a public address"),
        ("https://hooks.example:22/x", "port 22 is that of another service"),
        ("https://hooks.example:25/x", "port 25 is that of another service"),
    ],
)
def test_urls_that_are_none_to_send_to(url: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Receivers().check(url)


@pytest.mark.parametrize("url", ["https://hooks.example/x?y=1", "https://hooks.example:8443/", "https://8.8.8.8/"])
def test_urls_that_will_do(url: str) -> None:
    Receivers().check(url)


def test_a_host_that_is_listed_may_be_near_and_plain() -> None:
    near = Receivers(["Hooks.Inner.", "127.0.0.1", "[::1]"])
    for url in ("http://hooks.inner:25/x", "http://127.0.0.1:9/x", "http://[::1]:9/x"):
        near.check(url)
    with pytest.raises(InputError):
        near.check("http://127.0.0.2/x")


def test_complaints_do_not_repeat_what_can_be_a_secret() -> None:
    with pytest.raises(InputError) as error:
        Receivers().check("hooks.slack.com/services/T0/B0/secret")
    assert "secret" not in str(error.value)


def answers(*addresses: str) -> Any:
    """A resolver that says these, one list a question, and the last one for ever."""
    left = [one.split() for one in addresses]
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[Found]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    resolve.asked = asked  # type: ignore[attr-defined]
    return resolve


@pytest.mark.parametrize("told", ["127.0.0.1", "8.8.8.8 10.0.0.1", "10.0.0.1 8.8.8.8", "169.254.169.254"])
async def test_a_name_of_a_private_address_is_denied(told: str) -> None:
    with pytest.raises(Denied) as error:
        await Receivers(resolve=answers(told)).find("evil.example", 443)
    assert not any(one in str(error.value) for one in told.split()), "it would tell of the inner network"


async def test_a_name_without_an_address() -> None:
    with pytest.raises(OSError, match="no address"):
        await Receivers(resolve=answers("")).find("gone.example", 443)


async def test_a_listed_name_must_not_lead_to_credentials() -> None:
    near = Receivers(["hooks.inner"], answers("10.0.0.1", "169.254.169.254"))
    assert [one[4][0] for one in await near.find("hooks.inner", 80)] == ["10.0.0.1"]
    with pytest.raises(Denied):
        await near.find("hooks.inner", 80)


async def test_the_system_resolver_reads_odd_numbers_and_is_not_believed() -> None:
    with pytest.raises(Denied):
        await Receivers().find("localhost", 80)
    with pytest.raises(Denied):
        await Receivers().find("2130706433", 80)
    assert (await resolved("127.0.0.1", 80))[0][4] == ("127.0.0.1", 80)


async def test_a_name_that_changes_its_mind_leads_nowhere_else() -> None:
    """DNS rebinding: the connection is made to the address that was looked at, in one question; the next one is refused."""
    async with upstream(answering(b"{}", headers=("connection: close",))) as inside:
        port = inside.url.rpartition(":")[2]
        resolve = answers("127.0.0.1", "8.8.8.8 127.0.0.1")
        near = Receivers(["hooks.example"], resolve)
        transport = Http1Transport(find=near.find)
        out = Outgoing("POST", f"http://hooks.example:{port}/x", ((b"a", b"b"),), b"{}")
        incoming = await transport.send(out, Timeouts(2.0, 2.0))
        assert incoming.status == 200
        await incoming.read()
        assert resolve.asked == ["hooks.example"], "resolved once, and connected to that"
        await transport.close()

        strict = Http1Transport(find=Receivers(resolve=answers("127.0.0.1")).find)
        with pytest.raises(Unreachable, match="its address is not public"):
            await strict.send(out, Timeouts(2.0, 2.0))
        await strict.close()
        assert len(inside.requests) == 1
        assert inside.requests[0].header("host") == f"hooks.example:{port}"


async def test_a_receiver_whose_address_is_denied_hears_nothing() -> None:
    async def script(_request: Any, writer: Any) -> None:
        writer.write(raw_answer(b"{}"))

    async with upstream(script) as inside:
        transport = Http1Transport(find=Receivers().find)
        with pytest.raises(Unreachable):
            await transport.send(Outgoing("POST", inside.url, (), b"{}"), Timeouts(2.0, 2.0))
        await transport.close()
        assert inside.connections == 0


# --- providers, which the operator names -------------------------------------------------------------------------------


async def sent(url: str, **members: Any) -> int:
    transport = transport_of(Upstream.model_validate(members))
    try:
        incoming = await transport.send(Outgoing("POST", url, (), b"{}"), Timeouts(2.0, 2.0))
        await incoming.read()
        return incoming.status
    finally:
        await transport.close()


@pytest.mark.parametrize("kind", ["http1", "aiohttp"])
async def test_a_provider_may_be_in_the_own_network(kind: str) -> None:
    """As it comes, and where it is listed; not where something else is."""
    async with upstream(answering(b"{}", headers=("connection: close",))) as inside:
        port = inside.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            url = f"http://{host}:{port}/x"
            assert await sent(url, transport=kind) == 200
            assert await sent(url, transport=kind, private_hosts=(host.upper(),)) == 200
            before = inside.connections
            for listed in ((), ("vllm.inner",)):
                with pytest.raises(Unreachable, match=r"not public; upstream\.private_hosts lists"):
                    await sent(url, transport=kind, private_hosts=listed)
            assert inside.connections == before


@pytest.mark.parametrize("kind", ["http1", "aiohttp"])
@pytest.mark.parametrize(
    "address", ["169.254.169.254", "[fd00:ec2::254]", "168.63.129.16", "0.0.0.0", "[::ffff:169.254.169.254]"]
)
async def test_a_provider_is_never_where_clouds_keep_credentials(kind: str, address: str) -> None:
    with pytest.raises(Unreachable, match="a cloud's own services"):
        await sent(f"http://{address}/latest/meta-data/", transport=kind)
    with pytest.raises(Unreachable, match=r"not public; upstream\.private_hosts lists"):
        await sent(f"http://{address}/latest/meta-data/", transport=kind, private_hosts=(address,))


@pytest.mark.parametrize("kind", ["http1", "aiohttp"])
async def test_a_provider_whose_name_changes_its_mind(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: one question for a connection, which is made to what was looked at."""
    async with upstream(answering(b"{}", headers=("connection: close",))) as inside:
        port = inside.url.rpartition(":")[2]
        resolve = answers("127.0.0.1", "169.254.169.254")
        monkeypatch.setattr("thriftgate.providers.receivers.resolved", resolve)
        url = f"http://provider.example:{port}/x"
        assert await sent(url, transport=kind) == 200
        assert resolve.asked == ["provider.example"]
        with pytest.raises(Unreachable, match="a cloud's own services"):
            await sent(url, transport=kind)
        assert inside.connections == 1


@pytest.mark.parametrize("kind", ["http1", "aiohttp"])
async def test_no_redirect_is_followed(kind: str) -> None:
    async with upstream(answering(b"{}")) as other:
        moved = raw_answer(b"", status=307, headers=(f"location: {other.url}/x", "connection: close"))

        async def script(_request: Any, writer: Any) -> None:
            writer.write(moved)
            await writer.drain()
            writer.close()

        async with upstream(script) as first:
            assert await sent(first.url, transport=kind) == 307
        assert other.connections == 0


def test_what_finds_addresses() -> None:
    assert guarded(("*",)) is guarded(("a", "*")) is found_for_operator
    assert guarded(()) is not found_for_operator
