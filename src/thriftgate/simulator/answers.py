"""What the simulated model says: a pure function of seed, model and visible content (with `variety` 0).

What a system prompt does to a known task stands in `instructions`. `cache_control`, metadata, headers, tool ids and
signatures never matter. Order of ideas: a directive in the user's text, a refusal, a tool call, an opinion about answers, a
known task (both also as a structured output), an echo that says plainly that it is simulated. Directives inside of what an
opinion is asked about are no orders. A `long=` mark is the one thing that is drawn anew for each call (`longwinded`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from thriftgate.simulator.accuracy import Accuracy
from thriftgate.simulator.directives import Directives, read_directives, strip_directives
from thriftgate.simulator.draws import below, digest, digest_again, pick, unit
from thriftgate.simulator.instructions import UNTOLD, in_form, is_told, system_text, told
from thriftgate.simulator.longwinded import Spoken, drawn_from, spoken
from thriftgate.simulator.models import Model
from thriftgate.simulator.opinions import Asked, opinion, read_asked
from thriftgate.simulator.render import Body, Placed, effort_of, identity, output_format, thinking_mode, visible_system
from thriftgate.simulator.schema import instance
from thriftgate.simulator.tasks import solve
from thriftgate.simulator.thinking import THINKING
from thriftgate.simulator.tokens import TokenCounter

REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
FILLER = tuple("This text was written by a simulator and means nothing beyond its length.".split())  # noqa: SIM905  prose
OPENINGS = ("Noted", "Understood", "Here is a simulated answer", "Simulated reply", "As a simulation I can say this")
EFFORT_FACTOR = {"low": 0.3, "medium": 0.7, "high": 1.0, "xhigh": 1.6, "max": 2.5}
CACHED_WORDS = 2_000
REFUSALS = frozenset({"cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms"})


@dataclass(slots=True)
class Piece:
    """One block of the answer with the tokens it cost. Tool calls get their id later."""

    block: dict[str, Any]
    tokens: int


@dataclass(slots=True)
class Answer:
    """A whole answer before ids are given."""

    pieces: list[Piece] = field(default_factory=list)
    thinking_tokens: int = 0
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    search: str | None = None
    search_tool: str = "web_search"

    @property
    def output_tokens(self) -> int:
        """Billed output, thinking included."""
        return sum(piece.tokens for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the user wants: the text of the last message that is more than tool results, and the results since."""

    text: str
    results_since: int


@dataclass(frozen=True, slots=True)
class Author:
    """What is the same for all answers of a simulator: token counter, seed, how often models are right."""

    counter: TokenCounter
    seed: int
    accuracy: Accuracy


@dataclass(frozen=True, slots=True)
class Scene:
    """One prompt to be answered."""

    body: Body
    model: Model
    ask: Ask
    orders: Directives
    chance: tuple[object, ...]
    asked: Asked | None
    spoken: Spoken | None


def compose(body: Body, placed: list[Placed], model: Model, author: Author, *, room: int) -> Answer:
    """The answer to a prompt. `room` = tokens left in the context window."""
    ask = find_ask(placed)
    asked = read_asked(ask.text)
    orders = read_directives(ask.text if asked is None else asked.around)
    answer = Answer()
    if orders.refuse is not None:
        return _refuse(answer, orders.refuse)
    chance = (author.seed, model.id, visible_key(body, placed))
    scene = Scene(body, model, ask, orders, chance, asked, _spoken(body, model, ask, orders, author))
    _think(answer, scene, author)
    answer.search, answer.search_tool = _search(body, ask, orders)
    calls = [] if answer.search else _tool_calls(scene)
    if calls:
        answer.stop_reason = "tool_use"
        for call in calls:
            answer.pieces.append(Piece(call, author.counter.block(model, call, identity(call))))
    else:
        _say(answer, scene, author)
    if orders.stop:
        answer.stop_reason = orders.stop
    _limit(answer, body["max_tokens"], room)
    return answer


def find_ask(placed: list[Placed]) -> Ask:
    """Texts between system-reminder tags are not the user's own words."""
    users = [item for item in placed if item.role == "user"]
    texts = [item for item in users if item.content.get("type") == "text" and REMINDER.sub("", item.content["text"]).strip()]
    if not texts:
        return Ask("", sum(item.content.get("type") == "tool_result" for item in users))
    last = texts[-1].message
    text = "\n".join(REMINDER.sub("", item.content["text"]) for item in texts if item.message == last)
    since = [item for item in users if item.message > last and item.content.get("type") == "tool_result"]
    return Ask(text.strip(), len({item.message for item in since}))


def visible_key(body: Body, placed: list[Placed]) -> bytes:
    """A hash of all that may influence the answer."""
    state = digest_again("visible")
    for tool in body.get("tools") or []:
        state = digest(state, identity(tool))
    for _, block in visible_system(body):
        state = digest(state, identity(block))
    for item in placed:
        if item.content.get("type") not in THINKING:
            mark = item.mark
            if "id" in item.content or "tool_use_id" in item.content:
                mark = identity({name: part for name, part in item.content.items() if name not in {"id", "tool_use_id"}})
            state = digest(state, item.role, mark)
    return state


def _refuse(answer: Answer, category: str) -> Answer:
    """build-with-claude/refusals-and-fallback, 2026-10: HTTP 200, stop_reason refusal, no content."""
    known = category if category in REFUSALS else None
    answer.stop_reason = "refusal"
    answer.stop_details = {"type": "refusal", "category": known, "explanation": "This refusal is simulated."}
    return answer


def _spoken(body: Body, model: Model, ask: Ask, orders: Directives, author: Author) -> Spoken | None:
    """How long a long-winded answer gets. Counts the call."""
    if orders.long is None:
        return None
    text = drawn_from(ask.text)
    number = author.accuracy.number(model.id, f"long\n{text}")
    asked, effort = f"{system_text(body)}\n{strip_directives(ask.text)}", effort_of(body, model)
    return spoken(
        orders.long, (author.seed, model.id, text), number, asked=asked, effort=effort, max_tokens=body["max_tokens"]
    )


def _think(answer: Answer, scene: Scene, author: Author) -> None:
    """Adds a thinking block. How much is thought, and when, is the simulator's own choice: adaptive thinks on 3
    prompts of 4."""
    mode, orders, chance = thinking_mode(scene.body, scene.model), scene.orders, scene.chance
    if mode["type"] in {"disabled", "between_tools"} or orders.think == 0:
        return
    amount = orders.think
    if amount is None:
        if mode["type"] == "adaptive" and unit("whether", *chance) >= 0.75:
            return
        amount = 8 + below(56, "think", *chance) if scene.spoken is None else scene.spoken.thinking
        amount = int(amount * EFFORT_FACTOR.get(effort_of(scene.body, scene.model), 1.0))
    amount = min(amount, mode.get("budget_tokens", amount))
    display = (scene.body.get("thinking") or {}).get("display", "summarized")
    text = "" if display == "omitted" else "Simulated thinking: " + filler(author.counter, scene.model, min(amount, 40))
    answer.pieces.append(Piece({"type": "thinking", "thinking": text, "signature": ""}, amount))
    answer.thinking_tokens = amount


def filler(counter: TokenCounter, model: Model, tokens: int) -> str:
    """A meaningless text of about so many tokens."""
    rate = max(0.2, counter.text(model.tokenizer, " ".join(FILLER)) / len(FILLER))
    words = max(1, round(tokens / rate))
    return _words(words) if words <= CACHED_WORDS else _words.__wrapped__(words)


@lru_cache(1000)
def _words(count: int) -> str:
    return " ".join(FILLER[index % len(FILLER)] for index in range(count))


def _search(body: Body, ask: Ask, orders: Directives) -> tuple[str | None, str]:
    tools = [tool for tool in body.get("tools") or [] if str(tool.get("type", "")).startswith("web_search_")]
    if not tools or (body.get("tool_choice") or {}).get("type") == "none":
        return None, "web_search"
    if orders.search is not None:
        return orders.search.strip(), tools[0]["name"]
    wanted = re.search(r"\bsearch(?: the web)? for ([^.?!\n]+)", ask.text, re.IGNORECASE)
    return (wanted.group(1).strip() if wanted else None), tools[0]["name"]


def _tool_calls(scene: Scene) -> list[dict[str, Any]]:
    offered = scene.body.get("tools") or []
    tools = {tool["name"]: tool for tool in offered if "name" in tool and not _runs_on_server(tool)}
    choice = scene.body.get("tool_choice") or {"type": "auto"}
    ask, orders = scene.ask, scene.orders
    if not tools or choice.get("type") == "none":
        return []
    ordered = [order for order in orders.tools if order.name in tools]
    if ordered and ask.results_since < orders.times:
        return [_call(tools[order.name], scene, order.input) for order in ordered]
    if choice.get("type") == "tool" and choice.get("name") in tools:
        return [_call(tools[choice["name"]], scene)]
    fitting = [name for name in tools if _covers(tools[name], ask.text)]
    if choice.get("type") == "any":
        return [_call(tools[fitting[0] if fitting else pick(sorted(tools), "any", *scene.chance)], scene)]
    rounds = 1 + below(3, "rounds", *scene.chance[:2], ask.text)
    steered = orders.say is not None or orders.out is not None or orders.long is not None or orders.tools
    if fitting and not steered and ask.results_since < rounds:
        return [_call(tools[fitting[0]], scene)]
    return []


def _runs_on_server(tool: dict[str, Any]) -> bool:
    return str(tool.get("type", "")).startswith(("web_", "code_execution_", "tool_search_", "advisor_"))


def _call(tool: dict[str, Any], scene: Scene, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """A call of a tool with the given input, or with one built from its schema."""
    value: object = given
    if given is None:
        text = scene.ask.text
        words = tuple(re.findall(r"(?<!^)\b[A-Z][\w-]+", text) or re.findall(r"[\w./-]{5,}", text))[:8]
        schema = tool.get("input_schema") or {"type": "object"}
        value = instance(schema, digest(*scene.chance, tool["name"]), words)
    return {"type": "tool_use", "name": tool["name"], "input": value if isinstance(value, dict) else {}}


def _covers(tool: dict[str, Any], text: str) -> bool:
    """Whether the user's words name the tool, or share three long words with the start of its description."""
    asked = {word[:5] for word in re.findall(r"[a-z]{3,}", text.lower())}
    name = {word.lower()[:5] for word in re.findall(r"[A-Za-z][a-z]{2,}|[A-Z]{3,}", tool["name"])} - {"get", "the", "tool"}
    if name and name <= asked and len(asked) > 1:
        return True
    told = {word[:5] for word in re.findall(r"[a-z]{5,}", str(tool.get("description", ""))[:200].lower())}
    return len({word for word in asked if len(word) == 5} & told) >= 3


def _say(answer: Answer, scene: Scene, author: Author) -> None:
    tokens = None
    orders, model = scene.orders, scene.model
    if orders.out is not None:
        text, tokens = filler(author.counter, model, orders.out), orders.out
    elif orders.say is not None:
        text = orders.say if is_told(scene.body, orders.needs) else UNTOLD
    elif scene.spoken is not None:
        text, tokens = filler(author.counter, model, scene.spoken.text), scene.spoken.text
    else:
        text = _free_text(scene, author)
    stops = [(text.find(stop), stop) for stop in scene.body.get("stop_sequences") or [] if stop in text]
    if stops:
        at, stop = min(stops)
        text, tokens = text[:at], None
        answer.stop_reason, answer.stop_sequence = "stop_sequence", stop
    if text:
        counted = author.counter.text(model.tokenizer, text) if tokens is None else tokens
        answer.pieces.append(Piece({"type": "text", "text": text}, counted))


def _free_text(scene: Scene, author: Author) -> str:
    model, solved = scene.model, _solved(scene, author)
    wanted = output_format(scene.body)
    if wanted is not None:
        return _structured(wanted.get("schema", {}), solved, digest(*scene.chance))
    if solved is not None:
        return solved
    if not is_told(scene.body, scene.orders.needs):
        return UNTOLD
    opening = pick(OPENINGS, "opening", *scene.chance)
    words = " ".join(strip_directives(scene.ask.text).split()[:12])
    length = 8 + below(40, "length", *scene.chance)
    return f'{opening} ({model.display}, simulated): "{words}". {_words(length)}'


def _solved(scene: Scene, author: Author) -> str | None:
    """The reply to a request for an opinion or to a known task; None where it is neither."""
    model, accuracy = scene.model, author.accuracy
    if scene.asked is not None:
        return opinion(scene.asked, model, author.seed, accuracy)
    known = told(scene.body, scene.ask.text)
    if known is None:
        return None
    tasks, item = known.tasks, known.item
    if not is_told(scene.body, scene.orders.needs):
        return tasks.wrong(item, ("untold", author.seed, model.id, item.key))
    answer = solve(
        tasks,
        item,
        seed=author.seed,
        model=model.id,
        tier=model.tier,
        effort=effort_of(scene.body, model),
        shift=accuracy.shift(model.id, tasks.name),
        again=accuracy.draw(model.id, item.key),
    )
    return in_form(known, answer)


def _structured(schema: dict[str, Any], solved: str | None, chance: bytes) -> str:
    """JSON that fits the schema; a solved task fills the members it fits."""
    value = instance(schema, chance)
    if solved is not None and isinstance(value, dict):
        try:
            decoded: object = msgspec.json.decode(solved)
        except msgspec.DecodeError:
            decoded = solved
        if isinstance(decoded, dict):
            value |= {name: decoded[name] for name in value if name in decoded}
        else:
            for name, old in value.items():
                if type(old) is type(decoded) or (isinstance(old, str) and isinstance(decoded, str)):
                    value[name] = decoded
                    break
    return msgspec.json.encode(value).decode()


def _limit(answer: Answer, max_tokens: int, room: int) -> None:
    """Cuts the answer at max_tokens, or where the context window ends (api/handling-stop-reasons, 2026-08). A tool call that
    does not fit is left out (assumed)."""
    budget = min(max_tokens, room)
    if answer.output_tokens <= budget:
        return
    kept: list[Piece] = []
    left = budget
    for piece in answer.pieces:
        if piece.tokens <= left:
            kept.append(piece)
            left -= piece.tokens
            continue
        name = {"text": "text", "thinking": "thinking"}.get(piece.block["type"])
        if left > 0 and name:
            text = piece.block[name]
            kept.append(Piece({**piece.block, name: text[: max(1, len(text) * left // piece.tokens)] if text else ""}, left))
        break
    answer.pieces = kept
    answer.thinking_tokens = sum(piece.tokens for piece in kept if piece.block["type"] == "thinking")
    answer.stop_reason = "max_tokens" if max_tokens <= room else "model_context_window_exceeded"
    answer.stop_sequence = None
    answer.search = None if left <= 0 else answer.search
