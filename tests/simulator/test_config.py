import re

import pytest

from thriftgate.simulator import BatchRules, CacheRules, LimitRules, SimulatorConfig


def test_defaults_are_quick_and_follow_the_documentation() -> None:
    config = SimulatorConfig()
    assert config.latency.first_byte_s == config.latency.per_output_token_s == 0
    assert (config.rules.lookback, config.rules.collapse_runs, config.rules.refresh) == (20, True, "hit_and_marked")
    assert not config.rules.in_place_upgrade
    assert config.limits.tier is None


def test_each_config_has_its_own_clock() -> None:
    assert SimulatorConfig().clock is not SimulatorConfig().clock


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CacheRules(refresh="sometimes"), "refresh"),
        (lambda: CacheRules(lookback=0), "lookback"),
        (lambda: LimitRules(tier="gold"), "tier"),
        (lambda: BatchRules(order="sorted"), "order"),
        (lambda: BatchRules(spread=1.5), "spread"),
        (lambda: BatchRules(workers=-1), "workers"),
        (lambda: BatchRules(service_s=0), "service_s"),
        (lambda: BatchRules(duration_s=(0, 5)), "duration_s"),
        (lambda: BatchRules(start_s=(5, 1)), "start_s"),
        (lambda: SimulatorConfig(variety=1.1), "variety must be between 0 and 1, not 1.1"),
        (lambda: SimulatorConfig(accuracy_shift=-2), "accuracy_shift must be between -1 and 1"),
    ],
)
def test_wrong_settings_are_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=said):
        make()


def test_batch_rules_from_a_document() -> None:
    read = BatchRules.parse({"workers": 5, "service_s": 2, "start_s": [0, 9], "order": "shuffled", "stagger": False})
    assert read == BatchRules(workers=5, service_s=2.0, start_s=(0.0, 9.0), order="shuffled", stagger=False)
    assert BatchRules.parse({}) == BatchRules()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "batches: expected a table of names, found list"),
        ({"worker": 5}, "unknown key 'worker'; did you mean workers"),
        ({"workers": "many"}, "Expected `int`, got `str` - at `$.workers`"),
        ({"workers": 1.5}, "Expected `int`, got `float`"),
        ({"start_s": [1]}, "Expected `array` of length 2"),
        ({"order": "sorted"}, 'order must be "file" or "shuffled"'),
        ({"start_s": [2, 1]}, "start_s must be two ascending numbers"),
    ],
)
def test_batch_rules_that_are_none(raw: object, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        BatchRules.parse(raw)
