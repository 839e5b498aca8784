"""What tests of the clouds share: a service account's key, made once, and answers to be given one after the other."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from thriftgate.clock import Clock
from thriftgate.core.errors import Unreachable
from thriftgate.providers.token_keeper import Token
from thriftgate.providers.transport import Outgoing, Timeouts, Transport, WholeAnswer
from thriftgate.simulator import Simulator, SimulatorConfig

TOKEN_URL = "http://127.0.0.1/oauth2.googleapis/token"


@cache
def account() -> tuple[dict[str, str], Any]:
    """The file of a service account's key, and what a simulator must know of it (making one takes a tenth of a second)."""
    app = Simulator(SimulatorConfig())
    file = app.google.new_account(TOKEN_URL, "p-1")
    return file, app.google.accounts[file["client_email"]]


def knowing(app: Simulator) -> str:
    """The key of a service account that this simulator believes from now on, as JSON."""
    file, known = account()
    app.google.accounts[file["client_email"]] = known
    return msgspec.json.encode(file).decode()


class Answers:
    """A transport that gives these answers, one after the other; keeps what was sent."""

    def __init__(self, *answers: WholeAnswer | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[Outgoing] = []

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> WholeAnswer:
        self.sent.append(outgoing)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        return


class Fountain:
    """Numbered tokens that live for `life_s`; `fails` says how many are not to be had."""

    def __init__(self, life_s: float = 3600.0) -> None:
        self.life_s = life_s
        self.n = 0
        self.fails = 0

    async def fetch(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token:
        await clock.sleep(1.0)
        self.n += 1
        if self.fails > 0:
            self.fails -= 1
            raise Unreachable(f"no token {self.n}")
        return Token(f"t{self.n}", clock.now_s() + self.life_s)


def answer(document: object, status: int = 200, *headers: tuple[bytes, bytes]) -> WholeAnswer:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return WholeAnswer(status, headers, body)
