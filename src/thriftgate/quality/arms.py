"""Arms: what is compared. A model, or a model with an effort: `claude-sonnet-5-5@low`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from thriftgate.core.errors import InputError
from thriftgate.core.models import ModelTable
from thriftgate.quality.items import Item


class Arm(Struct, frozen=True):
    """One arm. `effort` is "" for the model's own."""

    model: str
    effort: str = ""

    @property
    def name(self) -> str:
        return f"{self.model}@{self.effort}" if self.effort else self.model

    def body(self, item: Item) -> bytes:
        """The call that puts an item to this arm: the same bytes for the same item, always."""
        body: dict[str, Any] = {"model": self.model, **item.request}
        if self.effort:
            body["output_config"] = {**_config(item.request), "effort": self.effort}
        return msgspec.json.encode(body)


def arms_of(text: str, models: ModelTable) -> list[Arm]:
    """Read `a,b@low`. Raises InputError for a model that is not known, an effort it does not take, an arm named twice."""
    arms: list[Arm] = []
    for word in (part.strip() for part in text.split(",")):
        model, at, effort = word.partition("@")
        capability = models[model]
        if not word or not model:
            raise InputError(f"--models {text}: name models separated by commas, as in claude-haiku-4-5,claude-opus-4-8")
        if not capability.known:
            raise InputError(f"--models: the model {model!r} is not known; docs/reference/models.md lists them")
        if at and effort not in capability.effort:
            takes = f"it takes {', '.join(capability.effort)}" if capability.effort else "it takes none"
            raise InputError(f"--models: {model} has no effort {effort!r}; {takes}")
        if any(arm.name == word for arm in arms):
            raise InputError(f"--models: {word} is named twice")
        arms.append(Arm(model, effort))
    return arms


def _config(request: Mapping[str, Any]) -> Mapping[str, Any]:
    found = request.get("output_config")
    return found if isinstance(found, dict) else {}
