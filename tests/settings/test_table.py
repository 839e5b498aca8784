"""What all tables of the settings have in common."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from thriftgate.settings.table import Table


class Small(Table):
    size: float = 1.0


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Small.model_validate({"sise": 2})


def test_values_are_frozen_and_finite() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Small().size = 2
    with pytest.raises(ValidationError, match="finite"):
        Small.model_validate({"size": float("inf")})
