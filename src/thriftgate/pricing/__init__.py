"""Where the price book comes from.

`genai-prices` knows the list prices but costs a third of a second and 100 MB to import, so its content is compiled, together
with our dated overlay, into `book.json`, which loads in milliseconds:

    genai_prices ──> library.py (strict) ──┐
    overlay.toml ──> overlay.py ───────────┴─> compile.py ──> book.json ──> load.py (+ overrides.py) ──> core PriceBook

`python -m thriftgate.pricing.compile` regenerates the book, `--check` verifies it. `bill.py` is what the `price` verb
prints.
"""
