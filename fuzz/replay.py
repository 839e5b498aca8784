"""Without coverage and without atheris: what was found before, the seeds, and fixed mutations of the seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from fuzz.mutations import mutated
from fuzz.part import Part

FINDINGS = Path(__file__).parents[1] / "tests" / "fuzz" / "findings"


class Finding(NamedTuple):
    """An input for which a property of a part does not hold, and what was raised."""

    part: str
    data: bytes
    error: str


def findings(part: Part) -> list[bytes]:
    """Inputs that broke this part once."""
    return [file.read_bytes() for file in sorted((FINDINGS / part.name).glob("*"))]


def replayed(parts: tuple[Part, ...], mutations: int, seed: int = 0) -> Iterator[Finding | None]:
    """Checks each part with its findings, its seeds, and so many mutations of them; the same ones for the same seed. One
    item for each input: None where all held."""
    for part in parts:
        random = Random(f"{part.name} {seed}")
        known = [*findings(part), *part.seeds()]
        for data in known:
            yield tried(part, data)
        for _ in range(mutations):
            yield tried(part, mutated(random.choice(known), random))


def tried(part: Part, data: bytes) -> Finding | None:
    """Any error is a finding, whatever its kind."""
    try:
        part.check(data)
    except Exception as error:  # noqa: BLE001  that is what is looked for
        return Finding(part.name, data, f"{type(error).__name__}: {error}")
    return None
