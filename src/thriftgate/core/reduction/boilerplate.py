"""Text that stands below or above other text and says nothing about it: a small table of what is known well enough to go.

Licence texts become their name; the rest goes. Each entry: what it is, a phrase without which it is not looked for (less
its first letter, which may be a capital), the pattern, what stands for it, where it is taken from. Looked for outside
fences only, never within JSON.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Boilerplate(NamedTuple):
    name: str
    phrase: str
    pattern: re.Pattern[str]
    instead: str
    source: str


def _text(pattern: str) -> re.Pattern[str]:
    """A passage, wrapped or in a comment or not: a space stands for a run of spaces, line ends and comment marks."""
    return re.compile(pattern.replace(" ", r"[\s#*/;>-]+"), re.IGNORECASE | re.DOTALL)


def _line(pattern: str) -> re.Pattern[str]:
    """A line of its own, or a paragraph of one line."""
    return re.compile(rf"^[ \t>*_-]*(?:{pattern})[ \t*_]*$\n?", re.IGNORECASE | re.MULTILINE)


BOILERPLATE = (
    Boilerplate(
        "Apache licence notice", "icensed under the Apache License",
        _text(r"Licensed under the Apache License, Version 2\.0.{200,900}?limitations under the License\."),
        "[Apache-2.0 licence notice]", "apache.org/licenses/LICENSE-2.0, appendix, 2026-11",
    ),
    Boilerplate(
        "MIT licence", "ermission is hereby granted",
        _text(r"Permission is hereby granted, free of charge.{600,1400}?DEALINGS IN THE SOFTWARE\."),
        "[MIT licence text]", "opensource.org/license/mit, 2026-11",
    ),
    Boilerplate(
        "BSD licence", "edistribution and use in source",
        _text(r"Redistribution and use in source and binary forms.{600,2200}?POSSIBILITY OF SUCH DAMAGE\."),
        "[BSD licence text]", "opensource.org/license/bsd-3-clause, 2026-11",
    ),
    Boilerplate(
        "GPL notice", "is free software",
        _text(
            r"This (?:program|library|file) is free software[:;] you can redistribute it.{200,900}?"
            r"(?:<?https?://(?:www\.)?gnu\.org/licenses/?>?\.?|Boston, MA [\d, -]{5,20}USA\.?)"
        ),
        "[GNU licence notice]", "gnu.org/licenses/gpl-howto, 2026-11",
    ),
    Boilerplate(
        "e-mail disclaimer", "onfidential",
        _line(
            r"(?:(?:confidentiality notice|disclaimer): ?)?"
            r"(?:this|the information (?:contained )?in this) (?:e-?mail|message)\b"
            r"(?=[^\n]{0,900}\bconfidential)(?=[^\n]{0,1200}(?:intended|addressee|recipient))[^\n]{40,1500}"
        ),
        "", "wording common to corporate mail footers, 2026-11",
    ),
    Boilerplate(
        "printing plea", "before printing",
        _line(r"(?:please )?(?:consider|think (?:about|of)) the environment before printing[^\n]{0,60}"),
        "", "wording common to mail footers, 2026-11",
    ),
    Boilerplate("sent from", "ent from my ", _line(r"sent from my \w[\w ]{1,30}\.?"), "", "mail apps' default, 2026-11"),
    Boilerplate("get Outlook", "et Outlook for", _line(r"get outlook for \w+(?: ?<[^>\n]{1,80}>)?"), "", "as above"),
    Boilerplate(
        "view in browser", "n your browser",
        _line(
            r"(?:having trouble viewing this (?:e-?mail|message)\?|view (?:this )?(?:e-?mail|message) in your browser)"
            r"[^\n]{0,80}"
        ),
        "", "newsletters, 2026-11",
    ),
    Boilerplate(
        "why you get this", "because",
        _line(
            r"you(?: are|'re|’re)? (?:receiving|received|getting|got) this (?:e-?mail|message|newsletter) because"
            r"[^\n]{0,300}"
        ),
        "", "newsletters, 2026-11",
    ),
    Boilerplate(
        "unsubscribe", "nsubscribe",
        _line(
            r"(?:unsubscribe(?: here)?|(?:click here )?to unsubscribe[^\n]{0,120}|"
            r"unsubscribe \| [^\n]{0,120}|\[unsubscribe\]\([^)\n]{1,300}\))\.?"
        ),
        "", "newsletters, 2026-11",
    ),
    Boilerplate(
        "cookie banner", "ookies",
        _line(
            r"(?:we(?: and our partners)? use|this (?:web)?site uses|by (?:continuing|using) [^\n]{3,80}) "
            r"(?:[^\n]{0,60} )?cookies\b[^\n]{0,400}"
            r"(?:accept|consent|agree|experience|polic|preferences|traffic)[^\n]{0,200}"
        ),
        "", "banners of consent platforms, 2026-11",
    ),
    Boilerplate(
        "cookie buttons", "ookie",
        _line(
            r"(?:accept|reject|decline|allow|manage|customi[sz]e)(?: all)?(?: optional)? cookies?(?: settings| preferences)?"
        ),
        "", "banners of consent platforms, 2026-11",
    ),
    Boilerplate("powered by", "owered by", _line(r"powered by [^\n.]{2,60}\.?"), "", "page footers, 2026-11"),
    Boilerplate(
        "all rights reserved", "ll rights reserved",
        _line(r"(?:copyright )?(?:©|\(c\)|copyright) ?[^\n]{0,80}all rights reserved\.?"),
        "", "page footers, 2026-11",
    ),
)  # fmt: skip

ASKED = re.compile(
    r"\b(?:licen[cs]\w+|copyright\w*|legal\w*|disclaimers?|cookies?|foot(?:er|note)s?|boilerplate|verbatim|word for word|"
    r"confidential\w*|unsubscribe|proof-?read|translate|redact|compliance|signature)\b",
    re.IGNORECASE,
)
"""What a user says who wants to know about it."""


def without_boilerplate(text: str) -> str:
    """A stretch of prose without what the table knows; the text itself where it knows nothing of it."""
    for each in BOILERPLATE:
        if each.phrase in text:
            fresh = each.pattern.sub(each.instead, text)
            text = text if fresh == text else fresh
    return text
