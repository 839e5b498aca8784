"""Every lever that takes something out of prompts, executed twice on the simulator: the bill is lower with it than without
by what the books say, or it stands aside and the bills are equal to the pico-dollar.

Thinking is bound to its prefix here, and both runs get the same answers. The simulator counts text with our own estimate,
so that the books are judged and not the estimate, but for one test that has it count in its own rough way.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Any, NamedTuple

import msgspec
import pytest
from PIL import Image

from tests.engine.test_stabilising import Recording
from tests.fixtures import TestClock, assert_sound, call_of, engine_on, read_all, simulator, told
from thriftgate.core.money import pico_from_usd
from thriftgate.core.reduction.rewrites import REWRITES
from thriftgate.core.tokens import estimate_text
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry

PLAIN, BOUND = "claude-opus-4-8", "claude-opus-5-5"
LEVERS = tuple(REWRITES)
TOOL = {
    "name": "fetch",
    "description": "fetches what is asked for",
    "input_schema": {"type": "object", "properties": {"what": {"type": "string"}}},
}
SETTINGS = {"context": {"select_tokens": 400, "tool_result_tokens": 600, "image_edge": 560}}
GAP_S = 20.0
_IDS = re.compile(rb'"toolu_\w+"|"signature":"[^"]*"')  # these differ where something was counted in between
Json = dict[str, Any]


def ours(text: str, family: str) -> int:
    """The simulator's count of a text, by our estimate."""
    return estimate_text(msgspec.json.encode(text)[1:-1], "claude3" if family == "3.0" else "claude47").tokens


# --- what is sent -------------------------------------------------------------------------------------------------------


def pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=4).decode()


def nested(turn: int) -> str:
    return pretty([{"id": n + 100 * turn, "tags": ["a", "b"], "price": {"net": 1.5 * n, "vat": 0.2}} for n in range(30)])


def rows(turn: int) -> str:
    return pretty([{"id": n + 100 * turn, "name": f"item {n}", "zip": f"0{n}123", "ok": n % 3 > 0} for n in range(40)])


def page(turn: int) -> str:
    cells = "".join(f'<tr class="row row--{n}"><td>Plan {n}</td><td>{n * 7 + turn} euros</td></tr>\n' for n in range(40))
    return (
        f"<!doctype html>\n<html><head><title>Prices {turn}</title>\n<script>{'dataLayer.push(1);' * 60}</script></head>\n"
        f'<body class="page"><main id="content"><h1>Plans</h1>\n<table class="table">{cells}</table></main></body></html>'
    )


def section(number: int, about: str) -> str:
    lines = (f"Whoever asks for {about} in matter {number} is told rule {line} by the desk in writing." for line in range(6))
    return f"## Chapter {number}: {about}\n\n" + " ".join(lines)


ABOUT = ("parking", "laptops", "visitors", "catering", "travel", "invoices", "holidays", "training", "badges", "parcels")


def document(turn: int, question: str) -> str:
    chapters = "\n\n".join(section(10 * turn + n, about) for n, about in enumerate(ABOUT))
    return f"<document>\n{chapters}\n</document>\n\n{question}"


def passages(turn: int) -> str:
    said = f"Refunds of order {turn} are granted within thirty days where the device is returned in its own packing, whole, "
    said += "with all that came with it and without traces of use that go beyond a short trial in a shop. "
    unsaid = "We use cookies to improve your experience and to analyse our traffic. Accept all to agree.\r\n"
    return "\r\n\r\n\r\n\r\n".join(f"Passage {n}   \r\n\r\n{said * 3}\r\n\r\n{unsaid}" for n in range(6))


def log(turn: int, lines: int) -> str:
    return "\n".join(f"[{n:04d}] turn {turn}: compiling module_{n}.c into build/module_{n}.o" for n in range(lines))


def picture(turn: int, width: int) -> list[Json]:
    data = BytesIO()
    Image.new("L", (width, width * 3 // 4), 40 * turn).save(data, "JPEG")
    source = {"type": "base64", "media_type": "image/jpeg", "data": base64.b64encode(data.getvalue()).decode()}
    return [{"type": "image", "source": source}]


def examples(turn: int) -> str:
    del turn
    return "Classify.\n\n" + "\n\n".join(f"Input: The parcel {n} never came.\nOutput: shipping" for n in range(80))


class Case(NamedTuple):
    """What a lever acts on, or leaves alone, in each turn; `where` it stands."""

    matter: Callable[[int], str | list[Json]]
    where: str = "anywhere"


ACTS = {
    "context.select": Case(lambda turn: document(turn, f"Who is told of {ABOUT[turn]}?"), "user"),
    "context.images": Case(lambda turn: picture(turn, 1_200)),
    "compress.markup": Case(page),
    "compress.tables": Case(rows),
    "compress.json": Case(nested),
    "compress.text": Case(passages),
    "compress.examples": Case(examples, "system"),
    "context.trim_tools": Case(lambda turn: log(turn, 120), "result"),
}
STANDS_ASIDE = {
    "context.select": Case(lambda turn: document(turn, "Summarise this document."), "user"),
    "context.images": Case(lambda turn: picture(turn, 400)),
    "compress.markup": Case(passages),
    "compress.tables": Case(nested),
    "compress.json": Case(page),
    "compress.text": Case(lambda turn: section(turn, "parking")),
    "compress.examples": Case(lambda turn: section(0, "mails"), "system"),
    "context.trim_tools": Case(lambda turn: log(turn, 8), "result"),
}


# --- executed -----------------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """One execution: what the provider billed in all (pico-USD), the books, the bodies that left, without ids."""

    billed: int
    entries: list[Entry]
    bodies: list[bytes]

    def saved(self, lever: str) -> int:
        return sum(-entry.posted(f"saved:{lever}") for entry in self.entries)

    def baseline(self) -> int:
        return sum(entry.posted(BASELINE) for entry in self.entries)


class Talk:
    """A conversation of `case` with a model, whose answers are told by marks."""

    def __init__(self, case: Case, model: str) -> None:
        self.case = case
        self.tools = model == BOUND or case.where == "result"
        self.body: Json = {"model": model, "max_tokens": 2_000, "system": "You answer in few words.", "messages": []}
        if self.tools:
            self.body["tools"] = [TOOL]
        if model == BOUND:
            self.body["thinking"] = {"type": "adaptive"}
        if case.where == "system":
            self.body["system"] = case.matter(0)

    def asks(self, turn: int) -> None:
        marks = f"[[sim: out=90 think={60 + turn}]]"
        if self.tools:
            marks += f' [[sim: tool=fetch input={{"what":"{turn}"}}]]'
        in_question = self.case.where == "user" or (self.case.where == "anywhere" and not self.tools)
        matter = self.case.matter(turn) if in_question else "Go on."
        blocks = [{"type": "text", "text": matter}] if isinstance(matter, str) else matter
        self.body["messages"].append({"role": "user", "content": [*blocks, {"type": "text", "text": marks}]})

    def answered(self, answer: Json, turn: int) -> bool:
        """Take the answer in; whether the model waits for results."""
        self.body["messages"].append({"role": "assistant", "content": answer["content"]})
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        if calls:
            matter = self.case.matter(turn) if self.case.where in ("anywhere", "result") else "found"
            results = [{"type": "tool_result", "tool_use_id": call["id"], "content": matter} for call in calls]
            self.body["messages"].append({"role": "user", "content": results})
        return bool(calls)


async def executed(case: Case, levers: tuple[str, ...], model: str, turns: int, tokenizer: Any = ours) -> Run:
    """The conversation under these levers: every call is answered, no thinking is dropped, the books are the bill."""
    app = simulator(instance_id="one", enforce_prefix_binding=True, tokenizer=tokenizer)
    wire, clock = Recording(app), TestClock(app.config.clock)  # type: ignore[arg-type]
    talk, entries = Talk(case, model), list[Entry]()
    async with AsyncExitStack() as stack:
        tables: dict[str, Json] = {"policy": {"levers": levers}, **SETTINGS}
        engine = await stack.enter_async_context(engine_on(app, transport=wire, clock=clock, **tables))
        for turn in range(turns):
            talk.asks(turn)
            waits = True
            while waits:
                reply = await engine.messages(call_of(talk.body))
                answer = msgspec.json.decode(await read_all(reply))
                assert reply.status == 200, answer
                assert not answer.get("input_transformations")
                waits = talk.answered(answer, turn)
                entry = await engine.ledger.entry(told(reply.headers, "thriftgate-request-id"))
                assert entry is not None
                entries.append(entry)
                clock.advance(GAP_S)
        await assert_sound(engine.ledger)
    assert [-entry.posted(UPSTREAM) for entry in entries] == [pico_from_usd(call.cost) for call in app.bill.calls]
    billed = [body for body in wire.bodies if b'"max_tokens"' in body]  # what is only counted is free
    return Run(pico_from_usd(app.bill.total), entries, [_IDS.sub(b"", body) for body in billed])


CACHING = {"cached": ("cache.breakpoints",), "uncached": ()}
NEAR = 0.15  # of the difference between the two bills may lie between it and what is booked


def outputs(run: Run) -> list[int]:
    return [entry.usage.total.output for entry in run.entries]


@pytest.mark.parametrize("turns", [1, 4])
@pytest.mark.parametrize("model", [PLAIN, BOUND])
@pytest.mark.parametrize("caching", CACHING)
@pytest.mark.parametrize("lever", LEVERS)
async def test_the_bill_is_lower_by_what_is_booked(lever: str, caching: str, model: str, turns: int) -> None:
    before = CACHING[caching]
    without = await executed(ACTS[lever], before, model, turns)
    run = await executed(ACTS[lever], (*before, lever), model, turns)
    assert outputs(run) == outputs(without)
    assert run.billed < without.billed
    assert [one.decision for one in run.entries[-1].decisions if one.lever == lever] == ["applied"]
    if caching == "cached":
        assert run.saved(lever) == pytest.approx(without.billed - run.billed, rel=NEAR)


@pytest.mark.parametrize("turns", [1, 4])
@pytest.mark.parametrize("model", [PLAIN, BOUND])
@pytest.mark.parametrize("caching", CACHING)
@pytest.mark.parametrize("lever", LEVERS)
async def test_where_it_stands_aside_nothing_changes(lever: str, caching: str, model: str, turns: int) -> None:
    before = CACHING[caching]
    without = await executed(STANDS_ASIDE[lever], before, model, turns)
    run = await executed(STANDS_ASIDE[lever], (*before, lever), model, turns)
    assert (run.billed, run.bodies) == (without.billed, without.bodies)
    assert run.saved(lever) == 0
    assert [one.decision for one in run.entries[-1].decisions if one.lever == lever] == ["skipped"]


@pytest.mark.parametrize("lever", LEVERS)
async def test_it_pays_by_another_count_too(lever: str) -> None:
    """The simulator counts a third of a token for each byte, also of white space, of which we think less."""
    without = await executed(ACTS[lever], CACHING["cached"], BOUND, 4, "estimate")
    run = await executed(ACTS[lever], (*CACHING["cached"], lever), BOUND, 4, "estimate")
    assert run.billed < without.billed
    assert run.saved(lever) == pytest.approx(without.billed - run.billed, rel=0.5)


@pytest.mark.parametrize("model", [PLAIN, BOUND])
async def test_all_of_them_at_once(model: str) -> None:
    """Each turn brings what another lever acts on; what they save together is told apart by lever."""
    order = ("compress.markup", "compress.json", "compress.tables", "compress.text")
    case = Case(lambda turn: ACTS[order[turn]].matter(turn))
    without = await executed(case, CACHING["cached"], model, 4)
    run = await executed(case, (*CACHING["cached"], *LEVERS), model, 4)
    saved = {lever: run.saved(lever) for lever in LEVERS}
    assert outputs(run) == outputs(without)
    assert {lever for lever in saved if saved[lever] > 0} >= set(order)
    assert sum(saved.values()) == pytest.approx(without.billed - run.billed, rel=NEAR)


def test_every_lever_is_executed() -> None:
    assert set(ACTS) == set(STANDS_ASIDE) == set(REWRITES)
