"""The fuzzers there are. A new parser: a part, one line here."""

from __future__ import annotations

from fuzz.batches import BATCHES
from fuzz.event_streams import EVENT_STREAMS
from fuzz.importers import IMPORTER_PARTS
from fuzz.messages import MESSAGES
from fuzz.openai import OPENAI
from fuzz.openai_out import OPENAI_OUT
from fuzz.part import Part
from fuzz.prompts import PROMPTS
from fuzz.splicer import SPLICER

FUZZERS: dict[str, tuple[Part, ...]] = {
    "wire": (*MESSAGES, *OPENAI, *OPENAI_OUT, *EVENT_STREAMS, *BATCHES),
    "importers": IMPORTER_PARTS,
    "splicer": SPLICER,
    "prompts": PROMPTS,
}


def check(parts: tuple[Part, ...], data: bytes) -> None:
    """The first byte picks the part, the rest is its input."""
    if data:
        parts[data[0] % len(parts)].check(data[1:])
