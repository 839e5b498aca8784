"""Caps that are learned: the bound, what cut answers teach, the two guards, the dollars, what is kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from math import sqrt

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.output import lengths as module
from thriftgate.core.output.lengths import FREE_HELD, FREE_LEAST, MEAN_LEAST, WINDOW, Answer, Lengths
from thriftgate.core.output.tolerance import needs, rank

SITE = ("key", "claude-haiku-5-5", "summary")
RATE = 0.05
LIMIT = 10_000
HARDLY = 0.95  # a rate that no run of cuts here is against
OUTPUT, AGAIN = 15 * 10**12, 300 * 15 * 10**6  # pico-USD a million tokens; the prompt costs as much as 300 of them


def known(answers: Iterable[Answer | int]) -> Lengths:
    lengths = Lengths()
    for one in answers:
        lengths.note(SITE, one if isinstance(one, Answer) else Answer(one))
    return lengths


def cut(cap: int, again: int | None, rate: float = RATE) -> Answer:
    return Answer(cap, ended=False, cap=cap, rate=rate, again=again)


# --- the bound ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.01, 0.02, 0.05])
def test_too_few_answers_have_no_cap_and_enough_have_the_largest(rate: float) -> None:
    least = needs(rate)
    lengths = known(range(1, least))
    assert lengths.cap(SITE, rate) is None
    lengths.note(SITE, Answer(least))
    assert lengths.cap(SITE, rate) == least
    assert lengths.cap(("other",), rate) is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2_000), min_size=60, max_size=400), st.sampled_from([0.02, 0.05, 0.1]))
def test_the_cap_is_that_order_statistic(values: list[int], rate: float) -> None:
    k = rank(len(values), rate)
    assert known(values).cap(SITE, rate) == (max(1, sorted(values)[-k]) if k else None)


def test_a_safety_factor_raises_it() -> None:
    lengths = known([100] * 60)
    assert (lengths.cap(SITE, RATE), lengths.cap(SITE, RATE, 1.25)) == (100, 125)


def test_only_the_last_answers_count() -> None:
    lengths = known([*[9_000] * 100, *[100] * (WINDOW - 1)])
    assert lengths.cap(SITE, RATE) == 100
    assert lengths.cap(SITE, 0.001) is None
    assert known([*[9_000] * 100, *[100] * (WINDOW - 10)]).cap(SITE, RATE) == 100
    assert known([*[100] * 500, *[9_000] * 100]).cap(SITE, RATE) == 9_000


def test_answers_that_hit_the_callers_limit_are_longer_than_any_cap() -> None:
    runaways = [Answer(LIMIT, ended=False)] * (rank(1_000, RATE) - 1)
    values = list(range(1, 1_001 - len(runaways)))
    assert known([*runaways, *values]).cap(SITE, RATE) == max(values)
    assert known([*runaways, Answer(LIMIT, ended=False), *values[1:]]).cap(SITE, RATE) is None


def test_short_repeats_do_not_make_it_forget_what_ran_away() -> None:
    """With the repeats booked as lengths it would sink to 900 here."""
    values = [*range(901, 1_001), *range(1, 901)]
    cuts = [cut(1_000, 50, HARDLY)] * 20
    k = rank(1_020, RATE)
    assert known([*values, *cuts]).cap(SITE, RATE) == 1_000 - (k - 20) + 1
    assert known([*values, *[cut(1_000, None, HARDLY)] * 20]).cap(SITE, RATE) == 1_000 - (k - 20) + 1


def test_long_repeats_teach_their_length() -> None:
    longer = known([*[100] * 1_000, *[cut(200, 700, HARDLY)] * 45])
    assert longer.cap(SITE, RATE) == 700


# --- guards ------------------------------------------------------------------------------------------------------------


def served(rate: float, first: Callable[[int], int], again: Callable[[int], int], calls: int) -> list[bool]:
    """Which calls were cut, with a cap wherever there is one."""
    lengths, cuts = Lengths(), []
    for at in range(calls):
        cap, length = lengths.cap(SITE, rate), first(at)
        cuts.append(cap is not None and length > cap)
        if cap is None or length <= cap:
            lengths.note(SITE, Answer(length, cap=cap, rate=rate))
        else:
            lengths.note(SITE, cut(cap, again(at), rate))
    return cuts


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["grows", "jumps", "hostile"])
def test_whatever_answers_do_no_window_has_more_cuts_than_the_rate(kind: str, seed: int) -> None:
    draw = random.Random(seed)

    def first(at: int) -> int:
        if kind == "grows":
            return at + 1
        if kind == "jumps":
            return int(100 * 3 ** (at // 700 % 3) * draw.lognormvariate(0, 0.3))
        return 1 if at % 500 < 400 else 100_000 + at

    cuts = served(0.02, first, lambda at: draw.choice([1, 10**6 + at]), 6_000)
    assert any(cuts)
    for start in range(6_000 - WINDOW + 1):
        assert sum(cuts[start : start + WINDOW]) <= 0.02 * WINDOW


def test_below_the_rate_in_the_long_run_with_lengths_of_one_kind() -> None:
    draw = random.Random(1)
    cuts = served(0.02, lambda _: int(draw.lognormvariate(6, 1)), lambda _: int(draw.lognormvariate(6, 1)), 12_000)
    assert 0.005 < sum(cuts) / len(cuts) < 0.02


def test_too_many_cuts_make_it_learn_anew() -> None:
    lengths = known([100] * 1_000)
    assert lengths.cap(SITE, RATE) == 100
    for _ in range(10):
        lengths.note(SITE, cut(100, 500))
    anew = 0
    while lengths.cap(SITE, RATE) is None:
        lengths.note(SITE, Answer(500))
        anew += 1
    assert 0.8 * needs(RATE) < anew <= needs(RATE)
    assert lengths.cap(SITE, RATE) == 500


def test_it_tells_why_there_is_none() -> None:
    assert known([]).why_none(SITE, RATE) == "0 answers known of the 59 that a cap at 5.00% takes"
    assert known([1] * 58).why_none(SITE, RATE) == "58 answers known of the 59 that a cap at 5.00% takes"
    assert known([1] * 59).why_none(SITE, RATE) == ""
    assert "may run on to the limit" in known([Answer(LIMIT, ended=False)] * 59).why_none(SITE, RATE)
    cuts = known([*[1] * 100, *[cut(5, 9, HARDLY)] * 6])
    assert cuts.why_none(SITE, RATE) == "6 of the last 106 answers were cut, as many as 5.00% allows"


# --- dollars -----------------------------------------------------------------------------------------------------------


def worth(lengths: Lengths, bound: int = 200, limit: int = LIMIT) -> module.Worth | None:
    return lengths.worth(SITE, bound, limit=limit, output_pico_mtok=OUTPUT, again_pico=AGAIN)


def with_runaways(calls: int = 1_000, every: int = 50) -> list[Answer]:
    return [Answer(LIMIT, ended=False) if at % every == 0 else Answer(100 + at % 100) for at in range(calls)]


def test_the_sum_is_the_one_that_stands_in_the_docstring() -> None:
    found = worth(known(with_runaways()))
    assert found is not None
    ordinary = (20 * LIMIT + sum(100 + at % 100 for at in range(1_000) if at % 50)) / 1_000
    again = 0.5 * ordinary + 0.5 * LIMIT
    assert (found.cap, found.cut, found.without, found.repeats) == (200, 0.02, LIMIT, 0.0)
    assert found.again == pytest.approx(again)
    assert found.saved_pico == pytest.approx(0.02 * ((LIMIT - 200 - again) * OUTPUT / 1e6 - AGAIN))


def test_short_repeats_raise_it_and_long_ones_end_it() -> None:
    before = worth(known(with_runaways()))
    relents = worth(known([*with_runaways(), *[cut(200, 150, HARDLY)] * 12]))
    assert before is not None
    assert relents is not None
    assert relents.saved_pico > 1.3 * before.saved_pico
    assert worth(known([*with_runaways(), *[cut(200, LIMIT, HARDLY)] * 40])) is None


def test_after_long_without_a_cap_it_is_tried_again() -> None:
    lengths = known([*with_runaways(), *[cut(200, LIMIT, HARDLY)] * 40])
    for answer in with_runaways(3 * module.FADES):
        lengths.note(SITE, answer)
    assert worth(lengths) is not None


def test_the_cap_that_saves_most_lies_above_answers_that_are_meant_to_be_long() -> None:
    kinds = [Answer(LIMIT, ended=False), *[Answer(1_500)] * 5, *[Answer(100)] * 94]
    found = worth(known(kinds * 10), bound=1_000)
    assert found is not None
    assert (found.cap, found.cut) == (1_500, 0.01)


def test_nothing_is_worth_what_nobody_knows() -> None:
    assert worth(Lengths()) is None
    assert worth(known(with_runaways(FREE_LEAST - 1))) is None
    assert worth(known([100] * 1_000)) is None  # nothing is that long
    assert worth(known([LIMIT, *[100] * 999])) is None  # a single one proves nothing
    assert worth(known(with_runaways()), bound=LIMIT) is None
    assert worth(known(with_runaways()), limit=600) is None  # runaways end there by themselves


def test_answers_without_a_cap_are_held_for_a_while_only() -> None:
    lengths = known(with_runaways())
    for _ in range(FREE_HELD - 500):
        lengths.note(SITE, Answer(100, cap=200, rate=RATE))
    assert worth(lengths) is not None
    for _ in range(500):
        lengths.note(SITE, Answer(100, cap=200, rate=RATE))
    assert worth(lengths) is None


# --- means, and what is kept -------------------------------------------------------------------------------------------


def test_means() -> None:
    values = [100 + at for at in range(MEAN_LEAST)]
    assert known(values[1:]).mean(SITE) is None
    assert Lengths().mean(SITE) is None
    found = known(values).mean(SITE)
    assert found is not None
    variance = sum((one - 114.5) ** 2 for one in values) / MEAN_LEAST
    assert (found.tokens, found.number) == (114.5, MEAN_LEAST)
    assert found.error == pytest.approx(sqrt(variance / (MEAN_LEAST - 1)))


def test_the_mean_takes_long_repeats_as_they_are_and_other_cut_answers_as_the_cap() -> None:
    found = known([*[100] * 40, Answer(1_000, ended=False), cut(200, 700), cut(200, 50), cut(200, None)]).mean(SITE)
    assert found is not None
    assert found.tokens == pytest.approx((4_000 + 1_000 + 700 + 200 + 200) / 44)


def test_the_mean_is_of_the_last_answers() -> None:
    found = known([*[9_000] * 500, *[100] * WINDOW]).mean(SITE)
    assert found == module.Mean(100.0, 0.0, WINDOW)


def test_what_is_kept_goes_on_as_before() -> None:
    draw = random.Random(1)
    lengths = known(with_runaways())
    for _ in range(50):
        lengths.note(SITE, cut(200, 150) if draw.random() < 0.03 else Answer(100, cap=200, rate=RATE))
    lengths.note(("other",), Answer(7))
    again = Lengths()
    again.restore(lengths.kept())
    assert again.kept() == lengths.kept()
    for _ in range(3_000):
        answer = cut(200, 150) if draw.random() < 0.1 else Answer(draw.randrange(250), cap=None)
        lengths.note(SITE, answer)
        again.note(SITE, answer)
        assert again.cap(SITE, RATE) == lengths.cap(SITE, RATE)
    assert (worth(again), again.mean(SITE)) == (worth(lengths), lengths.mean(SITE))


@pytest.mark.parametrize(
    "site",
    [
        [3, [[-1, True]], [], [], [0, 0, 0], 0, b""],
        [3, [[2**40, True]], [], [], [0, 0, 0], 0, b""],
        [3, [], [[4, 1]], [], [0, 0, 0], 0, b""],
        [3, [], [], [0], [0, 0, 0], 0, b""],
        [3, [], [], [], [0, 0, 0], 0.02, b"\xc0"],
        [3, [], [], [], [0, 0, 0], 2.0, b"x"],
    ],
)
def test_what_was_never_kept_is_refused(site: list[object]) -> None:
    lengths = known([5])
    before = lengths.kept()
    for data in (msgspec.msgpack.encode([(SITE, site)]), b"", b"\xc1"):
        with pytest.raises((ValueError, msgspec.MsgspecError)):
            lengths.restore(data)
    assert lengths.kept() == before


def test_impossible_answers_are_refused() -> None:
    for answer in (Answer(-1), Answer(2**31), cut(5, -1), cut(5, 2**31)):
        with pytest.raises(ValueError, match="out of range"):
            known([answer])


def test_sites_and_memory_are_bounded() -> None:
    lengths = Lengths(4)
    for at in range(100):
        lengths.note((str(at),), Answer(at))
    assert len(msgspec.msgpack.decode(lengths.kept())) <= 4
    full = known(draw * 40 for draw in range(5_000))
    assert len(full.kept()) < 24_000
