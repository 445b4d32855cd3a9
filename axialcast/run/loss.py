"""The loss that a config asks for, and where it does not fit data or processes."""

from axialcast.data import Channels, Statistics
from axialcast.grid import Grid
from axialcast.model.loss import Loss
from axialcast.model.own_loss import OwnCells
from axialcast.run.config import Config

__all__ = ["check_loss", "check_own_loss", "loss_of"]


def loss_of(config: Config, grid: Grid) -> Loss:
    """The loss of a training on a grid."""
    samples = config.train.loss.samples if config.model.noise else 1
    if config.loss_file is not None:
        return Loss((OwnCells(config.loss_file, config.train.loss.options),), (1.0,), samples)
    said = config.train.loss.model_dump(exclude={"kind", "path", "options"})
    return Loss.of("crps" if config.model.noise else "mse", **said, is_periodic=grid.is_periodic)


def check_own_loss(config: Config) -> None:
    """Tries out a loss by file.

    Raises:
        ValueError: it does not do what a loss must.
    """
    if config.loss_file is not None:
        loss = OwnCells(config.loss_file, config.train.loss.options)
        try:
            loss.try_out(config.train.loss.samples if config.model.noise else 1)
        except ValueError as error:
            raise ValueError(f"train.loss.path: {error}") from None


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
