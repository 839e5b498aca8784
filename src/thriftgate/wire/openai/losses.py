"""What becomes of each field of an OpenAI request: the declared tables, and the report of one translation.

A field is carried as it is, carried as something else, needless here, reported (left out, and named in the header
`thriftgate-not-carried`; or refused, where `openai.not_carried = "refuse"`), or always refused. A field that no row names is
reported: nothing is dropped in silence. `chat_losses.py` holds the rows of chat completions.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from thriftgate.core.errors import InputError

Fate = Literal["carried", "translated", "needless", "reported", "refused"]
_TOLD_MAX = 1000  # characters of a header
_NAME_MAX = 60


class Row(NamedTuple):
    """One field of the request: `field` as in `messages[].content[].image_url.detail`, how or why, and the values with which
    it asks for nothing that Claude would not do anyway, so that nothing is lost with it."""

    field: str
    fate: Fate
    how: str
    harmless: tuple[object, ...] = ()


class Report:
    """What one request loses, each field once, in the order in which it was met."""

    __slots__ = ("_lost",)

    def __init__(self) -> None:
        self._lost: dict[str, str] = {}

    def lose(self, field: str, why: str = "") -> None:
        """This field is not carried, or not wholly. `why` must not repeat what a prompt says."""
        self._lost.setdefault(_printable(field)[:_NAME_MAX], why)

    def judge(self, row: Row, value: object) -> None:
        """A field that is not carried, by its row. Raises InputError where it is one that is refused."""
        if value in row.harmless:
            return
        if row.fate == "refused":
            raise InputError(f"{row.field}: {row.how}")
        self.lose(row.field)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are lost, wholly or in part."""
        return tuple(self._lost)

    def told(self) -> str:
        """One line for a header: `seed; temperature (not taken by claude-opus-5-5)`. "" where nothing is lost."""
        line = "; ".join(f"{field} ({_printable(why)})" if why else field for field, why in self._lost.items())
        return line if len(line) <= _TOLD_MAX else f"{line[: _TOLD_MAX - 4]} ..."

    def refuse(self) -> None:
        """Raises InputError where anything is lost: for callers that want all or nothing."""
        if self._lost:
            raise InputError(
                f"this request cannot be carried whole to Claude: {self.told()}. Leave these fields out, or set "
                'openai.not_carried = "report" to have them named in the header thriftgate-not-carried'
            )


def _printable(text: str) -> str:
    """As a header can hold it: field names are whatever a client wrote."""
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
