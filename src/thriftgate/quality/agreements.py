"""Labels without a judge: of stored exchanges, whether another arm said the same as the strong one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thriftgate.core.errors import InputError
from thriftgate.core.routing.features import Surroundings
from thriftgate.core.routing.signals import agrees
from thriftgate.quality.items import Item
from thriftgate.quality.labels import Labelled, Outcome


def agreements(items: Sequence[Item], strong: str) -> list[Labelled]:
    """The strong arm is right by definition, any other where it agrees. A promise on these bounds how often the answer is
    another one, and so how often it can be a worse one. Raises InputError where no item holds one of the strong arm."""
    found = [_labelled(item, strong) for item in items if strong in item.recorded]
    if not found:
        raise InputError(
            f"none of {len(items)} items holds an answer of {strong}: `proof.store` names a file that keeps them"
        )
    return found


def _labelled(item: Item, strong: str) -> Labelled:
    said = item.recorded[strong]
    outcomes = {arm: Outcome(float(arm == strong or agrees(said, answer))) for arm, answer in item.recorded.items()}
    size = len(msgspec.json.encode(item.request))
    return Labelled(item.id, item.question, Surroundings(task=item.task, prompt_tokens=size // 4), outcomes, item.cluster)
