"""What all tables of the settings have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """Frozen; an unknown key is an error, never ignored: a misspelt limit is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
