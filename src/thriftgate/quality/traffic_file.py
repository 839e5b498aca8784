"""Calls that nobody graded: what is asked, without what was answered. They tell a calibration what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from thriftgate.core.errors import InputError
from thriftgate.core.routing.features import Features, Surroundings, features_of


class _Line(Struct):
    text: str
    task: str = ""
    around: Surroundings = Surroundings()


_DECODER = msgspec.json.Decoder(_Line)


def read_traffic(path: Path) -> Sequence[Features]:
    """One JSON object a line: `{"text": …, "task": …, "around": {…}}`; results of an evaluation will do. Raises InputError
    that names the line."""
    found: list[Features] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    found.append(_features(path, number, line))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if not found:
        raise InputError(f"{path} holds no calls")
    return found


def _features(path: Path, number: int, line: bytes) -> Features:
    try:
        one = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, line {number}: {error}; write one object with text and task") from None
    around = one.around if one.around.task or not one.task else msgspec.structs.replace(one.around, task=one.task)
    return features_of(one.text, around)
