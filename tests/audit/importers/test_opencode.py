"""opencode's database is read as it is, also while it is written to."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.audit.importers.reading import Told, head_of, read
from thriftgate.audit.importers.opencode import OpenCode
from thriftgate.audit.sources import Source

IMPORTER = OpenCode()
NOON_MS = 1_793_534_400_000
CALL: dict[str, Any] = {
    "role": "assistant",
    "modelID": "claude-sonnet-4-5",
    "providerID": "anthropic",
    "cost": 0.5,
    "tokens": {"input": 3, "output": 210, "reasoning": 0, "cache": {"read": 1000, "write": 500}},
    "time": {"created": NOON_MS, "completed": NOON_MS + 4000},
}


def database(file: Path, *messages: object) -> sqlite3.Connection:
    opened = sqlite3.connect(file)
    opened.executescript(
        "create table session (id text primary key, parent_id text);"
        "CREATE TABLE `message` (`id` text PRIMARY KEY, `session_id` text NOT NULL, `data` text NOT NULL);"
        "insert into session values ('ses_1', null), ('ses_2', 'ses_1');"
    )
    add(opened, *messages)
    return opened


def add(opened: sqlite3.Connection, *messages: object, session: str = "ses_1") -> None:
    start = opened.execute("select count(*) from message").fetchone()[0]
    for number, one in enumerate(messages, start):
        data = one if isinstance(one, str | bytes) else msgspec.json.encode(one).decode()
        opened.execute("insert into message values (?, ?, ?)", (f"msg_{number}", session, data))
    opened.commit()


def read_messages(folder: Path, *messages: object) -> Told:
    file = folder / "opencode.db"
    database(file, *messages).close()
    return read(IMPORTER, file)


def test_the_input_leaves_cached_tokens_out(tmp_path: Path) -> None:
    (record,) = read_messages(tmp_path, CALL).records
    assert (record.input, record.write_unsplit, record.read, record.output) == (3, 500, 1000, 210)
    assert (record.session, record.call_id, record.platform) == ("ses_1", "", "api")
    assert (record.at_us, record.ended_us) == (NOON_MS * 1000, NOON_MS * 1000 + 4_000_000)
    assert record.reported_pico == 500_000_000_000


@pytest.mark.parametrize(
    ("total", "output"),
    [(None, 94), (100 + 77 + 17, 94), (100 + 77, 77)],
)
def test_the_total_tells_whether_thinking_is_part_of_the_output(tmp_path: Path, total: int | None, output: int) -> None:
    tokens = {"input": 100, "output": 77, "reasoning": 17, "total": total}
    (record,) = read_messages(tmp_path, CALL | {"tokens": tokens}).records
    assert (record.output, record.thinking) == (output, 17)


def test_sessions_of_sub_agents_are_side_work(tmp_path: Path) -> None:
    file = tmp_path / "opencode.db"
    opened = database(file, CALL)
    add(opened, CALL, session="ses_2")
    opened.close()
    assert [record.side for record in read(IMPORTER, file).records] == [False, True]


@pytest.mark.parametrize(
    ("provider", "model", "platform"),
    [
        ("anthropic", "claude-sonnet-4-5", "api"),
        ("amazon-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
        ("google-vertex-anthropic", "claude-sonnet-4-5@20250929", "vertex"),
        ("opencode", "claude-sonnet-4-5", "gateway"),
    ],
)
def test_who_served_it(tmp_path: Path, provider: str, model: str, platform: str) -> None:
    (record,) = read_messages(tmp_path, CALL | {"providerID": provider, "modelID": model}).records
    assert (record.model, record.platform) == (model, platform)


def test_what_is_left_out_is_told_by_reason(tmp_path: Path) -> None:
    nothing = {"tokens": {"input": 0, "output": 0}}
    told = read_messages(
        tmp_path,
        {"role": "user"},
        CALL | {"providerID": "openai", "modelID": "gpt-5"},
        CALL | nothing,
        CALL | nothing | {"error": {"name": "APIError"}},
        CALL | {"time": None},
        CALL | {"tokens": {"input": -1}},
        "not json",
        b"\xff\xfe",
    )
    assert told.records == []
    assert told.issues == {"not_a_call": 1, "other_provider": 1, "no_usage": 1, "api_error": 1, "malformed": 4}


def test_a_database_in_use_is_read_with_what_is_not_yet_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "opencode.db"
    opened = sqlite3.connect(file)
    opened.execute("pragma journal_mode=wal")
    opened.close()
    opened = database(file, CALL)
    before = file.read_bytes()
    add(opened, CALL)
    assert IMPORTER.sniff(Source(file).head)
    assert len(read(IMPORTER, file).records) == 2
    opened.execute("insert into message values ('late', 'ses_1', '{}')")  # and nothing of ours stands in its way
    opened.commit()
    assert file.read_bytes() == before
    opened.close()


def test_a_database_at_rest_gets_no_files_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "opencode.db"
    opened = database(file, CALL)
    opened.execute("pragma journal_mode=wal")
    opened.close()
    file.chmod(0o444)
    assert len(read(IMPORTER, file).records) == 1
    assert [found.name for found in tmp_path.iterdir()] == ["opencode.db"]


def test_text_that_is_no_utf_8_costs_its_message_only(tmp_path: Path) -> None:
    file = tmp_path / "opencode.db"
    opened = database(file, CALL, CALL | {"agent": "build"}, CALL)
    opened.execute("update message set data = cast(replace(data, 'build', x'ff') as text) where id = 'msg_1'")
    opened.execute("update message set data = cast(x'7bff' as text) where id = 'msg_2'")
    opened.commit()
    opened.close()
    told = read(IMPORTER, file)
    assert [record.agent for record in told.records] == ["", "\N{REPLACEMENT CHARACTER}"]
    assert told.issues == {"malformed": 1}


def test_a_broken_database_is_an_issue(tmp_path: Path) -> None:
    file = tmp_path / "opencode.db"
    database(file, *[CALL] * 200).close()
    content = file.read_bytes()
    schema = content.replace(b"(id text primary key", b"\xb1id text primary key")
    for broken in (schema, content[:5000], content[:100], b"", b"SQLite format 3\x00" + b"\xff" * 5000):
        file.write_bytes(broken)
        assert read(IMPORTER, file).issues["malformed"] == 1


def test_another_database_is_an_issue(tmp_path: Path) -> None:
    file = tmp_path / "opencode.db"
    with sqlite3.connect(file) as opened:
        opened.execute("create table other (id text)")
    opened.close()
    assert read(IMPORTER, file).issues == {"malformed": 1}


def test_sniff(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    database(file).close()
    assert IMPORTER.sniff(Source(file).head)
    empty = b"SQLite format 3\x00" + bytes(100)
    assert IMPORTER.sniff(head_of(empty, "opencode.db"))
    assert IMPORTER.sniff(head_of(empty, "opencode-local.db"))
    assert not IMPORTER.sniff(head_of(empty, "ledger.db"))
    assert not IMPORTER.sniff(head_of(b"no database", "opencode.db"))
