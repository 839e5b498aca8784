import pytest

from thriftgate.core.prices import Rates
from thriftgate.core.reduction.cuts import Prompt, Summariser, clearing, compaction, pay, window, write_rate

USD = 10**12
OPUS = Rates(5 * USD, 25 * USD // 4, 10 * USD, USD // 2, 25 * USD)
CHEAP = Rates(USD // 10, USD // 8, USD // 5, USD // 100, USD // 2)
DEAR = Rates(USD // 2, 5 * USD // 8, USD, USD // 20, 5 * USD // 2)


def stepped(tokens: int) -> Rates:
    return DEAR if tokens > 100_000 else CHEAP


OWN = Summariser("opus", lambda _: OPUS, own=True)
HAIKU = Summariser("haiku", stepped, piece=100_000)
CUT = compaction(100_000, 15_000, 4_000, 2_000)


def test_forms() -> None:
    assert (CUT.front, CUT.out, CUT.summary) == (15_000, 81_000, 2_000)
    dropped = window(100_000, 15_000, 4_000)
    assert (dropped.out, dropped.summary) == (81_000, 0)
    cleared = clearing(60_000, 30_000, 200)
    assert (cleared.front, cleared.out, cleared.summary) == (60_000, 30_000, 200)
    assert compaction(10_000, 15_000, 4_000, 2_000).out == 0
    assert (write_rate(OPUS, "5m"), write_rate(OPUS, "1h")) == (OPUS.write_5m, OPUS.write_1h)


def units(pico: float) -> float:
    """In tokens at the input price."""
    return pico * 1e6 / OPUS.input


def test_the_own_model_reads_the_warm_conversation() -> None:
    paid = pay(CUT, Prompt(100_000, 100_000, 81_000, True, "5m"), (OWN,), OPUS)
    assert units(paid.summary) == pytest.approx(0.1 * 100_000 + 5 * 2_000)
    assert units(paid.rewrite) == pytest.approx(1.25 * 6_000)
    assert units(paid.total) == pytest.approx(10_000 + 10_000 + 7_500 + 0.1 * 15_000)


def test_what_is_new_and_not_kept_is_plain_input_to_it() -> None:
    paid = pay(CUT, Prompt(100_000, 90_000, 81_000, True, "5m"), (OWN,), OPUS)
    assert units(paid.summary) == pytest.approx(0.1 * 90_000 + 6_000 + 10_000)


def test_of_a_cold_conversation_it_writes_the_front_for_the_cut_prompt_to_read() -> None:
    paid = pay(CUT, Prompt(100_000, 0, 81_000, False, "5m"), (OWN,), OPUS)
    assert units(paid.total) == pytest.approx(1.25 * 15_000 + 81_000 + 10_000 + 0.1 * 15_000 + 7_500)


def test_another_model_is_sent_what_goes_in_pieces_below_its_step_in_price() -> None:
    long = compaction(300_000, 15_000, 4_000, 2_000)
    prompt = Prompt(300_000, 300_000, long.out, True, "5m")
    three = 0.1 * (281_000 + 2 * 2_000) + 0.5 * 3 * 2_000
    whole = 0.5 * 281_000 + 2.5 * 2_000
    assert pay(long, prompt, (HAIKU,), OPUS).summary == pytest.approx(three * USD / 1e6)
    assert pay(long, prompt, (Summariser("haiku", stepped),), OPUS).summary == pytest.approx(whole * USD / 1e6)


def test_its_tokens_are_its_own_and_thinking_is_output() -> None:
    prompt = Prompt(50_000, 50_000, 31_000, True, "5m")
    one = Summariser("haiku", stepped, ratio=1.3, thinks=500)
    found = pay(compaction(50_000, 15_000, 4_000, 2_000), prompt, (one,), OPUS).summary
    assert found == pytest.approx((0.1 * 31_000 * 1.3 + 0.5 * (2_000 * 1.3 + 500)) * USD / 1e6)


def test_the_cheaper_one_summarises() -> None:
    prompt = Prompt(100_000, 100_000, 81_000, True, "5m")
    assert pay(CUT, prompt, (OWN, HAIKU), OPUS).by == "haiku"
    third = Summariser("sonnet", lambda _: OPUS.scaled(1, 3))  # a third of the price is not cheap enough for a cold prompt
    assert pay(CUT, prompt, (OWN, third), OPUS).by == "opus"
    tenth = Summariser("small", lambda _: OPUS.scaled(1, 10))
    assert pay(CUT, prompt, (OWN, tenth), OPUS).by == "small"


def test_a_front_without_an_entry_of_its_own_is_written() -> None:
    warm = pay(CUT, Prompt(100_000, 100_000, 81_000, True, "1h"), (HAIKU,), OPUS)
    gone = pay(CUT, Prompt(100_000, 100_000, 81_000, False, "1h"), (HAIKU,), OPUS)
    assert units(gone.total - warm.total) == pytest.approx((2 - 0.1) * 15_000)


def test_a_cut_without_a_summary_has_nobody_to_pay() -> None:
    paid = pay(window(100_000, 15_000, 4_000), Prompt(100_000, 100_000, 81_000, True, "5m"), (OWN,), OPUS)
    assert (paid.summary, paid.by) == (0.0, "")
    assert units(paid.total) == pytest.approx(0.1 * 15_000 + 1.25 * 4_000)
    cleared = pay(clearing(60_000, 30_000, 200), Prompt(100_000, 98_000, 30_000, True, "5m"), (), OPUS)
    assert units(cleared.total) == pytest.approx(0.1 * 60_000 + 1.25 * 10_200)
