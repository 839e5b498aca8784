"""Where tools that count Claude Code logs go wrong: small logs, the right figure, what ccusage says, and why they differ.

A case is a folder with `projects/` in it (a CLAUDE_CONFIG_DIR) or with log files themselves. The right figures are worked
out by hand from the lines, at the list prices of their day; nothing here comes from either program.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

CENT = Decimal("0.005")  # right to the cent: off by less than half of one

Price = Callable[[Path], Decimal]


class Expected(Struct, frozen=True):
    """The right figure in dollars, how it comes about, and the rule that ccusage breaks ("" where it is right)."""

    usd: str
    why: str
    breaks: str = ""


class Compared(Struct, frozen=True):
    """One case. Figures in dollars; None where a tool gave none (then `failed` says why) or no right figure is known."""

    name: str
    ours: Decimal | None
    theirs: Decimal | None
    right: Decimal | None
    why: str
    breaks: str
    failed: str = ""

    @property
    def correct(self) -> bool | None:
        """Whether thriftgate is right to the cent; None where that cannot be told."""
        if self.right is None:
            return None
        return self.ours is not None and abs(self.ours - self.right) < CENT

    @property
    def differs(self) -> bool:
        """Whether the two tools differ by a thousandth of a cent or more."""
        return self.ours is not None and self.theirs is not None and abs(self.ours - self.theirs) >= Decimal("0.00001")

    @property
    def explained(self) -> bool:
        """Whether a difference is one that is known, on the side of ccusage."""
        return not self.differs or (bool(self.breaks) and self.correct is True)


_SONNET = "Sonnet 4.5 ($3 in, $15 out a million)"
EXPECTED = {
    "1h": Expected(
        "12",
        f"{_SONNET}: a million tokens written for an hour cost 2 x $3, and a prompt above 200,000 tokens doubles it",
        "the step above 200,000 tokens is applied to the tokens beyond it only; it is a price of the whole request",
    ),
    "batch": Expected(
        "7.5",
        f"{_SONNET}: a million tokens of output at half price, since `service_tier` is batch",
        "no batch discount, and the step above 200,000 prompt tokens is applied to output",
    ),
    "haiku45": Expected("5", "Haiku 4.5: a million tokens of output at $5"),
    "iterations": Expected(
        "0.5943",
        f"{_SONNET}: the compaction in `iterations` (180,000 in, 3,500 out) is billed beside the message (100 in, 100 out)",
        "only the top level of `usage` is counted, which leaves compaction out",
    ),
    "noreq": Expected("0.01503", "three copies of one message without `requestId` are one call: 10 in, 1,000 out"),
    "noreqnull": Expected(
        "0.01503",
        'a line with `"requestId":null` is a call like any other: 10 in, 1,000 out',
        "lines with `requestId` null are dropped",
    ),
    "opus46_fast": Expected("150", "Opus 4.6 in fast mode, as it was priced until 2026-06-28: $150 a million output tokens"),
    "opus48": Expected("25", "Opus 4.8: a million tokens of output at $25"),
    "over200k_class": Expected(
        "1.0125",
        "Sonnet 4.5 with 300,000 prompt tokens is above the step: 150,000 x $6 + 150,000 x $0.60 + 1,000 x $22.50",
        "the step above 200,000 is tried on each kind of token alone; it is the whole prompt that counts",
    ),
    "partial": Expected(
        "0.01503", "of three copies the one with the final output (1,000) counts, the others hold a placeholder"
    ),
    "residual": Expected(
        "0.69171375",
        f"{_SONNET}: 184,457 tokens were written, of which the split explains 31,490; the rest are writes for 5 minutes too",
        "only the split is priced, what it does not explain is lost",
    ),
    "samemsg_diffreq": Expected(
        "0.01503",
        "one message id is one answer, whatever request ids its copies carry: 10 in, 1,000 out",
        "copies are known by message id and request id together, so one call counts twice",
    ),
    "sonnet5": Expected("10", "Sonnet 5: a million tokens of output at $10"),
    "synthetic": Expected("0", "text that the client made itself (`<synthetic>`) is no call"),
    "toolresult_only": Expected("0", "`toolUseResult.usage` repeats calls that stand elsewhere; it is no call"),
    "us_geo": Expected(
        "27.5",
        "Opus 4.6 with `inference_geo` us: a million tokens of output at $25 x 1.1",
        "`inference_geo` is not read",
    ),
    "websearch": Expected("10", "a thousand web searches at $10", "fees of server tools are not counted"),
    "zero_breakdown": Expected(
        "7.5",
        "Sonnet 4.5: a million tokens written, the split says 0 and 0, so all are 5-minute writes, above the 200,000 step",
        "only the split is priced; where it is all zero the writes cost nothing",
    ),
    "claude-code-logs": Expected(
        "2.3561295",
        "Sonnet 4, 90 calls written as 123 lines: of each the largest output, writes taken for such of 5 minutes",
    ),
}


def find(folder: Path) -> list[Path]:
    """The cases in a folder, by name; the folder itself where it is one. Raises ValueError where there is none."""
    if _is_case(folder):
        return [folder]
    found = sorted(path for path in folder.iterdir() if path.is_dir() and _is_case(path)) if folder.is_dir() else []
    if not found:
        raise ValueError(f"{folder}: no Claude Code logs here")
    return found


def compare(cases: Sequence[Path], ours: Price, theirs: Price | None) -> list[Compared]:
    """Both tools on each case. What a tool refuses (RuntimeError) is told, not raised."""
    compared: list[Compared] = []
    for case in cases:
        expected = EXPECTED.get(case.name)
        failed: list[str] = []
        with _config(case) as config:
            figures = [_figure(price, config, failed) for price in (ours, theirs)]
        compared.append(
            Compared(
                name=case.name,
                ours=figures[0],
                theirs=figures[1],
                right=Decimal(expected.usd) if expected else None,
                why=expected.why if expected else "",
                breaks=expected.breaks if expected else "",
                failed="; ".join(failed),
            )
        )
    return compared


def _figure(price: Price | None, config: Path, failed: list[str]) -> Decimal | None:
    if price is None:
        return None
    try:
        return price(config)
    except RuntimeError as error:
        failed.append(str(error))
        return None


@contextmanager
def _config(case: Path) -> Iterator[Path]:
    """The case as a CLAUDE_CONFIG_DIR; log files that lie in it directly are copied into one."""
    if (case / "projects").is_dir():
        yield case
        return
    with TemporaryDirectory(prefix="audit-bench-") as temporary:
        project = Path(temporary) / "projects" / "-logs"
        project.mkdir(parents=True)
        for path in case.glob("*.jsonl"):
            shutil.copyfile(path, project / path.name)
        yield Path(temporary)


def _is_case(folder: Path) -> bool:
    return (folder / "projects").is_dir() or any(folder.glob("*.jsonl"))
