"""Loops are found within the stated number of rounds, and agents that get somewhere are left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from random import Random

import pytest
from msgspec.structs import replace

from tests.core.agents.plainly import Found, loop_plainly, rounds_plainly
from tests.core.agents.sessions import Session
from thriftgate.core.agents.loops import Kind, Loop, LoopLimits, find_loop
from thriftgate.core.agents.rounds import rounds_of
from thriftgate.core.agents.said import Reader

LIMITS = LoopLimits()
OFF = LoopLimits(repeats=0, cycles=0, often=0, stalled=0, polls=0)
SECRET = "hunter2"


def loop_of(session: Session, limits: LoopLimits = LIMITS) -> Loop | None:
    return find_loop(session.turns(), limits, Reader())


def first_found(session: Session, steps: Iterable[Callable[[Session], object]], limits: LoopLimits = LIMITS) -> int | None:
    """After how many steps a loop is found first."""
    reader = Reader()
    for at, step in enumerate(steps, 1):
        step(session)
        if find_loop(session.turns(), limits, reader) is not None:
            return at
    return None


def after(steps: Iterable[Callable[[Session], object]]) -> Loop | None:
    """The loop after all these steps."""
    session = Session()
    for step in steps:
        step(session)
    return loop_of(session)


def edit(session: Session, n: int) -> Session:
    """An edit as Claude Code makes it."""
    given = {"file_path": "/src/app.py", "old_string": f"a = {n}", "new_string": f"a = {n + 1}"}
    return session.round(("Edit", given, "The file /src/app.py has been updated."))


# --- loops ----------------------------------------------------------------------------------------------------------------


def test_the_same_call_with_the_same_result() -> None:
    steps = [lambda session: session.bash("npm test", f"1 failing, {SECRET}")] * 9
    assert first_found(Session().bash("ls", "a.py"), steps) == 5
    loop = after(steps)
    assert loop is not None
    assert (loop.kind, loop.times) == ("repeated", 9)
    assert loop.reason == "Bash made the same call 9 times in a row, and it brought the same result each time"


def test_the_same_call_that_fails_each_time_in_other_words() -> None:
    steps = [lambda session, n=n: session.bash("make", f"error {n} at 0x{n:x}", failed=True) for n in range(9)]
    assert first_found(Session(), steps) == 5
    assert after(steps) == Loop("repeated", 9, 9, "Bash made the same call 9 times in a row, and it failed each time")


def test_calls_made_at_once_count_once() -> None:
    many = [("Read", {"file_path": "/a"}, "A")] * 8
    assert loop_of(Session().round(*many)) is None
    session = Session()
    pair = (("Read", {"file_path": "/a"}, "A"), ("Grep", {"pattern": "b"}, "B"))
    for at in range(5):
        session.round(*(pair if at % 2 else reversed(pair)))
    loop = loop_of(session)
    assert loop is not None
    assert loop.kind == "repeated"
    assert loop.reason.startswith(("Grep, Read made the same call 5", "Read, Grep made the same call 5"))


@pytest.mark.parametrize("period", [2, 3, 4])
def test_a_cycle(period: int) -> None:
    def step(session: Session, n: int) -> Session:
        return session.bash(f"step {n % period}", f"result {n % period}", failed=n % period == 0)

    steps = [lambda session, n=n: step(session, n) for n in range(20)]
    assert first_found(Session().bash("ls", "x"), steps) == 3 * period
    loop = after(steps)
    assert loop is not None
    assert (loop.kind, loop.times) == ("cycle", 20 // period)
    assert loop.reason.startswith(f"the same {period} rounds of calls (Bash) came {20 // period} times over")


def test_read_edit_that_fails_over_and_over() -> None:
    session = Session()
    for n in range(3):
        session.round(("Read", {"file_path": "/a"}, "1\tdef a(): ..."))
        session.round(("Edit", {"file_path": "/a", "old_string": "x"}, f"String to replace not found ({n}).", True))
    loop = loop_of(session)
    assert loop is not None
    assert (loop.kind, loop.times, loop.rounds) == ("cycle", 3, 6)


def test_the_same_call_between_a_few_others() -> None:
    session = Session()
    for n in range(7):  # no cycle: what comes between differs, and now and then something new is among it
        session.bash("grep -r 'a * x' .", "too long")
        for at in range(n % 3):
            session.bash("tail log", f"line {n if at and n > 3 else 0}")
    loop = loop_of(session, replace(LIMITS, cycles=0, stalled=0))
    assert loop is not None
    assert loop.kind == "often"
    assert loop.reason == "Bash made the same call in 7 of 13 rounds, with the same result each time"


def test_rounds_that_bring_nothing_new() -> None:
    session = Session()
    order = [3, 1, 4, 1, 5, 0, 2, 5, 3, 4, 2, 0, 1, 5, 4]
    for file in range(6):
        session.round(("Read", {"file_path": f"/{file}"}, f"content {file}"))
    steps = [lambda session, n=n: session.round(("Read", {"file_path": f"/{n}"}, f"content {n}")) for n in order]
    assert first_found(session, steps, replace(LIMITS, often=0)) == LIMITS.stalled
    loop = loop_of(session, replace(LIMITS, often=0))
    assert loop is not None
    assert loop.kind == "stalled"


def test_nothing_but_errors_known_before() -> None:
    session = Session()
    steps = [lambda session, n=n: session.bash(f"curl host/{n}", "connection refused", failed=True) for n in range(12)]
    assert first_found(session, steps) == LIMITS.stalled + 1  # the first error is news
    session = Session()
    same_words = [
        lambda session, n=n: session.round(("Bash", {"command": f"try {n}"}, f"error {n}", True), text="Let me try again.")
        for n in range(12)
    ]
    assert first_found(session, same_words) == LIMITS.stalled + 1


def test_agents_that_write_their_commands_as_text() -> None:
    steps = [
        lambda session, n=n: session.says(
            f"THOUGHT: attempt {n}\n```bash\nsed -i s/a/b/ x.py\n```", "<returncode>0</returncode>\n<output>\n</output>"
        )
        for n in range(9)
    ]
    assert first_found(Session(), steps) == 5
    assert after(steps) == Loop(
        "repeated", 9, 9, "the assistant gave the same answer 9 times in a row, to the same reply each time"
    )


def test_a_harness_that_nudges_does_not_hide_a_loop() -> None:
    steps = [lambda session: session.says("I am done.", "You did not call a tool. Call one.")] * 9
    assert first_found(Session(), steps) == 6  # the first time it may have been a person
    counted = [lambda session, n=n: session.bash("ls", "a").adds(f"{n} steps left") for n in range(9)]
    assert first_found(Session(), counted) == 6


# --- no loops -------------------------------------------------------------------------------------------------------------


def test_a_job_that_is_polled_is_no_loop_until_far_later() -> None:
    steps = [lambda session, n=n: session.round(("BashOutput", {"bash_id": "1"}, f"{n} % done")) for n in range(99)]
    session = Session()
    assert first_found(session, steps) == LIMITS.polls
    loop = loop_of(session)
    assert loop is not None
    assert loop.kind == "polling"
    assert loop.reason.startswith("BashOutput made the same calls over and over")


def test_polling_with_a_pause_between() -> None:
    def step(session: Session, n: int) -> Session:
        return session.bash("sleep 30", "") if n % 2 else session.bash("gh run view 7", f"{n} of 90 jobs")

    steps = [lambda session, n=n: step(session, n) for n in range(99)]
    assert first_found(Session(), steps) == LIMITS.polls


def test_a_check_after_each_of_many_edits() -> None:
    session = Session()
    steps = [lambda session, n=n: edit(session, n).bash("tsc --noEmit", "") for n in range(60)]
    assert first_found(session, steps) is None


def test_tests_that_go_on_failing_while_the_code_changes() -> None:
    steps = [lambda session, n=n: edit(session, n).bash("pytest -q", "1 failed", failed=True) for n in range(60)]
    assert first_found(Session(), steps) is None


def test_files_written_one_by_one() -> None:
    steps = [
        lambda session, n=n: session.round(("Write", {"file_path": f"/{n}", "content": "x"}, "ok"), text="Next file.")
        for n in range(60)
    ]
    assert first_found(Session(), steps) is None


def test_a_customer_who_says_yes_to_everything() -> None:
    """Like the airline desk of tau-bench: the same look-ups for each wish, the same short answers between them."""
    session, reader = Session("I want to change my flight."), Reader()
    for n in range(30):
        session.round(("get_reservation_details", {"reservation_id": "HXDUBJ"}, '{"cabin": "economy"}'))
        session.round(("search_direct_flight", {"origin": "JFK", "date": f"2024-05-{n + 1:02d}"}, f"[{n}]"))
        session.says(f"Flight {n} costs {n} dollars. Book it?", "Yes" if n % 3 else f"What about day {n}?")
        assert find_loop(session.turns(), LIMITS, reader) is None


def test_a_user_who_asks_again_begins_anew() -> None:
    session = Session()
    for _ in range(4):
        session.bash("npm test", "1 failing")
    assert loop_of(session.says("Still failing.", "Now look again.").bash("npm test", "1 failing")) is None


def test_a_chat() -> None:
    session, reader = Session("Which of these are spam?"), Reader()
    for n in range(40):
        session.says("No.", f"And this one: offer {n} for {SECRET[n % 7]}?")
        assert find_loop(session.turns(), LIMITS, reader) is None


def test_rules_can_be_switched_off() -> None:
    session = Session()
    for _ in range(80):
        session.bash("ls", "a")
    assert loop_of(session, OFF) is None
    kinds: dict[str, Kind] = {"repeats": "repeated", "stalled": "stalled", "polls": "polling"}
    for rule, kind in kinds.items():
        loop = loop_of(session, replace(OFF, **{rule: getattr(LIMITS, rule)}))
        assert loop is not None
        assert loop.kind == kind
    once = loop_of(session, replace(OFF, often=6, cycles=3))
    assert once is None  # one call over and over has its own rule
    assert loop_of(Session()) is None
    assert find_loop((), LIMITS, Reader()) is None


# --- over many seeds ------------------------------------------------------------------------------------------------------

TOOLS = ("Bash", "Read", "Edit", "Grep", "mcp__github__get_issue")
SEEDS = 500


def wander(session: Session, random: Random, rounds: int, *, results: int | None = None, calls: int | None = None) -> None:
    """Rounds of one to three calls. `results` and `calls` are from how many they are drawn; None: no two are alike."""
    for _ in range(rounds):
        made: list[tuple[str, dict[str, object], object]] = []
        for _ in range(random.choice((1, 1, 1, 2, 3))):
            given = random.getrandbits(60) if calls is None else random.randrange(calls)
            came = random.getrandbits(60) if results is None else random.randrange(results)
            made.append((TOOLS[given % len(TOOLS)], {"of": given}, f"result {came}"))
        session.round(*made, text=random.choice(("", "Let me see.")))


@pytest.mark.parametrize("case", ["calls differ", "results differ", "both differ"])
def test_no_false_alarm(case: str) -> None:
    limits = replace(LIMITS, polls=0) if case == "results differ" else LIMITS
    for seed in range(SEEDS):
        random, session = Random(seed), Session(f"task {seed}")
        wander(
            session,
            random,
            random.randint(11, 26),
            results=random.randint(1, 3) if case == "calls differ" else None,
            calls=random.randint(1, 3) if case == "results differ" else None,
        )
        assert loop_of(session, limits) is None, seed


def test_planted_loops_are_found_in_time() -> None:
    for seed in range(SEEDS):
        random, session = Random(seed), Session(f"task {seed}")
        wander(session, random, random.randint(0, 9))
        period, fails = random.randint(1, 4), random.random() < 0.3
        needed = LIMITS.repeats if period == 1 else LIMITS.cycles * period
        planted = [
            [
                (random.choice(TOOLS), {"at": at % period, "n": n}, f"same {at % period} {n}", fails)
                for n in range(1 + at % period % 2)
            ]
            for at in range(period)
        ]
        steps = [partial(Session.round_of, calls=planted[n % period]) for n in range(needed)]
        found = first_found(session, steps)
        assert found is not None, seed
        assert found == needed or LIMITS.stalled <= found - period < needed, seed


def test_the_same_conversation_the_same_word() -> None:
    """Also: what was read before does not matter, nor what else was read."""
    shared = Reader()
    for seed in range(50):
        random, session = Random(seed), Session(f"task {seed}")
        wander(session, random, 30, results=2, calls=3)
        session.bash("cat /etc/secret", SECRET)
        for _ in range(6):
            wander(session, Random(seed), 1, results=1, calls=1)
            loop = find_loop(session.turns(), LIMITS, shared)
            assert loop == loop_of(session)
            assert loop is None or (SECRET not in loop.reason and "secret" not in loop.reason)


# --- no short cut changes the word ----------------------------------------------------------------------------------------


def stray(session: Session, random: Random) -> None:
    """One step of a conversation that turns in circles, half-turns, polls, fails, chats and is nudged."""
    calls, results = random.choice(((1, 1), (2, 1), (2, 9), (3, 2), (4, 4), (9, 9)))
    chance = random.random()
    if chance < 0.06:
        session.says(
            random.choice(("Done.", "```sh\nls\n```")), random.choice(("Go on.", "<out>a</out>", f"{random.random()}"))
        )
    elif chance < 0.1:
        session.messages.append(random.choice(session.messages))  # two of one role in a row, or the same ids again
    else:
        made = [
            (random.choice(TOOLS), {"of": random.randrange(calls)}, str(random.randrange(results)), random.random() < 0.2)
            for _ in range(random.choice((1, 1, 1, 2)))
        ]
        session.round_of(made, text=random.choice(("", "", "Hm.", "So.")))
        if random.random() < 0.1:
            session.adds(random.choice(("Step 1 of 9.", "<tick/>", "<a>b</a>", "Now this.", "Hurry.")))


def walk(random: Random, steps: int) -> Session:
    """Strays, sticks to something for a while, and strays again."""
    session = Session()
    while steps > 0:
        kept, times = Random(random.random()), random.choice((1, 1, 2, 3, 5, 8, 13, 70))
        state, period = kept.getstate(), random.randint(1, 5)
        for _ in range(min(times, steps)):
            kept.setstate(state)
            for at in range(period):
                if random.random() < 0.06:
                    stray(session, random)
                stray(session, kept if random.random() < 0.97 else Random(at))
        steps -= times * period
    return session


def limits_of(random: Random) -> LoopLimits:
    if random.random() < 0.4:
        return LIMITS
    small = (0, 1, 2, 3, 5)
    return LoopLimits(
        repeats=random.choice(small),
        cycles=random.choice(small[:4]),
        often=random.choice(small),
        window=random.choice((0, 1, 4, 9, 24)),
        stalled=random.choice(small),
        polls=random.choice((0, 1, 2, 9, 20)),
    )


def test_every_short_cut_comes_to_the_same() -> None:
    found: dict[str, int] = {}
    for seed in range(300):
        random, reader = Random(seed), Reader()
        turns = walk(random, random.choice((3, 12, 40, 90))).turns()
        for _ in range(12):
            cut, limits = turns[: random.randint(0, len(turns))], limits_of(random)
            loop = find_loop(cut, limits, reader)
            plain: Found | None = loop_plainly(cut, limits, reader)
            assert (loop and (loop.kind, loop.times, loop.rounds)) == plain, seed
            most = random.choice((0, 1, 3, 60))
            assert rounds_of(cut, most, reader) == rounds_plainly(cut, most, reader), seed
            kind = loop.kind if loop is not None else "none"
            found[kind] = found.get(kind, 0) + 1
    assert len(found) == 6
    assert min(found.values()) > 20, found
