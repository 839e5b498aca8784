"""Names and tags that people give: short, of one line, and safe to print anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from thriftgate.core.errors import InputError

LABEL_MAX = 100  # characters
TAGS_MAX = 16  # of one call
PATTERNS_MAX = 100  # of one key


def checked_label(text: str, where: str) -> str:
    """The text without blanks around it. Raises InputError, which does not repeat what may be endless."""
    found = text.strip()
    if not found:
        raise InputError(f"{where}: must not be empty")
    if len(found) > LABEL_MAX:
        raise InputError(f"{where}: is {len(found)} characters long, at most {LABEL_MAX} are allowed")
    if not found.isprintable():
        raise InputError(f"{where}: holds a line break or another control character")
    return found


def checked_tags(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """Tags such as `env=prod` or `eu`, each once, in order. Raises InputError."""
    found = {checked_label(text, where) for text in texts}
    if len(found) > TAGS_MAX:
        raise InputError(f"{where}: names {len(found)} tags, at most {TAGS_MAX} are allowed")
    for text in found:
        if "," in text:
            raise InputError(f"{where}: a tag must not hold a comma")
    return tuple(sorted(found))


def tags_of(header: str, where: str) -> tuple[str, ...]:
    """The tags of a header, separated by commas. Raises InputError."""
    return checked_tags([text for text in header.split(",") if text.strip()], where) if header else ()


def checked_patterns(texts: Iterable[str], where: str) -> tuple[str, ...]:
    """Patterns such as `claude-haiku-*`, as they were written. Raises InputError."""
    found = tuple(dict.fromkeys(checked_label(text, where) for text in texts))
    if len(found) > PATTERNS_MAX:
        raise InputError(f"{where}: holds {len(found)} patterns, at most {PATTERNS_MAX} are allowed")
    return found


def fits(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of the patterns is the name's; with none there is no bound."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
