import pytest

from thriftgate.simulator import CacheRules, LimitRules, SimulatorConfig


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
    ],
)
def test_wrong_settings_are_refused(make: object, said: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=said):
        make()
