from pathlib import Path

import pytest

from thriftgate.simulator import Faults
from thriftgate.simulator.faults import BATCH_KINDS, KINDS, PLAIN_ONLY, STREAM_ONLY


def test_no_faults_by_default() -> None:
    assert all(Faults().pick(number, stream=True) is None for number in range(100))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_strikes_where_it_can(kind: str) -> None:
    faults = Faults.parse({kind: 1})
    assert (faults.pick(1, stream=True) == kind) is (kind not in PLAIN_ONLY)
    assert (faults.pick(1, stream=False) == kind) is (kind not in STREAM_ONLY)


def test_shares_and_repeatability() -> None:
    faults = Faults(seed=3, overloaded=0.25)
    struck = [faults.pick(number, stream=False) for number in range(2000)]
    assert struck == [faults.pick(number, stream=False) for number in range(2000)]
    assert 0.2 < struck.count("overloaded") / 2000 < 0.3
    assert struck != [Faults(seed=4, overloaded=0.25).pick(number, stream=False) for number in range(2000)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.toml", "seed = 3\noverloaded = 0.5\nretry_after_s = 9\n"),
        ("f.json", '{"seed": 3, "overloaded": 0.5, "retry_after_s": 9}'),
    ],
)
def test_load(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert Faults.load(tmp_path / name) == Faults(seed=3, overloaded=0.5, retry_after_s=9)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("f.toml", "overload = 1", "unknown key 'overload'; did you mean overloaded?"),
        ("f.toml", "zzz = 1", "unknown key 'zzz'; known: seed"),
        ("f.toml", "overloaded = 'yes'", "overloaded must be a number"),
        ("f.toml", "overloaded = true", "overloaded must be a number"),
        ("f.toml", "overloaded = 1.5", "overloaded is a probability between 0 and 1"),
        ("f.toml", "seed = 1.5", "seed must be a whole number"),
        ("f.toml", "batch_post_lots = 1", "unknown key 'batch_post_lots'; did you mean batch_post_lost?"),
        ("f.toml", "batch_item_error = 2", "batch_item_error is a probability between 0 and 1"),
        ("f.toml", "batch_slow_factor = 0", "batch_slow_factor must be more than 0"),
        ("f.toml", "= 1", "f.toml: "),
        ("f.json", "{", "f.json: "),
        ("f.json", "[]", "expected a table"),
        ("f.yaml", "a: 1", "must end in .toml or .json"),
    ],
)
def test_clear_errors(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said.replace("?", r"\?").replace(".", r"\.")):
        Faults.load(tmp_path / name)


@pytest.mark.parametrize("kind", BATCH_KINDS)
def test_batch_kinds_strike_their_operations_and_no_messages(kind: str) -> None:
    faults = Faults.parse({kind: 1})
    assert faults.pick(1, stream=True) is faults.pick(1, stream=False) is None
    for operation in BATCH_KINDS["batch_error"]:
        assert (faults.pick_batch(1, operation) == kind) is (operation in BATCH_KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_messages_kinds_spare_batches(kind: str) -> None:
    assert Faults.parse({kind: 1}).pick_batch(1, "create") is None


def test_shares_of_batches_and_items() -> None:
    faults = Faults(seed=3, batch_item_error=0.25, batch_slow=0.25, batch_slow_factor=4)
    struck = [faults.item_error(7, index) for index in range(2000)]
    assert struck == [faults.item_error(7, index) for index in range(2000)]
    assert 0.2 < 1 - struck.count(None) / 2000 < 0.3
    assert 100 < struck.count("api_error") < 400 > struck.count("overloaded_error") > 100
    slow = [faults.slowness(number) for number in range(2000)]
    assert 0.2 < slow.count(4.0) / 2000 < 0.3
    assert set(slow) == {1.0, 4.0}
    assert (Faults().item_error(1, 1), Faults().slowness(1)) == (None, 1.0)


def test_storms_come_and_go() -> None:
    faults = Faults(storm_every_s=100, storm_s=10)
    assert [faults.storming(moment) for moment in (0.0, 9.9, 10.0, 99.9, 100.0)] == [True, True, False, False, True]
    assert not Faults(storm_s=10).storming(0.0)
