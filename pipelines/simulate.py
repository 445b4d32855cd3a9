"""Simulates an analysis: weather of a planet, or rain cells → analysis.zarr."""

from axialcast.planet.simulation import Simulation
from axialcast.run import stamps
from axialcast.run.config import Config
from axialcast.run.progress import track
from axialcast.run.provenance import provenance
from axialcast.run.simulated import planet_of

READS = ("seed", "simulate")
NEEDS = ()
OUTPUTS = ("analysis.zarr",)
RESUMES = ("analysis.zarr.unfinished",)


def run(config: Config) -> None:
    """Writes what simulate.kind names, from simulate.start to simulate.end.

    Killed at any moment, it goes on from the model's state after the last block that it wrote.
    """
    planet = planet_of(config)
    made_from = stamps.made_from(config, __file__)
    simulation = Simulation(
        planet, config.output / "analysis.zarr", made_from, provenance(config, made_from)
    )
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
    for _ in track(blocks, description="simulate", total=len(steps), done=done, unit="blocks"):
        pass
    simulation.finish()
