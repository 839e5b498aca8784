"""Evaluation sets: what to ask, what is expected, how to judge. Read from JSONL, CSV or stored exchanges.

    {"id": "t1", "prompt": "2+2?", "expected": "4", "judge": "numeric", "task": "sums"}         an item
    {"request": {"max_tokens": 200, "messages": […]}, "expected": …}                            the whole body, without model
    {"id": "…", "task": "…", "request": {…}, "answers": {"claude-haiku-5-5": "…"}, "at": "…"}   a stored exchange
    id,prompt,expected,task                                                                     the head of a table

An exchange is what the gateway has stored of a call and, with shadow calls, of what other arms answered to it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from thriftgate.core.errors import InputError
from thriftgate.quality.items import Item
from thriftgate.quality.rows import Row, Rows, check_known, check_unique, read_rows
from thriftgate.quality.rules import Rule, rule_of

MAX_TOKENS = 1024  # of an answer to a bare prompt that says nothing else
_WHAT = "items"
_JSON_COLUMNS = ("request", "human", "judge")
_NUMBER_COLUMNS = ("weight", "max_tokens")
_Share = Annotated[float, Meta(ge=0, le=1)]


class _Written(Struct, forbid_unknown_fields=True):
    """An item as people write it."""

    id: str | int | None = None
    prompt: str | None = None
    system: str | list[Any] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    request: dict[str, Any] | None = None
    expected: Any = None
    judge: str | dict[str, Any] | None = None
    task: str = ""
    weight: Annotated[float, Meta(gt=0)] = 1.0
    cluster: str = ""
    human: dict[str, _Share] = {}


class _Exchange(Struct, forbid_unknown_fields=True):
    """A stored exchange."""

    id: str
    request: dict[str, Any]
    answers: dict[str, str] = {}
    task: str = ""
    at: str = ""
    expected: Any = None
    judge: str | dict[str, Any] | None = None
    weight: Annotated[float, Meta(gt=0)] = 1.0
    cluster: str = ""
    human: dict[str, _Share] = {}


def read_set(path: Path) -> list[Item]:
    """The items of a set, in order. Raises InputError that names the line of what is wrong."""
    rows = read_rows(path, _WHAT)
    if rows.columns:
        _check_columns(rows)
        return _items(rows, lambda row: _written(_from_cells(row.values), f"row-{row.number}"))
    if any("answers" in row.values for row in rows.rows):
        return from_exchanges(rows)
    return _items(rows, lambda row: _written(row.values, f"line-{row.number}"))


def from_exchanges(rows: Rows) -> list[Item]:
    """Items of stored exchanges: what arms have answered is kept with them, and not asked again."""
    return _items(rows, _exchanged)


def sampled(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """At most `count` items, from each task its share (and one at least, where there is room), in their order. The same for
    the same seed, whatever else the set holds."""
    if count >= len(items):
        return list(items)
    tasks: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda one: sha256(f"{seed}\0{one.id}".encode()).digest()):
        tasks.setdefault(item.task, []).append(item)
    shares = _shares({task: len(found) for task, found in tasks.items()}, count)
    chosen = {item.id for task, found in tasks.items() for item in found[: shares[task]]}
    return [item for item in items if item.id in chosen]


def _shares(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of each task: one each, the largest first, then by largest remainder."""
    order = sorted(sizes, key=lambda task: (-sizes[task], task))
    total = sum(sizes.values())
    wanted = {task: count * sizes[task] / total for task in order}
    given = dict.fromkeys(order, 0)
    for _ in range(count):
        task = max(order, key=lambda one: (given[one] < sizes[one], given[one] == 0, wanted[one] - given[one]))
        given[task] += 1
    return given


def _items(rows: Rows, read: Callable[[Row], Item]) -> list[Item]:
    items: list[Item] = []
    places: dict[str, int] = {}
    for row in rows.rows:
        try:
            item = read(row)
            check_unique(places, item.id, row.number)
        except InputError as error:
            raise InputError(f"{rows.at(row.number)}: {error}") from None
        places[item.id] = row.number
        items.append(msgspec.structs.replace(item, place=f"line {row.number}"))
    return items


def _written(values: dict[str, Any], default_id: str) -> Item:
    check_known(values, _Written.__struct_fields__)
    one = _converted(values, _Written)
    return Item(
        id=_id(one.id, default_id),
        request=_request(one),
        expected=one.expected,
        judge=_rule(one.judge),
        task=one.task,
        weight=one.weight,
        cluster=one.cluster,
        human=one.human,
    )


def _exchanged(row: Row) -> Item:
    check_known(row.values, _Exchange.__struct_fields__)
    one = _converted(row.values, _Exchange)
    request = {name: value for name, value in one.request.items() if name not in ("model", "stream")}
    return Item(
        id=_id(one.id, ""),
        request=_whole(request),
        expected=one.expected,
        judge=_rule(one.judge),
        task=one.task,
        weight=one.weight,
        cluster=one.cluster,
        human=one.human,
        recorded=one.answers,
    )


def _converted(values: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from None


def _id(written: str | int | None, default: str) -> str:
    name = default if written is None else str(written)
    if not name.strip():
        raise InputError("id: must not be empty")
    return name


def _rule(written: str | dict[str, Any] | None) -> Rule | None:
    return None if written is None else rule_of(written)


def _request(one: _Written) -> dict[str, Any]:
    if (one.request is None) == (one.prompt is None):
        raise InputError("an item has either a prompt or a request (the body of a Messages call), not both and not neither")
    if one.prompt is not None:
        if not one.prompt.strip():
            raise InputError("prompt: must not be empty")
        head: dict[str, Any] = {"max_tokens": one.max_tokens or MAX_TOKENS}
        if one.system:
            head["system"] = one.system
        return head | {"messages": [{"role": "user", "content": one.prompt}]}
    assert one.request is not None
    if one.system is not None or one.max_tokens is not None:
        raise InputError("system and max_tokens belong to a prompt; put them into the request")
    if "model" in one.request:
        raise InputError("request.model: take it out; --models names the models that are to be compared")
    return _whole({name: value for name, value in one.request.items() if name != "stream"})


def _whole(request: dict[str, Any]) -> dict[str, Any]:
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InputError("request.messages: must be a list with at least one message")
    return request if "max_tokens" in request else {"max_tokens": MAX_TOKENS, **request}


def _check_columns(rows: Rows) -> None:
    """Columns of the user's own are left alone; one that looks like a misspelt one of ours is not."""
    known = _Written.__struct_fields__
    for name in rows.columns:
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.8)
        if name not in known and near:
            raise InputError(f"{rows.path}: unknown column {name!r}; did you mean {near[0]!r}?")
    if "prompt" not in rows.columns and "request" not in rows.columns:
        raise InputError(f"{rows.path}: needs a column prompt (or request); it has {', '.join(rows.columns)}")


def _from_cells(cells: dict[str, Any]) -> dict[str, Any]:
    values = {name: cell for name, cell in cells.items() if name in _Written.__struct_fields__}
    for name in _JSON_COLUMNS:
        if name in values and (name != "judge" or values[name].lstrip().startswith("{")):
            try:
                values[name] = msgspec.json.decode(values[name])
            except (msgspec.DecodeError, RecursionError) as error:
                raise InputError(f"{name}: must be JSON: {error}") from None
    for name in _NUMBER_COLUMNS:
        if name in values:
            try:
                values[name] = float(values[name]) if name == "weight" else int(values[name])
            except ValueError:
                raise InputError(f"{name}: {values[name]!r} is no number") from None
    return values
