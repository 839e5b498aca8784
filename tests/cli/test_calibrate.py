"""`thriftgate calibrate`, from a file of grades to a file that serves."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.cli.conftest import Run
from thriftgate.core.routing.artefact import Artefact

STRONG, CHEAP = "claude-opus-5-5", "claude-haiku-5-5"


def graded(path: Path, count: int = 240, *, loss: float = 0.0, hard: float = 0.5) -> Path:
    """Two tasks: one that the cheap model can do as well, and one that it cannot."""
    draw = Random(7)
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["prompt", "task", STRONG, CHEAP])
        for at in range(count):
            task = ("easy", "hard")[at % 2]
            strong = int(draw.random() > 0.1)
            cheap = int(strong and draw.random() > (hard if task == "hard" else loss))
            rows.writerow([f"question {at} of {task}", task, strong, cheap])
    return path


def test_a_promise_and_its_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = graded(tmp_path / "grades.csv")
    done = run("calibrate", "--data", str(data), "--strong", STRONG, "--target", "0.95", "--out", "out.json", "--json")
    assert done.code == 0, done.err
    document = msgspec.json.decode(done.out)
    made = msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=Artefact)
    assert document["artefact"] == made.id
    assert (made.strong, made.cheap, made.target) == (STRONG, CHEAP, 0.95)
    assert document["saving"]["low"] < document["saving"]["share"] < document["saving"]["high"]
    assert document["evidence"]["p"] <= 0.05
    assert document["alarm"]["calls_median"] <= document["alarm"]["calls_most"]
    assert document["families"][0]["points"]
    assert [one["examples"] for one in document["more"]] == [240, 480, 960, 1920]
    assert document["highest_target"] < 1
    assert {one["task"] for one in document["tasks"]} == {"easy", "hard"}
    assert [one["task"] for one in document["tasks"] if one["certified"]] == ["easy"]

    config = tmp_path / "thriftgate.toml"
    config.write_text('[policy]\nlevers = ["count.guard", "route.learned"]\n[routing]\nartefacts = ["out.json"]\n')
    body = {"model": STRONG, "max_tokens": 50, "messages": [{"role": "user", "content": "question 3 of easy"}]}
    (tmp_path / "body.json").write_bytes(msgspec.json.encode(body))
    easy = run("route", "explain", "body.json", "--task", "easy", "--config", str(config), "--json")
    assert msgspec.json.decode(easy.out)["served"] == (CHEAP if easy.code == 0 else STRONG)
    hard = run("route", "explain", "body.json", "--task", "never seen", "--config", str(config), "--json")
    assert hard.code == 1
    assert "was not in the calibration data" in hard.out


def test_it_says_the_same_in_words(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    data = graded(tmp_path / "grades.csv")
    done = run("calibrate", "--data", str(data), "--strong", STRONG, "--target", "0.95")
    assert done.code == 0
    said = done.out + done.err
    for words in (
        "at least 95.0% of claude-opus-5-5's quality, 95% sure",
        "certified",
        "is noticed within",
        "more examples",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("count", "loss", "words"),
    [(12, 0.0, "12 examples are too few"), (240, 0.5, "no policy but the strong arm alone")],
)
def test_no_promise(  # noqa: PLR0917  two fixtures and a table
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, loss: float, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = graded(tmp_path / "grades.csv", count, loss=loss)
    done = run("calibrate", "--data", str(data), "--strong", STRONG, "--json")
    assert done.code == 1
    document = msgspec.json.decode(done.out)
    assert words in document["why"]
    assert document["artefact"] is None
    assert not (tmp_path / "routing.json").exists()
    aloud = run("calibrate", "--data", str(data), "--strong", STRONG)
    assert f"{STRONG} goes on serving" in aloud.out + aloud.err


def test_answers_alone_will_do(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has graded them: what is promised is how often the answers are the same."""
    monkeypatch.chdir(tmp_path)
    draw = Random(3)
    with (tmp_path / "pairs.jsonl").open("wb") as out:
        for at in range(200):
            same = at % 2 == 0 or draw.random() > 0.5
            request = {"max_tokens": 5, "messages": [{"role": "user", "content": f"question {at}"}]}
            task = ("easy", "hard")[at % 2]
            answers = {STRONG: "yes", CHEAP: "Yes." if same else "no"}
            out.write(msgspec.json.encode({"id": str(at), "task": task, "request": request, "answers": answers}) + b"\n")
    done = run("calibrate", "--data", "pairs.jsonl", "--agreement", "--strong", STRONG, "--target", "0.95", "--json")
    assert done.code == 0, done.out
    document = msgspec.json.decode(done.out)
    assert document["accuracy"][STRONG] == 1.0
    assert document["promise"]["of"] == "answers that are the same as the strong model's"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "1.2"), "--target 1.2: must be"),
        (("--confidence", "0.2"), "--confidence 0.2: must be"),
        (("--audit", "0"), "--audit 0: must be"),
        (("--days", "-1"), "--days -1: must be"),
        (("--candidates", "claude-none-1"), "claude-none-1 is not in the capability table"),
        (("--verifier", "claude-none-1"), "claude-none-1 is not in the capability table"),
        (("--data", "nowhere.csv"), "nowhere.csv"),
        (("--traffic", "nowhere.jsonl"), "cannot read nowhere.jsonl"),
    ],
)
def test_bad_input(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = graded(tmp_path / "grades.csv", 80)
    told = arguments if "--data" in arguments else ("--data", str(data), *arguments)
    done = run("calibrate", "--strong", STRONG, *told)
    assert done.code == 2
    assert words in done.err


def test_a_strong_model_alone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grades.csv").write_text(f"prompt,{STRONG}\nhello,1\n")
    done = run("calibrate", "--data", "grades.csv", "--strong", STRONG)
    assert done.code == 2
    assert "nothing to compare it with" in done.err


def test_traffic_is_read(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = graded(tmp_path / "grades.csv", 120)
    lines = [msgspec.json.encode({"text": f"question {at}", "task": "easy"}) for at in range(300)]
    (tmp_path / "traffic.jsonl").write_bytes(b"\n".join(lines))
    done = run(
        "calibrate", "--data", str(data), "--strong", STRONG, "--traffic", "traffic.jsonl", "--target", "0.9", "--json"
    )
    assert done.code in (0, 1), done.err
    (tmp_path / "bad.jsonl").write_bytes(b'{"text": "a"}\nnonsense\n')
    done = run("calibrate", "--data", str(data), "--strong", STRONG, "--traffic", "bad.jsonl")
    assert done.code == 2
    assert "bad.jsonl, line 2" in done.err
