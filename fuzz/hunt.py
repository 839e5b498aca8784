"""One fuzzer under atheris (libFuzzer for Python), in a process of its own: it ends that process when it is done.

python -m fuzz.hunt NAME SEED [options of libFuzzer] CORPUS
"""

from __future__ import annotations

import sys
from random import Random

import atheris

INSTRUMENTED = ["thriftgate.core", "thriftgate.wire", "thriftgate.audit", "thriftgate.providers.chat_incoming"]
_OWN_MUTATION = 0.6  # of the inputs; the rest is changed as libFuzzer does it


def main(name: str, options: list[str]) -> None:
    """Does not return."""
    with atheris.instrument_imports(include=INSTRUMENTED):
        from fuzz import fuzzers  # noqa: PLC0415  what it imports is to be instrumented
        from fuzz.mutations import mutated  # noqa: PLC0415
    parts = fuzzers.FUZZERS[name]

    def one(data: bytes) -> None:
        fuzzers.check(parts, data)

    def mutate(data: bytes, bytes_max: int, seed: int) -> bytes:
        random = Random(seed)
        if len(data) > 1 and random.random() < _OWN_MUTATION:
            return (data[:1] + mutated(data[1:], random))[:bytes_max]
        made: bytes = atheris.Mutate(data, bytes_max)
        return made

    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
