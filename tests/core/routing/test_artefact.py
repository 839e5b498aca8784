"""Artefacts: what they decide, when they are void, and that none is read that was not signed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.planning import BOOK, NOW_S
from tests.core.routing.artefacts import SECRET, artefact_of, cascade_of, features_for
from thriftgate.core.cost import day_of
from thriftgate.core.errors import ConfigError, UnknownPrice
from thriftgate.core.routing.artefact import Artefact, price_ratio, read_artefact, signed, split_arm

DAY = day_of(NOW_S)


@pytest.mark.parametrize(
    ("arm", "split"),
    [
        ("claude-haiku-5-5", ("claude-haiku-5-5", "")),
        ("claude-sonnet-5-5@low", ("claude-sonnet-5-5", "low")),
        ("", ("", "")),
    ],
)
def test_an_arm_is_a_model_and_perhaps_an_effort(arm: str, split: tuple[str, str]) -> None:
    assert split_arm(arm) == split


def test_the_cheap_arm_serves_up_to_the_threshold() -> None:
    made = artefact_of({"easy": -5.0, "hard": 5.0}, threshold=0.5)
    goes, score, reason = made.judge(features_for("easy"))
    assert goes
    assert score < 0.01
    assert reason == f"score {score:.3f}, certified up to 0.500"
    goes, score, reason = made.judge(features_for("hard"))
    assert not goes
    assert reason == f"score {score:.3f} is above the certified 0.500"


def test_unknown_and_pinned_tasks_stay() -> None:
    made = artefact_of({"easy": -5.0, "bad": -5.0}, pinned=("bad",))
    assert made.judge(features_for("new"))[::2] == (False, "task new was not in the calibration data")
    assert made.judge(features_for(""))[::2] == (False, "task unknown was not in the calibration data")
    assert made.judge(features_for("bad"))[::2] == (
        False,
        f"task bad is kept on {made.strong}: too many losses in calibration",
    )


# --- when it holds ----------------------------------------------------------------------------------------------------


def test_it_holds_until_it_expires() -> None:
    made = artefact_of(expires_s=NOW_S + 10)
    assert made.why_void(NOW_S, BOOK, DAY) == ""
    assert made.why_void(NOW_S + 9.9, BOOK, DAY) == ""
    assert made.why_void(NOW_S + 10, BOOK, DAY) == "it has expired: calibrate again"


def test_other_features_void_it() -> None:
    made = artefact_of()
    other = replace(made, features_version=made.features_version + 1)
    assert other.why_void(NOW_S, BOOK, DAY).startswith(f"it was made for version {other.features_version} of the features")


@pytest.mark.parametrize(("moved", "void"), [(1.0, False), (1.19, False), (0.84, False), (1.3, True), (0.75, True)])
def test_a_price_ratio_that_has_moved_voids_it(moved: float, void: bool) -> None:
    made = artefact_of()
    other = replace(made, price_ratio=made.price_ratio * moved)
    reason = other.why_void(NOW_S, BOOK, DAY)
    assert bool(reason) is void
    assert (
        not void or reason == f"the price ratio was {other.price_ratio:.3f} and is {made.price_ratio:.3f}: calibrate again"
    )


def test_the_price_ratio_is_of_the_models_whatever_their_effort() -> None:
    assert price_ratio("claude-opus-4-8", "claude-haiku-4-5", BOOK, DAY) == 0.2
    assert price_ratio("claude-opus-4-8@high", "claude-opus-4-8@low", BOOK, DAY) == 1.0
    with pytest.raises(UnknownPrice):
        price_ratio("claude-opus-4-8", "claude-nobody", BOOK, DAY)


# --- signed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [artefact_of({"a": 1.0, "b": -1.0}), artefact_of(cascade=cascade_of(0.7))])
def test_what_was_signed_is_read_again(made: Artefact) -> None:
    document = signed(made, SECRET)
    found = read_artefact(document, SECRET, "a.json")
    assert replace(found, signature="") == made
    assert signed(found, SECRET) == document
    assert read_artefact(msgspec.json.format(document, indent=-1), SECRET, "a.json") == found  # spelling does not matter


CHANGES: list[dict[str, Any]] = [
    {"threshold": 0.9},
    {"expires_s": 9e12},
    {"cheap": "claude-haiku-5-5"},
    {"pinned": ["x"]},
    {"target": 0.5},
    {"signature": ""},
    {"signature": "00"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_one_that_was_changed_is_not_read(change: dict[str, Any]) -> None:
    document = msgspec.json.decode(signed(artefact_of(), SECRET)) | change
    with pytest.raises(ConfigError, match=r"a\.json: its signature does not fit"):
        read_artefact(msgspec.json.encode(document), SECRET, "a.json")


def test_one_of_other_books_is_not_read() -> None:
    with pytest.raises(ConfigError, match=r"its signature does not fit.*or set routing\.secret"):
        read_artefact(signed(artefact_of(), SECRET), b"another", "a.json")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"id":"x"}', b"\xff\xfe", b"null"])
def test_what_is_no_artefact_is_said(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^a\.json: not a calibration artefact"):
        read_artefact(data, SECRET, "a.json")


def test_another_format_is_said() -> None:
    with pytest.raises(ConfigError, match=r"a\.json: of format 2; this version reads 1: calibrate again"):
        read_artefact(signed(replace(artefact_of(), format=2), SECRET), SECRET, "a.json")
