"""Which targets there are for a model."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from thriftgate.core.errors import ConfigError
from thriftgate.engine.targets import Pool, Target, keyed
from thriftgate.pricing.load import load_models
from thriftgate.providers.anthropic import Anthropic
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.keys import ProviderKey
from thriftgate.providers.provider import Traits


class Other(Anthropic):
    """One that serves what its endpoint names, and caches nothing."""

    name = "other"
    traits = Traits("x", claude=False, marks=False)

    def model_id(self, model: str) -> str:
        return self._models.get(model, "")


def make(secret: str) -> Anthropic:
    return Anthropic(Endpoint(url="http://x", key=secret))


def other(**models: str) -> Other:
    return Other(Endpoint(url="http://y", key="k", models=models))


ONE, TWO = Target("one", make("1"), order=1), Target("two", make("2"))


def test_a_pool_must_make_sense() -> None:
    with pytest.raises(ConfigError, match="are called 'one'"):
        Pool([ONE, ONE], ONE.provider)
    with pytest.raises(ConfigError, match="a: shares_limits_with: there is no target or key 'b'"):
        Pool([replace(ONE, name="a", shares_limits_with="b")], ONE.provider)
    with pytest.raises(ConfigError, match=r"upstream\.keys: a: ") as error:
        keyed([ProviderKey("a", "sk-secret\n")], make, order=0)
    assert "sk-secret" not in str(error.value)


def test_keys_are_targets_of_one_provider() -> None:
    keys = [ProviderKey("a", "1", 2.0), ProviderKey("b", "2", shares_limits_with="a")]
    found = keyed(keys, make, order=3)
    assert [(one.name, one.weight, one.order, one.shares_limits_with) for one in found] == [
        ("a", 2.0, 3, ""),
        ("b", 1.0, 3, "a"),
    ]


def test_those_of_the_lowest_order_come_first() -> None:
    pool = Pool([ONE, TWO], ONE.provider)
    assert [target.name for target in pool.serving("claude-opus-5-5")] == ["two", "one"]


def test_a_target_may_be_kept_to_some_models() -> None:
    pool = Pool([ONE, replace(TWO, serves=("claude-haiku-5-5",))], ONE.provider)
    assert [target.name for target in pool.serving("claude-haiku-5-5")] == ["two", "one"]
    assert [target.name for target in pool.serving("claude-opus-5-5")] == ["one"]


def test_what_only_another_provider_has_is_not_asked_for_at_claudes() -> None:
    theirs = Target("theirs", other(deep="deep-1", **{"claude-opus-5-5": "opus"}), serves=("deep", "claude-opus-5-5"))
    pool = Pool([ONE, theirs], ONE.provider)
    assert [target.name for target in pool.serving("deep")] == ["theirs"]
    assert [target.name for target in pool.serving("claude-opus-5-5")] == ["theirs", "one"]
    assert [target.name for target in pool.serving("claude-haiku-5-5")] == ["one"]


def test_models_of_others_are_asked_for_where_they_are_named() -> None:
    theirs = Anthropic(Endpoint(url="http://z", key="k", models={"v/deep": "deep-1"}))
    pool = Pool([ONE, Target("theirs", theirs), Target("kept", make("3"), serves=("v/other",))], ONE.provider)
    assert [target.name for target in pool.serving("v/deep")] == ["theirs"]
    assert [target.name for target in pool.serving("v/other")] == ["kept"]
    assert pool.serving("v/nobody") == ()


def test_planning_is_told_what_models_can_do_there() -> None:
    sites = Pool([ONE, replace(TWO, name="theirs", provider=other(), place="regional")], ONE.provider).sites()
    assert set(sites) == {"", "one", "theirs"}
    assert (sites["one"].provider, sites["one"].place, sites["one"].fit) == ("anthropic", "", None)
    assert (sites["theirs"].provider, sites["theirs"].place) == ("other", "regional")
    fit = sites["theirs"].fit
    assert fit is not None
    assert not fit(load_models()["claude-opus-5-5"]).batch


def test_what_no_target_is_chosen_for_goes_to_the_default() -> None:
    pool = Pool([ONE], TWO.provider)
    assert pool.provider("") is TWO.provider
    assert pool.provider("one") is ONE.provider
