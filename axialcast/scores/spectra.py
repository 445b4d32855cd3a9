"""How strong waves along rows are, in forecasts and in the truth: whether forecasts blur.

Shapes: i init times, m members, l lead times, h rows, w columns, n wave numbers.
"""

import numpy as np
import scipy.fft
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.names import INIT_TIME, LEAD_TIME, NUMBER
from axialcast.scores.matching import valid_times
from axialcast.scores.shown import headline, shown_leads
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["SOURCE", "WAVES", "power", "spectra", "spectrum_name"]

MOST = 64
"""Initial times that spectra are means over: spread evenly, enough for the mean of a spectrum."""
SOURCE, WAVES = "spectrum_of", "wave_number"


def spectra(
    forecast: xr.Dataset, analysis: Analysis | xr.Dataset, *, most: int = MOST
) -> xr.Dataset:
    """Mean energy by wave number along rows, of the fields and at the lead times that are shown.

    Rows count by their area; those that lack a value anywhere, in forecast or truth, do not.
    Numbers are of waves in a row: on the globe zonal wave numbers. Of a region, whose rows do not
    close, they are those of the discrete cosine transform (Denis et al. 2002), halves among them.

    Args:
        forecast: (init_time, [number], lead_time, [level], latitude, longitude), of the grid and
            units of the analysis; may be lazy.
        analysis: (time, [level], latitude, longitude); may be lazy.
        most: initial times that are read, spread evenly over all.

    Returns:
        For each variable `<variable>_spectrum` (spectrum_of, lead_time, wave_number), in squares of
        its units, at the level that `attrs` say: of the `forecast`, which of several members is
        their mean energy, of the `ensemble_mean` of these, and of the `truth`. None of a variable
        without whole rows.
    """
    found = {}
    for channel in headline(Channels.of(forecast)):
        sums = _summed(forecast, Analysis.of(analysis, Channels([channel])), channel, most)
        if sums is not None:
            level = {} if channel.level is None else {"level": channel.level}
            named = {"long_name": "energy by wave number", "units": f"({channel.units})2"}
            found[spectrum_name(channel.variable)] = sums.assign_attrs(**named, **level)
    return xr.Dataset(found)


def spectrum_name(variable: str) -> str:
    return f"{variable}_spectrum"


def power(fields: NDArray[np.floating], is_periodic: bool) -> NDArray[np.float64]:
    """(..., w) → (..., n) squared amplitudes that add up to the mean square of a row less its mean.

    Example:
        >>> power(np.cos(2 * np.pi * np.arange(8) / 8), True).round(12).tolist()
        [0.5, 0.0, 0.0, 0.0]
    """
    width = fields.shape[-1]
    if not is_periodic:
        waves = scipy.fft.dct(fields.astype(np.float64), norm="ortho")
        return np.asarray(np.square(waves[..., 1:]) / width)
    found = np.square(np.abs(np.fft.rfft(fields.astype(np.float64), norm="forward")))[..., 1:]
    found[..., : (width - 1) // 2] *= 2  # and the numbers below zero
    return np.asarray(found)


def _summed(
    forecast: xr.Dataset, truths: Analysis, channel: Channel, most: int
) -> xr.DataArray | None:
    """(source, lead_time, wave_number) means; None: there is no whole row."""
    leads = shown_leads(leads_of(forecast))
    labels = lead_labels(leads)
    array, grid = channel.of(forecast).sel({LEAD_TIME: labels}), truths.grid
    array = array.transpose(INIT_TIME, LEAD_TIME, ..., *grid.dims)
    wanted = np.unique(np.linspace(0, array.sizes[INIT_TIME] - 1, most).round().astype(int))
    row_areas, is_periodic = grid.areas.sum(-1), grid.is_periodic
    sources = ["forecast", *(["ensemble_mean"] if NUMBER in array.dims else []), "truth"]
    num = grid.shape[1] // 2 if is_periodic else grid.shape[1] - 1
    sums, weights = np.zeros((len(sources), len(leads), num)), np.zeros((len(leads), 1))
    for place in wanted:
        one = array.isel({INIT_TIME: [int(place)]})
        times = valid_times(one)[0]
        rows = truths.rows(times)
        members = one.values[0].reshape(len(leads), -1, *grid.shape)
        truth = np.full((len(leads), 1, *grid.shape), np.nan, np.float32)
        truth[rows >= 0] = truths.read(rows[rows >= 0])
        whole = (np.isfinite(members).all((1, 3)) & np.isfinite(truth).all((1, 3))) * row_areas
        fields = [members, *([members.mean(1, keepdims=True)] if len(sources) > 2 else []), truth]
        sums += np.stack(
            [
                np.einsum("lh,lhn->ln", whole, power(np.nan_to_num(f), is_periodic).mean(1))
                for f in fields
            ]
        )
        weights += whole.sum(-1, keepdims=True)
    if not num or not weights.any():
        return None
    with np.errstate(invalid="ignore"):
        means = sums / weights
    numbers = np.arange(1, num + 1) / (1 if is_periodic else 2)
    coords = {SOURCE: sources, LEAD_TIME: labels, WAVES: numbers}
    return xr.DataArray(means, coords, dims=(SOURCE, LEAD_TIME, WAVES))
