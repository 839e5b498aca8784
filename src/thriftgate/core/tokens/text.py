"""Tokens of a text from the statistics of its bytes, at C speed.

Each byte falls into one of 16 classes (`classes.py`); each pair of neighbouring bytes then has one of 256 pair codes,
and each code a weight, fitted against a tokenizer. The estimate is the sum of the weights: no Python loop over bytes.

    translate -> a class per byte -> one big integer, or-ed with itself shifted by four bits -> a pair code per byte
              -> translate -> a weight per byte -> Adler-32, whose low half is the plain sum of the bytes (RFC 1950, 8.2)

Bytes outside ASCII get a second weight of their own, by value, which tells the scripts apart. Weights are never negative, so
more text never means fewer tokens. They were fitted on plain text and on the same text as JSON writes it (`\\n` for a line
feed), so either may be given. Long texts are sampled in evenly spaced windows; `upper` pays for that.
"""

from __future__ import annotations

from zlib import adler32

from msgspec import Struct

from thriftgate.core.models import TokenizerFamily
from thriftgate.core.tokens.classes import CLASS_OF
from thriftgate.core.tokens.weights import WEIGHTS

Family = TokenizerFamily
"""`claude3` up to the 4.6 models, `claude47` from 4.7 on, about 30 % more tokens for the same text
(platform.claude.com/docs/en/about-claude/pricing, 2026-08)."""

_SUM_BYTES = 512  # weights are at most 127: 512 of them stay below Adler's modulus of 65,521
_WHOLE_BYTES = 1024
_WINDOW_BYTES = 128
_SAMPLE_ONE_IN = 8
_ASCII = bytes(range(128))
_UNICODE_ESCAPE = CLASS_OF[ord("\\")] | CLASS_OF[ord("u")] << 4


class Estimate(Struct, frozen=True, gc=False):
    """`tokens` is expected; `upper` is meant to be exceeded by less than one text in a hundred."""

    tokens: int
    upper: int

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.tokens + other.tokens, self.upper + other.upper)


NOTHING = Estimate(0, 0)


def estimate_text(data: bytes | memoryview, family: Family) -> Estimate:
    """Tokens of UTF-8 text, plain or as it stands inside a JSON string, without any framing.

    Cost on one core of 2026: 1.5 µs, plus 2.6 ns a byte up to 1 kB and 0.4 ns a byte above; outside ASCII half as much more.
    """
    total = len(data)
    if total == 0:
        return NOTHING
    sample = bytes(data) if total <= _WHOLE_BYTES else _windows(data)
    scale = total / len(sample)
    pairs = pair_codes(sample)
    if _UNICODE_ESCAPE in pairs and sample.isascii():
        sample = _spell_out(sample)
        pairs = pair_codes(sample)
    weights = WEIGHTS[family]
    units = _byte_sum(pairs.translate(weights.pair_weight)) / weights.pair_unit
    margin = weights.margin
    if not sample.isascii():
        wide = sample.translate(None, _ASCII)
        units += _byte_sum(wide.translate(weights.byte_weight)) / weights.byte_unit
        margin += weights.margin_foreign * min(1.0, 4 * len(wide) / len(sample))
    if scale > 1:
        margin += weights.margin_sampled / (len(sample) / _WINDOW_BYTES) ** 0.5
    expected = scale * units + weights.start
    upper = expected * (1 + margin) + weights.margin_root * expected**0.5 + weights.margin_least
    tokens = max(1, round(expected))
    return Estimate(tokens, max(tokens + 1, round(upper)))


def _windows(data: bytes | memoryview) -> bytes:
    """An eighth of a long text, in windows spread evenly from its first byte to its last."""
    view = memoryview(data)
    last = len(view) - _WINDOW_BYTES
    gaps = (_WHOLE_BYTES + (len(view) - _WHOLE_BYTES) // _SAMPLE_ONE_IN) // _WINDOW_BYTES - 1
    return b"".join([view[at * last // gaps : at * last // gaps + _WINDOW_BYTES] for at in range(gaps + 1)])


def pair_codes(sample: bytes) -> bytes:
    """Class of each byte in the low four bits, class of the byte after it in the high four."""
    classes = int.from_bytes(sample.translate(CLASS_OF), "little")
    return (classes | classes >> 4).to_bytes(len(sample), "little")


def _spell_out(sample: bytes) -> bytes:
    r"""`\uXXXX` as the UTF-8 it stands for: some clients escape all that is not ASCII."""
    text = sample.decode("raw_unicode_escape", "replace")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _byte_sum(data: bytes) -> int:
    if len(data) <= _SUM_BYTES:
        return adler32(data, 0) & 0xFFFF
    return sum([adler32(data[at : at + _SUM_BYTES], 0) & 0xFFFF for at in range(0, len(data), _SUM_BYTES)])
