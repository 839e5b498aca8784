"""Questions as vectors: by their letters, by a model on this machine, or by an embeddings API."""

from __future__ import annotations

import asyncio
from typing import Protocol

from thriftgate.core.semantic.lexical import NAME, LexicalIndex, features
from thriftgate.core.semantic.shelf import Index, Vector
from thriftgate.encoding.dense import DenseIndex
from thriftgate.encoding.minilm import MiniLm
from thriftgate.engine.reusing.embeddings import Embeddings
from thriftgate.engine.reusing.tier import Question


class Encoder(Protocol):
    """`name` changes with all that changes its vectors."""

    @property
    def name(self) -> str: ...

    def index(self) -> Index:
        """An empty one, for vectors of this encoder."""

    async def encode(self, text: str, question: Question) -> Vector:
        """The vector of a text. Raises whatever goes wrong: then no earlier answer is looked for."""


class Lexical:
    """See `Encoder`."""

    name = NAME

    def index(self) -> Index:
        return LexicalIndex()

    async def encode(self, text: str, question: Question) -> Vector:
        return features(text)


class Local:
    """See `Encoder`: MiniLM, in a thread of its own. Raises ConfigError where it is not installed."""

    def __init__(self) -> None:
        self._model = MiniLm()
        self.name = self._model.name

    def index(self) -> Index:
        return DenseIndex(self._model.size)

    async def encode(self, text: str, question: Question) -> Vector:
        return (await asyncio.to_thread(self._model.encode, [text]))[0]


class Remote:
    """See `Encoder`: an embeddings API, whose calls are booked."""

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self.name = embeddings.name

    def index(self) -> Index:
        return DenseIndex(self._embeddings.size)

    async def encode(self, text: str, question: Question) -> Vector:
        return await self._embeddings.encode(text, question)
