"""What the report shows of spectra: how much of the truth's energy forecasts have, wave by wave."""

from collections.abc import Sequence

import xarray as xr
from markupsafe import Markup

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


def spectra_shown(scores: xr.Dataset, chosen: Sequence[Channel]) -> list[Markup]:
    """A figure for each channel whose spectra are among the scores.

    Args:
        scores: with those of `axialcast.scores.spectra.spectra`.
        chosen: channels that the page shows.
    """
    leads, found = shown_leads(leads_of(scores)), []
    for channel in chosen:
        if spectrum_name(channel.variable) not in scores:
            continue
        energy = scores[spectrum_name(channel.variable)].sel({LEAD_TIME: lead_labels(leads)})
        energy = energy.transpose(SOURCE, LEAD_TIME, WAVES)
        truth = energy.sel({SOURCE: "truth"}, drop=True)
        truth = truth.where(truth > ROUNDING * truth.sum(WAVES))
        shares = energy.drop_sel({SOURCE: "truth"}) / truth
        found.append(
            energies(
                shares.dropna(WAVES, how="all"),
                title=channel_name(channel, scores),
                label="Energy over the truth's",
                names=[duration(lead) for lead in leads],
            )
        )
    return found
