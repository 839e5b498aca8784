import random

import pytest
from msgspec.structs import replace

from thriftgate.core.prices import Rates
from thriftgate.core.reduction.cuts import Summariser, clearing, compaction, window
from thriftgate.core.reduction.lapses import Lives
from thriftgate.core.reduction.when import SHARE, Decision, History, decide
from thriftgate.core.request import Ttl

USD = 10**12
OPUS = Rates(5 * USD, 25 * USD // 4, 10 * USD, USD // 2, 25 * USD)
CHEAP = Rates(USD // 10, USD // 8, USD // 5, USD // 100, USD // 2)
OWN = Summariser("opus", lambda _: OPUS, own=True)
HAIKU = Summariser("haiku", lambda _: CHEAP)
HEAD, TAIL, SUMMARY = 15_000, 4_000, 2_000
LEFT = HEAD + TAIL + SUMMARY
RICH = 1_000 * USD


def history(tokens: int, warm: int | None = None, *, further: float = 20.0, spent: int = RICH) -> History:
    known = tokens if warm is None else warm
    return History(tokens, known, lambda _: OPUS, grows=700.0, further=further, spent_pico=spent)


def compacted(one: History, *by: Summariser, margin: float = 0.0) -> Decision:
    front: Ttl | None = "5m" if one.warm >= HEAD else None
    return decide(one, compaction(one.tokens, HEAD, TAIL, SUMMARY, front), by or (OWN,), margin=margin)


def units(pico: int) -> float:
    """In tokens at the input price."""
    return pico * 1e6 / OPUS.input


@pytest.mark.parametrize(("tokens", "turns"), [(30_000, 22.8), (50_000, 7.8), (100_000, 3.5)])
def test_so_many_turns_must_remain(tokens: int, turns: float) -> None:
    """n* = C(x) / (r (x - y0)) with C(x) = r x + o s + w (s + k). It counts the turn of the cut, in which it takes the cut
    prompt for read where it is written: (s + k) / (x - y0) turns too many."""
    terms = compacted(history(tokens)).terms
    assert terms is not None
    assert units(terms.loss_pico) == pytest.approx(5 * SUMMARY + 1.25 * (SUMMARY + TAIL) + 0.1 * HEAD)
    assert units(terms.per_turn_pico) == pytest.approx(0.1 * (tokens - LEFT))
    exact = 1 + terms.loss_pico / terms.per_turn_pico
    assert exact + (SUMMARY + TAIL) / (tokens - LEFT) == pytest.approx(turns, abs=0.06)


def test_at_a_cold_resume_it_saves_at_once_above_a_length() -> None:
    """(w - 1) x > o s + w y0, 145,000 tokens, if the tail is summarised as well and tools and system are sent twice. They
    are not: that spares the tail, and 0.9 of tools and system."""
    terms = compacted(history(145_000, 0)).terms
    assert terms is not None
    assert units(terms.loss_pico) == pytest.approx(-TAIL - 0.9 * HEAD)
    longest = next(tokens for tokens in range(25_000, 200_000, 500) if _loss(tokens) < 0)
    assert longest == pytest.approx((5 * SUMMARY + 1.25 * LEFT - TAIL - 0.9 * HEAD) / 0.25, abs=500)


def _loss(tokens: int) -> int:
    terms = compacted(history(tokens, 0)).terms
    return terms.loss_pico if terms is not None else 0


def test_at_a_cold_resume_with_five_turns_to_come() -> None:
    """(w - 1) x + n r (x - y0) > o s + w y0 from 62,333 tokens on."""
    terms = compacted(history(62_333, 0)).terms
    assert terms is not None
    spared = TAIL + 0.9 * HEAD
    assert units(terms.loss_pico - 5 * terms.per_turn_pico) + spared == pytest.approx(0, abs=1)


def test_the_example_of_the_module() -> None:
    found = compacted(history(100_000, 99_300, spent=91 * USD // 10), margin=0.5)
    assert found.terms is not None
    assert found.terms.loss_pico == pytest.approx(0.0906 * USD, rel=1e-3)
    assert found.terms.per_turn_pico == pytest.approx(0.0395 * USD)
    assert compacted(history(100_000, 99_300, spent=92 * USD // 10)).terms.room_pico > found.terms.loss_pico  # type: ignore[union-attr]
    assert compacted(history(100_000, 99_300, spent=90 * USD // 10)).terms.room_pico < found.terms.loss_pico  # type: ignore[union-attr]


def test_the_threshold_with_a_warm_cache() -> None:
    """42,000 tokens with 20 turns to come (value iteration)."""
    first = next(tokens for tokens in range(22_000, 100_000, 250) if compacted(history(tokens)).go)
    assert first == pytest.approx(42_000, rel=0.08)


def test_longer_conversations_are_cut_sooner() -> None:
    def first(further: float) -> int:
        return next((at for at in range(22_000, 400_000, 1_000) if compacted(history(at, further=further)).go), 400_000)

    found = [first(further) for further in (1.0, 3.0, 10.0, 30.0, 100.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


def test_the_end_of_a_conversation_is_no_time_for_a_cut_but_where_it_saves_at_once() -> None:
    assert not compacted(history(150_000, further=0.0))
    cold = compacted(history(150_000, 0, further=0.0))
    assert cold
    assert cold.saving_pico == -cold.terms.loss_pico  # type: ignore[union-attr]


def test_longer_prompts_and_colder_caches_speak_for_it() -> None:
    losses = [compacted(history(100_000, warm)).terms.loss_pico for warm in range(15_000, 100_001, 5_000)]  # type: ignore[union-attr]
    assert losses == sorted(losses)
    savings = [compacted(history(tokens)).saving_pico for tokens in range(22_000, 200_000, 5_000)]
    assert savings == sorted(savings)


def test_the_cheaper_summariser_is_taken_and_makes_it_pay_sooner() -> None:
    own, both = compacted(history(60_000)), compacted(history(60_000), OWN, HAIKU)
    assert (own.summariser, both.summariser) == ("opus", "haiku")
    assert both.terms.loss_pico < own.terms.loss_pico  # type: ignore[union-attr]
    assert both.saving_pico > own.saving_pico


def test_what_may_be_lost_is_a_share_of_what_was_spent() -> None:
    one = history(100_000, spent=0)
    poor = compacted(one)
    assert poor.saving_pico > 0
    assert not poor
    assert "would be lost if the conversation ended" in poor.reason
    loss = poor.terms.loss_pico  # type: ignore[union-attr]
    enough = round(loss / SHARE)
    assert compacted(replace(one, spent_pico=enough))
    assert not compacted(replace(one, spent_pico=enough, regret_pico=USD // 10))
    assert compacted(replace(one, spent_pico=USD // 10, regret_pico=-loss))  # what was saved before pays for it
    assert not compacted(replace(one, spent_pico=enough, whole_pico=0))  # this turn alone cost more than it would have


def test_a_lapse_that_the_whole_would_outlive_counts_as_lost() -> None:
    one = history(100_000, spent=10 * USD)
    assert compacted(one)
    at_risk = replace(one, lives=Lives(100_000, 100_000, 100_000, 100_000))
    assert not compacted(at_risk)
    lapse = compacted(at_risk).terms.lapse_pico  # type: ignore[union-attr]
    assert units(lapse) == pytest.approx(2 * LEFT - 0.1 * 100_000)
    dearer = compacted(replace(at_risk, rewrite="1h", spent_pico=13 * USD, further=100.0))
    assert dearer
    assert dearer.terms.lapse_pico == 0  # type: ignore[union-attr]


def test_dropping_without_a_summary_and_clearing_use_the_same_sum() -> None:
    one = history(60_000, 59_300)
    dropped = decide(one, window(60_000, HEAD, TAIL), (OWN,))
    assert dropped
    assert dropped.summariser == ""
    assert dropped.tokens == HEAD + TAIL
    assert units(dropped.terms.loss_pico) == pytest.approx(0.1 * HEAD + 1.25 * TAIL - 0.1 * 59_300 - 1.25 * 700)  # type: ignore[union-attr]
    late = decide(one, clearing(50_000, 5_000, 100), ())
    early = decide(one, clearing(20_000, 5_000, 100), ())
    assert late.terms.loss_pico < early.terms.loss_pico  # type: ignore[union-attr]
    assert late.saving_pico > early.saving_pico
    assert not early


def test_nothing_is_cut_to_more_or_to_less_than_is_cached() -> None:
    assert compacted(history(LEFT - 1)).reason == "compacting would leave no fewer tokens"
    short = compacted(replace(history(LEFT + 20_000), cache_min_tokens=LEFT + 1))
    assert (short.go, short.terms) == (False, None)
    assert "too few to be cached" in short.reason


def test_a_step_in_price_is_worth_avoiding() -> None:
    def stepped(tokens: int) -> Rates:
        return OPUS if tokens <= 100_000 else OPUS.scaled(5, 1)

    one = replace(history(101_000), rates=stepped, answer=1_000)
    own = Summariser("opus", stepped, own=True)
    flat, step = compacted(history(101_000), own), compacted(one, own)
    assert step.terms.per_turn_pico > 5 * flat.terms.per_turn_pico  # type: ignore[union-attr]
    assert units(step.terms.as_is_pico) == pytest.approx(5 * (0.1 * 101_000 + 5 * 1_000))  # type: ignore[union-attr]


def test_lapses_to_come_make_every_token_dearer() -> None:
    rare, often = compacted(history(60_000)), compacted(replace(history(60_000), lapse=0.1))
    assert units(often.terms.per_turn_pico) == pytest.approx((0.1 + 0.1 * 1.15) * (60_000 - LEFT))  # type: ignore[union-attr]
    assert often.saving_pico > rare.saving_pico


def test_the_reason_holds_the_sum() -> None:
    found = compacted(history(100_000, 99_300))
    assert found.reason.startswith(
        "compacting 100,000 tokens to 21,000 costs $0.0906 this turn (summary by opus $0.0997, rewriting 6,000 tokens "
        "$0.0375) and saves $0.0395 in each of 20.0 expected further turns; now saves $"
    )
    assert compacted(history(24_000, 23_300)).reason.partition("; ")[2].startswith("not yet: in ")
    assert "; going on as is costs $" in compacted(history(30_000, 29_300, further=0.5)).reason
    assert compacted(history(145_000, 0)).reason.startswith("compacting 145,000 tokens to 21,000 saves $0.0875 this turn")
    assert "saves only" in compacted(history(100_000, 99_300), margin=10.0).reason


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_a_conversation_never_costs_one_percent_more(seed: int) -> None:
    """Random growth, gaps, lengths and beliefs; the bill is held to the one without cuts after every turn, since any of them
    may be the last."""
    rng = random.Random(seed)
    head, by = rng.choice((500, 5_000, 17_000)), rng.choice(((OWN,), (OWN, HAIKU), (HAIKU,)))
    rates = rng.choice((OPUS, replace(OPUS, read=OPUS.read // 2), replace(OPUS, read=OPUS.read // 4)))
    sizes = rng.choice(((100, 500, 900), (200, 2_000, 20_000), (3_000,)))
    whole = before = head + rng.choice((500, 20_000, 150_000))
    gone = 0
    cost = plain = 0.0
    for turn in range(rng.choice((5, 30, 200))):
        whole += rng.choice(sizes) if turn else 0
        lapsed = turn == 0 or rng.random() < 0.08
        warm = 0 if lapsed else before
        as_plain = rates.read * warm + rates.write_5m * (whole - warm)
        tokens, known = whole - gone, max(0, warm - gone) if warm else 0
        tail = min(whole - before + rng.choice((0, 300, 5_000)), tokens - head)
        one = History(
            tokens=tokens,
            warm=known,
            rates=lambda _: rates,
            grows=rng.choice((100.0, 1_500.0)),
            further=rng.choice((0.5, 10.0, 1_000.0)),
            spent_pico=round(cost / 1e6),
            regret_pico=round((cost - plain) / 1e6),
            whole_pico=round(as_plain / 1e6),
        )
        decision = decide(one, compaction(tokens, head, tail, SUMMARY, None if lapsed else "5m"), by)
        if turn and decision:
            cost += decision.terms.cut_pico * 1e6  # type: ignore[union-attr]
            gone += tokens - decision.tokens
        else:
            cost += rates.read * known + rates.write_5m * (tokens - known)
        answer = rates.output * rng.choice((0, 300))
        plain, cost, before = plain + as_plain + answer, cost + answer, whole
        assert cost <= 1.01 * plain
