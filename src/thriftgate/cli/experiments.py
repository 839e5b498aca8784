"""The eight experiments of `doctor --live`: what is asked, and what the answers mean. Nothing here talks to anybody.

The documentation of the prompt cache (platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10) leaves
questions open on which the best use of it hangs. Each experiment sends a few prompts that share generated prefixes and reads
the answer off `usage`. The prompts of all of them are told apart by their first words, so they run side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.beliefs import Belief, Beliefs, Bounds, Topic
from thriftgate.core.cache import TTL_S
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

Outcome = Literal["holds", "fails", "unclear"]

PART_WORDS = 4_000  # some 5,000 tokens: above every documented minimum but the largest, whose models get more
WORDS = (
    "river",
    "stone",
    "garden",
    "window",
    "morning",
    "letter",
    "bridge",
    "market",
    "silver",
    "forest",
    "paper",
    "island",
    "winter",
    "summer",
    "music",
    "doctor",
    "teacher",
    "station",
    "kitchen",
    "village",
    "picture",
    "history",
    "travel",
    "weather",
    "mountain",
    "ocean",
    "coffee",
    "number",
    "question",
    "answer",
    "reason",
    "circle",
)


class Ask(Struct, frozen=True):
    """One prompt: named parts, each with a breakpoint or none. `at_s` is when, from the experiment's start; `batch` sends it
    as an item of a batch, `after_batch` once that has ended."""

    at_s: float
    parts: tuple[tuple[str, Ttl | None], ...]
    max_tokens: int = 16
    thinks: bool = False
    batch: bool = False
    after_batch: bool = False


class Answer(NamedTuple):
    """What came of it. `error` is the provider's word where it was refused; times in unix seconds."""

    tokens: Tokens
    sent_s: float = 0.0
    done_s: float = 0.0
    cost_pico: int = 0
    error: str = ""


class Result(NamedTuple):
    """What an experiment found, and what to believe from now on."""

    outcome: Outcome
    detail: str
    beliefs: Mapping[Topic, bool] = {}
    readable: Bounds | None = None


Answers = tuple[Answer | None, ...]


class Experiment(Struct, frozen=True):
    """`start_s` keeps experiments that run side by side out of each other's way."""

    id: str
    question: str
    start_s: float
    asks: tuple[Ask, ...]
    judge: Callable[[Answers], Result]


def body_of(ask: Ask, *, model: str, salt: str, words: int, adaptive: bool) -> dict[str, Any]:
    """The request. `words` is how long each part is."""
    system: list[dict[str, Any]] = []
    for name, ttl in ask.parts:
        block: dict[str, Any] = {"type": "text", "text": part(f"{salt} {name}", words)}
        system.append(block | ({"cache_control": {"type": "ephemeral", "ttl": ttl}} if ttl else {}))
    thinking = {"thinking": {"type": "adaptive"}} if ask.thinks and adaptive else {}
    messages = [{"role": "user", "content": "Say yes."}]
    return {"model": model, "max_tokens": ask.max_tokens, "system": system, "messages": messages} | thinking


def part(name: str, words: int) -> str:
    """Plain words, the same for the same name."""
    drawn = b"".join(sha256(f"{name} {at}".encode()).digest() for at in range(words // 32 + 1))
    return f"{name}: " + " ".join([WORDS[byte % len(WORDS)] for byte in drawn[:words]])


def believed(results: Iterable[Result], now_s: float) -> Beliefs:
    """The beliefs that a run of experiments amounts to."""
    found: dict[str, Belief | Bounds] = {}
    for result in results:
        for topic, holds in result.beliefs.items():
            found[topic] = Belief("holds" if holds else "fails", "experiment", now_s, 1)
        if result.readable is not None:
            found["readable"] = Bounds(result.readable.above, result.readable.within, "experiment", now_s)
    return replace(Beliefs(), **found)


# --- the judges: answers in the order of the asks ------------------------------------------------------------


def _missing(answers: Answers, *, writes: tuple[int, ...] = (0,), reads: tuple[int, ...] = ()) -> Result | None:
    """Why nothing can be said: an answer failed or used no cache, or what had to be written, or read, was not."""
    for number, answer in enumerate(answers, 1):
        if answer is None:
            return Result("unclear", f"answer {number} did not come in time")
        if answer.error:
            return Result("unclear", f"request {number} was refused: {answer.error}")
        if not answer.tokens.read and not _written(answer):
            return Result("unclear", f"request {number} of {answer.tokens.input:,} tokens was not cached at all")
    told = [answer for answer in answers if answer is not None]
    for at in writes:
        if told[at].tokens.read or not _written(told[at]):
            return Result("unclear", f"request {at + 1} should have written its prefix: {_said(told[at])}")
    for at in reads:
        if not told[at].tokens.read:
            return Result("unclear", f"request {at + 1} should have read the prefix: {_said(told[at])}")
    return None


def _written(answer: Answer) -> int:
    return answer.tokens.write_5m + answer.tokens.write_1h


def _said(answer: Answer) -> str:
    tokens = answer.tokens
    parts = (("read", tokens.read), ("written for 5m", tokens.write_5m), ("written for 1h", tokens.write_1h))
    return ", ".join(f"{count:,} {what}" for what, count in parts if count) or "nothing cached"


def late_upgrade(answers: Answers) -> Result:
    wrong = _missing(answers, reads=(1,))
    if wrong is not None:
        return wrong
    _, second, third = (answer for answer in answers if answer is not None)
    if not second.tokens.write_1h:
        return Result("unclear", f"no hour was granted: {_said(second)}", {"hour_granted": False})
    whole = second.tokens.read + second.tokens.write_1h
    if third.tokens.read >= 0.98 * whole:
        detail = f"{third.tokens.read:,} tokens live after ten minutes, of which only the last were written for an hour"
        return Result("holds", detail, {"late_upgrade": True, "hour_granted": True})
    if third.tokens.read:
        return Result("unclear", f"after ten minutes a part lived: {_said(third)}", {"hour_granted": True})
    detail = f"of {whole:,} tokens none lived after ten minutes"
    return Result("fails", detail, {"late_upgrade": False, "hour_granted": True})


def refresh(answers: Answers) -> Result:
    """Two pairs of nested entries; the deep one read without and with a breakpoint on the shallow one."""
    wrong = _missing(answers, writes=(0, 1), reads=(2, 3))
    if wrong is not None:
        return wrong
    unmarked, marked = (answer.tokens.read > 0 for answer in answers[4:] if answer is not None)
    if unmarked and not marked:
        return Result("unclear", "the unmarked shallow entry was renewed, the marked one was not")
    renewed = "every shallower entry" if unmarked else "shallower entries that are marked" if marked else "no other entry"
    beliefs: dict[Topic, bool] = {"refresh_ancestors": unmarked}
    if not unmarked:
        beliefs["refresh_marked"] = marked
    return Result("holds" if marked else "fails", f"a deep hit renews {renewed}", beliefs)


def free_insert(answers: Answers) -> Result:
    wrong = _missing(answers, reads=(1,))
    if wrong is not None:
        return wrong
    _, second, third = (answer for answer in answers if answer is not None)
    free = "free of charge" if not _written(second) else f"for {_written(second):,} tokens written"
    if third.tokens.read:
        return Result(
            "fails" if _written(second) else "holds", f"the breakpoint made an entry {free}", {"free_insert": True}
        )
    return Result("fails", "the breakpoint inside the part already read made no entry", {"free_insert": False})


def in_place_upgrade(answers: Answers) -> Result:
    wrong = _missing(answers)
    if wrong is not None:
        return wrong
    _, second, third = (answer for answer in answers if answer is not None)
    if not second.tokens.read:
        return Result("fails", f"the hour marker had the prefix written anew: {_said(second)}", {"in_place_upgrade": False})
    lives = third.tokens.read > 0
    detail = f"after ten minutes the entry {'lives' if lives else 'is gone'}"
    return Result("holds" if lives else "fails", detail, {"in_place_upgrade": lives})


def ping(answers: Answers) -> Result:
    first = answers[0]
    if first is not None and first.error:
        return Result("fails", f"max_tokens 0 is refused: {first.error}")
    wrong = _missing(answers)
    if wrong is not None:
        return wrong
    first, second = (answer for answer in answers if answer is not None)
    if first.tokens.output:
        return Result("fails", f"a ping was billed {first.tokens.output:,} output tokens")
    if not second.tokens.read:
        return Result("fails", f"what the ping wrote was not read by the next call: {_said(second)}")
    return Result("holds", f"no output billed, and the next call read {second.tokens.read:,} tokens")


def batch_shares(answers: Answers) -> Result:
    wrong = _missing(answers)
    if wrong is not None:
        return wrong
    _, there, _, back = (answer for answer in answers if answer is not None)
    ways = (("a batch read what a call wrote", there), ("a call read what a batch wrote", back))
    shared = [what for what, answer in ways if answer.tokens.read]
    if shared:
        return Result("holds", "; ".join(shared), {"batch_shares": True})
    return Result("fails", "neither read what the other wrote", {"batch_shares": False})


def readable(answers: Answers) -> Result:
    wrong = _missing(answers)
    if wrong is not None:
        return wrong
    first, *later = (answer for answer in answers if answer is not None)
    waits = [(answer.sent_s - first.done_s, answer.tokens.read > 0) for answer in later]
    within = min((wait for wait, read in waits if read), default=0.0)
    above = max((wait for wait, read in waits if not read), default=0.0)
    if not any(read for _, read in waits):
        return Result("unclear", f"not yet readable {above:.1f} s after the answer")
    bounds = Bounds(above=above, within=max(within, above))
    if above:
        return Result("fails", f"readable between {above:.1f} and {within:.1f} s after the answer", {}, bounds)
    return Result("holds", f"readable {within:.1f} s after the answer, or sooner", {}, bounds)


def expiry(answers: Answers) -> Result:
    wrong = _missing(answers, writes=(0, 1))
    if wrong is not None:
        return wrong
    first, second, early, late = (answer for answer in answers if answer is not None)
    age_s, past_s = early.sent_s - first.sent_s, late.sent_s - second.sent_s - TTL_S["5m"]
    if age_s >= TTL_S["5m"]:
        return Result("unclear", f"the request was sent {age_s:.1f} s after the write, too late")
    if not early.tokens.read:
        return Result("fails", f"gone after {age_s:.1f} of 300 s")
    after = "still there" if late.tokens.read else "gone"
    return Result("holds", f"there after {age_s:.1f} s, {after} {past_s:.1f} s past its end")


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "V1",
        "Does a 1h breakpoint behind a live 5m prefix keep the whole prefix for an hour?",
        0.0,
        (
            Ask(0, (("V1 a", "5m"),)),
            Ask(60, (("V1 a", None), ("V1 b", "1h"))),
            Ask(600, (("V1 a", None), ("V1 b", "1h"))),
        ),
        late_upgrade,
    ),
    Experiment(
        "V2",
        "Does a deep hit renew a shallower entry that is marked?",
        5.0,
        (
            Ask(0, (("V2 a", "5m"), ("V2 b", "5m"))),
            Ask(7, (("V2 c", "5m"), ("V2 d", "5m"))),
            Ask(200, (("V2 a", None), ("V2 b", "5m"))),
            Ask(207, (("V2 c", "5m"), ("V2 d", "5m"))),
            Ask(330, (("V2 a", "5m"),)),
            Ask(337, (("V2 c", "5m"),)),
        ),
        refresh,
    ),
    Experiment(
        "V3",
        "Does a breakpoint inside the part already read make an entry for free?",
        20.0,
        (
            Ask(0, (("V3 a", None), ("V3 b", "5m"))),
            Ask(30, (("V3 a", "5m"), ("V3 b", "5m"))),
            Ask(60, (("V3 a", "5m"),)),
        ),
        free_insert,
    ),
    Experiment(
        "V4",
        "Does a 1h breakpoint on a live 5m entry keep it for an hour?",
        25.0,
        (Ask(0, (("V4 a", "5m"),)), Ask(30, (("V4 a", "1h"),)), Ask(630, (("V4 a", "5m"),))),
        in_place_upgrade,
    ),
    Experiment(
        "V5",
        "Does a ping (max_tokens 0, with adaptive thinking) write the cache and bill no output?",
        30.0,
        (Ask(0, (("V5 a", "5m"),), max_tokens=0, thinks=True), Ask(36, (("V5 a", "5m"),), thinks=True)),
        ping,
    ),
    Experiment(
        "V6",
        "Do batches and calls share their entries?",
        35.0,
        (
            Ask(0, (("V6 a", "1h"),)),
            Ask(5, (("V6 a", "1h"),), batch=True),
            Ask(5, (("V6 b", "1h"),), batch=True),
            Ask(6, (("V6 b", "1h"),), after_batch=True),
        ),
        batch_shares,
    ),
    Experiment(
        "V7",
        "Can an entry be read as soon as the answer that wrote it has come?",
        90.0,
        tuple(Ask(at_s, (("V7 a", "5m"),)) for at_s in (0, 0.3, 1, 2, 4, 15)),
        readable,
    ),
    Experiment(
        "V8",
        "Is a 5m entry there until two seconds before its end?",
        115.0,
        tuple(
            Ask(at_s, ((name, "5m"),))
            for at_s, name in ((0, "V8 a"), (10, "V8 b"), (TTL_S["5m"] - 2, "V8 a"), (312, "V8 b"))
        ),
        expiry,
    ),
)
