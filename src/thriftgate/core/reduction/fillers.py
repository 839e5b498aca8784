"""Phrases that can go, or be said shorter, without loss of meaning. Only where a policy asks for it."""

from __future__ import annotations

import re

FILLERS = (
    ("please note that", ""),
    ("it should be noted that", ""),
    ("it is important to note that", ""),
    ("it is worth noting that", ""),
    ("it is worth mentioning that", ""),
    ("needless to say,", ""),
    ("as a matter of fact,", ""),
    ("for all intents and purposes,", ""),
    ("at the end of the day,", ""),
    ("as you may know,", ""),
    ("as mentioned earlier,", ""),
    ("due to the fact that", "because"),
    ("owing to the fact that", "because"),
    ("in light of the fact that", "because"),
    ("despite the fact that", "although"),
    ("in order to", "to"),
    ("so as to", "to"),
    ("for the purpose of", "for"),
    ("with regard to", "about"),
    ("with respect to", "about"),
    ("in the event that", "if"),
    ("at this point in time", "now"),
    ("at the present time", "now"),
    ("in the near future", "soon"),
    ("on a regular basis", "regularly"),
    ("a large number of", "many"),
    ("the majority of", "most"),
    ("has the ability to", "can"),
    ("have the ability to", "can"),
    ("make sure that you", "make sure you"),
    ("would you be so kind as to", "please"),
    ("i would like you to", "please"),
    ("i would appreciate it if you could", "please"),
)
"""What is said, in lower case, and what may be said instead (plainlanguage.gov, "use simple words and phrases", 2026-11)."""

_INSTEAD = dict(FILLERS)
_SMALL_ROUNDS_MAX, _SMALL_SHARE = 8, 1 / 16  # nobody writes phrases so deep within each other
_PATTERN = re.compile(
    r"(?<![\w\"'`“])("
    + "|".join(sorted(map(re.escape, _INSTEAD), key=len, reverse=True)).replace(r"\ ", r" +")
    + r")( +)(\w)",
    re.IGNORECASE,
)


def without_fillers(text: str) -> str:
    """The same, said shorter. A phrase at the beginning of a quotation stays; a capital is handed on."""
    small = 0  # rounds that took little; phrases in a row halve the text, nested ones take a word each time
    while small < _SMALL_ROUNDS_MAX:
        fresh = _PATTERN.sub(_instead, text)
        if fresh == text:
            break
        small += len(text) - len(fresh) < _SMALL_SHARE * len(text)
        text = fresh
    return text


def _instead(match: re.Match[str]) -> str:
    said, space, follows = match.groups()
    instead = _INSTEAD[" ".join(said.lower().split())]
    if instead:
        return (instead[0].upper() + instead[1:] if said[0].isupper() else instead) + space + follows
    return follows.upper() if said[0].isupper() else follows
