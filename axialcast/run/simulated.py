"""What a config's `simulate` section stands for."""

from axialcast.planet.nature_run import NatureRun
from axialcast.planet.rain_cells import RainCells
from axialcast.planet.simulation import Planet
from axialcast.run.config import Config

__all__ = ["planet_of"]

BLOCK_DAYS = 30
"""Days of a nature run simulated at a time, and in a chunk: 3 MB per variable at T21."""


def planet_of(config: Config) -> Planet:
    """What simulate would simulate."""
    settings = config.simulate.model_dump(exclude={"kind"})
    match config.simulate.kind:
        case "nature_run":
            return NatureRun(**settings, seed=config.seed, block_days=BLOCK_DAYS)
        case "rain_cells":
            return RainCells(**settings, seed=config.seed)
