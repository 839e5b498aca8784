"""A month of Claude Code logs made up from a seed, and what it truly cost.

A call is written as one line per content block, each with the whole usage, early ones sometimes with a placeholder for the
output; sub-agents have files of their own; forks copy lines of another file; side questions repeat an answer of the
conversation; compaction is billed and leaves no usage.

Every session has a prefix of its own, marked at the end of the system prompt and on its last block, for five minutes from
the start of each call; nothing is shared between sessions. What is read and written follows from that, so a replay can
reproduce each call. On disk, results of tools are shorter than their token counts say: a million calls take 2.7 GB, not ten.

No call spans midnight UTC, so its day is beyond doubt.
"""

from __future__ import annotations

import bisect
import math
import random
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.audit.lines import DAY_MS, Answer, Pick, Talk, Writer, tail
from thriftgate.core.cost import price_usage
from thriftgate.core.prices import Terms, day_from_iso
from thriftgate.core.usage import Tokens, Usage
from thriftgate.pricing.load import load_book

FIRST_DAY = "2026-10-01"  # claude-sonnet-5-5 changes its price on the seventh
DAYS = 31
CALLS = 1_000_000
TRUTH = "truth.json"

_TTL_MS = 300_000
_LONGEST_MS = 240_000
_ROOM = 167_000  # tokens of context at which a conversation is compacted
_MODELS = (
    ("claude-opus-4-8", 0.32),
    ("claude-sonnet-5", 0.22),
    ("claude-opus-5-5", 0.16),
    ("claude-sonnet-5-5", 0.16),
    ("claude-haiku-4-5-20251001", 0.08),
    ("claude-haiku-5-5", 0.06),
)
_AGENT_MODEL = "claude-haiku-5-5"
_GAPS = ((0.0, 2), (0.5, 18), (0.75, 38), (0.9, 129), (0.95, 307), (0.98, 850), (0.99, 2133), (0.995, 3600), (1.0, 30_000))
"""Seconds from the start of a call to that of the next, by quantile: as on recorded coding sessions."""


class ModelTruth(Struct, frozen=True):
    """One model's share: tokens by bucket, and `pico` (pico-USD)."""

    calls: int
    tokens: Tokens
    pico: int


class Truth(Struct, frozen=True, kw_only=True):
    """What a generated month holds. `pico` is the exact cost of the calls in the log, in pico-USD; `days` is it by UTC day.

    `usage_lines` are assistant lines with the usage of a call, so `usage_lines - calls` are copies. `hidden_calls` are
    compactions, billed by the provider but without a line: they are in no other figure. Times in ms since 1970.
    """

    seed: int
    price_book: str
    calls: int
    pico: int
    tokens: Tokens
    models: dict[str, ModelTruth]
    days: dict[str, int]
    usage_lines: int
    lines: int
    files: int
    bytes: int
    sessions: int
    agents: int
    forks: int
    side_questions: int
    synthetic: int
    hidden_calls: int
    hidden_pico: int
    first_ms: int
    last_ms: int


def generate(folder: Path, calls: int = CALLS, seed: int = 1) -> Truth:
    """Write `projects/` and, beside it, `truth.json` into the folder (a CLAUDE_CONFIG_DIR).

    The same calls and seed make the same bytes. Raises ValueError for fewer than one call, and where the folder has logs
    already.
    """
    if calls < 1:
        raise ValueError("a month has at least one call")
    if (folder / "projects").exists():
        raise ValueError(f"{folder} has logs already")
    month = _Month(folder / "projects", calls, seed)
    while month.left:
        month.session()
    truth = month.truth()
    (folder / TRUTH).write_bytes(msgspec.json.format(msgspec.json.encode(truth), indent=1))
    return truth


def read_truth(folder: Path) -> Truth:
    """What `generate` wrote. Raises OSError or msgspec.DecodeError where there is none."""
    return msgspec.json.decode((folder / TRUTH).read_bytes(), type=Truth)


@dataclass
class _Sum:
    calls: int = 0
    input: int = 0
    write_5m: int = 0
    read: int = 0
    output: int = 0
    pico: int = 0

    def truth(self) -> ModelTruth:
        tokens = Tokens(input=self.input, write_5m=self.write_5m, read=self.read, output=self.output)
        return ModelTruth(self.calls, tokens, self.pico)


class _Month:
    def __init__(self, projects: Path, calls: int, seed: int) -> None:
        self.projects = projects
        self.left = calls
        self.seed = seed
        self.rng = random.Random(seed)
        self.book = load_book()
        self.start = day_from_iso(FIRST_DAY) * DAY_MS
        self.end = self.start + DAYS * DAY_MS
        self.writer = Writer(self.rng, self.start, DAYS)
        self.pick_model = Pick(tuple(weight for _, weight in _MODELS))
        self.models = {name: _Sum() for name, _ in _MODELS}
        self.days = dict.fromkeys(self.writer.dates[:DAYS], 0)
        self.first, self.last = self.end, 0
        self.usage_lines = self.lines = self.files = self.bytes = 0
        self.sessions = self.agents = self.forks = self.sides = self.synthetic = 0
        self.hidden_calls = self.hidden_pico = 0

    def session(self) -> None:
        """One session with its sub-agents, and perhaps a fork of it."""
        rng = self.rng
        project = self.projects / f"-home-dev-project-{rng.randrange(40):02d}"
        name = self.writer.uuid()
        start = self.start + rng.randrange(DAYS - 1) * DAY_MS + int(rng.triangular(6, 23, 14) * 3_600_000)
        system = rng.randrange(14_000, 24_000)
        model = _MODELS[self.pick_model(rng.random())][0]
        talk = Talk(model, name, tail(project.name, name), system, system + rng.randrange(2_000, 9_000), self._clear(start))
        self.sessions += 1
        self.writer.opening(talk)
        wanted = min(1000, max(1, int(rng.lognormvariate(math.log(40), 1.0))))
        self._talk(talk, wanted, project / name if rng.random() < 0.12 else None)
        self._write(project / f"{name}.jsonl", talk)
        if self.left and len(talk.places) > 4 and rng.random() < 0.06:
            self._fork(talk, project)

    def _talk(self, talk: Talk, wanted: int, agents: Path | None) -> None:
        """Calls until there are enough, the month is over or no more are asked for."""
        rng = self.rng
        for number in range(wanted):
            if number:
                self._between(talk)
            if not self.left or talk.at >= self.end:
                return
            spawns = agents is not None and self.left > 1 and rng.random() < 0.05
            answer = self._call(talk, tool="Agent" if spawns else "")
            after = max(answer.began + self._gap_ms(), answer.ended + 400)
            if spawns and agents is not None and (sub := self._sub_agent(talk, agents, answer.ended)) is not None:
                talk.at = self._clear(max(after, sub.at))
                self.writer.agent_result(talk, sub)
            else:
                talk.at = self._clear(after)
                self.writer.results(talk)
            talk.places.append((len(talk.lines), talk.context, talk.parent))

    def _between(self, talk: Talk) -> None:
        """What may happen before the next call."""
        if talk.context > _ROOM:
            self._compact(talk)
        draw = self.rng.random()
        if draw < 0.003 and not talk.tag and self.left and talk.at < self.end:
            self._side_question(talk)
        elif draw > 0.9995:
            self.writer.api_error(talk)
            self.synthetic += 1

    def _call(self, talk: Talk, *, tool: str = "", side: bool = False) -> Answer:
        """One billed call at `talk.at`. The prompt is cached up to a few tokens; what is live of it is read."""
        rng = self.rng
        kinds = ("tool_use",) if tool else ("text",) if side else self.writer.blocks()
        began, loose = talk.at, 2 + int(rng.random() * 5)
        read = talk.cached if began < talk.expires else 0
        output = min(16_000, max(12 * len(kinds), int(rng.lognormvariate(5.375, 1.1))))
        tokens = Tokens(input=loose, write_5m=talk.context - loose - read, read=read, output=output)
        answer = Answer(tokens, began, began + 900 + output * 12, kinds)
        talk.cached, talk.expires = talk.context - loose, began + _TTL_MS
        self._bill(talk.model, began, tokens)
        self.writer.assistant(talk, answer, tool=tool, side=side)
        self.usage_lines += len(kinds)
        talk.context += output + min(30_000, max(40, int(rng.lognormvariate(6.8, 1.1))))
        return answer

    def _sub_agent(self, talk: Talk, folder: Path, start: int) -> Talk | None:
        """A sub-agent in its own file; None where the month ended before its first call."""
        rng = self.rng
        agent = f"a{rng.getrandbits(64):016x}"
        model = talk.model if rng.random() < 0.5 else _AGENT_MODEL
        system = rng.randrange(8_000, 12_000)
        sub = Talk(model, talk.session, talk.tail, system, system + rng.randrange(300, 3_000), self._clear(start + 150))
        sub.tag = f'"agentId":"{agent}","attributionAgent":"general-purpose",'
        self.writer.prompt(sub, 3)
        before = self.left
        self._talk(sub, 2 + int(rng.random() * 18), None)
        if before == self.left:
            return None
        self.agents += 1
        path = folder / "subagents" / f"agent-{agent}.jsonl"
        self._write(path, sub)
        about = {
            "agentType": "general-purpose",
            "description": "look around",
            "toolUseId": talk.tool_ids[0],
            "spawnDepth": 1,
        }
        path.with_suffix(".meta.json").write_bytes(msgspec.json.encode(about))
        return sub

    def _side_question(self, talk: Talk) -> None:
        """A question beside the conversation: its last answer is repeated under another request id, then one call is made
        that reads the conversation. What it adds the conversation never sees."""
        self.usage_lines += self.writer.repeated(talk)
        self.sides += 1
        parent, context, ids = talk.parent, talk.context, talk.tool_ids
        cached = talk.cached if talk.at < talk.expires else talk.system
        self.writer.prompt(talk, 2, side=True)
        talk.context += self.rng.randrange(40, 400)
        answer = self._call(talk, side=True)
        talk.parent, talk.context, talk.tool_ids, talk.cached = parent, context, ids, cached
        talk.at = self._clear(max(answer.ended + 400, answer.began + self._gap_ms()))
        self.writer.prompt(talk, 1)

    def _compact(self, talk: Talk) -> None:
        """The conversation is summed up by a call that the log does not show; the system prompt stays cached."""
        if talk.at >= self.end:
            return
        instruction, summary = 1_500, self.rng.randrange(1_500, 4_000)
        if talk.at < talk.expires:
            tokens = Tokens(input=talk.context + instruction - talk.cached, read=talk.cached, output=summary)
        else:
            tokens = Tokens(input=instruction, write_5m=talk.context, output=summary)
        self.hidden_calls += 1
        self.hidden_pico += price_usage(Usage(tokens), Terms(talk.model, talk.at // DAY_MS), self.book).pico
        talk.expires = talk.at + _TTL_MS
        took = 900 + summary * 12
        talk.at = self._clear(talk.at + took)
        self.writer.boundary(talk, took)
        talk.cached = talk.system
        talk.context = talk.system + summary + self.rng.randrange(1_000, 6_000)

    def _fork(self, origin: Talk, project: Path) -> None:
        """A new session that begins with a copy of the lines of another; so late that nothing is cached any more."""
        rng = self.rng
        cut, context, parent = origin.places[rng.randrange(2, len(origin.places))]
        name = self.writer.uuid()
        start = self._clear(max(origin.at, origin.expires) + rng.randrange(2, 20) * 3_600_000)
        if start >= self.end:
            return
        talk = Talk(origin.model, name, tail(project.name, name), origin.system, context, start, parent=parent)
        talk.lines = [line.replace(origin.session, name) for line in origin.lines[:cut]]
        self.usage_lines += sum('"requestId":' in line for line in talk.lines)
        self.synthetic += sum('"isApiErrorMessage":' in line for line in talk.lines)
        self.writer.prompt(talk, 2)
        self.forks += 1
        self._talk(talk, 1 + rng.randrange(30), None)
        self._write(project / f"{name}.jsonl", talk)

    def _bill(self, model: str, began: int, tokens: Tokens) -> None:
        pico = price_usage(Usage(tokens), Terms(model, began // DAY_MS), self.book).pico
        one = self.models[model]
        one.calls += 1
        one.input += tokens.input
        one.write_5m += tokens.write_5m
        one.read += tokens.read
        one.output += tokens.output
        one.pico += pico
        self.days[self.writer.dates[(began - self.start) // DAY_MS]] += pico
        self.first, self.last = min(self.first, began), max(self.last, began)
        self.left -= 1

    def _write(self, path: Path, talk: Talk) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = ("\n".join(talk.lines) + "\n").encode()
        path.write_bytes(content)
        self.files += 1
        self.lines += len(talk.lines)
        self.bytes += len(content)

    def _gap_ms(self) -> int:
        share = self.rng.random()
        at = bisect.bisect(_GAPS, (share, math.inf)) - 1
        (low, shorter), (high, longer) = _GAPS[at], _GAPS[at + 1]
        return int(1000 * shorter * (longer / shorter) ** ((share - low) / (high - low)))

    def _clear(self, at: int) -> int:
        """The moment itself, or the next midnight where a call from then on could span it."""
        rest = DAY_MS - at % DAY_MS
        return at + rest if rest < _LONGEST_MS else at

    def truth(self) -> Truth:
        """All sums."""
        models = {name: one.truth() for name, one in self.models.items() if one.calls}
        return Truth(
            seed=self.seed,
            price_book=self.book.id,
            calls=sum(one.calls for one in models.values()),
            pico=sum(one.pico for one in models.values()),
            tokens=sum((one.tokens for one in models.values()), Tokens()),
            models=models,
            days={day: pico for day, pico in self.days.items() if pico},
            usage_lines=self.usage_lines,
            lines=self.lines,
            files=self.files,
            bytes=self.bytes,
            sessions=self.sessions,
            agents=self.agents,
            forks=self.forks,
            side_questions=self.sides,
            synthetic=self.synthetic,
            hidden_calls=self.hidden_calls,
            hidden_pico=self.hidden_pico,
            first_ms=self.first,
            last_ms=self.last,
        )
