"""A score of your own, for `verify: {metrics: [rmse, my_score.py]}`."""

import numpy as np
from numpy.typing import NDArray


def statistic(
    forecast: NDArray[np.float32], truth: NDArray[np.float32], climatology: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(h, w) what each cell counts: here whether forecast and truth are on one side of normal.

    It is averaged by area over the cells of a region where all is known, then over all forecasts;
    the others may be NaN here, and may be anything in what you return. Of an ensemble, `forecast`
    is the mean of the members.

    Args:
        forecast, truth, climatology: (h, w) of one variable at one level and valid time, in its
            units.
    """
    sides = np.sign(forecast - climatology), np.sign(truth - climatology)
    return np.where(sides[0] == sides[1], np.float32(1), np.float32(0))


def score(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score that these averages make: here 0 for luck and 1 for certainty.

    Leave it out where the average itself is the score.
    """
    return 2 * mean - 1
