"""Money as integer pico-USD (1e-12 USD).

Why pico: the smallest price in use, a Haiku 5.5 batch cache read in a US region, is 5.5 nano-USD a token, so nano is too
coarse (platform.claude.com/docs/en/about-claude/pricing, 2026-10-10). Rates are pico-USD per *million* tokens, which
keeps any quoted price with up to twelve decimals exact.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from thriftgate.core.errors import InputError

PICO_PER_USD = 10**12
TOKENS_PER_MTOK = 10**6
DIGITS_MAX = 40


def pico_from_usd(usd: str | int | Decimal) -> int:
    """Exact pico-USD of a decimal dollar amount. Raises InputError when it is no number, finer than a pico-dollar, or of
    more than 40 digits."""
    try:
        amount = Decimal(usd)
        if amount and not (-DIGITS_MAX < amount.adjusted() < DIGITS_MAX):
            raise InputError(f"{usd!s:.60} is no plausible amount in US dollars")
        dollars, parts = amount.as_integer_ratio()
    except (InvalidOperation, ValueError, OverflowError, TypeError):
        raise InputError(f"{usd!r} is not an amount in US dollars; write it like 0.25") from None
    pico, rest = divmod(dollars * PICO_PER_USD, parts)
    if rest:
        raise InputError(f"{usd} USD is finer than a pico-dollar (1e-12 USD)")
    return pico


def usd_from_pico(pico: int) -> str:
    """Exact decimal string in USD without exponent or trailing zeros: 44_000_000_000 -> "0.044", 0 -> "0"."""
    whole, rest = divmod(abs(pico), PICO_PER_USD)
    digits = f"{whole}.{rest:012d}".rstrip("0").rstrip(".") if rest else str(whole)
    return f"-{digits}" if pico < 0 else digits


def price_tokens(tokens: int, pico_per_mtok: int) -> int:
    """Pico-USD of `tokens` at a rate. Exact for every list price; an odd contract rate rounds half to even, once."""
    pico, rest = divmod(tokens * pico_per_mtok, TOKENS_PER_MTOK)
    if rest * 2 > TOKENS_PER_MTOK or (rest * 2 == TOKENS_PER_MTOK and pico % 2):
        pico += 1
    return pico
