import gzip
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks.context.__main__ import main
from benchmarks.context.cache_lives import CacheLives, marked
from benchmarks.context.compaction import CHEAP, at_tokens, table_of, worlds
from benchmarks.context.policies import BLOG, LATE, OURS, Expected, Fixed
from benchmarks.context.replay import SUMMARY, TAIL_TURNS, Turn, cut_bill, replay
from benchmarks.context.talks import Sent, Talk, Workload, workload
from benchmarks.context.worlds import OWN, World

from thriftgate.core.reduction.cuts import compaction
from thriftgate.core.reduction.when import History, decide
from thriftgate.core.request import Ttl

OPUS = World("claude-opus-5-5", "5m", OWN)


def talk(sizes: list[int], *, gap_s: float = 20.0, head: int = 10_000, session: int = 0) -> Talk:
    known = [0, *sizes]
    sent = [Sent(at * gap_s, tokens, known[at], 100, "claude-opus-5-5") for at, tokens in enumerate(sizes)]
    return Talk(session, head, tuple(sent))


def growing(turns: int, *, begins: int = 30_000, grows: int = 1_000, gap_s: float = 20.0) -> Talk:
    return talk([begins + grows * at for at in range(turns)], gap_s=gap_s)


# --- the replay -------------------------------------------------------------------------------------------------------


def test_never_is_what_the_cache_makes_it() -> None:
    """Opus 5.5: $4, writes $5, reads $0.20, answers $20 a million tokens."""
    found = replay(growing(3), OPUS, Fixed(turns=99))
    answers = 3 * 100 * 20.0
    assert found.never == pytest.approx((5 * 32_000 + 0.2 * (30_000 + 31_000) + answers) * 1e6)
    assert (found.cost, found.cuts, found.peak) == (found.never, 0, 1.0)
    lapsed = replay(growing(3, gap_s=300.0), OPUS, Fixed(turns=99))
    assert lapsed.never == pytest.approx((5 * (30_000 + 31_000 + 32_000) + answers) * 1e6)


def test_a_cut_leaves_head_summary_and_tail() -> None:
    found = replay(growing(5), OPUS, Fixed(turns=3))
    tail = TAIL_TURNS * 1_000
    left = 10_000 + SUMMARY + tail
    summary = 0.2 * 32_000 + 20 * SUMMARY
    prompts = 5 * 32_000 + 0.2 * (30_000 + 31_000) + 0.2 * 10_000 + 5 * (SUMMARY + tail) + 0.2 * left + 5 * 1_000
    assert found.cost == pytest.approx((prompts + summary + 5 * 100 * 20.0) * 1e6)
    assert (found.cuts, found.cold) == (1, 0)


def test_after_a_lapse_all_is_cold() -> None:
    found = replay(growing(4, gap_s=400.0), OPUS, Fixed(turns=3))
    assert (found.cuts, found.cold) == (1, 1)


def test_a_client_that_goes_back_before_the_cut_gets_its_own_prompt() -> None:
    sizes = [30_000, 31_000, 32_000, 33_000, 34_000]
    back = talk(sizes)
    last = Sent(100.0, 31_500, 30_500, 100, "claude-opus-5-5")
    with_it = replay(Talk(0, back.head, (*back.requests, last)), OPUS, Fixed(turns=3))
    without = replay(back, OPUS, Fixed(turns=3))
    again = 0.2 * 10_000 + 5 * 21_500 + 100 * 20.0
    assert with_it.cost - without.cost == pytest.approx(again * 1e6)


def test_nothing_is_cut_in_the_first_request_of_another_prompt() -> None:
    falls = talk([50_000, 51_000, 52_000, 20_000])
    falls = Talk(0, 10_000, (*falls.requests[:3], Sent(60.0, 20_000, 10_000, 100, "claude-opus-5-5")))
    assert replay(falls, OPUS, Fixed(tokens=15_000)).cuts == 1


def turn(world: World, warm: int, head_lives: Ttl | None) -> Turn:
    sent = Sent(0.0, 80_000, 79_000, 100, world.model)
    return Turn(sent, world.model, 80_000, 15_000, head_lives, 3_000, warm, 5, "5m", 1e12, 0.0, 1e11, None)


@pytest.mark.parametrize("cheap", [OWN, CHEAP])
@pytest.mark.parametrize(("warm", "head_lives"), [(79_000, "5m"), (79_000, None), (15_000, "5m"), (0, None)])
def test_the_decision_and_the_bill_add_up_alike(cheap: str, warm: int, head_lives: Ttl | None) -> None:
    world = World("claude-opus-5-5", "5m", cheap)
    one = turn(world, warm, head_lives)
    rates, by = world.rates(world.model), world.summarisers(world.model)
    history = History(80_000, warm, rates, 1_000.0, 10.0)
    terms = decide(history, compaction(80_000, 15_000, 3_000, SUMMARY, head_lives), by).terms
    assert terms is not None
    assert cut_bill(one, by, rates, "5m") == pytest.approx(terms.cut_pico)


def test_entries_live_and_are_renewed() -> None:
    cache = CacheLives()
    cache.sent(0.0, 30_000, 0, "5m")
    assert cache.warm(299.0, 30_000, 10_000) == 30_000
    assert cache.warm(299.0, 29_000, 10_000) == 10_000  # an entry is read whole or not at all
    assert cache.warm(300.0, 30_000, 10_000) == 0
    cache.sent(290.0, 30_500, 30_000, "1h")
    assert (cache.hour(300.0, 30_500, 10_000), cache.head_lives(300.0)) == (30_500, "5m")
    cache.sent(400.0, 60_000, 30_500, "5m")
    assert cache.warm(900.0, 60_000, 10_000) == 30_500
    cache.sent(900.0, 61_000, 30_500, "1h")
    assert cache.head_lives(3_000.0) == "1h"
    cache.cut(1_000.0, 20_000, "5m")
    assert (cache.warm(1_400.0, 20_000, 10_000), cache.warm(1_200.0, 20_000, 10_000)) == (10_000, 20_000)
    cache.sent(1_400.0, 30_000, 10_000, "5m", hold=20_000)
    assert cache.warm(2_000.0, 30_000, 10_000) == 20_000
    cache.sent(2_000.0, 900, 0, "5m", least=1_000)
    assert cache.warm(2_001.0, 900, 0) == 0


def test_the_tail_is_kept_for_an_hour_where_what_is_new_is_small() -> None:
    assert marked("late 1h", 31_000, 30_000, 10_000) == "1h"
    assert marked("late 1h", 33_000, 30_000, 10_000) == "5m"
    assert marked("late 1h", 10_100, 10_000, 10_000) == "5m"
    assert marked("5m", 31_000, 30_000, 10_000) == "5m"


# --- the budget -------------------------------------------------------------------------------------------------------


def drawn(rng: random.Random) -> Talk:
    tokens, at_s = rng.choice((8_000, 20_000, 60_000, 150_000)), 0.0
    head = min(tokens - 500, rng.choice((2_000, 8_000, 17_000)))
    sizes = rng.choice(((100, 400, 800, 2_000, 8_000, 30_000), (100, 300, 700, 1_500)))
    gaps = rng.choice(((3, 30, 200, 290, 310, 600, 1_200, 3_500, 3_700, 9_000), (5, 600)))
    sent: list[Sent] = []
    for _ in range(rng.choice((8, 20, 60))):
        sent.append(Sent(at_s, tokens, sent[-1].tokens if sent else 0, rng.choice((50, 300, 1_500)), ""))
        tokens, at_s = tokens + rng.choice(sizes), at_s + rng.choice(gaps)
    return Talk(0, head, tuple(sent))


@pytest.mark.parametrize("caching", ["none", "5m", "late 1h"])
def test_at_no_moment_does_ours_cost_one_percent_more_than_never(caching: Any) -> None:
    rng, cuts = random.Random(caching), 0
    models = ("claude-opus-4-5", "claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-2", "claude-haiku-5-5")
    for _ in range(150):
        world = World(rng.choice(models), caching, rng.choice((CHEAP, OWN, "claude-haiku-4-5")))
        found = replay(drawn(rng), world, Expected())
        assert found.peak <= 1.01
        cuts += found.cuts
    assert cuts > 300


def test_ours_beats_the_rule_and_never_on_conversations_like_those() -> None:
    rng = random.Random(3)
    one = Workload("drawn", tuple(drawn(rng) for _ in range(60)))
    found = table_of(one, World("claude-opus-5-5", "5m", CHEAP)).policies
    assert found[OURS].bill < min(1.0, found[BLOG].bill, found[LATE].bill)
    assert found[OURS].above == 0
    assert at_tokens(30_000) in found


# --- traces and the command -------------------------------------------------------------------------------------------


def session(begins: int) -> dict[str, Any]:
    blocks = 320
    requests = [
        {"t": 0.0, "type": "n", "model": "claude-opus-4-5", "in": 64 * blocks, "out": 50, "lcp": 0, "new": [[1, blocks]]}
    ]
    for at in range(1, 40):
        row = {"t": 30.0 * at, "type": "s", "model": "claude-opus-4-5", "in": 64 * (blocks + 20), "out": 80, "lcp": blocks}
        requests.append(row | {"new": [[begins + blocks + 1, 20]]})
        blocks += 20
    agent = {"t": 50.0, "type": "subagent", "requests": requests[:2], "tool_tokens": 64, "system_tokens": 64}
    tools = {"block_size": 64, "tool_tokens": 6_400, "system_tokens": 3_200}
    return {"id": "x", "models": [], **tools, "requests": [*requests, agent]}


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    lines = [msgspec.json.encode(session(10_000 * number)) for number in range(6)]
    (tmp_path / "sessions.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    return tmp_path


def test_sub_agents_are_conversations_of_their_own(trace: Path) -> None:
    found = workload(trace, 1.0, 1)
    assert found.name == "claude-code-sessions"
    assert [(one.session, len(one.requests), one.head) for one in found.talks[:2]] == [(0, 2, 128), (0, 40, 9_600)]
    first, second = found.talks[1].requests[:2]
    assert (first.shared, second.shared, second.tokens) == (0, 64 * 320, 64 * 340)
    assert len(workload(trace, 0.5, 1).talks) == 6


def test_another_model_shares_nothing(tmp_path: Path) -> None:
    one = session(0)
    one["requests"][2]["model"] = "claude-haiku-4-5"
    path = tmp_path / "one.jsonl.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(one)))
    shared = [sent.shared for sent in workload(path, 1.0, 1).talks[1].requests[:5]]
    assert shared[1] > 0
    assert shared[2:4] == [0, 0]
    assert shared[4] > 0


def test_prompts_as_text_make_conversations_as_well(tmp_path: Path) -> None:
    system = "You answer questions about the weather in many cities. " * 100
    rows = []
    for number in range(3):
        text = system + f"Session {number}. "
        for at in range(4):
            text += f"Turn {at} of it says something of its own {number}. " * 20
            rows.append({"timestamp": at * 10**6, "input": text, "output": "Fine.", "session_id": f"s{number}"})
    path = tmp_path / "agents.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(msgspec.json.encode(row) for row in rows)))
    talks = workload(path, 1.0, 1).talks
    assert [len(one.requests) for one in talks] == [4, 4, 4]
    for one in talks:
        assert 0 < one.head < one.requests[0].tokens
        assert all(two.shared == first.tokens for first, two in zip(one.requests, one.requests[1:], strict=False))


def test_a_run_prints_tables_goals_and_one_json_line(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["compaction", str(trace), "--share", "0.5", "--json"])
    printed = capsys.readouterr().out
    document = msgspec.json.decode(printed.splitlines()[-1])
    assert code == int(document["failed"])
    assert document["benchmark"] == "context compaction"
    tables = document["figures"]["tables"]
    assert len(tables) == len(worlds(CHEAP))
    for one in tables:
        by_name = {each["policy"]: each for each in one["policies"]}
        assert {BLOG, LATE, OURS, "at 20k"} <= by_name.keys()
        assert by_name[OURS]["worst_session"] <= 1.01
    assert "best fixed threshold" in printed
    assert not document["failed"]


def test_what_is_no_trace_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compaction", str(tmp_path / "nowhere")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["compaction", str(tmp_path)]) == 2
    assert "no trace" in capsys.readouterr().err
    broken = tmp_path / "x.jsonl.gz"
    broken.write_bytes(gzip.compress(b'{"requests": 1}'))
    assert main(["compaction", str(broken)]) == 2
    assert "session 1" in capsys.readouterr().err
