"""How far a score is from what more forecasts would say: blocks of initial times drawn again.

Forecasts of neighbouring initial times err alike, so that whole blocks of them are drawn (Künsch
1989, Ann. Stat. 17), the last followed by the first (Politis and Romano 1992). How long they are
follows from the autocorrelation (Politis and White 2004, Econom. Rev. 23, corrected by Patton et
al. 2009, Econom. Rev. 28). Shapes: i init times, b resamples, k series.
"""

import numpy as np
import scipy.stats
from numpy.typing import NDArray

__all__ = [
    "FEWEST",
    "LARGEST_SHARE",
    "block_lengths",
    "block_weights",
    "memory_of",
    "multiples",
    "two_sided",
]

FEWEST = 10
"""Initial times that say anything of their own autocorrelation; of fewer, there is no interval."""

LARGEST_SHARE = 4
"""A block is at most this part of all initial times."""


def block_lengths(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k,) lengths of circular blocks that estimate the variance of the means of (k, i) best.

    Politis and White (2004), section 3.2, with the corrected constant: lags count until as many
    as `run` autocorrelations in a row are insignificant, with a flat-topped window.

    Example:
        >>> walk = np.cumsum(np.random.default_rng(0).standard_normal((1, 200)), -1)
        >>> block_lengths(walk).item() > 20
        True
    """
    num = series.shape[-1]
    run = max(5, int(np.log10(num)))
    most = min(int(np.ceil(np.sqrt(num))) + run, num - 1)
    covariances = _autocovariances(series)[:, : most + 1]
    variance = covariances[:, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.where(variance > 0, covariances / variance, 0.0)
    small = np.abs(correlations[:, 1:]) < 2 * np.sqrt(np.log10(num) / num)
    runs = np.lib.stride_tricks.sliding_window_view(small, min(run, most), axis=-1).all(-1)
    last = np.where(runs.any(-1), runs.argmax(-1) + 1, most)
    window = np.minimum(2 * last, most)[:, None]
    lags = np.arange(1, most + 1)
    weights = np.clip(2 * (1 - lags / window), 0, 1) * covariances[:, 1:]
    slope, whole = 2 * (weights * lags).sum(-1), variance[:, 0] + 2 * weights.sum(-1)
    longest = np.ceil(min(3 * np.sqrt(num), num / 3))
    ratio = np.divide(
        slope**2, whole**2, out=np.where(slope == 0, 0.0, np.inf), where=(slope != 0) & (whole != 0)
    )
    return np.asarray(np.minimum(np.cbrt(1.5 * ratio * num), longest))


def block_weights(num: int, length: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """(b, i) how often each initial time is drawn, in circular blocks of a length; each row adds
    up to `num`. A pure function of its arguments."""
    generator = np.random.default_rng([seed, num, length])
    starts = generator.integers(0, num, (resamples, -(-num // length)))
    drawn = (starts[..., None] + np.arange(length)) % num
    drawn = drawn.reshape(resamples, -1)[:, :num] + num * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * num)
    return counts.reshape(resamples, num).astype(np.float64)


def memory_of(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """(...) autocorrelations of (..., i) from one initial time to the next, 0 to 0.97.

    With what the mean takes away (Kendall 1954, Biometrika 41), and half a standard error: too
    little makes an interval miss more often than too much makes it hold.
    """
    num = series.shape[-1]
    apart = series - series.mean(-1, keepdims=True)
    squares = np.square(apart).sum(-1)
    products = (apart[..., 1:] * apart[..., :-1]).sum(-1)
    found = np.divide(products, squares, out=np.zeros_like(squares), where=squares > 0)
    found = found + (1 + 3 * found) / num + np.sqrt((1 - found**2) / num) / 2
    return np.asarray(np.clip(found, 0.0, 0.97))


def multiples(
    lengths: NDArray[np.float64],
    memory: NDArray[np.float64],
    num: NDArray[np.float64],
    level: float,
) -> NDArray[np.float64]:
    """How many standard deviations of the resamples an interval reaches to each side.

    Blocks see less than the whole variance, as they lose what neighbouring blocks have in
    common: of a series of memory r, a known part (as Andrews and Monahan 1992, Econometrica 60,
    recolour). And it is known from few blocks: see `two_sided`.

    Args:
        lengths: of the blocks.
        memory: of one initial time for the next.
        num: of initial times.
        level: of confidence.
    """
    freedom, seen = _of_blocks(lengths, memory, num)
    return np.asarray(scipy.stats.t.ppf((1 + level) / 2, freedom) / seen)


def two_sided(
    departures: NDArray[np.float64],
    lengths: NDArray[np.float64],
    memory: NDArray[np.float64],
    num: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Probability of a departure from zero as large as this, in standard deviations of the
    resamples, where the truth is zero: the level at which its interval ends there.

    The variance between blocks of length l of n times is that of a Bartlett kernel, of which the
    t-statistic has 1.5 n / l degrees of freedom and sees 1 - l/n + (l/n)^2 / 3 of the variance:
    to a few per cent the distribution of Kiefer and Vogelsang (2005, Econom. Theory 21).
    """
    freedom, seen = _of_blocks(lengths, memory, num)
    return np.asarray(2 * scipy.stats.t.sf(np.abs(departures) * seen, freedom))


def _of_blocks(
    lengths: NDArray[np.float64], memory: NDArray[np.float64], num: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Degrees of freedom, and the share of the standard deviation that blocks see."""
    share = lengths / num
    return 1.5 / share, np.sqrt((1 - share + share**2 / 3) * _seen_by_blocks(lengths, memory))


def _seen_by_blocks(
    lengths: NDArray[np.float64], memory: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of the variance of a long mean that blocks of a length see of an AR(1) process:
    1 + 2 Σ (1 - k/l) r^k over its limit (1 + r) / (1 - r); a fifth at least."""
    faded = 1 - memory
    inner = memory / faded - memory * (1 - memory**lengths) / (lengths * faded**2)
    return np.asarray(np.clip((1 + 2 * inner) * faded / (1 + memory), 0.2, 1.0))


def _autocovariances(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, i) of each lag."""
    num = series.shape[-1]
    apart = series - series.mean(-1, keepdims=True)
    waves = np.fft.rfft(apart, 2 * num)
    return np.asarray(np.fft.irfft(np.square(np.abs(waves)), 2 * num)[:, :num] / num)
