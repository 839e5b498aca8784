"""One engine for many clients, threads, event loops and processes; nothing is lost, however a program ends."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.stand import KEY, PLAIN, Stand, ask, standing, text_of
from tests.clients.stack import read_books
from tests.fixtures import until
from thriftgate import AsyncClient, Client, deadline
from thriftgate.client.engine_thread import ENGINES, Engines
from thriftgate.core.errors import LedgerError
from thriftgate.settings import load

PATIENCE_S = 90.0  # a busy machine imports the SDK slowly


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    assert ENGINES._threads == []
    assert not [thread for thread in threading.enumerate() if thread.name in ("thriftgate", "ledger-writer")]


def say(client: Client, what: object) -> str:
    return text_of(client.messages.create(model=PLAIN, max_tokens=50, messages=ask(f"[[sim: say={what}]]")))


async def say_async(client: AsyncClient, what: object) -> str:
    return text_of(await client.messages.create(model=PLAIN, max_tokens=50, messages=ask(f"[[sim: say={what}]]")))


def test_clients_with_the_same_settings_share_one(stand: Stand) -> None:
    first, second = stand.client(), stand.client()
    assert ENGINES._threads == [], "it starts with the first call"
    say(first, 1), say(second, 2)
    (thread,) = ENGINES._threads
    first.close()
    say(second, 3)
    assert ENGINES._threads == [thread]
    second.close()
    assert ENGINES._threads == []
    say(stand.client(), 4)
    assert len(stand.entries()) == 4


def test_with_other_settings_there_is_another_beside_it(stand: Stand) -> None:
    """Both write the same books, and only one of them has the queue."""
    first, second = stand.client(), stand.client(overrides={"policy.levers": ["batch.defer"]})
    say(first, 1), say(second, 2)
    assert len(ENGINES._threads) == 2
    with deadline("6h"):
        raw = second.messages.with_raw_response.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
    assert raw.headers["thriftgate-deferred"] == "no; another process has the queue"


def test_a_client_that_nobody_closes_is_given_back_with_the_next_one(stand: Stand) -> None:
    say(Client(**stand.options()), 1)
    gc.collect()
    (thread,) = ENGINES._threads
    other = stand.client(overrides={"policy.levers": ["batch.defer"]})
    say(other, 2)
    assert thread not in ENGINES._threads
    with deadline("1s"):
        raw = other.messages.with_raw_response.create(model=PLAIN, max_tokens=50, messages=ask("Hi"))
    assert "another process" not in raw.headers["thriftgate-deferred"]


def test_many_threads(stand: Stand) -> None:
    client = stand.client()
    said: list[str] = []

    def work(number: int) -> None:
        said.extend(say(client, f"{number}-{at}") for at in range(4))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == sorted(f"{number}-{at}" for number in range(8) for at in range(4))


def test_one_client_in_one_loop_after_the_other_and_in_several_at_once(stand: Stand) -> None:
    client = stand.async_client()

    async def some(name: str) -> list[str]:
        return await asyncio.gather(*(say_async(client, f"{name}{at}") for at in range(4)))

    assert asyncio.run(some("a")) == ["a0", "a1", "a2", "a3"]
    assert asyncio.run(some("b")) == ["b0", "b1", "b2", "b3"]
    said: dict[str, list[str]] = {}
    threads = [threading.Thread(target=lambda name=name: said.update({name: asyncio.run(some(name))})) for name in "cd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {name: [f"{name}{at}" for at in range(4)] for name in "cd"}
    asyncio.run(client.close())


async def test_a_synchronous_client_within_a_loop(stand: Stand) -> None:
    assert say(stand.client(), "so") == "so"


def test_an_engine_that_cannot_start_is_no_engine(tmp_path: Path) -> None:
    engines = Engines()
    settings = load(None, environ={}, flags={"ledger.path": str(tmp_path)})
    for _ in range(2):
        with pytest.raises(LedgerError, match="cannot open the ledger"):
            engines.take(settings, "")
    assert engines._threads == []


# --- processes -----------------------------------------------------------------------------------------------------------

BEGINNING = """
import os, sys, gc
from thriftgate import Client
client = Client(base_url=sys.argv[1], ledger=sys.argv[2], api_key=sys.argv[3], max_retries=0)
def say(what, **more):
    return client.messages.create(
        model="claude-opus-4-8", max_tokens=4000, messages=[{"role": "user", "content": f"[[sim: {what}]]"}], **more)
"""

ENDS = """
say("say=before")
child = os.fork()
print(client.cost_of(say("say=after")).request_id, flush=True)
if child:
    assert os.waitpid(child, 0)[1] == 0
    say("say=the child has ended")
    stream = say("out=3000", stream=True)
    next(iter(stream))
    # Neither the stream nor the client is closed: the program just ends.
"""

FORKS_AT_WORK = """
import threading

def talk(who, calls):
    for at in range(calls):
        os.write(1, f"{say(f'say={who}{at}').id} ".encode())

say("say=before")
talking = threading.Thread(target=talk, args=("parent", 30))
talking.start()
for who in ("a", "b", "c"):
    if not os.fork():
        talk(who, 20)
        sys.exit()
talking.join()
# The children may still talk.
"""

NEVER_ENDS = """
for at in range(10_000):
    print(say(f"say={at}").id, flush=True)
"""


def program(stand: Stand, text: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *options, "-c", BEGINNING + text, stand.url, str(stand.ledger), KEY],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_program_that_forks_and_closes_nothing(stand: Stand) -> None:
    """The child has an engine of its own; at the end of both, everything is settled, and nobody warns of anything."""
    running = program(stand, ENDS, "-W", "always::ResourceWarning", "-W", "ignore:This process:DeprecationWarning")
    out, err = running.communicate(timeout=PATIENCE_S)
    (beside,) = [line for line in err.splitlines() if "another process serves from these books" in line]
    assert (running.returncode, err.replace(beside, "").strip()) == (0, ""), err
    assert len(set(out.split())) == 2
    books = stand.books()
    assert len(books.entries) == 5
    assert not books.holds


def test_a_program_that_forks_while_it_makes_calls(stand: Stand) -> None:
    """Whatever was being written at that moment, each child can write, and nobody throws away what another one wrote."""
    running = program(stand, FORKS_AT_WORK, "-W", "ignore:This process:DeprecationWarning")
    out, err = running.communicate(timeout=PATIENCE_S)
    said = [line for line in err.splitlines() if "another process serves from these books" not in line]
    assert (running.returncode, said) == (0, []), err
    books = stand.books()
    told = out.split()
    assert len(told) == len(set(told)) == 30 + 3 * 20
    assert set(told) <= {entry.message_id for entry in books.entries}
    assert len(books.entries) == len(told) + 1
    assert not books.holds


def test_killed_and_started_again(tmp_path: Path) -> None:
    with standing(tmp_path, sleep=asyncio.sleep) as stand:
        running = program(stand, NEVER_ENDS)
        assert running.stdout is not None
        told = [running.stdout.readline().strip() for _ in range(5)]
        stand.faults(latency=1.0, latency_s=60.0)
        asyncio.run(until(lambda: held(stand.ledger)))
        running.send_signal(signal.SIGKILL)
        out, _ = running.communicate(timeout=PATIENCE_S)
        told += out.split()
        stand.faults()
        say(stand.client(), "again")
        stand.close()
        books = stand.books()
        assert not books.holds
        *answered, lost, again = books.entries
        assert set(told) <= {entry.message_id for entry in answered}
        assert {entry.usage_source for entry in (*answered, again)} == {"exact"}
        assert (lost.outcome, lost.usage_source) == ("lost", "estimated")


async def held(ledger: Path) -> bool:
    """Whether a call has been under way for a while: what was quick is over by the second look."""
    before = {hold.id for hold in (await read_books(ledger)).holds}
    await asyncio.sleep(0.3)
    return bool(before & {hold.id for hold in (await read_books(ledger)).holds})
