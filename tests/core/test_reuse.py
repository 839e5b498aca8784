"""What a request can expect, by what was sent before it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.prompts import Piece, Prompt, prompt, prompt_of, system
from thriftgate.core.hazards import BINS, Learning
from thriftgate.core.reuse import APP_FANOUT, Outlook, Reuse

T = 1_000_000.0
ORG = b"org"
HEAD = system("you are a clerk")


def look(reuse: Reuse, asked: Prompt, now_s: float, scope: bytes = ORG) -> Outlook:
    return reuse.look(scope, asked.prefix, asked.cumulative, now_s)


def send(reuse: Reuse, asked: Prompt, now_s: float, scope: bytes = ORG) -> None:
    reuse.observe(scope, asked.prefix, asked.cumulative, now_s)


def places(outlook: Outlook) -> list[int]:
    return [one.at for one in outlook.prospects]


def p5_of(outlook: Outlook) -> float:
    return outlook.prospects[-1].p5


# --- where something is expected ------------------------------------------------------------------------------------------


def test_of_a_first_request_the_head_and_the_end_matter() -> None:
    outlook = look(Reuse(), prompt(HEAD, "a", "b"), T)
    assert places(outlook) == [0, 2]
    assert (outlook.seen_at, outlook.seen_s) == (None, 0.0)
    assert [one.last_s for one in outlook.prospects] == [0, 0]
    assert outlook.prospects[0].p5 == pytest.approx(Learning().within_5m)


def test_of_a_prompt_too_short_to_be_cached_only_what_was_seen_is_told() -> None:
    reuse, asked = Reuse(), prompt(HEAD, "a")
    send(reuse, asked, T)
    outlook = reuse.look(ORG, asked.prefix, asked.cumulative, T + 10, minimum=asked.cumulative[-1] + 1)
    assert (outlook.prospects, outlook.seen_at, outlook.seen_s) == ((), 1, T)
    assert outlook.app == look(reuse, asked, T + 10).app
    assert reuse.look(ORG, asked.prefix, asked.cumulative, T + 10, minimum=asked.cumulative[-1]).prospects


def test_documents_before_a_first_question_are_a_place_at_once() -> None:
    document, question = Piece("document", 20_000), Piece("what does it say?", 20, joins=True)
    assert places(look(Reuse(), prompt(HEAD, document, question), T)) == [0, 1, 2]
    assert places(look(Reuse(), prompt(HEAD, document, "answer", "and?", question), T)) == [0, 4]


def test_of_a_first_question_without_tools_less_is_expected() -> None:
    tools = Piece("search", section="tools")
    asked = [prompt("a"), prompt(HEAD, "a"), prompt(tools, HEAD, "a"), prompt("a", "b", "c")]
    told = [p5_of(look(Reuse(), one, T)) for one in asked]
    assert told == pytest.approx([Learning().alone_within_5m] * 2 + [Learning().within_5m] * 2)


def test_nothing_is_expected_of_a_prompt_that_cannot_be_marked() -> None:
    reuse = Reuse()
    bare = prompt_of([Piece("thought", kind="thinking", markable=False)])
    send(reuse, bare, T)
    assert look(reuse, bare, T) == look(reuse, Prompt(prompt().prefix, ()), T) == Outlook()


def test_a_conversation_that_grows_keeps_its_head_and_its_last_two_ends() -> None:
    reuse = Reuse()
    talk = [HEAD, *(Piece(name) for name in "abcdefg")]
    for turn, length in enumerate((2, 4, 6)):
        send(reuse, prompt_of(talk[:length]), T + 60 * turn)
    outlook = look(reuse, prompt_of(talk), T + 200)
    assert places(outlook) == [0, 3, 5, 7]
    assert (outlook.seen_at, outlook.seen_s) == (5, T + 120)
    shared, earlier, last, end = outlook.prospects
    assert (earlier.parts, last.parts, end.parts) == (0, 0, 1)
    assert (shared.last_s, earlier.last_s, last.last_s, end.last_s) == (T + 120, T + 120, T + 120, 0)
    assert earlier.curve == last.curve == end.curve


def test_what_is_expected_of_a_place_between_is_what_the_next_deeper_one_promises() -> None:
    reuse = Reuse()
    send(reuse, prompt(HEAD, "a"), T)
    outlook = look(reuse, prompt(HEAD, "a", "b", "c"), T + 1)
    assert places(outlook) == [0, 1, 3]
    assert outlook.at(2) == outlook.prospects[-1]
    assert outlook.at(1) == outlook.prospects[1]
    assert outlook.at(4) is None


def test_where_conversations_part_is_a_place_from_the_second_on() -> None:
    reuse = Reuse()
    for number in range(4):
        asked = prompt(HEAD, "document", f"question {number}")
        found = next((one for one in look(reuse, asked, T + number).prospects if one.at == 1), None)
        if number == 0:
            assert found is None
        else:
            assert found is not None
            assert found.parts == pytest.approx([0.5, 0.5, 0.6][number - 1])  # each of `number` uses left here
        send(reuse, asked, T + number)


def test_both_conversations_have_the_place_where_they_parted() -> None:
    reuse = Reuse()
    send(reuse, prompt(HEAD, "document", "one"), T)
    send(reuse, prompt(HEAD, "document", "two"), T + 1)
    for question in ("one", "two"):
        outlook = look(reuse, prompt(HEAD, "document", question, "answer", "more"), T + 2)
        assert places(outlook) == [0, 1, 2, 4]


def test_a_place_where_a_block_cannot_be_marked_gives_way_to_the_one_before() -> None:
    reuse = Reuse()
    thought = Piece("thought", kind="thinking", markable=False)
    send(reuse, prompt("a", thought, "b"), T)
    assert places(look(reuse, prompt("a", thought, "c"), T + 1)) == [0, 2]
    assert places(look(reuse, prompt("a", "c", thought), T + 1)) == [0, 1]


def test_a_turn_asked_anew_becomes_a_place_with_a_history() -> None:
    reuse = Reuse()
    send(reuse, prompt(HEAD, "a"), T)
    send(reuse, prompt(HEAD, "a", "answer", "b"), T + 100)
    again = look(reuse, prompt(HEAD, "a"), T + 200)
    assert places(again) == [0, 1]
    assert again.prospects[-1].last_s == T + 100
    for number in range(3):
        send(reuse, prompt(HEAD, "a"), T + 200 + 100 * number)
    outlook = look(reuse, prompt(HEAD, "a", "another answer", "c"), T + 500)
    assert places(outlook) == [0, 1, 3]
    assert outlook.prospects[1].parts > 0.4
    assert outlook.prospects[1].last_s == T + 400


def test_sub_agents_leave_the_conversation_they_work_for_alone() -> None:
    reuse = Reuse()
    send(reuse, prompt(HEAD, "a"), T)
    for number in range(5):
        send(reuse, prompt(system("you search"), f"task {number}"), T + 1 + number)
    outlook = look(reuse, prompt(HEAD, "a", "b"), T + 10)
    assert places(outlook) == [0, 1, 2]
    assert outlook.seen_s == T
    searching = look(reuse, prompt(system("you search"), "task 9"), T + 10)
    assert places(searching) == [0, 1]
    assert searching.app != outlook.app
    assert searching.prospects[0].parts == pytest.approx(5 / 7)


# --- what an application is -----------------------------------------------------------------------------------------------


def test_tools_and_system_and_scope_name_the_application() -> None:
    reuse = Reuse()
    tools = Piece("search", section="tools")
    names = {
        look(reuse, prompt(HEAD, "a"), T).app,
        look(reuse, prompt(tools, "a"), T).app,
        look(reuse, prompt(tools, HEAD, "a"), T).app,
        look(reuse, prompt("a"), T).app,
        look(reuse, prompt(HEAD, "a"), T, b"other").app,
        look(reuse, prompt("a"), T, b"other").app,
    }
    assert len(names) == 6
    assert look(reuse, prompt(HEAD, "b", "c"), T).app == look(reuse, prompt(HEAD, "a"), T).app


def test_without_them_a_prefix_with_many_continuations_does() -> None:
    reuse = Reuse()
    nameless = look(reuse, prompt("one off"), T).app
    for number in range(APP_FANOUT + 1):
        assert look(reuse, prompt("few shots", f"case {number}"), T).app == nameless
        send(reuse, prompt("few shots", f"case {number}"), T + number)
    assert look(reuse, prompt("few shots", "case 99"), T + 100).app != nameless
    assert look(reuse, prompt("one off"), T + 100).app == nameless


# --- what is learned ------------------------------------------------------------------------------------------------------


def served(returns: float, *, conversations: int = 300, gap_s: float = 60.0, head: Piece = HEAD) -> Reuse:
    """So many conversations, a minute apart, of which this share asks a second question after `gap_s`."""
    random, reuse = Random(3), Reuse()
    asked: list[tuple[float, Prompt]] = []
    for number in range(conversations):
        first = [head, Piece(f"question {number}")]
        asked.append((T + 60 * number, prompt_of(first)))
        if random.random() < returns:
            asked.append((T + 60 * number + gap_s, prompt_of([*first, Piece("answer"), Piece("and?")])))
    for when, one in sorted(asked, key=lambda each: each[0]):
        send(reuse, one, when)
    return reuse


def test_returns_raise_what_is_expected_and_one_shots_lower_it() -> None:
    fresh = prompt(HEAD, "a new question")
    now_s = T + 60 * 300
    before = p5_of(look(Reuse(), fresh, now_s))
    chances = [p5_of(look(served(share), fresh, now_s)) for share in (0.0, 0.3, 0.6, 1.0)]
    assert chances == pytest.approx([0, 0.3, 0.6, 1], abs=0.08)
    assert chances[0] < 0.02 < before < 0.9 < chances[-1]


def test_five_minutes_and_an_hour_are_told_apart() -> None:
    late = look(served(1.0, gap_s=1_500), prompt(HEAD, "a new question"), T + 60 * 300).prospects[-1]
    assert late.p5 < 0.05
    assert late.p1 > 0.9


def test_applications_and_workspaces_are_told_apart() -> None:
    reuse = Reuse()
    for number in range(200):
        now_s = T + 60 * number
        chat = [system("chat"), Piece(f"hello {number}")]
        send(reuse, prompt_of(chat), now_s)
        send(reuse, prompt(system("extract"), f"page {number}"), now_s)
        send(reuse, prompt(system("chat"), f"elsewhere {number}"), now_s, b"other")
        send(reuse, prompt_of([*chat, Piece("answer"), Piece("more")]), now_s + 30)
    now_s = T + 60 * 200
    assert p5_of(look(reuse, prompt(system("chat"), "hi"), now_s)) > 0.9
    assert p5_of(look(reuse, prompt(system("extract"), "page"), now_s)) < 0.1
    assert p5_of(look(reuse, prompt(system("chat"), "hi"), now_s, b"other")) < 0.1


def test_a_shared_head_is_expected_back_where_its_conversations_are_not() -> None:
    outlook = look(served(0.0), prompt(HEAD, "a new question"), T + 60 * 300)
    assert outlook.prospects[0].p5 > 0.9
    assert outlook.prospects[-1].p5 < 0.02


@pytest.mark.parametrize(("shared", "continues"), [(3, True), (1, False)])
def test_an_edited_last_turn_is_a_return_if_most_of_it_comes_again(shared: int, continues: bool) -> None:
    """Of four blocks of the same size."""
    reuse = Reuse()
    for number in range(200):
        same = [f"{number} {at}" for at in range(shared)]
        send(reuse, prompt(*same, *["first words"] * (4 - shared)), T + 60 * number)
        send(reuse, prompt(*same, *["better words"] * (4 - shared)), T + 60 * number + 20)
    fresh = prompt("new", *["first words"] * 3)
    p5 = p5_of(look(reuse, fresh, T + 60 * 200))
    assert p5 > 0.4 if continues else p5 < 0.1  # of the two requests of each pair the first comes back, or neither


def test_a_branch_is_no_new_conversation_where_nothing_was_known_to_matter_yet() -> None:
    """Without a system prompt the first branch finds no node before it. Here first questions are never taken up; those that
    were asked anew, behind the same first block, are."""
    reuse = Reuse()
    for number in range(200):
        send(reuse, prompt(f"{number}", "first words"), T + 400 * number)
        send(reuse, prompt(f"{number}", "better words"), T + 400 * number + 20)
        send(reuse, prompt(f"{number}", "better words", "answer", "more"), T + 400 * number + 40)
    send(reuse, prompt("one more", "first words"), T + 400 * 200)
    assert p5_of(look(reuse, prompt("one more", "better words"), T + 400 * 200 + 20)) > 0.8
    assert p5_of(look(reuse, prompt("a new one", "first words"), T + 400 * 200 + 20)) < 0.2


def test_the_same_request_again_and_again_is_learned() -> None:
    """A watch that asks the same every 4,000 s never finds a live entry: in the end nothing should be expected of it."""
    reuse = Reuse()
    asked = prompt("is all well?")
    for number in range(40):
        send(reuse, asked, T + 4_000 * number)
    reuse.pass_time(T + 4_000 * 40)
    end = look(reuse, asked, T + 4_000 * 40).prospects[-1]
    assert end.p5 < 0.1
    assert end.p1 < 0.1


def test_the_same_request_every_minute_is_expected_within_five() -> None:
    reuse = Reuse()
    asked = prompt("is all well?")
    for number in range(40):
        send(reuse, asked, T + 60 * number)
    assert p5_of(look(reuse, asked, T + 60 * 40)) > 0.8


def test_how_soon_a_request_came_again_says_how_soon_it_will() -> None:
    asked = prompt("is all well?")
    outlooks = []
    for gap_s in (60, 1_000):
        reuse = Reuse()
        send(reuse, asked, T)
        outlooks.append(look(reuse, asked, T + gap_s))
    soon, late = outlooks
    assert min(p5_of(soon), soon.again_5m) > 0.6
    assert late.again_5m < 0.25
    assert p5_of(late) < p5_of(soon) / 2 + 0.01
    assert min(late.again_1h, late.prospects[-1].p1) > 0.6


def test_the_longer_prefix_is_never_likelier_than_the_shorter_one_around_it() -> None:
    reuse = served(0.6)
    for asked in (prompt(HEAD, "question 299", "answer", "and?"), prompt(HEAD, "question 299"), prompt(HEAD, "new")):
        outlook = look(reuse, asked, T + 60 * 300)
        for one in outlook.prospects:
            assert all(a >= b for a, b in zip(one.curve, outlook.prospects[-1].curve, strict=True))


# --- looking changes nothing ----------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.booleans(), st.lists(st.sampled_from("abcd"), min_size=1, max_size=5), st.floats(0, 5_000)),
    min_size=1,
    max_size=25,
)


def steps_of(steps: Iterable[tuple[bool, list[str], float]]) -> list[tuple[Prompt, float]]:
    now_s, found = T, []
    for with_head, names, gap_s in steps:
        now_s += gap_s
        found.append((prompt_of([*([HEAD] if with_head else []), *(Piece(name) for name in names)]), now_s))
    return found


@given(STEPS)
def test_looking_changes_nothing(steps: list[tuple[bool, list[str], float]]) -> None:
    looked, silent = Reuse(), Reuse()
    for asked, now_s in steps_of(steps):
        before = looked.kept()
        first = look(looked, asked, now_s)
        assert look(looked, asked, now_s) == first
        assert looked.kept() == before
        send(looked, asked, now_s)
        send(silent, asked, now_s)
    assert looked.kept() == silent.kept()


@given(STEPS)
def test_an_outlook_is_in_order_and_its_chances_are_chances(steps: list[tuple[bool, list[str], float]]) -> None:
    reuse = Reuse()
    for asked, now_s in steps_of(steps):
        outlook = look(reuse, asked, now_s)
        assert places(outlook) == sorted(set(places(outlook)))
        assert places(outlook)[-1] == asked.prefix.last_markable()
        for one in outlook.prospects:
            assert asked.prefix.blocks[one.at].part.markable
            assert len(one.curve) == BINS
            assert list(one.curve) == sorted(one.curve)
            assert 0 <= one.curve[0] <= one.curve[-1] <= 1
            assert 0 <= one.parts <= 1
            assert one.last_s <= now_s
        assert 0 <= outlook.again_5m <= outlook.again_1h <= 1
        send(reuse, asked, now_s)
        assert look(reuse, asked, now_s).seen_at == len(asked.prefix.blocks) - 1


# --- bounded --------------------------------------------------------------------------------------------------------------


def test_twenty_thousand_prompts_leave_no_more_than_the_bound() -> None:
    reuse = Reuse(boundaries_max=2_000, classes_max=64)
    sizes: list[int] = []
    for number in range(20_000):
        send(reuse, prompt(system(f"{number % 500}"), f"question {number}"), T + 5 * number)
        if number in (4_999, 19_999):
            sizes.append(len(reuse.kept()))
    tree, classes = msgspec.msgpack.decode(reuse.kept())
    assert sum(len(path[-1]) for path in msgspec.msgpack.decode(tree)) <= 2_000
    assert len(classes) <= 64
    assert sizes[1] < 1.1 * sizes[0]


def test_one_long_conversation_does_not_push_out_the_head_it_uses() -> None:
    reuse = Reuse(boundaries_max=100)
    for turn in range(120):
        send(reuse, prompt(HEAD, *[f"turn {at}" for at in range(turn + 1)]), T + turn)
    assert look(reuse, prompt(HEAD, "another conversation"), T + 200).seen_at == 0


def test_a_conversation_that_parts_at_every_turn_has_few_places() -> None:
    """A client that puts the time of day behind each question leaves its earlier path with every request. Each place costs
    time at every request behind it, and an outcome to wait for."""
    reuse = Reuse()
    said: list[Piece] = [HEAD]
    for turn in range(150):
        said.append(Piece(f"turn {turn}", 100))
        send(reuse, prompt_of([*said, Piece(f"it is {turn} o'clock", 20)]), T + 10 * turn)
    assert len(look(reuse, prompt_of([*said, Piece("next"), Piece("it is late")]), T + 1_500).prospects) <= 40


@given(STEPS, st.randoms(use_true_random=False))
def test_what_is_observed_does_not_hang_on_what_was_looked_at(
    steps: list[tuple[bool, list[str], float]], random: Random
) -> None:
    """A look before its request, one at another request, one at an earlier time, or none."""
    plain, looked = Reuse(), Reuse()
    now_s, asked = T, prompt("first")
    for with_head, names, gap_s in steps:
        before, asked = asked, prompt(*([HEAD] if with_head else []), *names)
        now_s += gap_s
        for one, when in random.sample([(asked, now_s), (before, now_s), (asked, now_s - gap_s / 2)], random.randint(0, 3)):
            look(looked, one, when)
        for reuse in (plain, looked):
            send(reuse, asked, now_s)
        assert look(plain, asked, now_s) == look(looked, asked, now_s)
