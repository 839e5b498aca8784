"""The pages of Anthropic's usage and cost reports, row by row.

A page is `{"data": [bucket, …], "has_more": …}`, a bucket `{"starting_at", "ending_at", "results": [row, …]}`. People save
one page, all pages as a list or one a line, or the buckets alone; all are read. The analytics reports by user have rows
without buckets that tell their own times (platform.claude.com/docs/en/manage-claude/usage-cost-api, 2026-08;
anthropic-sdk-python v2.12.0 `types/beta/organization/`). A row that cannot be read does not take its page with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.anthropic_terms import NO_TIME
from thriftgate.audit.importers.tally import UNREADABLE
from thriftgate.audit.moments import DAY_US, micros
from thriftgate.audit.records import MALFORMED, NOT_A_CALL, Issue
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError


class Actor(Struct):
    """Whose usage a row is, in the reports by user."""

    type: str | None = None
    email_address: str | None = None
    user_id: str | None = None
    api_key_name: str | None = None


class ReportRow(Struct):
    """What rows of usage and cost reports share. A dimension is null unless it was grouped by."""

    model: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    context_window: str | None = None
    workspace_id: str | None = None
    api_key_id: str | None = None
    account_id: str | None = None
    service_account_id: str | None = None
    product: str | None = None
    rbac_group_id: str | None = None
    requests: int | None = None
    actor: Actor | None = None

    @property
    def user(self) -> str:
        """The person or service the row is for; "" where it is not told."""
        actor = self.actor
        named = (actor.email_address or actor.user_id) if actor is not None else None
        return named or self.account_id or self.service_account_id or ""


R = TypeVar("R", bound=ReportRow)


class Placed(NamedTuple, Generic[R]):
    """A row with its number in the file, and the time it sums up (microseconds since 1970, and for how long)."""

    number: int
    at_us: int
    span_us: int
    row: R


class _Page(Struct):
    data: list[Raw] | None = None


class _Bucket(Struct):
    starting_at: str | None = None
    ending_at: str | None = None
    results: list[Raw] | None = None
    actor: Raw = Raw(b"null")


_PAGE = msgspec.json.Decoder(_Page)
_BUCKET = msgspec.json.Decoder(_Bucket)


def rows(source: Source, decoder: msgspec.json.Decoder[R]) -> Iterator[Placed[R] | Issue]:
    """Every row of a report, decoded. Rows of teams overlap and come as issues: their sum is more than what was used."""
    number = 0
    for raw in elements(source):
        if isinstance(raw, Issue):
            yield raw
            continue
        try:
            bucket = _BUCKET.decode(raw)
        except UNREADABLE:
            yield Issue(MALFORMED, source.where(number + 1), "a bucket of the report has fields of the wrong type")
            continue
        if bucket.results is None and bytes(bucket.actor) == b"null":
            yield Issue(NOT_A_CALL, source.where(number + 1), "no page and no bucket of a report")
            continue
        for row in bucket.results if bucket.results is not None else [raw]:
            number += 1
            yield _placed(bucket, row, decoder, number, source)


def elements(source: Source) -> Iterator[Raw | Issue]:
    """What the pages of a file hold under "data"; a value that is no page stands for itself."""
    for piece in source.values():
        if not piece.whole:
            yield Issue(MALFORMED, source.where(piece.position), "the file ends within a page")
            continue
        try:
            page = _PAGE.decode(piece.data)
        except UNREADABLE:
            yield Issue(MALFORMED, source.where(piece.position), "no JSON, or no page of a report")
            continue
        yield from [Raw(piece.data)] if page.data is None else page.data


def _placed(bucket: _Bucket, raw: Raw, decoder: msgspec.json.Decoder[R], number: int, source: Source) -> Placed[R] | Issue:
    where = source.where(number)
    try:
        row = decoder.decode(raw)
        start = micros(bucket.starting_at) if bucket.starting_at else -1
        end = micros(bucket.ending_at) if bucket.ending_at else start + DAY_US
    except UNREADABLE:
        return Issue(MALFORMED, where, "a row of the report has a field of the wrong type")
    except InputError:
        return Issue(MALFORMED, where, "a bucket of the report begins or ends at no moment")
    if start < 0:
        return Issue(NO_TIME, where, "the row tells no time: ask for the report with a bucket width")
    if end <= start:
        return Issue(MALFORMED, where, "a bucket of the report ends before it begins")
    if row.rbac_group_id is not None:
        return Issue("overlapping_rows", where, "rows of teams overlap: ask for the report without rbac_group_id")
    return Placed(number, start, end - start, row)


def by_user(head: Head) -> bool:
    """Whether a file begins as a page whose rows each name an actor: a report by user, or Claude Code's analytics."""
    return "data" in head.keys and "actor" in head.inner_keys and "results" not in head.inner_keys


def is_report(head: Head, *marks: str) -> bool:
    """Whether a file begins as a page, a bucket or a list of them, in whose rows all `marks` stand as keys."""
    keys = head.keys
    shaped = {"starting_at", "results"} <= keys or ("data" in keys and {"starting_at", "results"} <= head.inner_keys)
    return (shaped or by_user(head)) and head.has(*(f'"{mark}"' for mark in marks))
