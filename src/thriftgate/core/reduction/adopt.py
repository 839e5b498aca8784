"""Whether a rewritten text is taken: only where it costs fewer tokens than the text it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.pieces import Piece
from thriftgate.core.tokens import Family, estimate_text

_WHOLE_BYTES = 1024  # up to here the estimate samples nothing


def tokens_of(text: str, family: Family) -> int:
    """The estimate of a text without any sampling, whose noise would hide a small saving in a long text. 0.2 GB/s."""
    data = text.encode("utf-8", "surrogatepass")
    return sum(estimate_text(data[at : at + _WHOLE_BYTES], family).tokens for at in range(0, len(data), _WHOLE_BYTES))


def shorter(pieces: Sequence[Piece], texts: Mapping[int, str], capability: Capabilities) -> dict[int, str]:
    """Those of the new texts, by index, that cost fewer tokens than the piece. A text of whitespace alone is never taken:
    the API refuses it."""
    family = capability.tokenizer
    return {
        at: text
        for at, text in texts.items()
        if text != pieces[at].text and text.strip() and _is_shorter(text, pieces[at].text, family)
    }


def _is_shorter(text: str, than: str, family: Family) -> bool:
    """A text that is shorter by characters and by samples is so by tokens; else all of both is looked at."""
    if len(text) < len(than):
        now, was = (estimate_text(each.encode("utf-8", "surrogatepass"), family).tokens for each in (text, than))
        if now < was:
            return True
    return tokens_of(text, family) < tokens_of(than, family)
