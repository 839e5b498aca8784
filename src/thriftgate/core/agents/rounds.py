"""A conversation as the rounds of an agent: what it called, and what came back.

Every request carries the whole history, so nothing has to be remembered: the last rounds are read from it. Names of tools
are kept as they are; inputs, results and texts only as digests.

A round is what the assistant sent and the reply to it. Its calls are its tool uses. Where it made none, its text is its only
call, or of that what is fenced as code, and the reply's text the result: so agents that write commands as text have rounds,
too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from thriftgate.core.agents.said import NOBODY, Call, Reader, Result, Said, bit_of
from thriftgate.core.blocks import digest_of
from thriftgate.core.memo import Turn

NUDGES = 4  # replies looked back on: whoever says the same again within so many is a program
BEGINNING = 3  # messages
_NONE = Result(b"")


class Round(NamedTuple):
    """The calls that were made at once, each named once, in order of their digests, and the result of each. `words` is what
    the assistant said beside them."""

    calls: tuple[Call, ...]
    results: tuple[Result, ...]
    words: bytes = b""

    @property
    def failed(self) -> bool:
        return all(result.failed for result in self.results)

    @property
    def brought(self) -> bool:
        """Whether a tool was called and did not fail."""
        return any(call.tool and not result.failed for call, result in zip(self.calls, self.results, strict=True))

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools; none where the round is text only."""
        return tuple(dict.fromkeys(call.tool for call in self.calls if call.tool))


class Rounds:
    """The rounds since the user last spoke, newest first, at most `most`; each is put together when it is asked for.

    The user speaks with a text that is not one tag from end to end (`<system-reminder>…`) and that did not come with one of
    the last replies, too: a harness that nudges its agent, or counts its steps, says the same each time.
    """

    def __init__(self, turns: Sequence[Turn], most: int, reader: Reader) -> None:
        self._all = turns
        self._turns = turns[-2 * most - 1 :] if most > 0 else ()
        self._reader = reader
        self._found: list[Round] = []
        self._rest = islice(_rounds(_joined(map(reader.said, reversed(self._turns)))), most)

    def at(self, back: int) -> Round | None:
        """The round that came so many before the newest."""
        found = self._found
        while len(found) <= back:
            one = next(self._rest, None)
            if one is None:
                return None
            found.append(one)
        return found[back]

    def first(self, count: int) -> list[Round]:
        """The newest ones, at most so many."""
        while len(self._found) < count and self.at(len(self._found)) is not None:
            pass
        return self._found[:count]

    def counted(self) -> dict[bytes, int]:
        """How often each call and each result stands in all of these messages, by its digest."""
        counted: dict[bytes, int] = {}
        for turn in self._turns:
            said = self._reader.said(turn)
            for _, call in said.calls:
                counted[call.digest] = counted.get(call.digest, 0) + 1
            for _, result in said.results:
                counted[result.digest] = counted.get(result.digest, 0) + 1
        return counted

    def may_repeat(self) -> bool:
        """Whether a call of the newest round may have been made before. Costs the newest messages only."""
        turns, reader = self._all, self._reader
        at = len(turns) - 1
        while at >= 0 and reader.said(turns[at]).role != "assistant":
            at -= 1
        if at == len(turns) - 1:  # an answer to be continued: a round, or none yet
            return True
        calls: list[Call] = []
        while at >= 0 and (said := reader.said(turns[at])).role != "user":
            calls += [call for _, call in said.calls]
            at -= 1
        before = reader.made(turns, at)
        return any(before & bit_of(call) for call in calls)


def rounds_of(turns: Sequence[Turn], most: int, reader: Reader) -> list[Round]:
    """See `Rounds`, but oldest first."""
    return Rounds(turns, most, reader).first(most)[::-1]


def _rounds(messages: Iterator[Said]) -> Iterator[Round]:
    """From messages, newest first."""
    ahead: deque[Said] = deque()  # read to see whether the same was said before
    while (said := ahead.popleft() if ahead else next(messages, None)) is not None:
        if (
            said.role == "assistant"
        ):  # nobody replied yet; results of server tools stand in the answer that is to be continued
            if said.results:
                yield _round(said, NOBODY)
            continue
        if said.speech:
            ahead.extend(islice(messages, max(0, 2 * NUDGES - len(ahead))))
            if all(said.speech != ahead[at].speech for at in range(1, len(ahead), 2)):
                return
        asked = ahead.popleft() if ahead else next(messages, None)
        if asked is not None:
            yield _round(asked, said)


def beginning_of(turns: Sequence[Turn], reader: Reader) -> bytes:
    """What tells conversations with one first message apart: the first answer and the message behind it, but for thinking
    and for the content of results, which clients leave out later. b"" as long as there are none."""
    if len(turns) < BEGINNING:
        return b""
    said = [reader.said(turn) for turn in turns[1:BEGINNING]]
    texts = [one.text if one.role == "assistant" else one.speech for one in said]
    calls = [piece for one in said for call_id, call in one.calls for piece in (call_id.encode(), call.digest)]
    return digest_of(*texts, *calls, *[call_id.encode() for one in said for call_id, _ in one.results])


def _joined(messages: Iterable[Said]) -> Iterator[Said]:
    """Messages of one role in a row as one, as the provider takes them; newest first."""
    held: Said | None = None
    for said in messages:
        if held is None or not said.role:
            held = said if said.role else held
        elif held.role == said.role:
            held = _both(said, held)
        else:
            yield held
            held = said
    if held is not None:
        yield held


def _both(one: Said, other: Said) -> Said:
    return Said(
        one.role,
        one.calls + other.calls,
        one.results + other.results,
        one.text + other.text,
        one.command + other.command,
        one.speech + other.speech,
    )


def _round(asked: Said, reply: Said) -> Round:
    if not asked.calls:
        return Round((Call("", asked.command),), (Result(reply.text),), asked.text)
    if len(asked.calls) == 1 == len(reply.results) and not asked.results and asked.calls[0][0] == reply.results[0][0]:
        return Round((asked.calls[0][1],), (reply.results[0][1],), asked.text)
    results = dict(asked.results + reply.results)
    if len(asked.calls) == 1:
        ((call_id, call),) = asked.calls
        return Round((call,), (results.get(call_id, _NONE),), asked.text)
    by_call: dict[Call, list[Result]] = {}
    for call_id, call in asked.calls:
        by_call.setdefault(call, []).append(results.get(call_id, _NONE))
    calls = sorted(by_call, key=_digest)
    return Round(tuple(calls), tuple(_together(by_call[call]) for call in calls), asked.text)


def _digest(one: Call | Result) -> bytes:
    return one.digest


def _together(results: Sequence[Result]) -> Result:
    """The result of a call that was made several times at once."""
    if len(results) == 1:
        return results[0]
    return Result(b"".join(sorted({one.digest for one in results})), all(one.failed for one in results))
