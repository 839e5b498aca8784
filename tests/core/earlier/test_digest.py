"""The key of a whole call: whatever is different makes another one, and what cannot change an answer does not."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.traffic import Traffic
from thriftgate.core.control.whose import NOBODY, Whose
from thriftgate.core.earlier.digest import body_digest, call_digest, setting_digest, tenant_digest
from thriftgate.core.earlier.rules import Share
from thriftgate.core.request import parse_request

SHARES: tuple[Share, ...] = ("user", "key", "team", "org")
MARK = {"type": "ephemeral", "ttl": "1h"}
BODY: dict[str, Any] = {
    "model": "claude-opus-4-8",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief."}],
    "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {"cache_control": {"type": "string"}}}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Which?"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"cache_control": {}}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "a"}]}],
        },
    ],
}


def digest_of(body: dict[str, Any] | bytes) -> bytes:
    return body_digest(parse_request(body if isinstance(body, bytes) else msgspec.json.encode(body)))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every value within a document."""
    found = [path] if path else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += places(one, (*path, key))
    return found


def changed(body: dict[str, Any], path: tuple[Any, ...], how: str) -> dict[str, Any]:
    """The document with one value in it replaced, gone, or beside a new one."""
    fresh = copy.deepcopy(body)
    at: Any = fresh
    for key in path[:-1]:
        at = at[key]
    value = at[path[-1]]
    if how == "gone":
        del at[path[-1]]
    elif how == "beside" and isinstance(value, dict):
        value["of_tomorrow"] = 1
    elif how == "beside" and isinstance(value, list):
        value.append({"type": "of_tomorrow"})
    else:
        at[path[-1]] = f"{value} " if isinstance(value, str) else [value, 1]
    return fresh


def is_mark(path: tuple[Any, ...]) -> bool:
    """Whether a path leads to a breakpoint, or into one: content of that name is none."""
    if path[0] in ("stream", "metadata", "cache_control"):
        return True
    marks = [at for at, key in enumerate(path) if key == "cache_control"]
    return bool(marks) and isinstance(path[marks[0] - 1], int) and not {"input", "input_schema"} & {*path[: marks[0]]}


@given(seed=st.integers(0, 400), data=st.data())
def test_any_change_of_a_member_is_another_key(seed: int, data: st.DataObject) -> None:
    traffic = Traffic(seed)
    body = traffic.step().body
    path = data.draw(
        st.sampled_from([path for path in places(body) if path not in (("model",), ("max_tokens",), ("messages",))])
    )
    how = data.draw(st.sampled_from(("else", "gone", "beside")))
    fresh = changed(body, path, how)
    try:
        found = digest_of(fresh)
    except Exception:  # noqa: BLE001  no request any more, so there is nothing to reuse
        return
    assert (found == digest_of(body)) == (is_mark(path) or fresh == body)


@pytest.mark.parametrize("path", places(BODY), ids=str)
def test_every_place_of_a_request_counts(path: tuple[Any, ...]) -> None:
    for how in ("else", "gone", "beside"):
        try:
            found = digest_of(changed(BODY, path, how))
        except Exception:  # noqa: BLE001  as above
            continue
        assert found != digest_of(BODY), how


@given(seed=st.integers(0, 400), random=st.randoms(use_true_random=False))
def test_marks_streams_metadata_white_space_and_order_at_the_top_do_not_count(seed: int, random: Random) -> None:
    body = Traffic(seed).step().body
    names = list(body)
    random.shuffle(names)
    fresh = copy.deepcopy({name: body[name] for name in names})
    for section in (fresh.get("system"), fresh.get("tools"), *(message["content"] for message in fresh["messages"])):
        for block in section if isinstance(section, list) else ():
            if random.random() < 0.5:
                block["cache_control"] = random.choice((None, MARK, {"type": "ephemeral"}))
            else:
                block.pop("cache_control", None)
            inner = block.get("content")
            if isinstance(inner, list) and inner and random.random() < 0.5:
                inner[0]["cache_control"] = MARK
    fresh["cache_control"] = random.choice((None, MARK))
    fresh["stream"] = random.random() < 0.5
    fresh["metadata"] = {"user_id": str(random.random())}
    spaced = msgspec.json.format(msgspec.json.encode(fresh), indent=random.choice((-1, 0, 3)))
    assert digest_of(spaced) == digest_of(body)


def test_what_is_content_is_no_mark() -> None:
    """In a schema or in the input of a tool, and in text, the name is content."""
    fresh = copy.deepcopy(BODY)
    fresh["messages"][1]["content"][0]["input"] = {"cache_control": MARK}
    assert digest_of(fresh) != digest_of(BODY)
    fresh = copy.deepcopy(BODY)
    del fresh["tools"][0]["input_schema"]["properties"]["cache_control"]
    assert digest_of(fresh) != digest_of(BODY)
    said = [{"role": "user", "content": [{"type": "text", "text": f'"cache_control":{one}'}]} for one in ("{}", "null")]
    assert len({digest_of(BODY | {"messages": [one]}) for one in said}) == 2


def test_a_name_that_stands_twice_or_is_escaped_is_digested_as_it_came() -> None:
    """Which of the two the provider reads is not known here."""
    head = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text",'
    tail = b',"cache_control":{"type":"ephemeral"}}]}]}'
    twice = [head + text + tail for text in (b'"text":"a","text":"b"', b'"text":"b","text":"a"', b'"text":"b"')]
    twice.append(head + b'"t\\u0065xt":"b"' + tail)
    assert len({digest_of(one) for one in twice}) == 4
    numbers = [b'{"model":"m","max_tokens":1,"messages":[],"x":%b}' % one for one in (b"1", b"1.0", b"1e0", b"0.1", b"0.10")]
    assert len({digest_of(one) for one in numbers}) == 5


def test_members_can_be_left_out_for_what_asks_for_that() -> None:
    request = parse_request(msgspec.json.encode(BODY))
    other = parse_request(msgspec.json.encode(BODY | {"messages": []}))
    assert body_digest(request, frozenset({"messages"})) == body_digest(other, frozenset({"messages"}))


# --- what goes with it ---------------------------------------------------------------------------------------------------

HEADERS = ((b"anthropic-version", b"2023-06-01"), (b"anthropic-beta", b"a-1, b-2"), (b"x-api-key", b"k"))


def setting(headers: tuple[tuple[bytes, bytes], ...] = HEADERS, **members: Any) -> bytes:
    values: dict[str, Any] = {"path": "/v1/messages", "query": "", "task": "t", "policy": b"p"} | members
    return setting_digest(values["path"], values["query"], headers, task=values["task"], policy=values["policy"])


def test_what_goes_with_a_request_counts() -> None:
    others = [
        setting(path="/v1/other"),
        setting(query="beta=true"),
        setting(task="u"),
        setting(policy=b"q"),
        setting(HEADERS[1:]),
        setting(((b"anthropic-version", b"2026-10-21"), *HEADERS[1:])),
        setting((HEADERS[0], (b"anthropic-beta", b"a-1"))),
        setting((HEADERS[0], (b"anthropic-beta", b"a-1,b-2,c-3"))),
        setting((*HEADERS, (b"anthropic-workspace-id", b"w"))),
        setting((*HEADERS, (b"anthropic-of-tomorrow", b"w"))),
        setting((*HEADERS, (b"thriftgate-route", b"off"))),
        setting((*HEADERS, (b"thriftgate-of-tomorrow", b"1"))),
    ]
    assert len({setting(), *others}) == len(others) + 1


def test_what_cannot_change_an_answer_does_not() -> None:
    for name in (b"thriftgate-max-cost-usd", b"thriftgate-reuse", b"thriftgate-latency", b"user-agent", b"x-stainless-lang"):
        assert setting((*HEADERS, (name, b"1"))) == setting()
    assert setting((HEADERS[2], (b"anthropic-beta", b"b-2"), HEADERS[0], (b"anthropic-beta", b" a-1,"))) == setting()
    assert setting(((b"anthropic-version", b" 2023-06-01 "), *HEADERS[1:])) == setting()


# --- whose it is ---------------------------------------------------------------------------------------------------------


def tenant(share: Share = "key", **members: Any) -> bytes:
    values: dict[str, Any] = {"key": "", "credential": "", "whose": NOBODY, "tenant_header": "", "metadata": b""} | members
    digest, why = tenant_digest(share=share, **values)
    assert bool(digest) != bool(why)
    return digest


def test_who_shares_with_whom() -> None:
    one, other = Whose("u1", "t1", "o1"), Whose("u2", "t1", "o1")
    apart = {"key", "user"}
    for share in SHARES:
        same = tenant(share, key="key_1", whose=one) == tenant(share, key="key_2", whose=other)
        assert same == (share not in apart)
        assert tenant(share, key="key_1", whose=one) != tenant(share, key="key_2", whose=Whose("u1", "t2", "o2"))
        assert tenant(share, key="key_1") != tenant(share, key="key_2")  # of no team: alone
        assert tenant(share, credential="sk-1") != tenant(share, credential="sk-2")
        assert tenant(share, credential="sk-1", whose=one) != tenant(share, key="key_1", whose=one)
        assert tenant(share, credential="key_1") != tenant(share, key="key_1")
        assert tenant(share, key="key_1", tenant_header="a") != tenant(share, key="key_1", tenant_header="b")
        assert not tenant(share)  # nobody
    assert tenant("team", key="key_1", whose=Whose(team="x")) != tenant("org", key="key_1", whose=Whose(org="x"))
    assert tenant("user", key="k", whose=one) != tenant("user", key="k", whose=other)
    assert tenant("user", key="k", metadata=b"1") != tenant("user", key="k", metadata=b"2")
    assert tenant("key", key="k", whose=one, metadata=b"1") == tenant("key", key="k", whose=other, metadata=b"2")


@given(st.lists(st.text(max_size=3), min_size=6, max_size=6), st.lists(st.text(max_size=3), min_size=6, max_size=6))
def test_no_text_runs_over_into_the_next(one: list[str], other: list[str]) -> None:
    found = [
        tenant("user", key=a, credential="c", whose=Whose(user_id=b, team=c, org=d), tenant_header=e, metadata=f.encode())
        for a, b, c, d, e, f in (one, other)
    ]
    told = [(one[at] != other[at]) for at in (0, 1, 4, 5)]
    assert (found[0] != found[1]) == any(told)


def test_the_whole_is_keyed() -> None:
    parts = (b"t" * 32, b"s" * 32, b"b" * 32)
    assert call_digest(b"salt", *parts) == call_digest(b"salt", *parts)
    assert len({call_digest(b"salt", *parts), call_digest(b"pepper", *parts), call_digest(b"salt", *parts[::-1])}) == 3
