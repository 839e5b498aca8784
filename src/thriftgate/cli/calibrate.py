"""`thriftgate calibrate`: from graded examples to an artefact that says which calls the cheap model may serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from thriftgate.cli.options import Config, Json, LedgerPath, settings_for


def calibrate(
    *,
    data: Annotated[
        Path,
        Parameter(help="Graded examples: what `eval run` has written, or a CSV with a column of grades for each model."),
    ],
    strong: Annotated[str, Parameter(help="The model whose quality is the measure; the one that clients name.")],
    candidates: Annotated[
        str, Parameter(help="Cheaper models to try, separated by commas; empty is all others in the data.")
    ] = "",
    target: Annotated[float, Parameter(help="Share of the strong model's quality to keep.")] = 0.98,
    confidence: Annotated[float, Parameter(help="How sure to be of it.")] = 0.95,
    mode: Annotated[
        Literal["default", "strict"], Parameter(help="strict: a theorem at any number of examples. default: saves more.")
    ] = "default",
    only: Annotated[
        Literal["both", "router", "cascade"],
        Parameter(help="Trying one kind alone leaves it the whole of the allowed error."),
    ] = "both",
    agreement: Annotated[
        bool,
        Parameter(negative="", help="The data are stored exchanges that nobody graded: promise that answers are the same."),
    ] = False,
    traffic: Annotated[Path | None, Parameter(help="Calls that nobody graded (JSONL), to know what is usual.")] = None,
    out: Annotated[Path, Parameter(help="Where to write the artefact, if there is one.")] = Path("routing.json"),
    days: Annotated[float, Parameter(help="How long it is valid.")] = 30.0,
    audit: Annotated[float, Parameter(help="Share of calls that will be audited, for the time until an alarm.")] = 0.02,
    verifier: Annotated[str, Parameter(help="The model whose scores the examples' signals hold, for a cascade.")] = "",
    samples: Annotated[int, Parameter(help="For a cascade that compares samples: what --repeat of eval run was.")] = 1,
    seed: Annotated[int, Parameter(help="Of the folds and the bootstrap: the same seed, the same result.")] = 0,
    ledger: LedgerPath = None,
    json: Json = False,
    config: Config = None,
) -> int:
    """Fit a router, and a cascade where the examples tell signals, and certify how far they may go.

    Promises a share of the strong model's quality with a stated confidence, or says what is missing. Exits with 0 where an
    artefact was written, with 1 where no promise can be made. Needs thriftgate[eval].
    """
    from thriftgate.cli.calibration import Told, calibrated, print_calibration  # noqa: PLC0415  --help shall be quick
    from thriftgate.cli.output import print_json  # noqa: PLC0415  --help shall be quick

    told = Told(
        data=data,
        strong=strong,
        candidates=candidates,
        target=target,
        confidence=confidence,
        mode=mode,
        only=only,
        agreement=agreement,
        traffic=traffic,
        out=out,
        days=days,
        audit=audit,
        verifier=verifier,
        samples=samples,
        seed=seed,
    )
    document = calibrated(settings_for(config, ledger__path=ledger), told)
    if json:
        print_json(document)
    else:
        print_calibration(document)
    return 0 if document["artefact"] else 1
