"""The importer contract over every importer there is, and over importers that break it: each check must notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contracts import importer_contract
from tests.contracts.importer_contract import CHECKS, GOLDEN, ORDER_TELLS, Check, check_importer
from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.importers.anthropic_messages import AnthropicMessagesLog
from thriftgate.audit.importers.contract import Importer
from thriftgate.audit.records import Issue, Record
from thriftgate.audit.sources import Head, Source


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("importer", IMPORTERS, ids=lambda importer: importer.id)
def test_contract(importer: Importer, check: Check) -> None:
    check(importer)


def test_ids_are_unique_and_every_case_belongs_to_one() -> None:
    ids = [importer.id for importer in IMPORTERS]
    assert len(ids) == len(set(ids))
    assert sorted(folder.name for folder in GOLDEN.iterdir()) == sorted(ids)
    assert set(ORDER_TELLS) < set(ids)
    for case in GOLDEN.glob("*/*"):
        assert (case / "expected.json").is_file(), case


# --- the checks look ------------------------------------------------------------------------------------------------------


class Bad(AnthropicMessagesLog):
    """An importer that breaks the contract in one place."""

    def read(self, source: Source) -> Iterator[Record | Issue]:
        for number, found in enumerate(super().read(source)):
            yield self.spoilt(found, number, source)

    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        return found


class Nameless(Bad):
    title = ""


class Wrong(Bad):
    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        return replace(found, output=found.output + 1) if isinstance(found, Record) else found


class Uncached(Bad):
    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        return replace(found, read=0, input=found.input + found.read) if isinstance(found, Record) else found


class Blind(Bad):
    def sniff(self, head: Head) -> bool:
        return False


class Greedy(Bad):
    def sniff(self, head: Head) -> bool:
        return True


class Boundless(Bad):
    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        return replace(found, thinking=found.output + 1) if isinstance(found, Record) else found


class Brittle(Bad):
    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        if isinstance(found, Issue) and found.reason == "malformed":
            raise ValueError(found.detail)
        return found


class Ordered(Bad):
    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        return replace(found, session=str(number)) if isinstance(found, Record) else found


class Raw(Bad):
    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        start = source.path.read_bytes()[:1] if source.path is not None else b""
        return found if start in {b"{", b"["} else Issue("malformed", source.where(1))


class Plain(Bad):
    def spoilt(self, found: Record | Issue, number: int, source: Source) -> Record | Issue:
        return Issue("malformed", source.where(1)) if _compressed(source.path) else found


def _compressed(path: Path | None) -> bool:
    return path is not None and path.read_bytes().startswith((b"\x1f\x8b", b"\x28\xb5"))


BAD: list[tuple[type[Bad], Check]] = [
    (Nameless, importer_contract.it_says_what_it_is),
    (Wrong, importer_contract.its_goldens_are_read_as_expected),
    (Uncached, importer_contract.its_goldens_hold_cached_tokens),
    (Blind, importer_contract.its_goldens_are_claimed_by_it_alone),
    (Greedy, importer_contract.it_claims_nothing_else),
    (Boundless, importer_contract.its_records_can_be_believed),
    (Brittle, importer_contract.no_damage_stops_it),
    (Ordered, importer_contract.the_order_of_lines_does_not_matter),
    (Raw, importer_contract.byte_order_marks_and_line_ends_do_not_matter),
    (Plain, importer_contract.compression_does_not_matter),
]


@pytest.mark.parametrize(("kind", "check"), BAD, ids=[kind.__name__ for kind, _ in BAD])
def test_an_importer_that_breaks_it_is_noticed(kind: type[Bad], check: Check) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(kind())
    with pytest.raises((AssertionError, ValueError)):
        check_importer(kind())


def test_a_good_importer_passes_as_a_whole() -> None:
    check_importer(AnthropicMessagesLog())


def test_every_check_has_an_importer_that_breaks_it() -> None:
    checks: set[Callable[[Importer], None]] = {check for _, check in BAD}
    assert checks == set(CHECKS)
