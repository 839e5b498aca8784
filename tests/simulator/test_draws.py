from thriftgate.simulator.draws import below, digest, digest_again, pick, shuffled, unit


def test_parts_are_kept_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a", 1) == digest("a", "1") == digest("a", b"1")
    assert len(digest("x", size=32)) == 32


def test_unit_is_uniform_enough_and_repeatable() -> None:
    values = [unit("seed", index) for index in range(2000)]
    assert values == [unit("seed", index) for index in range(2000)]
    assert all(0 <= value < 1 for value in values)
    assert 0.47 < sum(values) / len(values) < 0.53


def test_choices_depend_only_on_the_parts() -> None:
    assert {below(3, index) for index in range(100)} == {0, 1, 2}
    assert pick("abc", 1, 2) == pick("abc", 1, 2)
    items = list(range(30))
    assert shuffled(items, "a") == shuffled(items, "a") != items
    assert sorted(shuffled(items, "b")) == items
    assert shuffled(items, "a") != shuffled(items, "b")


def test_a_remembered_digest_is_the_same() -> None:
    for parts in (("a", 1), ("a", True), ("a", b"1"), ("a", 1)):
        assert digest_again(*parts) == digest(*parts)
    assert digest_again("a", True) != digest_again("a", 1)
