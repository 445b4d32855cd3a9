"""Simulates an analysis: weather of a quasi-geostrophic planet → analysis.zarr."""

from axialcast.planet.nature_run import NatureRun
from axialcast.planet.simulation import Simulation
from axialcast.run import stamps
from axialcast.run.config import Config
from axialcast.run.progress import track

READS = ("seed", "simulate")
NEEDS = ()
OUTPUTS = ("analysis.zarr",)
RESUMES = ("analysis.zarr.unfinished",)

BLOCK_DAYS = 30
"""Days simulated at a time, and in a chunk: 3 MB per variable at T21."""


def run(config: Config) -> None:
    """Writes the nature run from simulate.start to simulate.end.

    Killed at any moment, it goes on from the model's state after the last block that it wrote.
    """
    planet = NatureRun(**config.simulate.model_dump(), seed=config.seed, block_days=BLOCK_DAYS)
    made_from = stamps.made_from(config, __file__)
    simulation = Simulation(planet, config.output / "analysis.zarr", made_from)
    if other := stamps.differences(made_from, simulation.made_from):
        raise ValueError(
            f"{simulation.work}: holds an unfinished simulation of other settings "
            f"({', '.join(other)}); set it back, or run with --force to start over"
        )
    state = simulation.state()
    steps = planet.steps
    done = sum(step < state.step for step in steps) if state else len(steps)
    if state is None:
        print("simulate: was complete already")
    elif done:
        print(f"simulate: goes on from {planet.time(state.step).date()}")
    blocks = simulation.blocks(state)
    for _ in track(blocks, description="simulate", total=len(steps), done=done, unit="months"):
        pass
    simulation.finish()
