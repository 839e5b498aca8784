"""Under which licence each package comes, by its own metadata, and which of them are allowed here."""

from __future__ import annotations

import re
from email.message import Message
from importlib import metadata
from typing import cast

ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0"}
    | {"Unlicense", "Zlib", "MPL-2.0"}  # MPL: of unchanged files of others, in packages of their own
)
"""SPDX names. Any other licence is a question to ask before the package is used."""
EXCEPTIONS = {
    "psycopg": "LGPL-3.0-only: an extra, imported unchanged from a package of its own, which anybody can replace",
    "psycopg-binary": "LGPL-3.0-only: likewise",
    "psycopg-pool": "LGPL-3.0-only: likewise",
}
"""Packages under another licence, and why that is well."""
_UNTOLD = {"atheris": "Apache-2.0", "axe-playwright-python": "MIT"}  # by the licence file in it or its sources
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_WORDS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "MIT License": "MIT",
}
_NAME = re.compile(r"[A-Za-z0-9.+-]+")


def licence_of(name: str) -> str | None:
    """The licence of an installed package as an SPDX expression, "" where nobody can tell; None for one not installed."""
    try:
        told = cast("Message", metadata.metadata(name))
    except metadata.PackageNotFoundError:
        return None
    expression = told.get("License-Expression", "")
    if expression:
        return expression
    words = told.get("License", "").strip().partition("\n")[0]
    word = _WORDS.get(words, words)
    if word in ALLOWED:
        return word
    named = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier", []) if one.startswith("License :: ")]
    known = sorted({_CLASSIFIERS.get(one, one) for one in named if one != "OSI Approved"})
    return " OR ".join(known) or _UNTOLD.get(name, "")


def is_allowed(expression: str) -> bool:
    """Whether one of its alternatives asks for allowed licences only."""
    alternatives = re.split(r"\s+OR\s+", expression)
    return any(
        all(word in ALLOWED for word in _NAME.findall(one) if word != "AND") and bool(one.strip()) for one in alternatives
    )
