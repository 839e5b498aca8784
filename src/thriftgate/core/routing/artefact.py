"""The result of a calibration: which calls the cheap model may serve, on what evidence, and until when. Signed.

An artefact is one JSON document. Whoever serves by it checks the signature (HMAC-SHA256 over the document without it, with a
secret of the ledger or of the settings), the date, the version of the features and that prices have not moved: what does not
hold any more is not used, and the strong model serves.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.core.routing import features
from thriftgate.core.routing.confidence import Confidence
from thriftgate.core.routing.features import Features
from thriftgate.core.routing.score import Scorer

FORMAT = 1
PRICE_MOVE = 0.2
"""A change of the price ratio between the two models by more than this voids an artefact: its saving was another."""


class Evidence(Struct, frozen=True):
    """What the promise rests on: examples, those that the strong model got right, losses (strong right, policy wrong) and
    wins (the other way round) of the certified policy, the p-value and the test it is of."""

    examples: int
    strong_right: int
    losses: int
    wins: int
    p: float
    test: str
    data: str = ""


class Saving(Struct, frozen=True):
    """Share of the strong model's cost that is saved, on the calibration data, with a 90 % interval."""

    share: float
    low: float
    high: float


class Cascade(Struct, frozen=True):
    """Try first, judge the answer, escalate below `threshold`. What the confidence takes beside the answer itself: `samples`
    is how many answers of the cheap arm are made and compared, the try among them (signal `self_agrees`), `second` the arm
    that is asked the same (`agreement:SECOND`), `verifier` the model that is asked for a score (`verifier`); 1 and "" for
    none. `skip_above` is the score from which the try is not worth its cost."""

    confidence: Confidence
    threshold: float
    verifier: str = ""
    samples: int = 1
    skip_above: float = 1.0
    second: str = ""


class Artefact(Struct, frozen=True):
    """See the module. Times are unix seconds. `strong` and `cheap` are arms: a model, or a model with an effort
    (`claude-sonnet-5-5@low`). A call goes to the cheap one where its score is at most `threshold` and its task is neither
    unknown nor `pinned`; of these calls a random `share` does. `price_ratio` is the cheap arm's input price over the strong
    one's, as they were. `differ` is how often the two arms may give different answers where the cheap one serves: the upper
    limit, by calibration, of the share that they did not both get right; `tasks` the same by task. `mix` is the number of
    examples by task: a promise over all of them holds for calls that come in that mix."""

    id: str
    strong: str
    cheap: str
    target: float
    confidence: float
    scorer: Scorer
    threshold: float
    evidence: Evidence
    saving: Saving
    made_s: float
    expires_s: float
    price_ratio: float
    share: float = 1.0
    pinned: tuple[str, ...] = ()
    tasks: Mapping[str, float] = {}
    mix: Mapping[str, int] = {}
    differ: float = 0.5
    cascade: Cascade | None = None
    features_version: int = features.VERSION
    format: int = FORMAT
    signature: str = ""

    def limit_for(self, task: str) -> float:
        """How often answers may differ; of one task, or ("") of all."""
        return self.tasks.get(task, self.differ)

    def judge(self, of: Features) -> tuple[bool, float, str]:
        """Whether the cheap arm may serve this, its score, and why in a few words."""
        if of.task in self.pinned:
            return False, 1.0, f"task {of.task} is kept on {self.strong}: too many losses in calibration"
        if not self.scorer.knows(of):
            return False, 1.0, f"task {of.task or 'unknown'} was not in the calibration data"
        score = self.scorer.score(of)
        if score > self.threshold:
            return False, score, f"score {score:.3f} is above the certified {self.threshold:.3f}"
        return True, score, f"score {score:.3f}, certified up to {self.threshold:.3f}"

    def why_void(self, now_s: float, book: PriceBook, day: int) -> str:
        """Why it must not be used now; "" while it may be."""
        if now_s >= self.expires_s:
            return "it has expired: calibrate again"
        if self.features_version != features.VERSION:
            made = f"it was made for version {self.features_version} of the features"
            return f"{made}, this is {features.VERSION}: calibrate again"
        ratio = price_ratio(self.strong, self.cheap, book, day)
        if abs(ratio / self.price_ratio - 1) > PRICE_MOVE:
            return f"the price ratio was {self.price_ratio:.3f} and is {ratio:.3f}: calibrate again"
        return ""


def split_arm(arm: str) -> tuple[str, str]:
    """The model and the effort ("" for the model's own) of an arm."""
    model, _, effort = arm.partition("@")
    return model, effort


def price_ratio(strong: str, cheap: str, book: PriceBook, day: int) -> float:
    """Input price of the cheap arm over that of the strong one. Raises UnknownPrice."""
    rates = [book.rates(Terms(split_arm(arm)[0], day), 0) for arm in (cheap, strong)]
    return rates[0].input / rates[1].input


def signed(artefact: Artefact, secret: bytes) -> bytes:
    """The document, signed."""
    return (
        msgspec.json.format(msgspec.json.encode(replace(artefact, signature=_signature(artefact, secret))), indent=1) + b"\n"
    )


def read_artefact(data: bytes, secret: bytes, where: str) -> Artefact:
    """The artefact in a document. Raises ConfigError, naming `where`, for what is no artefact, of another format, or was not
    signed with this secret."""
    try:
        artefact = msgspec.json.decode(data, type=Artefact)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: not a calibration artefact: {error}") from None
    if artefact.format != FORMAT:
        raise ConfigError(f"{where}: of format {artefact.format}; this version reads {FORMAT}: calibrate again")
    if not hmac.compare_digest(artefact.signature, _signature(artefact, secret)):
        raise ConfigError(
            f"{where}: its signature does not fit: it was changed, or made with another ledger; calibrate with this ledger, "
            f"or set routing.secret where both run"
        )
    return artefact


def _signature(artefact: Artefact, secret: bytes) -> str:
    return hmac.digest(secret, msgspec.json.encode(replace(artefact, signature="")), sha256).hex()
