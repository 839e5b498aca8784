"""A run of jobs through the batch worker, in as many lives as it takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.batch.stage import KEY, Killed, Stage, Wire, params
from tests.sim.chaos.judge import rollups_wrong
from tests.sim.chaos.world import SetClock, World
from thriftgate.batch.work import Options
from thriftgate.core.deadline import Reserve
from thriftgate.core.errors import ThriftgateError
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.settings import load
from thriftgate.simulator.config import BatchRules

TROUBLED_LIVES, LIVES_MAX = 12, 16
STEPS_MAX = 3_000


@dataclass
class Crew(Stage):
    """The stage of the batch worker, on the books of a world."""

    world: World | None = None
    lives: Engine | None = None
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.simulator.faults = self.its.simulator.faults
        self.clock = SetClock(self.time)
        self.its.simulator, self.its.time, self.its.clock = self.simulator, self.time, self.clock

    @property
    def its(self) -> World:
        assert self.world is not None
        return self.world

    async def build(self) -> Engine:
        self._wire = Wire(AsgiTransport(self.front))
        settings = load(None, environ={}, flags={"upstream.url": "http://sim", "upstream.api_key": KEY})
        self.lives = await build_engine(
            settings, transport=self._wire, clock=self.clock, beside=True, opening=self.its.ledger
        )
        return self.lives

    async def kill(self) -> None:
        """Also in the middle of its end."""
        engine, self.lives, self._engine = self.lives, None, None
        if engine is not None:
            await self.its.kill(engine)
            if self._opened is not None:
                self.opened.close()


async def run(world: World) -> list[str]:
    """To the end, whatever happens; then what is wrong with it."""
    draw = world.draw
    crew = Crew(
        world.folder,
        [params(number) for number in range(draw.randint(2, 7))],
        options=Options(requests_max=draw.choice((2, 4, 100)), reserve=Reserve(call_s=20.0, parallel=2)),
        rules=BatchRules(workers=draw.choice((0, 2)), service_s=20.0, duration_s=(20.0, 400.0)),
        seed=world.seed,
        world=world,
    )
    for life in range(LIVES_MAX):
        if life == TROUBLED_LIVES:
            world.mend()
            world.clock.advance(600.0)
        if await _life(crew, calm=life >= TROUBLED_LIVES):
            break
        world.ground.watch()
    else:
        return [f"not through after {LIVES_MAX} lives: {crew.said[-3:]}"]
    world.mend()
    await crew.check(exact=not world.fault.brown_out)
    engine = await crew.build()
    try:
        return await rollups_wrong(world, engine)
    finally:
        await engine.close()


async def _life(crew: Crew, *, calm: bool) -> bool:
    """One life of the worker; whether the run is through."""
    world = crew.its
    draw, fault = world.draw, world.fault
    if fault.kills and not calm:
        crew.doom = (draw.choice(("call", "write")), draw.randint(1, 25), draw.random() < 0.5)
    try:
        await crew.open()
        for _ in range(STEPS_MAX):
            if fault.jumps and not calm and draw.random() < 0.1:
                world.jump()
            if not await crew.step():
                break
        else:
            raise AssertionError(f"not through after {STEPS_MAX} steps: {await crew.shown()}")
        await crew.finish()
    except (Killed, ThriftgateError) as error:
        crew.said.append(f"{type(error).__name__}: {error}")
        await crew.kill()
        return False
    return True
