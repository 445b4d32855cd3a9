"""The section `verify.intervals` of a config: how sure scores are."""

from typing import Annotated, Literal

from pydantic import Field

from axialcast.run.section import Section
from axialcast.run.values import Count, Share

__all__ = ["IntervalsConfig"]


class IntervalsConfig(Section):
    """Intervals by a block bootstrap over initial times, and differences from the best baseline: of
    all scores, those of events, seasons and hours among them."""

    level: Annotated[Share, Field(ge=0.5)] = 0.95
    """Share of such intervals that hold what they are of."""
    resamples: Annotated[Count, Field(ge=100, le=100_000)] = 1000
    """Draws of the initial times."""
    block: Literal["auto"] | Count = "auto"
    """Initial times that are drawn together, as their errors are alike; auto: from the
    autocorrelation, for each lead time and channel."""
