"""How strong waves of each length are, in forecasts and in the truth: whether forecasts blur.

Shapes: i init times, m members, l lead times, h rows, w columns, n wave numbers.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from axialcast.data.channels import Channel, Channels
from axialcast.data.reader import Analysis
from axialcast.names import INIT_TIME, LEAD_TIME, NUMBER
from axialcast.scores.matching import valid_times
from axialcast.scores.shown import headline, shown_leads
from axialcast.scores.waves import Waves, waves_of
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["SOURCE", "WAVES", "spectra", "spectrum_name"]

MOST = 64
"""Initial times that spectra are means over: spread evenly, enough for the mean of a spectrum."""
SOURCE, WAVES = "spectrum_of", "wave_number"


def spectra(
    forecast: xr.Dataset, analysis: Analysis | xr.Dataset, *, most: int = MOST
) -> xr.Dataset:
    """Mean energy by wave number, of the fields and at the lead times that are shown.

    On the globe numbers are total wave numbers of spherical harmonics. Of a region they are those
    of the discrete cosine transform in both directions (Denis et al. 2002), in waves across its
    shorter side, halves among them. Cases that lack a value anywhere, in forecast or truth, do not
    count; where a lead time has no whole field, as with the sea's surface, and on a belt around the
    Earth, the waves are those along rows, which count by their area, those that lack a value not at
    all.

    Args:
        forecast: (init_time, [number], lead_time, [level], latitude, longitude), of the grid and
            units of the analysis; may be lazy.
        analysis: (time, [level], latitude, longitude); may be lazy.
        most: initial times that are read, spread evenly over all.

    Returns:
        For each variable `<variable>_spectrum` (spectrum_of, lead_time, wave_number), in squares of
        its units: of the `forecast`, which of several members is their mean energy, of the
        `ensemble_mean` of these, and of the `truth`. `attrs` say the level, the `transform` and,
        but of rows, `wavelength_km` of wave number 1, that of others being as much shorter. None of
        a variable without whole rows.
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
    """Name of the variable of `spectra`'s result that has its energy."""
    return f"{variable}_spectrum"


class _Means:
    """Mean energies of whole fields or rows in one way of waves.

    Args:
        waves: the way.
        num_sources, num_leads: of fields.
        row_areas: (h,) weights of rows.
    """

    def __init__(
        self, waves: Waves, num_sources: int, num_leads: int, row_areas: NDArray[np.float64]
    ) -> None:
        self.waves, self.row_areas = waves, row_areas
        self.sums: NDArray[np.float64] = np.zeros((num_sources, num_leads, len(waves.numbers)))
        self.weights: NDArray[np.float64] = np.zeros((num_leads, 1))

    def add(self, fields: list[NDArray[np.floating]], known: NDArray[np.bool_]) -> None:
        """Adds a case.

        Args:
            fields: (l, m, h, w) of each source, zero where not known.
            known: (l, h) which rows are whole.
        """
        if self.waves.of_rows:
            weights = np.where(known, self.row_areas, 0.0)
            self.sums += [np.einsum("lh,lhn->ln", weights, self._of(one)) for one in fields]
            self.weights += weights.sum(1, keepdims=True)
        elif (whole := known.all(1, keepdims=True)).any():
            self.sums += [whole * self._of(one) for one in fields]
            self.weights += whole

    def _of(self, fields: NDArray[np.floating]) -> NDArray[np.float64]:
        """(l, [h], n) mean energy of members."""
        return np.asarray(self.waves.power(fields).mean(1))

    def means(self) -> NDArray[np.float64]:
        """(source, l, n), NaN where no case is whole."""
        counted = np.where(self.weights > 0, self.weights, np.nan)
        return np.asarray(self.sums / counted)


def _summed(
    forecast: xr.Dataset, truths: Analysis, channel: Channel, most: int
) -> xr.DataArray | None:
    """(source, lead_time, wave_number) means; None: there is no whole row."""
    leads = shown_leads(leads_of(forecast))
    labels = lead_labels(leads)
    array, grid = channel.of(forecast).sel({LEAD_TIME: labels}), truths.grid
    array = array.transpose(INIT_TIME, LEAD_TIME, ..., *grid.dims)
    wanted = np.unique(np.linspace(0, array.sizes[INIT_TIME] - 1, most).round().astype(int))
    sources = ["forecast", *(["ensemble_mean"] if NUMBER in array.dims else []), "truth"]
    ways = waves_of(grid)
    every = [_Means(waves, len(sources), len(leads), grid.areas.sum(-1)) for waves in ways]
    for place in wanted:
        one = array.isel({INIT_TIME: [int(place)]})
        rows = truths.rows(valid_times(one)[0])
        members = one.values[0].reshape(len(leads), -1, *grid.shape)
        truth = np.full((len(leads), 1, *grid.shape), np.nan, np.float32)
        truth[rows >= 0] = truths.read(rows[rows >= 0])
        known = np.isfinite(members).all((1, 3)) & np.isfinite(truth).all((1, 3))
        fields = [members, *([members.mean(1, keepdims=True)] if len(sources) > 2 else []), truth]
        fields = [np.where(known[:, None, :, None], field, 0.0) for field in fields]
        for way in every:
            way.add(fields, known)
    best = next((way for way in every if _as_often(way, every[-1])), None)
    if best is None or not best.weights.any():
        return None
    coords = {SOURCE: sources, LEAD_TIME: labels, WAVES: best.waves.numbers}
    attrs = {"transform": best.waves.kind}
    length = best.waves.length_km
    more = {} if length is None else {"wavelength_km": length}
    return xr.DataArray(best.means(), coords, (SOURCE, LEAD_TIME, WAVES), attrs=attrs | more)


def _as_often(way: _Means, rows: _Means) -> bool:
    """Whether whole fields are there at each lead time at which rows are."""
    return bool(((way.weights > 0) | (rows.weights == 0)).all())
