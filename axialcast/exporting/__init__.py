"""Trained networks as programs of `torch.export`, which run without axialcast."""

from axialcast.exporting.archive import export
from axialcast.exporting.step import ForecastStep

__all__ = ["ForecastStep", "export"]
