import pytest

from thriftgate.simulator.draws import digest
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.identity import ALPHABET, Ids, authenticate


def test_keys_name_workspaces() -> None:
    first = authenticate({"x-api-key": "sk-ant-sim-blue-1"})
    second = authenticate({"authorization": "Bearer sk-ant-sim-blue-2"})
    other = authenticate({"x-api-key": "sk-ant-sim-acme.red-1"})
    assert (first.organization, first.workspace) == (second.organization, second.workspace) == ("sim", "blue")
    assert first.key != second.key
    assert (other.organization, other.workspace) == ("acme", "red")
    assert "simulated" in first.organization_header
    assert first.workspace_header.endswith("blue")


def test_other_keys_have_an_organization_each_and_never_show_the_secret() -> None:
    one, two = authenticate({"x-api-key": "secret-one"}), authenticate({"x-api-key": "secret-two"})
    assert one.organization != two.organization
    assert one == authenticate({"x-api-key": "secret-one"})
    assert "secret" not in repr(one)


def test_api_key_wins_over_bearer() -> None:
    caller = authenticate({"x-api-key": "sk-ant-sim-a-1", "authorization": "Bearer sk-ant-sim-b-1"})
    assert caller.workspace == "a"


@pytest.mark.parametrize("headers", [{}, {"x-api-key": " "}, {"authorization": "Basic x"}, {"authorization": "Bearer "}])
def test_without_a_key_401(headers: dict[str, str]) -> None:
    with pytest.raises(ApiError) as problem:
        authenticate(headers)
    assert (problem.value.status, problem.value.kind) == (401, "authentication_error")


def test_ids_differ_between_instances_and_within_one() -> None:
    first, again, other = Ids(1, "a"), Ids(1, "a"), Ids(1, "b")
    made = [first.make("msg") for _ in range(100)]
    assert len(set(made)) == 100
    assert made == [again.make("msg") for _ in range(100)]
    assert not set(made) & {other.make("msg") for _ in range(100)}
    assert made[0].startswith("msg_01")
    assert len(made[0]) == len("msg_01") + 22


def test_ids_are_a_hash_in_base_58() -> None:
    number = int.from_bytes(digest("id", 1, "a", 1, size=24), "big")
    signs = [ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(22)]
    assert Ids(1, "a").make("req") == "req_01" + "".join(signs)
