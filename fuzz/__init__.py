"""Fuzzing: random input against properties that must hold for any input.

    python3 tasks.py fuzz                     every fuzzer for a few seconds (--seconds N each)
    python -m fuzz wire --seconds 3600        one fuzzer, guided by coverage (needs atheris)
    python -m fuzz wire --replay              what was found before, the seeds, and some thousand fixed mutations of them

A `Part` is one parser with the properties it must have; a fuzzer is a tuple of parts (`fuzzers.py`). The first byte of an
input picks the part. Seeds are made when it runs, from the golden folders of the tests and from the simulator's answers;
what was found is kept in `tests/fuzz/findings/PART/` and is replayed by the default test run, which needs no atheris.
"""
