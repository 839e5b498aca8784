"""Which model serves a call: nothing is routed and nothing tried out until somebody says so."""

from __future__ import annotations

from thriftgate.settings.choosing import ExperimentSettings, ProofSettings, RoutingSettings


def test_nothing_is_on() -> None:
    routing, experiment = RoutingSettings(), ExperimentSettings()
    assert not (routing.usual_split)
    assert not (routing.rules)
    assert not (routing.artefacts)
    assert (experiment.holdout, experiment.share, ProofSettings().shadow) == (0, 0, 0)
