"""From a trained network to labelled forecasts, in memory or on disk."""

from axialcast.forecast.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from axialcast.forecast.dates import datetimes
from axialcast.forecast.forecaster import Forecaster, load
from axialcast.forecast.writer import ForecastWriter
from axialcast.model import calendar, rollout

__all__ = [
    "Checkpoint",
    "ForecastWriter",
    "Forecaster",
    "calendar",
    "datetimes",
    "load",
    "load_checkpoint",
    "rollout",
    "save_checkpoint",
]
