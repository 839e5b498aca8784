"""Quality: tasks, experiments, audited calls."""

from __future__ import annotations

import msgspec

from tests.dashboard.conftest import asked_of
from thriftgate.dashboard.asked import Sources
from thriftgate.dashboard.pages.quality import _audits, document, view


async def test_routed_tasks_come_first(sources: Sources) -> None:
    asked = asked_of(sources, span="30d")
    told = view(await document(asked), asked)
    assert told["ranked"][0]["served"] != told["ranked"][0]["asked"]
    assert told["routed"] > 0


def test_audits_are_read_from_what_the_proof_keeps() -> None:
    tallies = {"": {"same": 8, "different": 2, "cheap_better": 0, "strong_better": 0}}
    watch = msgspec.msgpack.encode({"tallies": tallies, "detectors": {}, "mix": b""})
    kept = {
        "day": 0,
        "spent_pico": 0,
        "watches": {"art_1": watch},
        "suspended": {"art_2": "why"},
        "pinned": {"art_1": {"t": "w"}},
    }
    told = _audits(msgspec.msgpack.encode(kept))
    assert told["audits"] == [
        {"artefact": "art_1", "task": "", "audits": 10, "same": 8, "different": 2, "cheap_better": 0, "strong_better": 0}
    ]
    assert [(one["artefact"], one["task"]) for one in told["out_of_service"]] == [("art_2", ""), ("art_1", "t")]
    assert _audits(None) == _audits(b"\xc1") == {"audits": [], "out_of_service": []}
