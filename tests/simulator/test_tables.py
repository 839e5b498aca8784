import pytest

from thriftgate.simulator.tables import settings_table


def test_known_names_pass() -> None:
    assert settings_table({"speed": 1}, ["speed", "size"], "rules") == {"speed": 1}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "rules: expected a table of names, found list"),
        ({"sped": 1}, "rules: unknown key 'sped'; did you mean speed?"),
        ({"zzz": 1}, "rules: unknown key 'zzz'; known: speed, size"),
    ],
)
def test_what_is_wrong_is_said(raw: object, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        settings_table(raw, ["speed", "size"], "rules")
