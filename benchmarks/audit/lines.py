"""Lines of a Claude Code log as version 2.1.197 writes them, made by templates: a million calls in half a minute."""

from __future__ import annotations

import bisect
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from thriftgate.core.usage import Tokens

VERSION = "2.1.197"
DAY_MS = 86_400_000
_WIDTH = 64
_POOL = 4096
_TOOLS = ("Bash", "Read", "Edit", "Grep", "Glob", "Write")
_WORDS = (
    "def",
    "return",
    "self",
    "value",
    "for",
    "in",
    "range",
    "if",
    "not",
    "None",
    "import",
    "path",
    "open",
    "read",
    "list",
)
_RESULT_LINES = ((1, 0.52), (3, 0.28), (8, 0.14), (16, 0.045), (60, 0.0135), (300, 0.0015))
_BLOCKS = (
    (("tool_use",), 0.42),
    (("text", "tool_use"), 0.24),
    (("thinking", "tool_use"), 0.12),
    (("tool_use", "tool_use"), 0.06),
    (("thinking", "text", "tool_use"), 0.04),
    (("text",), 0.12),
)


class Pick:
    """Which of several values a share between 0 and 1 falls on, by weight."""

    def __init__(self, weights: tuple[float, ...]) -> None:
        total = 0.0
        self._edges = [total := total + weight for weight in weights]

    def __call__(self, share: float) -> int:
        return min(bisect.bisect(self._edges, share), len(self._edges) - 1)


@dataclass
class Talk:
    """A conversation, and the lines of its file. Times in ms since 1970, the rest in tokens.

    `at`: when the next call begins; `context`: its prompt. The first `cached` tokens of it, and the first `system` of them,
    are in the provider's cache until `expires`. `places` are the moments at which a fork may begin: lines, context, parent.
    """

    model: str
    session: str
    tail: str
    system: int
    context: int
    at: int
    tag: str = ""
    cached: int = 0
    expires: int = 0
    parent: str = "null"
    lines: list[str] = field(default_factory=list)
    places: list[tuple[int, int, str]] = field(default_factory=list)
    tool_ids: list[str] = field(default_factory=list)
    last: tuple[str, str] = ("", "")


class Answer(NamedTuple):
    """One call as it is written: its tokens, when it began and ended, its content blocks."""

    tokens: Tokens
    began: int
    ended: int
    kinds: tuple[str, ...]


class Writer:
    """Appends lines to conversations. Everything it makes up comes from `rng`; times are told from `start` on."""

    def __init__(self, rng: random.Random, start: int, days: int) -> None:
        self._rng = rng
        self._start = start
        first = datetime.fromtimestamp(start / 1000, UTC)
        self.dates = [(first + timedelta(days=number)).strftime("%Y-%m-%d") for number in range(days + 2)]
        self._pool = "".join(f"{' '.join(rng.choices(_WORDS, k=_WIDTH // 2))[:_WIDTH]:{_WIDTH}}\\n" for _ in range(_POOL))
        self._pick_blocks = Pick(tuple(weight for _, weight in _BLOCKS))
        self._pick_size = Pick(tuple(weight for _, weight in _RESULT_LINES))

    def blocks(self) -> tuple[str, ...]:
        """The kinds of content of one answer."""
        return _BLOCKS[self._pick_blocks(self._rng.random())][0]

    def uuid(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"

    def request_id(self) -> str:
        return f"req_011C{self._rng.getrandbits(80):020x}"

    def text(self, lines: int) -> str:
        """Text as it stands inside a JSON string; all its lines have one length, so no escape is cut."""
        at = int(self._rng.random() * (_POOL - lines))
        return self._pool[at * (_WIDTH + 2) : (at + lines) * (_WIDTH + 2)]

    def stamp(self, at: int) -> str:
        day, rest = divmod(at - self._start, DAY_MS)
        seconds, milli = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        return f"{self.dates[day]}T{hour:02d}:{minute:02d}:{second:02d}.{milli:03d}Z"

    def opening(self, talk: Talk) -> None:
        """What stands in a file before its first call."""
        at, uuid = self.stamp(talk.at), self.uuid()
        talk.lines.append(f'{{"type":"mode","mode":"normal","sessionId":"{talk.session}"}}')
        talk.lines.append(
            f'{{"parentUuid":null,"isSidechain":false,"attachment":{{"type":"skill_listing","content":"{self.text(12)}"}},'
            f'"type":"attachment","uuid":"{uuid}","timestamp":"{at}",{talk.tail}'
        )
        talk.parent = f'"{uuid}"'
        self.prompt(talk, 4)
        talk.lines.append(f'{{"type":"ai-title","aiTitle":"{self.text(1)[:30]}","sessionId":"{talk.session}"}}')

    def prompt(self, talk: Talk, lines: int, *, side: bool = False) -> None:
        """A user's own words."""
        self._user(talk, f'"{self.text(lines)}"', side=side)

    def assistant(self, talk: Talk, answer: Answer, *, tool: str = "", side: bool = False) -> None:
        """The lines of one call, one per block, each with the whole usage; early ones may hold a placeholder."""
        rng, tokens, kinds = self._rng, answer.tokens, answer.kinds
        message, request = f"msg_01{rng.getrandbits(88):022x}", self.request_id()
        stop = "tool_use" if kinds[-1] == "tool_use" else "end_turn"
        early = len(kinds) > 1 and rng.random() < 0.3
        took = answer.ended - answer.began
        talk.tool_ids = []
        for number, kind in enumerate(kinds, start=1):
            final = number == len(kinds)
            shown = 1 + int(rng.random() * 8) if early and not final else tokens.output
            reason = "null" if early and not final else f'"{stop}"'
            at = self.stamp(answer.ended if final else answer.began + took * number // (len(kinds) + 1))
            uuid = self.uuid()
            talk.lines.append(
                f'{{"parentUuid":{talk.parent},{self._chain(talk, side)}"message":{{"model":"{talk.model}",'
                f'"id":"{message}","type":"message","role":"assistant","content":[{self._block(talk, kind, tool)}],'
                f'"stop_reason":{reason},"stop_sequence":null,"stop_details":null,"usage":{{"input_tokens":{tokens.input},'
                f'"cache_creation_input_tokens":{tokens.write_5m},"cache_read_input_tokens":{tokens.read},'
                f'"output_tokens":{shown},"server_tool_use":{{"web_search_requests":0,"web_fetch_requests":0}},'
                '"service_tier":"standard","cache_creation":{'
                f'"ephemeral_5m_input_tokens":{tokens.write_5m},"ephemeral_1h_input_tokens":0}},'
                f'"inference_geo":"not_available","iterations":[],"speed":"standard"}}}},"requestId":"{request}",'
                f'"type":"assistant","uuid":"{uuid}","timestamp":"{at}",{talk.tail}'
            )
            talk.parent = f'"{uuid}"'
        talk.last = (message, request)

    def results(self, talk: Talk) -> None:
        """The results of the tools that were called, a user line each; a new prompt where none was."""
        if not talk.tool_ids:
            self.prompt(talk, 1 + int(self._rng.random() * 6))
            return
        for identity in talk.tool_ids:
            size = _RESULT_LINES[self._pick_size(self._rng.random())][0]
            text = self.text(size)
            copy = text if size <= 3 else ""
            more = f'"toolUseResult":{{"stdout":"{copy}","stderr":"","interrupted":false,"isImage":false}},'
            self._user(talk, _result(identity, text), more)

    def agent_result(self, talk: Talk, sub: Talk) -> None:
        """What a sub-agent sent back, with the usage of its last call: a copy that must not be added to anything."""
        last = next(line for line in reversed(sub.lines) if '"type":"assistant"' in line)
        usage = last[last.index('"usage":') : last.index('},"requestId"')]
        more = (
            f'"toolUseResult":{{"status":"completed",{sub.tag}"agentType":"general-purpose",'
            f'"totalTokens":{sub.context},{usage}}},'
        )
        self._user(talk, _result(talk.tool_ids[0], self.text(8)), more)

    def repeated(self, talk: Talk) -> int:
        """The last answer again, as a side question copies it: same message, another request. How many lines that took."""
        message, request = talk.last
        copied = [line for line in talk.lines[-12:] if f'"id":"{message}"' in line]
        other = self.request_id()
        for line in copied:
            talk.lines.append(line.replace(request, other).replace('"isSidechain":false', '"isSidechain":true'))
        return len(copied)

    def api_error(self, talk: Talk) -> None:
        """Text that the client wrote itself when a call failed: no call."""
        talk.lines.append(
            f'{{"parentUuid":{talk.parent},{self._chain(talk)}"type":"assistant","uuid":"{self.uuid()}",'
            f'"timestamp":"{self.stamp(talk.at)}","message":{{"id":"{self.uuid()}",'
            '"model":"<synthetic>","role":"assistant","stop_reason":"stop_sequence","stop_sequence":"","type":"message",'
            '"usage":{"input_tokens":0,"output_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0},'
            f'"content":[{{"type":"text","text":"API Error: Connection error."}}]}},"isApiErrorMessage":true,{talk.tail}'
        )

    def boundary(self, talk: Talk, took: int) -> None:
        """A compaction: the boundary and the summary, neither with usage."""
        uuid = self.uuid()
        talk.lines.append(
            f'{{"parentUuid":null,"logicalParentUuid":{talk.parent},{self._chain(talk)}"type":"system",'
            f'"subtype":"compact_boundary","content":"Conversation compacted","isMeta":false,'
            f'"timestamp":"{self.stamp(talk.at)}",'
            f'"uuid":"{uuid}","level":"info","compactMetadata":{{"trigger":"auto","preTokens":{talk.context},'
            f'"durationMs":{took}}},{talk.tail}'
        )
        talk.parent = f'"{uuid}"'
        summary = f'"This session is being continued from a previous conversation.{self.text(40)}"'
        self._user(talk, summary, '"isVisibleInTranscriptOnly":true,"isCompactSummary":true,')

    def _user(self, talk: Talk, content: str, more: str = "", *, side: bool = False) -> None:
        uuid = self.uuid()
        talk.lines.append(
            f'{{"parentUuid":{talk.parent},{self._chain(talk, side)}"type":"user","message":{{"role":"user",'
            f'"content":{content}}},"uuid":"{uuid}","timestamp":"{self.stamp(talk.at)}",{more}{talk.tail}'
        )
        talk.parent = f'"{uuid}"'

    def _block(self, talk: Talk, kind: str, tool: str) -> str:
        if kind == "text":
            return f'{{"type":"text","text":"{self.text(1 + int(self._rng.random() * 4))}"}}'
        if kind == "thinking":
            return f'{{"type":"thinking","thinking":"","signature":"{self._rng.getrandbits(960):0240x}"}}'
        name = tool or _TOOLS[int(self._rng.random() * len(_TOOLS))]
        identity = f"toolu_01{self._rng.getrandbits(88):022x}"
        talk.tool_ids.append(identity)
        return f'{{"type":"tool_use","id":"{identity}","name":"{name}","input":{{"command":"{self.text(1)}"}}}}'

    @staticmethod
    def _chain(talk: Talk, side: bool = False) -> str:
        return f'"isSidechain":{"true" if side or talk.tag else "false"},{talk.tag}'


def tail(project: str, session: str) -> str:
    """The end of each line of a session."""
    return (
        f'"userType":"external","entrypoint":"cli","cwd":"{project.replace("-", "/")}","sessionId":"{session}",'
        f'"version":"{VERSION}","gitBranch":"main"}}'
    )


def _result(identity: str, text: str) -> str:
    return f'[{{"tool_use_id":"{identity}","type":"tool_result","content":"{text}","is_error":false}}]'
