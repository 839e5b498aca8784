"""How often the simulated models are right, as far as it can be set: by the configuration and while the simulator runs.

All of it is the simulator's own and says nothing about real models. The chances stand in `tasks`; here is what is added to
them, and how much of a right or wrong outcome belongs to the task (asked again, the answer is the same) or to the single
call. For drift in mid-run: `POST /_sim/accuracy`; for samples that differ from each other: `variety`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from thriftgate.simulator.draws import digest, unit
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.models import ModelTable
from thriftgate.simulator.tables import settings_table
from thriftgate.simulator.tasks import TASK_SETS

HOW = '{"model": "claude-haiku-5-5", "shift": -0.3} (if need be with "task"), or {"variety": 0.2}'


@dataclass(frozen=True, slots=True)
class AccuracyShift:
    """`shift` (−1…1) is added to every probability that one model answers right: all its tasks, or those of one set."""

    model: str
    shift: float
    task: str | None = None


class Accuracy:
    """What is added to the chances of `tasks`, by model and task set, and which share is drawn per call."""

    def __init__(
        self,
        models: ModelTable,
        *,
        seed: int = 0,
        base: float = 0.0,
        variety: float = 0.0,
        shifts: Iterable[AccuracyShift] = (),
    ) -> None:
        """ValueError names an unknown model or task set, or a figure out of its range."""
        self._models = models
        self._seed = seed
        self._base = within("accuracy_shift", base, -1.0, 1.0)
        self.variety = within("variety", variety, 0.0, 1.0)
        self._shifts: dict[tuple[str, str | None], float] = {}
        self._asked: dict[bytes, int] = {}
        for one in shifts:
            self.set(one)

    def set(self, change: AccuracyShift) -> None:
        """From the next call on; 0 clears. Aliases of a model mean the model. ValueError as on construction."""
        within("shift", change.shift, -1.0, 1.0)
        try:
            model = self._models.resolve(change.model, 0.0, lifecycle=False).id
        except ApiError:
            raise ValueError(f"accuracy: unknown model {change.model!r}; GET /v1/models lists them") from None
        names = [tasks.name for tasks in TASK_SETS]
        if change.task is not None and change.task not in names:
            raise ValueError(f"accuracy: unknown task {change.task!r}; known: {', '.join(names)}")
        self._shifts.pop((model, change.task), None)
        if change.shift:
            self._shifts[model, change.task] = change.shift

    def change(self, raw: object) -> None:
        """Does what a decoded control request says. ValueError if it makes no sense."""
        table = settings_table(raw, ("model", "shift", "task", "variety"), "accuracy")
        try:
            if set(table) == {"variety"}:
                self.variety = within("variety", msgspec.convert(table["variety"], float), 0.0, 1.0)
            elif {"model", "shift"} <= set(table) and "variety" not in table:
                self.set(msgspec.convert(table, AccuracyShift))
            else:
                raise ValueError(f"accuracy: send {HOW}")
        except msgspec.ValidationError as problem:
            raise ValueError(f"accuracy: {problem}") from None

    def shift(self, model: str, task: str) -> float:
        """What is added to the chance of `model` (its id, no alias) in a task set: the shifts that apply add up."""
        return self._base + self._shifts.get((model, None), 0.0) + self._shifts.get((model, task), 0.0)

    def draw(self, model: str, key: str) -> tuple[object, ...]:
        """What to add to the parts of a draw about `key`: nothing, or with `variety` sometimes the number of the call.

        Calls are counted per model and key, so that a draw does not depend on what else was asked in between.
        """
        if not self.variety:
            return ()
        mark, number = self._count(model, key)
        return (number,) if unit("variety", self._seed, mark, number) < self.variety else ()

    def number(self, model: str, key: str) -> int:
        """The number of this call among those of `model` about `key`, from 1."""
        return self._count(model, key)[1]

    def _count(self, model: str, key: str) -> tuple[bytes, int]:
        mark = digest("asked", model, key, size=8)
        number = self._asked[mark] = self._asked.get(mark, 0) + 1
        return mark, number

    def restart(self) -> None:
        """Counts the calls from the first again; shifts and variety stay."""
        self._asked.clear()

    def document(self) -> dict[str, Any]:
        """What GET /_sim/accuracy shows."""
        shifts = [AccuracyShift(model, shift, task) for (model, task), shift in self._shifts.items()]
        return {"shift": self._base, "variety": self.variety, "shifts": [asdict(one) for one in shifts]}


def within(name: str, value: float, low: float, high: float) -> float:
    """The value. ValueError unless it lies between `low` and `high`."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low:g} and {high:g}, not {value!r}")
    return value
