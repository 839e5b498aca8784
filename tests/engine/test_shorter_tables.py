"""The tables that make prompts and answers shorter: read as the engine needs them, or refused with row and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.core.planning import MODELS
from tests.engine.asking import RAW, Json, tables
from tests.fixtures import engine_on, settings_of
from tests.scripted import Provider
from thriftgate.core.errors import ConfigError
from thriftgate.core.money import pico_from_usd
from thriftgate.core.output.rules import OutputRule, usual_table
from thriftgate.engine import shorter_tables
from thriftgate.engine.shorter_tables import (
    NEEDS,
    check_summarisers,
    guard_limits,
    history_policy,
    output_table,
    recipe_of,
)
from thriftgate.settings.load import load

GOOD: Json = {"name": "labels", "task": "sort*", "cap": "learned", "stop": ["END"], "brevity": "word"}


def rules(*rows: Json, **output: Any) -> tuple[OutputRule, ...]:
    return output_table(settings_of(output={"tasks": rows, **output})).rules


# --- what is asked of answers -----------------------------------------------------------------------------------------


def test_rows_in_their_order_the_ready_made_ones_behind_them() -> None:
    found = rules(GOOD, {"kind": "code", "effort": "low", "thinking": "off"}, usual_table=True)
    assert found[0] == OutputRule("labels", task="sort*", cap="learned", stop=("END",), brevity="word")
    assert found[1] == OutputRule("row 2", kind="code", effort="low", thinking="off")
    assert found[2:] == usual_table()
    assert rules(GOOD) == found[:1]


def test_the_rate_of_learned_caps() -> None:
    assert output_table(settings_of(output={"cap_rate": 0.05})).cap_rate == 0.05


def test_a_schema_as_text_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "label.json"
    path.write_text(RAW + "\n")
    (row, other) = rules({"schema": RAW, "repair": True, "strict_tools": True}, {"schema": f"@{path}"})
    assert (row.schema, row.repair, row.strict_tools) == (RAW.encode(), True, True)
    assert other.schema.strip() == RAW.encode()


def test_all_that_a_row_can_say_arrives() -> None:
    said: Json = {
        "name": "n", "task": "t", "kind": "extract", "key": "key_1", "cap": 9, "stop": ("a", "b"), "brevity": "In verse.",
        "effort": "max", "thinking": "adaptive", "until": "items:3", "prefill": "{", "schema": RAW, "strict_tools": True,
        "repair": True,
    }  # fmt: skip
    (row,) = rules(said)
    assert row == OutputRule(**(said | {"schema": RAW.encode()}))


WRONG: dict[str, Json] = {
    "cap": {"cap": -1},
    "cap ": {"cap": "often"},
    "stop": {"stop": [" "]},
    "stop ": {"stop": [str(n) for n in range(17)]},
    "brevity": {"brevity": "  "},
    "brevity ": {"brevity": "x" * 4_001},
    "prefill": {"prefill": "\n"},
    "prefill ": {"prefill": "x" * 4_001},
    "effort": {"effort": "little"},
    "thinking": {"thinking": "on"},
    "until": {"until": "last_line"},
    "until ": {"until": "items:0"},
    "until  ": {"until": "regex:(open"},
    "until   ": {"until": r"regex:\d+$"},
    "kind": {"kind": "poem"},
    "repair": {"repair": True},
    "schema": {"schema": "{"},
    "schema ": {"schema": '{"type":"object"}'},
    "schema  ": {"schema": '{"oneOf":[]}'},
    "schema   ": {"schema": "@/nowhere/at/all.json"},
    "schema    ": {"schema": "@"},
    "schema     ": {"schema": "@a\0b"},
    "strict_tools": {"strict_tools": "perhaps"},
    "breviti": {"breviti": "word"},
}


def toml_of(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_of, value)) + "]"
    if isinstance(value, str):
        escaped = "".join(f"\\u{ord(sign):04x}" if sign in '"\\\0\n' else sign for sign in value)
        return f'"{escaped}"'
    return str(value).lower()


@pytest.mark.parametrize("key", WRONG)
async def test_a_wrong_row_is_an_error_that_names_row_and_key(key: str, tmp_path: Path) -> None:
    """The second row of a real file, read as the gateway reads it."""
    (name, value) = next(iter(WRONG[key].items()))
    path = tmp_path / "thriftgate.toml"
    path.write_text(f'[[output.tasks]]\nbrevity = "word"\n\n[[output.tasks]]\n{name} = {toml_of(value)}\n')
    with pytest.raises(ConfigError) as caught:
        output_table(load(path, environ={}))
    said = str(caught.value)
    assert "output.tasks[1]" in said or "output.tasks.1" in said, said
    assert key.strip() in said.partition("tasks")[2], said
    assert "Traceback" not in said
    assert "\n" not in said


def test_a_file_that_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"output\.tasks\[0\]\.schema: it is not valid JSON"):
        rules({"schema": f"@{tmp_path / 'bytes.json'}"})
    with pytest.raises(ConfigError, match=r"output\.tasks\[0\]\.schema: .* cannot be read: Is a directory"):
        rules({"schema": f"@{tmp_path}"})


async def test_an_engine_is_not_built_with_them() -> None:
    with pytest.raises(ConfigError, match=r"output\.tasks\[0\]\.repair: needs a schema"):
        async with engine_on(Provider(), **tables((), {"repair": True})):
            pass


# --- the others -------------------------------------------------------------------------------------------------------


def test_the_recipe_names_the_levers_that_are_on() -> None:
    settings = settings_of(
        policy={"levers": ("compress.json", "output.cap")},
        experiment={"levers": ("compress.text",)},
        compress={"drop_nulls": True, "tables": "csv", "fillers": True},
        context={"select_tokens": 700, "tools": [{"name": "grep", "tokens": 90}]},
    )
    recipe = recipe_of(settings)
    assert set(recipe.rewrites) == {"compress.json", "compress.text"}
    assert (recipe.json_drop_nulls, recipe.table_form, recipe.text_fillers) == (True, "csv", True)
    assert (recipe.select_tokens, recipe.tools) == (700, (("grep", 90),))


@pytest.mark.parametrize("lever", NEEDS)
def test_a_lever_whose_package_is_missing_is_told_at_the_start(lever: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shorter_tables, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=f"{lever} needs a package"):
        recipe_of(settings_of(policy={"levers": (lever,)}))


def test_a_summariser_must_be_known() -> None:
    check_summarisers(settings_of(context={"summarisers": ["claude-haiku-5-5"]}), MODELS)
    with pytest.raises(ConfigError, match=r"context\.summarisers: claude-haiku-9 is not"):
        check_summarisers(settings_of(context={"summarisers": ["claude-haiku-9"]}), MODELS)


def test_history() -> None:
    context = settings_of().context
    policy = history_policy(settings_of())
    assert policy.summarisers == context.summarisers
    assert policy.clears == context.clear_old_results


def test_ceilings_and_loops() -> None:
    limits = guard_limits(settings_of(guard={"call_usd": "0.25", "steps": 9, "loops": {"repeats": 7}}))
    assert (limits.call_pico, limits.steps) == (pico_from_usd("0.25"), 9)
    assert limits.loops is not None
    assert limits.loops.repeats == 7
    assert guard_limits(settings_of(guard={"look_for_loops": False})).loops is None
