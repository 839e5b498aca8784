"""A stream under several policies at once: what is added up, and that as-is is what was."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from tests.audit.replay.talks import Talks
from tests.audit.replay.test_asks import asks, record
from tests.audit.tables import BOOK, MODELS, OLD_OPUS, call
from thriftgate.audit.replay.asks import Asked
from thriftgate.audit.replay.policies import (
    ALL,
    CACHE,
    CONFIG,
    KEEPALIVE,
    Candidate,
    client_candidates,
    planner_candidates,
)
from thriftgate.audit.replay.run import GROUPS, Done, MissTally, Tally, run
from thriftgate.core.misses import Miss
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Policy
from thriftgate.core.stability.rewrite import LEVER as STABILISE

CANDIDATES = [one for one in (*planner_candidates(None), *client_candidates()) if one.name in (ALL, "habit-5m", "auto-1h")]


@pytest.fixture(scope="module")
def stream() -> list[Asked]:
    billed = Talks(3, "system-1h+tail", ("append", "pause", "open", "agent", "compact")).run(160)
    return asks(*(record(one, at) for at, one in enumerate(billed)))


def test_as_is_is_what_was(stream: list[Asked]) -> None:
    done = run(stream, CANDIDATES, BOOK, MODELS)
    assert done.differing == 0
    assert done.as_is == replace(done.observed, name="as-is")
    assert done.plain.pico > done.observed.pico
    assert done.plain.read == 0
    tallies = [done.observed, done.as_is, done.plain, *done.tallies.values()]
    assert {tally.calls for tally in tallies} == {160}
    assert len({tally.prompt for tally in tallies}) == 1
    assert all(sum(tally.groups) == tally.pico for tally in tallies)
    assert set(done.tallies) == {ALL, "habit-5m", "auto-1h"}
    assert sum(one.calls for one in done.misses.values()) > 10


def test_two_parts_make_the_whole(stream: list[Asked]) -> None:
    """Conversations of different workspaces have nothing to do with each other, so it is all one who replays them."""
    other = [replace(one, logged=replace(one.logged, key="other"), conversation=one.conversation + 7) for one in stream]
    both = sorted([*stream, *other], key=lambda one: one.logged.at_s)
    one, two, whole = (run(part, CANDIDATES[1:], BOOK, MODELS) for part in (stream, other, both))
    merged = one.merged(two)
    assert merged.tallies == whole.tallies
    assert (merged.observed, merged.as_is, merged.plain) == (whole.observed, whole.as_is, whole.plain)
    assert merged.differing == whole.differing == 0


def test_sums_of_done() -> None:
    one = Tally("a", 1, 2, 3, 4, 5, 6, [1] * GROUPS, {"x": 1})
    two = Tally("a", 10, 20, 30, 40, 50, 60, [], {"x": 2, "y": 3}, 7, 8, 9)
    assert one.merged(two) == Tally("a", 11, 22, 33, 44, 55, 66, [1] * GROUPS, {"x": 3, "y": 3}, 7, 8, 9)
    empty = Tally("o")
    first = Done(empty, empty, empty, {"a": one}, {"cold": MissTally(1, 2, 3, 4, "e")}, 1)
    second = Done(empty, empty, empty, {"a": two}, {"cold": MissTally(1, 2, 3, 4, "f"), "expired": MissTally(9)}, 2)
    merged = first.merged(second)
    assert merged.misses == {"cold": MissTally(2, 4, 6, 8, "e"), "expired": MissTally(9)}
    assert (merged.tallies["a"].pico, merged.differing) == (44, 3)


def test_a_miss_is_counted_once() -> None:
    tally = MissTally()
    tally.add(Miss("expired", 100, 7, "after ten minutes", avoidable=True))
    tally.add(Miss("expired", 10, 3, "later", avoidable=False))
    assert tally == MissTally(2, 110, 10, 7, "after ten minutes")


def test_what_cannot_be_planned_counts_as_it_was(stream: list[Asked]) -> None:
    refusing = Candidate(CONFIG, "config", "refuses everything", Policy(levers=("count.guard",), cost_limit_pico=1))
    tally = run(stream, [refusing], BOOK, MODELS, explain=False).tallies[CONFIG]
    observed = run(stream, [], BOOK, MODELS, explain=False).observed
    assert (tally.calls, tally.failed) == (160, 160)
    assert (tally.pico, tally.groups, tally.read) == (observed.pico, observed.groups, observed.read)


def test_an_unpriced_call_is_in_no_sum() -> None:
    (one,) = asks(call(0, input=1_000, output=9))
    done = run([one, replace(one, geo="the moon")], CANDIDATES, BOOK, MODELS)
    assert {tally.calls for tally in (done.observed, done.as_is, done.plain, *done.tallies.values())} == {1}


def test_web_searches_cost_the_same_under_every_policy() -> None:
    (one,) = asks(call(0, input=1_000, output=9))
    (searching,) = asks(call(0, input=1_000, output=9, web_searches=3))
    plain, done = (run([which], CANDIDATES, BOOK, MODELS, explain=False) for which in (one, searching))
    fee = 3 * pico_from_usd("0.01")
    for name in (ALL, "habit-5m"):
        assert done.tallies[name].pico - plain.tallies[name].pico == fee
    assert done.observed.pico - plain.observed.pico == done.as_is.pico - plain.as_is.pico == fee
    assert sum(done.observed.groups) == done.observed.pico


def test_what_a_client_would_have_been_refused_is_sent_plain() -> None:
    """`system-5m` on a prompt without a system prompt marks nothing; a rule that is refused counts as rejected."""
    (one,) = asks(call(0, input=90_000, output=9))
    names = [candidate for candidate in client_candidates() if candidate.name == "system-5m"]
    done = run([one], names, BOOK, MODELS, explain=False)
    assert done.tallies["system-5m"].pico == done.plain.pico


def test_a_log_that_does_not_tell_the_cache_differs_from_nothing() -> None:
    (one,) = asks(call(0, input=9_000, output=9, cache_untold=True))
    done = run([one], [], BOOK, MODELS)
    assert (done.differing, done.misses) == (0, {})


def test_nothing_replayed() -> None:
    done = run([], CANDIDATES, BOOK, MODELS)
    assert done.observed == Tally("observed")
    assert done.tallies["habit-5m"] == Tally("habit-5m")
    assert done.merged(done).observed.calls == 0


# --- levers that are held against the planner without them ----------------------------------------------------------------

CHOSEN = {one.name: one for one in planner_candidates(None)}
PLAIN = f"{CACHE}:ttl-only"


def dated_calls(count: int, line: str = "Request ID: 7c9e6679-7425-40de-944b-e07fc1f9{}\n") -> list[Asked]:
    """One application whose system prompt begins with something else in each call."""
    head = "Answer briefly, and only from what the customer has told you. " * 400
    bodies = [
        {
            "model": OLD_OPUS,
            "max_tokens": 9,
            "system": line.format(1_000 + at) + head,
            "messages": [{"role": "user", "content": f"question {at}"}],
        }
        for at in range(count)
    ]
    calls = [
        call(60 * at, model=OLD_OPUS, key="k", input=5_000, output=9, body=msgspec.json.encode(request))
        for at, request in enumerate(bodies)
    ]
    return asks(*calls, rewritten=True)


def test_rewritten_prompts_are_read_where_the_originals_are_not() -> None:
    done = run(dated_calls(20), [CHOSEN[STABILISE], CHOSEN[PLAIN], CHOSEN[ALL]], BOOK, MODELS, explain=False)
    rewritten, plain = done.tallies[STABILISE], done.tallies[PLAIN]
    assert (rewritten.rewritten, plain.rewritten, done.tallies[ALL].rewritten) == (20, 0, 0)
    assert (rewritten.calls, rewritten.prompt) == (plain.calls, plain.prompt) == (20, 20 * 5_000)
    assert plain.read == 0
    assert rewritten.read > 10 * 4_000
    assert rewritten.pico < 0.5 * plain.pico


def test_prompts_that_need_no_rewriting_stay_as_they_are() -> None:
    done = run(dated_calls(20, "Be kind. "), [CHOSEN[STABILISE], CHOSEN[PLAIN]], BOOK, MODELS, explain=False)
    rewritten, plain = done.tallies[STABILISE], done.tallies[PLAIN]
    assert rewritten == replace(plain, name=STABILISE)
    assert plain.read > 0


def test_pings_are_no_calls(stream: list[Asked]) -> None:
    done = run(stream, [CHOSEN[KEEPALIVE], CHOSEN[PLAIN]], BOOK, MODELS, explain=False)
    pinged, plain = done.tallies[KEEPALIVE], done.tallies[PLAIN]
    assert (pinged.calls, pinged.prompt) == (plain.calls, plain.prompt)
    assert pinged.pings == 3
    assert 0 < pinged.pings_pico < pinged.pico
    assert sum(pinged.groups) == pinged.pico
    assert (plain.pings, plain.pings_pico) == (0, 0)
