"""From a trained network to labelled forecasts, in memory or on disk."""

from axialcast.forecast.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from axialcast.forecast.forecaster import Forecaster, load
from axialcast.forecast.rollout import calendar, rollout
from axialcast.forecast.writer import ForecastWriter

__all__ = [
    "Checkpoint",
    "ForecastWriter",
    "Forecaster",
    "calendar",
    "load",
    "load_checkpoint",
    "rollout",
    "save_checkpoint",
]
