"""What the report shows of spectra: how much of the truth's energy forecasts have, wave by wave."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from axialcast.data.channels import Channel
from axialcast.names import LEAD_TIME
from axialcast.report.figures import energies
from axialcast.report.wording import channel_name, duration
from axialcast.scores.shown import shown_leads
from axialcast.scores.spectra import SOURCE, WAVES, spectrum_name
from axialcast.times.leads import lead_labels, leads_of

__all__ = ["spectra_shown"]

ROUNDING = 1e-11
"""Of the energy of a field: what is weaker is rounding of single precision, and no share of it."""

CLIFF, FAINT = 1 / 8, 1 / 100
"""A truth is truncated where its energy falls below the first share from one wave to the next, and
stays below the second share of its largest: no turbulence is so steep."""

AXES = {
    "spherical harmonics": "total wave number",
    "cosine transform": "waves across the shorter side",
    "rows": "waves in a row",
}
"""What numbers count, by the attribute `transform` of a spectrum."""
SAID = {
    "spherical harmonics": "spherical harmonics, by total wave number: as many waves around the "
    "globe",
    "cosine transform": "a cosine transform in both directions, by the number of waves across the "
    "shorter side of the region, halves among them",
    "rows": "waves along rows of the grid, by how many a row has; rows count by their area",
}


def spectra_shown(scores: xr.Dataset, chosen: Sequence[Channel]) -> dict[str, Any] | None:
    """A figure for each channel whose spectra are among the scores, and of which waves they are, in
    words; None: there are none.

    Args:
        scores: with those of `axialcast.scores.spectra.spectra`.
        chosen: channels that the page shows.
    """
    leads, figures = shown_leads(leads_of(scores)), []
    said: dict[str, list[str]] = {}
    for channel in chosen:
        if spectrum_name(channel.variable) not in scores:
            continue
        energy = scores[spectrum_name(channel.variable)].sel({LEAD_TIME: lead_labels(leads)})
        energy = energy.transpose(SOURCE, LEAD_TIME, WAVES)
        truth = energy.sel({SOURCE: "truth"}, drop=True)
        truth = truth.where(truth > ROUNDING * truth.sum(WAVES))
        truth = truth.where(truth[WAVES] <= _last_wave(truth.mean(LEAD_TIME)))
        shares = energy.drop_sel({SOURCE: "truth"}) / truth
        shares = shares.dropna(WAVES, how="all")
        if not shares.size:
            continue
        last, label = shares[WAVES][-1].item(), "Energy over the truth's"
        if last < energy[WAVES][-1]:
            label += f"; left out: waves beyond {last:g}, of which it has next to none"
        transform = energy.attrs.get("transform", "rows")  # of earlier versions
        name, length = channel_name(channel, scores), energy.attrs.get("wavelength_km")
        said.setdefault(_said(transform, length), []).append(name)
        figures.append(
            energies(
                shares,
                title=name,
                axis=AXES[transform],
                wavelength_km=length,
                label=label,
                names=[duration(lead) for lead in leads],
            )
        )
    if not figures:
        return None
    waves = [
        words if len(said) == 1 else f"{words} ({', '.join(names)})"
        for words, names in said.items()
    ]
    return {"waves": "; or of ".join(waves), "figures": figures}


def _last_wave(energy: xr.DataArray) -> float:
    """The last wave number before a truncation; the last of all where there is none.

    Winds of a model whose stream function is truncated have some energy beyond, of their components
    at the poles, which says nothing.

    Args:
        energy: (wave_number,) of the truth; NaN where it is rounding.
    """
    values, waves = energy.fillna(0.0).values, energy[WAVES].values
    largest_beyond = np.maximum.accumulate(values[::-1])[::-1][1:]
    cliffs = (values[1:] < CLIFF * values[:-1]) & (largest_beyond < FAINT * values.max())
    cliffs &= waves[:-1] > waves[-1] / 4  # the longest waves hold most, as of temperature
    return float(waves[cliffs.argmax()] if cliffs.any() else waves[-1])


def _said(transform: str, wavelength_km: float | None) -> str:
    """Which waves they are."""
    long = "" if wavelength_km is None else f"; number 1 is {wavelength_km:,.0f} km long"
    return SAID[transform] + long
