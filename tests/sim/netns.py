"""Real hosts that are parted: client, gateway, provider and PostgreSQL, each in a network namespace, joined by a bridge.

    python -m tests.sim.netns [--away 5 20] [--slow]

The cable of PostgreSQL is pulled in the middle of calls and put in again. Answers that a client has whole are in the books,
each once; a call is refused within bounded time, and calls go on without a restart. Needs to be root of its namespace.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

import aiohttp
import msgspec

from tests import servers
from tests.fixtures import HEADERS, books, message

NET = "10.77.0."
HOSTS = {"gateway": 1, "ledger": 2, "provider": 3, "client": 4}
SWITCH = "tg-switch"
REFUSED_S = 26.0
"""It is noticed after ten seconds that nothing arrives, a write waits ten more for the server, connecting five."""


class Answer(NamedTuple):
    """What a client saw: when it asked, how long that took, what came."""

    at_s: float
    took_s: float
    status: int
    call_id: str
    message_id: str


def permitted() -> str:
    """Why there can be no namespaces here; "" where there can."""
    try:
        made = subprocess.run(["ip", "netns", "add", "tg-probe"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no program ip"
    if made.returncode:
        return made.stderr.strip()
    _ip("netns", "del", "tg-probe")
    return ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


def within(host: str, *command: str) -> list[str]:
    """The command, as run on that host."""
    return ["ip", "netns", "exec", f"tg-{host}", *command]


@contextmanager
def network() -> Iterator[None]:
    """Four hosts on one switch."""
    names = [SWITCH, *(f"tg-{host}" for host in HOSTS)]
    try:
        for name in names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", SWITCH, "link", "add", "bridge", "type", "bridge")
        _ip("-n", SWITCH, "link", "set", "bridge", "up")
        for host, number in HOSTS.items():
            own, port = f"tg-{host}", f"port{number}"
            _ip("-n", SWITCH, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", own)
            _ip("-n", SWITCH, "link", "set", port, "master", "bridge", "up")
            _ip("-n", own, "addr", "add", f"{NET}{number}/24", "dev", "eth0")
            _ip("-n", own, "link", "set", "eth0", "up")
        yield
    finally:
        for name in names:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", name)


def pull(host: str) -> None:
    """Its cable."""
    _ip("-n", SWITCH, "link", "set", f"port{HOSTS[host]}", "down")


def put_in(host: str) -> None:
    _ip("-n", SWITCH, "link", "set", f"port{HOSTS[host]}", "up")


def slow(host: str) -> None:
    """Its link: 40 ms more a packet, and one in fifty is lost. Raises CalledProcessError where the kernel cannot do that."""
    rule = ["qdisc", "add", "dev", "eth0", "root", "netem", "delay", "40ms", "loss", "2%"]
    subprocess.run(within(host, "tc", *rule), check=True, capture_output=True)


@contextmanager
def postgres() -> Iterator[str]:
    """A server on its own host; its URL."""
    user = servers._unprivileged()
    with servers._folder(user) as folder:
        data, log = folder / "data", folder / "log"
        making = [
            servers._program("initdb"),
            "-D",
            str(data),
            "-U",
            "thriftgate",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ]
        subprocess.run(servers._as(user, making), check=True, capture_output=True, cwd=folder)
        with (data / "pg_hba.conf").open("a") as allowed:
            allowed.write(f"host all all {NET}0/24 trust\n")
        given = [f"listen_addresses={NET}{HOSTS['ledger']}", f"unix_socket_directories={folder}", "fsync=off"]
        command = [servers._program("postgres"), "-D", str(data), *(part for one in given for part in ("-c", one))]
        with servers._running(within("ledger", *servers._as(user, command)), log, stop=signal.SIGQUIT):
            yield f"postgresql://thriftgate@{NET}{HOSTS['ledger']}/postgres"


@contextmanager
def thriftgate(host: str, *arguments: str) -> Iterator[None]:
    """One of its verbs, on that host."""
    process = subprocess.Popen(
        within(host, sys.executable, "-m", "thriftgate", *arguments),
        env=os.environ | {"THRIFTGATE_ACCESS__MODE": "open"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def asked(host: str, *arguments: str, wait_s: float = 120.0) -> Any:
    """What this module says, run on that host."""
    done = subprocess.run(
        within(host, sys.executable, "-m", "tests.sim.netns", *arguments), capture_output=True, timeout=wait_s, check=True
    )
    return msgspec.json.decode(done.stdout)


async def ask(url: str, until_s: float) -> list[Answer]:
    """Calls, one begun every 200 ms, until then."""
    began, asking = time.monotonic(), list[asyncio.Task[Answer]]()
    timeout = aiohttp.ClientTimeout(total=60.0)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while (now := time.monotonic() - began) < until_s:
            asking.append(asyncio.ensure_future(_one(session, url, now)))
            await asyncio.sleep(0.2)
        return list(await asyncio.gather(*asking))


async def _one(session: aiohttp.ClientSession, url: str, at_s: float) -> Answer:
    began = time.monotonic()
    body = msgspec.json.encode(message(f"at {at_s:.1f}: what now? [[sim: out=10]]"))
    try:
        async with session.post(f"{url}/v1/messages", data=body, headers=HEADERS) as response:
            raw = await response.read()
            found = msgspec.json.decode(raw).get("id", "") if response.status == 200 else ""
            named = response.headers.get("thriftgate-request-id", "")
            return Answer(at_s, time.monotonic() - began, response.status, named, found)
    except (aiohttp.ClientError, TimeoutError):
        return Answer(at_s, time.monotonic() - began, 0, "", "")


async def read_books(url: str) -> dict[str, Any]:
    """All entries, and what is held."""
    async with books(url) as ledger:
        entries = await ledger.entries(limit=100_000)
        return {
            "entries": [(one.id, one.outcome, one.message_id) for one in entries],
            "held": [one.id for one in await ledger.open_holds()],
            "unbalanced": list(await ledger.unbalanced()),
        }


def wait_for(host: str, url: str) -> None:
    """Until something answers there."""
    page, books = "import urllib.request as u; u.urlopen({!r}, timeout=2)", "import psycopg; psycopg.connect({!r}).close()"
    code = (books if url.startswith("postgresql") else page).format(url)
    for _ in range(60):
        if subprocess.run(within(host, sys.executable, "-c", code), capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.5)
    raise AssertionError(f"{url} does not answer {host}")


def parted(away_s: float, *, lossy: bool = False) -> tuple[list[str], str]:
    """One partition: what was wrong, and what happened in words."""
    gateway, provider = f"http://{NET}1:8080", f"http://{NET}3:9000"
    with ExitStack() as stack:
        stack.enter_context(network())
        ledger = stack.enter_context(postgres())
        stack.enter_context(thriftgate("provider", "simulate", "--host", f"{NET}3", "--port", "9000"))
        wait_for("gateway", f"{provider}/_sim/bill")
        wait_for("gateway", ledger)
        serve = ["serve", "--host", f"{NET}1", "--port", "8080", "--upstream", provider, "--ledger", ledger]
        stack.enter_context(thriftgate("gateway", *serve))
        wait_for("client", f"{gateway}/healthz")
        if lossy:
            slow("ledger")
        command = within("client", sys.executable, "-m", "tests.sim.netns", "ask", gateway, str(away_s + 20.0))
        client = subprocess.Popen(command, stdout=subprocess.PIPE)
        time.sleep(6.0)
        if away_s:
            pull("ledger")
            time.sleep(away_s)
            put_in("ledger")
        out, _ = client.communicate(timeout=away_s + 120.0)
        time.sleep(4.0)  # what was refused is booked
        seen = [Answer(*one) for one in msgspec.json.decode(out)]
        found = asked("gateway", "books", ledger)
        bill = asked("gateway", "bill", provider)
    return _judged(seen, found, bill), _told(seen, found, bill)


def _judged(seen: list[Answer], found: dict[str, Any], bill: dict[str, Any]) -> list[str]:
    entries = {name: (outcome, message_id) for name, outcome, message_id in found["entries"]}
    whole = [one for one in seen if one.status == 200]
    wrong = [f"{one.call_id} is lost" for one in whole if entries.get(one.call_id) != ("answered", one.message_id)]
    twice = Counter(message_id for _, message_id in entries.values() if message_id)
    wrong += [f"{message_id} is booked {n} times" for message_id, n in twice.items() if n > 1]
    wrong += [f"{one['message_id']} was billed and is not booked" for one in bill["calls"] if not twice[one["message_id"]]]
    wrong += [f"hold {name} is open" for name in found["held"]]
    wrong += [f"refused after {one.took_s:.1f} s" for one in seen if one.status != 200 and one.took_s > REFUSED_S]
    return wrong + ([] if seen[-1].status == 200 else ["no call goes through at the end"])


def _told(seen: list[Answer], found: dict[str, Any], bill: dict[str, Any]) -> str:
    refused = [one for one in seen if one.status != 200]
    longest = max((one.took_s for one in refused), default=0.0)
    return (
        f"{len(seen)} calls, {len(seen) - len(refused)} answered, {len(refused)} refused within {longest:.1f} s; slowest "
        f"answer {max(one.took_s for one in seen if one.status == 200):.1f} s; {len(bill['calls'])} billed, "
        f"{len(found['entries'])} entries"
    )


async def _bill(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_sim/bill") as response:
        return msgspec.json.decode(await response.read())


def main() -> int:
    """Run from the command line; exit code 1 where anything is wrong."""
    if sys.argv[1:2] in (["ask"], ["books"], ["bill"]):
        what, url, *rest = sys.argv[1:]
        said = asyncio.run(ask(url, float(rest[0])) if what == "ask" else read_books(url) if what == "books" else _bill(url))
        sys.stdout.buffer.write(msgspec.json.encode(said))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--away", type=float, nargs="*", default=[5.0, 20.0], help="seconds without the ledger's host")
    parser.add_argument("--slow", action="store_true", help="and once with a slow, lossy link in place of a partition")
    chosen = parser.parse_args()
    if why := permitted():
        print(f"skipped: {why}")
        return 0
    failed = 0
    for away_s, lossy in [*((one, False) for one in chosen.away), *([(0.0, True)] if chosen.slow else [])]:
        try:
            wrong, told = parted(away_s, lossy=lossy)
        except subprocess.CalledProcessError as error:
            print(f"skipped: {error.stderr.decode(errors='replace').strip() if error.stderr else error}")
            continue
        print(
            f"{'slow and lossy' if lossy else f'parted for {away_s:g} s'}: {told}: {'; '.join(wrong[:5]) or 'ok'}",
            flush=True,
        )
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
