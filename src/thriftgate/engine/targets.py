"""Where calls can go: providers at their addresses with their credentials, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from thriftgate.core.errors import ConfigError
from thriftgate.core.foreign import is_foreign
from thriftgate.core.models import Capabilities
from thriftgate.providers.keys import ProviderKey
from thriftgate.providers.provider import Provider, fitted


class Target(Struct, frozen=True):
    """One of the places where calls can go with credentials of our own.

    `name` stands in the books and in metrics. Those of the lowest `order` are asked first; of these each is given a share of
    new conversations by its `weight`. Targets of one organisation have their rate limits in common: all but one name that
    one in `shares_limits_with`. `serves` are the only models that it is used for, empty for all that its provider has.
    `place` is the geography, as the price book calls it, by which it is priced; "" for the list's prices.
    """

    name: str
    provider: Provider
    weight: float = 1.0
    order: int = 0
    shares_limits_with: str = ""
    serves: tuple[str, ...] = ()
    place: str = ""

    def has(self, model: str) -> bool:
        """Whether it is used for that model. Claude's own names go where Claude is; others where they are named."""
        there = self.provider.model_id(model)
        if is_foreign(model) and there == model and model not in self.serves:
            return False
        return (not self.serves or model in self.serves) and bool(there)


class Site(NamedTuple):
    """What planning must know of where a call goes: the provider's name, its place in the price book, and what models can
    do there."""

    provider: str
    place: str = ""
    fit: Callable[[Capabilities], Capabilities] | None = None


class Pool:
    """All targets, and the provider that takes what no target is chosen for: batches, lists, and calls with the clients' own
    keys. Raises ConfigError where a name stands twice, or a target has its limits in common with none that there is."""

    def __init__(self, targets: Sequence[Target], default: Provider) -> None:
        self.targets = tuple(targets)
        self._in_order = sorted(targets, key=lambda target: target.order)
        self.default = default
        self.by_name: dict[str, Target] = {}
        for target in targets:
            if target.name in self.by_name:
                raise ConfigError(f"two targets, or keys of upstream.keys, are called {target.name!r}; name them apart")
            self.by_name[target.name] = target
        for target in targets:
            shared = target.shares_limits_with
            if shared and shared not in self.by_name:
                known = ", ".join(self.by_name)
                raise ConfigError(f"{target.name}: shares_limits_with: there is no target or key {shared!r}; {known}")
        foreign = [target for target in targets if not target.provider.traits.claude]
        self.foreign = {name for target in foreign for name in target.serves if not name.startswith("claude-")}

    def provider(self, name: str) -> Provider:
        """The provider of the target of that name; for "", the one that takes what no target is chosen for."""
        target = self.by_name.get(name)
        return target.provider if target is not None else self.default

    def serving(self, model: str) -> tuple[Target, ...]:
        """The targets for a model, in their order. What only another provider has is not asked for at Claude's."""
        foreign = model in self.foreign
        there = (target for target in self._in_order if target.has(model))
        return tuple(target for target in there if not (foreign and target.provider.traits.claude))

    def sites(self) -> Mapping[str, Site]:
        """What planning must know of each of them."""
        places = {target.name: target.place for target in self.targets}
        named = {name: target.provider for name, target in self.by_name.items()} | {"": self.default}
        return {name: _site(provider, places.get(name, "")) for name, provider in named.items()}


def keyed(keys: Sequence[ProviderKey], make: Callable[[str], Provider], *, order: int) -> tuple[Target, ...]:
    """The targets that several keys of one provider are. Raises ConfigError for one that cannot be used."""
    found: list[Target] = []
    for key in keys:
        try:
            found.append(Target(key.name, make(key.secret), key.weight, order, key.shares_limits_with))
        except ConfigError as error:
            raise ConfigError(f"upstream.keys: {key.name}: {error}") from None
    return tuple(found)


def _site(provider: Provider, place: str) -> Site:
    traits = provider.traits
    whole = traits.batches and traits.geo and traits.fast and traits.marks
    return Site(provider.name, place, None if whole else lambda capability: fitted(capability, traits))
