"""An answer to a similar question instead of a new one, with a bound on how often that is wrong.

    scope     what must be equal before two questions may be compared at all: everything but the last words of the user
    slots     what must be equal within these words: numbers, names, negations and the like
    lexical   how alike two texts are, by their letters
    shelf     the questions that were answered, and which of them comes nearest to a new one
    proof     the test behind a certificate
    stages    what may be answered: nothing without a certificate, and nothing that it does not speak of

Not to be confused with `core/reuse.py`, which counts how often prefixes come back.
"""
