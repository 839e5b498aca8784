"""How figures are shown to people: words, rounded amounts, and charts in SVG. Pure. May import: core."""
