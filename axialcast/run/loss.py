"""The loss that a config asks for, and where it does not fit data or processes."""

from axialcast.data import Channels, Statistics
from axialcast.grid import Grid
from axialcast.model.loss import Loss
from axialcast.run.config import Config

__all__ = ["check_loss", "loss_of"]


def loss_of(config: Config, grid: Grid) -> Loss:
    """The loss of a training on a grid."""
    said = config.train.loss.model_dump(exclude={"kind"})
    return Loss.of("crps" if config.model.noise else "mse", **said, is_periodic=grid.is_periodic)


def check_loss(
    config: Config, channels: Channels, statistics: Statistics, rows: slice, height: int
) -> None:
    """Raises where the loss does not fit.

    Args:
        channels: of states, and their `statistics`.
        rows: of the grid that this process has, of `height` in all.

    Raises:
        ValueError: spectra of rows with holes are asked for, or blocks that processes would share.
    """
    loss = config.train.loss
    if loss.spectral:
        for channel, share in zip(channels.forecast, statistics.missing, strict=False):
            if share:
                raise ValueError(
                    f"train.loss.spectral: {channel} is NaN on {100 * share:.3g} % of the area, "
                    "and spectra need whole rows; leave it out, or choose train.loss.blocks"
                )
    start, stop, _ = rows.indices(height)
    for size in loss.blocks:
        if start % size or (stop % size and stop != height):
            raise ValueError(
                f"train.loss.blocks: {size} rows of a block do not divide rows {start} to {stop}, "
                "which one of train.domain_ranks has; choose a divisor of both, or fewer processes"
            )
