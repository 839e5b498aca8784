"""What clients do today: the placement policies to compare with.

A row of `CLIENTS` is a name, what it is taken from, and a rule. A rule sees one request as its client would and says where
the breakpoints go; `Client` turns it into a `PlacementPolicy` and refuses what the API would refuse.

What a trace tells and what not, for all rows: a message's end is known where a request ended, so the ends of earlier
requests on the way are the earlier user messages, and the request's own end is the last one. Ends of assistant messages are
not known: where a client marks one, the row leaves it out (on a conversation that only grows, look-back finds the user
message before it). Traces without tools and system get no mark there, for nothing tells where they end. A system prompt is
one boundary, however many blocks it has. A client whose request is refused sends it again without marks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

from thriftgate.audit.placing.world import PlacementPolicy, World
from thriftgate.audit.traces.trace import Ask
from thriftgate.core.cache import TTL_S, Breakpoint
from thriftgate.core.generations import Generations
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

ENDS_KEPT = 40_000  # of requests, that a client remembers: the conversations of a day


class View(Struct, frozen=True):
    """One request as its client sees it: block indices of the ends of tools, of system, and of the user messages, in order.

    `users` is never empty: the last one is the request's own end. `live` is the deepest of those before it that the client
    marked and that has not expired since.
    """

    ask: Ask
    world: World
    tools: int | None
    system: int | None
    users: tuple[int, ...]
    live: int | None

    @property
    def end(self) -> int:
        return self.users[-1]

    def size(self, at: int, after: int | None) -> int:
        """Tokens between two boundaries."""
        return self.ask.cumulative[at] - (0 if after is None else self.ask.cumulative[after])


Rule = Callable[[View], Sequence[Breakpoint]]


def marks(ttl: Ttl, *positions: int | None) -> list[Breakpoint]:
    """The same TTL on each of these positions; those that the trace does not have are left out."""
    return [Breakpoint(at, ttl) for at in sorted({at for at in positions if at is not None})]


def accepted(placed: Sequence[Breakpoint]) -> bool:
    """Whether the API takes these breakpoints: at most four, every 1h before any 5m
    (platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10); otherwise the request is a 400."""
    return len(placed) <= 4 and all(one.ttl == "1h" or two.ttl == "5m" for one, two in pairwise(placed))


class Client:
    """A rule and what its client remembers: where its earlier requests ended, and until when what it marked is cached."""

    def __init__(self, name: str, rule: Rule, world: World) -> None:
        self.name = name
        self._rule = rule
        self._world = world
        self._ends: Generations[bytes, bool] = Generations(ENDS_KEPT)
        self._expires: Generations[bytes, float] = Generations(ENDS_KEPT)

    def place(self, ask: Ask) -> Sequence[Breakpoint] | None:
        placed = self._rule(self._view(ask))
        self._ends[ask.prefix.chain[-1]] = True
        if not accepted(placed):
            return None
        for mark in placed:
            self._expires[ask.prefix.chain[mark.at]] = ask.at_s + TTL_S[mark.ttl]
        return placed

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        """What it cost changes nothing: none of these clients looks at it."""

    def _view(self, ask: Ask) -> View:
        tools, system = None, None
        for at, block in enumerate(ask.prefix.blocks):
            if block.section == "messages":
                break
            if block.section == "tools":
                tools = at
            else:
                system = at
        head = max(-1 if tools is None else tools, -1 if system is None else system)
        last, chain = len(ask.prefix.blocks) - 1, ask.prefix.chain
        ends = self._ends.among(chain)
        users = [at for at in range(head + 1, last) if chain[at] in ends]
        expires = self._expires
        live = next((at for at in reversed(users) if (expires.get(chain[at]) or 0.0) > ask.at_s), None)
        return View(ask, self._world, tools, system, (*users, last), live)


def none(view: View) -> list[Breakpoint]:
    """No caching."""
    return []


def tail(ttl: Ttl) -> Rule:
    """The end of the prompt alone, as automatic caching places it."""
    return lambda view: marks(ttl, view.end)


def habit(head: Ttl, last_two: Ttl) -> Rule:
    """System and the last two user messages."""
    return lambda view: [*marks(head, view.system), *marks(last_two, *view.users[-2:])]


def system_only(view: View) -> list[Breakpoint]:
    return marks("5m", view.system)


def evenly(view: View) -> list[Breakpoint]:
    """The known boundaries nearest to a quarter, a half, three quarters and the whole of the prompt's tokens."""
    depths = view.ask.cumulative

    def nearest(tokens: float) -> int:
        at = bisect_left(depths, tokens)
        return at if at == 0 or depths[at] - tokens < tokens - depths[at - 1] else at - 1

    return marks("5m", *(nearest(depths[-1] * quarter / 4) for quarter in (1, 2, 3, 4)))


def hour_if_small(view: View) -> list[Breakpoint]:
    """The client habit; all marks 1h if what is new is at most 6 % of the live prefix."""
    small = view.live is not None and view.size(view.end, view.live) <= 0.06 * view.ask.cumulative[view.live]
    return marks("1h" if small else "5m", view.system, *view.users[-2:])


def system_and_tail(ttl: Ttl) -> Rule:
    return lambda view: marks(ttl, view.system, view.end)


def head_and_tail(view: View) -> list[Breakpoint]:
    return marks("5m", view.tools, view.system, view.end)


def head_and_last_two(view: View) -> list[Breakpoint]:
    return marks("5m", view.tools, view.system, *view.users[-2:])


def every_user_message(view: View) -> list[Breakpoint]:
    """All of them, without a limit: from the fifth on the API answers 400."""
    return marks("5m", *view.users)


def before_the_question(view: View) -> list[Breakpoint]:
    """System, and what stands before the newest message; the keep-alive, which is optional, is off."""
    return marks("5m", view.system, *view.users[-2:-1])


def autocache(factor: float, slots: int) -> Rule:
    """Candidates in the order system, tools, messages, each of at least the minimum times `factor`; the first few are taken,
    so the growing end gets nothing once the slots are used.

    System and tools are marked 1h. Message text is 1h too if it is longer than 1,000 characters and says "You are" or the
    like: a trace holds no text, so messages are always 5m here, and the 400 for a 1h mark behind a 5m one cannot come up. A
    message here is a turn of both sides. A system prompt that is a plain string takes a slot and cannot be marked: the
    trace does not tell, so it counts as a list.
    """

    def rule(view: View) -> list[Breakpoint]:
        least = factor * view.world.minimum
        found: list[Breakpoint] = []
        if view.system is not None and view.size(view.system, view.tools) >= least:
            found.append(Breakpoint(view.system, "1h"))
        if view.tools is not None and view.size(view.tools, None) >= least:
            found.append(Breakpoint(view.tools, "1h"))
        before = view.tools if view.system is None else view.system
        for at in view.users:
            if view.size(at, before) >= least:
                found.append(Breakpoint(at, "5m"))
            before = at
        return sorted(found[:slots])

    return rule


def last_four_candidates(view: View) -> list[Breakpoint]:
    """Candidates are system, the three last messages, the last tool; the last four in this order are kept. With a user
    message before the last one there are five (an assistant message stands between), so system is dropped."""
    system = view.system if len(view.users) == 1 or view.tools is None else None
    return marks("5m", system, view.tools, *view.users[-2:])


def head_only(view: View) -> list[Breakpoint]:
    return marks("5m", view.tools, view.system)


def last_two(ttl: Ttl) -> Rule:
    """The ends of the last two turns and nothing else."""
    return lambda view: marks(ttl, *view.users[-2:])


class StableBlocks:
    """NeMo Relay's Adaptive Cache Governor, from its published defaults (`acg/stability.rs`, `acg/retention.rs` and the
    plugin's documentation, 0.11): of the last 100 requests with the same tools and system, a leading block is stable if at
    least 95 % of them had it; from two observations on, the stable prefix is marked, at most four times. All marks are 1h
    where the median session is longer than a minute, else 5m.

    Nearest reading: blocks are the known boundaries, and the deepest four stable ones are marked (its ranking by kind of
    content needs the content). Where a trace has no tools and system, all requests count as one application.
    """

    name = "P16-nemo-relay"

    def __init__(self) -> None:
        self._windows: dict[bytes, deque[tuple[bytes, ...]]] = {}
        self._counts: dict[bytes, Counter[bytes]] = {}
        self._ages: dict[bytes, deque[tuple[int, float]]] = {}
        self._began: dict[int, float] = {}

    def place(self, ask: Ask) -> Sequence[Breakpoint]:
        blocks, chain = ask.prefix.blocks, ask.prefix.chain
        app = next((chain[at] for at in reversed(range(len(blocks))) if blocks[at].section != "messages"), b"")
        window = self._windows.setdefault(app, deque())
        counts = self._counts.setdefault(app, Counter())
        stable: list[int] = []
        if len(window) >= 2:
            for at, digest in enumerate(chain):
                if counts[digest] < 0.95 * len(window):
                    break
                stable.append(at)
        ttl: Ttl = "1h" if self._session_s(app) > 60 else "5m"
        self._observe(app, ask)
        return marks(ttl, *stable[-4:])

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        """It learns from the requests alone."""

    def _session_s(self, app: bytes) -> float:
        longest: dict[int, float] = {}
        for session, age in self._ages.get(app, ()):
            longest[session] = max(longest.get(session, 0.0), age)
        return median(longest.values()) if longest else 0.0

    def _observe(self, app: bytes, ask: Ask) -> None:
        window, counts = self._windows[app], self._counts[app]
        ages = self._ages.setdefault(app, deque(maxlen=100))
        began = self._began.setdefault(ask.session, ask.at_s)
        ages.append((ask.session, ask.at_s - began))
        window.append(ask.prefix.chain)
        counts.update(ask.prefix.chain)
        if len(window) > 100:
            for digest in window.popleft():
                counts[digest] -= 1
                if not counts[digest]:
                    del counts[digest]


class Row(Struct, frozen=True):
    """One policy: its name on the command line, where its rule is from, and the rule (None: `StableBlocks`)."""

    name: str
    source: str
    rule: Rule | None


CLIENTS: tuple[Row, ...] = (
    Row("none", "P0: llm 0.36 and AI SDK 6 by default, raw SDKs", none),
    Row("auto-5m", "P1: automatic caching of the API (top-level cache_control)", tail("5m")),
    Row("auto-1h", "P1: the same with ttl 1h", tail("1h")),
    Row("system-5m", "system prompt only", system_only),
    Row("habit-5m", "system and the last two user messages", habit("5m", "5m")),
    Row("habit-1h", "the same at 1h", habit("1h", "1h")),
    Row("habit-1h-5m", "system 1h, the last two user messages 5m", habit("1h", "5m")),
    Row("four-5m", "four evenly spaced", evenly),
    Row("rule-6", "client habit, all marks 1h where the new part is at most 6 % of the prefix", hour_if_small),
    Row("P2-claude-code", "Claude Code 2.1.197: system, last user message", system_and_tail("5m")),
    Row("P2-claude-code-1h", "the same with ENABLE_PROMPT_CACHING_1H=1", system_and_tail("1h")),
    Row("P3-opencode", "opencode 1.18: first two system messages, last two others (user, assistant)", system_and_tail("5m")),
    Row("P4-copilot", "VS Code Copilot 2026-05: last tool, system, last two cacheable messages", head_and_last_two),
    Row("P5-langchain", "LangChain middleware 1.7.7: last tool, system, automatic", head_and_tail),
    Row("P6a-pydantic-ai", "pydantic-ai 2.68 anthropic_cache=True: automatic", tail("5m")),
    Row("P6b-pydantic-ai", "pydantic-ai 2.68 instructions, tools and messages", head_and_tail),
    Row("P7-litellm-user", "LiteLLM cache_control_injection_points, role user: every one of them", every_user_message),
    Row("P8-aider", "aider 0.86 --cache-prompts, a model in its table: system, end of chat files", before_the_question),
    Row("P9-mini-swe-agent", "mini-swe-agent default_end: the end", tail("5m")),
    Row("P10-autocache-conservative", "autocache: minimum x 2, first 2 candidates", autocache(2.0, 2)),
    Row("P10-autocache-moderate", "autocache: minimum x 1, first 3 candidates", autocache(1.0, 3)),
    Row("P10-autocache-aggressive", "autocache: minimum x 0.8, first 4 candidates", autocache(0.8, 4)),
    Row("P11-deer-flow", "deer-flow: the last four of system, three messages, last tool", last_four_candidates),
    Row("P12-cline", "Cline and Kilo: system, last user message (second-last no longer)", system_and_tail("5m")),
    Row("P13-neovate", "neovate and simple clients: system messages", system_only),
    Row("P14-lean-ctx", "lean-ctx, Spring SYSTEM_ONLY, LangChain4j: last tool, system", head_only),
    Row("P15-oh-my-pi", "oh-my-pi: the last two turns", last_two("5m")),
    Row("P15-oh-my-pi-1h", "the same at 1h", last_two("1h")),
    Row("P16-nemo-relay", "NVIDIA NeMo Relay 0.11, Adaptive Cache Governor: stable blocks of the last 100 requests", None),
)
ROWS = {row.name: row for row in CLIENTS}


def client(name: str, world: World) -> PlacementPolicy:
    """A fresh policy of that row, for one replay."""
    rule = ROWS[name].rule
    return StableBlocks() if rule is None else Client(name, rule, world)
